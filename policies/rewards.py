"""Who says whether a goal is reached: the reward of a step, and the end of an attempt, hang on it.

A robot's own judgement errs, so what errors cost is to be known before a classifier is trusted:
`noisy_truth` lies at set rates. RoboFuME's classifier gave false positives in 1 to 6 % of the steps
at which the goal was not reached and missed 60 to 81 % of those at which it was (Yang et al., arXiv
2310.15145, table II), and practice got better all the same. `classifier` looks at images, and so
does `hesitant_classifier`, which abstains where a "no" may be a success; `vice` learns on from what
practice shows.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol

import numpy as np

from perception.goal import Goal
from perception.quantities import InputError
from perception.tables import config_from_options, load_item
from policies.observation import Observation
from policies.practice_env import ACHIEVED

REWARDS = {
    "classifier": "policies.classifier_reward:Classifier",
    "hesitant_classifier": "policies.classifier_reward:HesitantClassifier",
    "truth": "policies.rewards:Truth",
    "noisy_truth": "policies.rewards:NoisyTruth",
    "vice": "policies.vice:Vice",
}
REACHED, NOT_REACHED = 0.0, -1.0


class RewardError(InputError):
    """Rates of error that are none, or a source that is not shown what it looks at."""


class Judgement(NamedTuple):
    """What is said of one step."""

    reward: float  # REACHED or NOT_REACHED
    success: bool  # the goal is said to be reached
    score: float | None = None  # log-odds of the look that agrees least; None: nobody looked
    looks: tuple[float, ...] = ()  # log-odds of "yes" now: by each of `sees`, then by each opposite
    doubt: str = ""  # why it abstained; empty: it did not
    lost: bool | None = None  # only a person can put things right; None: it does not tell

    @property
    def abstained(self) -> bool:
        """Nothing was said: the step is nobody's lesson."""
        return bool(self.doubt)


class RewardSource(Protocol):
    """Judges each step of an attempt."""

    @property
    def sees(self) -> tuple[str, ...]:
        """Names of what it reads of an observation."""
        ...

    def begin(self) -> None:
        """An attempt begins."""
        ...

    def judge(self, goal: int, observation: Observation, info: Mapping[str, Any]) -> Judgement:
        """What is said after a step, from what the step led to.

        Args:
            goal: index of the goal that is tried.
            observation: after the step.
            info: of the environment; holds the truth, which only a source that stands for truth
                may read.
        """
        ...

    def save(self) -> dict[str, Any]:
        """What its further judgements hang on: JSON values and arrays."""
        ...

    def restore(self, state: Mapping[str, Any]) -> None:
        """Goes on from a saved state."""
        ...


def make_reward(
    name: str,
    options: Mapping[str, Any] | None = None,
    seed: int = 0,
    goals: Sequence[Goal] = (),
) -> RewardSource:
    """The reward source `name` of the table, with `options` of its `Config`.

    Args:
        name: of the row.
        options: of the source.
        seed: of its chance.
        goals: of the task, all that may be asked for.

    Raises:
        ChoiceError: a name that is not in the table, or an option that the source does not have.
        InputError: an option that means nothing, or a goal that the source cannot judge.
    """
    source = load_item(REWARDS, "reward", name)
    config = config_from_options(source.Config, options or {}, f"reward {name}")
    return source(config, np.random.default_rng(seed), goals)


def require_seen(source: RewardSource, observed: Collection[str], whose: str) -> None:
    """Passes if everything that a source reads is observed.

    Raises:
        RewardError: the first that is not.
    """
    if missing := [name for name in source.sees if name not in observed]:
        raise RewardError(
            f"the reward looks at {', '.join(source.sees)}, and {whose} does not show "
            f"{missing[0]!r}; it shows {', '.join(observed)}; choose a task with cameras, such as "
            "lid_images"
        )


@dataclass(frozen=True)
class TruthConfig:
    """There is nothing to choose."""


class Truth:
    """Says what is."""

    Config = TruthConfig

    sees = ()

    def __init__(
        self, config: TruthConfig, rng: np.random.Generator, goals: Sequence[Goal]
    ) -> None:
        del config, rng, goals

    def begin(self) -> None:
        """Nothing."""

    def judge(self, goal: int, observation: Observation, info: Mapping[str, Any]) -> Judgement:
        """Whether the goal is reached."""
        del observation
        return judgement(bool(info[ACHIEVED][goal]))

    def save(self) -> dict[str, Any]:
        """Nothing."""
        return {}

    def restore(self, state: Mapping[str, Any]) -> None:
        """Nothing."""


@dataclass(frozen=True)
class NoisyTruthConfig:
    """How often it lies."""

    false_positive_rate: float = 0.06  # of the steps at which the goal is not reached
    false_negative_rate: float = 0.7  # of those at which it is

    def __post_init__(self) -> None:
        for name, rate in vars(self).items():
            if not 0 <= rate <= 1:
                raise RewardError(f"{name} = {rate}: a rate is from 0 to 1")


class NoisyTruth:
    """Says the opposite of what is at set rates, each step by itself."""

    Config = NoisyTruthConfig

    sees = ()

    def __init__(
        self, config: NoisyTruthConfig, rng: np.random.Generator, goals: Sequence[Goal]
    ) -> None:
        del goals
        self._config = config
        self._rng = rng

    def begin(self) -> None:
        """Nothing."""

    def judge(self, goal: int, observation: Observation, info: Mapping[str, Any]) -> Judgement:
        """Whether the goal is reached, or the opposite. Draws one number, whatever is true."""
        del observation
        is_reached = bool(info[ACHIEVED][goal])
        config = self._config
        rate = config.false_negative_rate if is_reached else config.false_positive_rate
        return judgement(is_reached != (self._rng.random() < rate))

    def save(self) -> dict[str, Any]:
        """Its chance."""
        return {"chance": self._rng.bit_generator.state}

    def restore(self, state: Mapping[str, Any]) -> None:
        """Goes on with saved chance."""
        self._rng.bit_generator.state = state["chance"]


def judgement(success: bool) -> Judgement:
    """The usual reward: each step costs 1 until the goal is reached."""
    return Judgement(REACHED if success else NOT_REACHED, success)
