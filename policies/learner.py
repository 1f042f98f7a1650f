"""What an algorithm that learns a policy looks like from outside, and how one is chosen by name.

Data flow as one flat dict of arrays, a batch of transitions with a leading axis N:

    <name>          (N, ...)  each tensor of `spec.observation`, before the step
    next_<name>     (N, ...)  the same, after it
    action          (N, n)    in the units of `spec.action`
    reward          (N,)      0 where the goal was reached, -1 elsewhere
    mask            (N,)      0 where a success ended it, so nothing follows; 1 also at a time-out
    mc_return       (N,)      discounted sum of the rewards from here on; -inf while not yet known
    offline         (N,)      1 where it is from offline data, 0 from own practice; absent: all 1

A learner that imitates reads observation and action alone.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from perception.tables import config_from_options, load_item
from policies.learners import LEARNERS
from policies.observation import Observation
from policies.spec import PolicySpec

Batch = Mapping[str, NDArray[Any]]


class Practice(NamedTuple):
    """What a learner asks of the loop that feeds it."""

    rows: int = 256  # of each batch given to `update`
    offline_share: float = 0.0  # 0..1, of these rows from offline data while it practises
    warmup_steps: int = 0  # acted in the world before the first update
    random_steps: int = 0  # the first of these, acted at random over the whole range
    learns_online: bool = True  # False: it imitates, and gets no better by practice
    discount: float = 0.99  # γ, also of the returns in the buffer that it is fed from


class Learner(Protocol):
    """Owns the networks and optimisers of one policy."""

    spec: PolicySpec
    practice: Practice
    updates: int  # done so far, also before it was saved and loaded

    def prepare(self, batch: Batch) -> None:
        """Takes what is inside the policy besides weights, such as the normaliser, from data.

        Called once, with as much data as there is; without it the first batch of `update` serves.
        """
        ...

    def update(self, batch: Batch) -> dict[str, float]:
        """One step of learning; returns its metrics, among them `loss`."""
        ...

    def act(self, observation: Observation, explore: bool = False) -> NDArray[np.float64]:
        """The action (n,) of what is learned so far; `explore`: drawn, not the likeliest."""
        ...

    def save(self, path: Path) -> None:
        """Writes all that going on needs: a learner that loads it learns on as this one would."""
        ...

    def load(self, path: Path) -> None:
        """Goes on from what a learner of the same name, spec and config saved.

        Raises:
            CheckpointError: the file is missing, damaged, foreign or of another version or shape.
        """
        ...

    def export(self, path: Path, **manifest: Any) -> Any:
        """Writes the policy as a model package; `manifest` are further fields of the manifest."""
        ...


def make_learner(
    name: str, spec: PolicySpec, options: Mapping[str, Any] | None = None, seed: int = 0
) -> Learner:
    """The learner `name` of the table for a policy of this spec, with `options` of its `Config`.

    Raises:
        ChoiceError: a name that is not in the table, or an option that the learner does not have.
    """
    learner = load_item(LEARNERS, "learner", name)
    config = config_from_options(learner.Config, options or {}, f"learner {name}")
    return learner(spec, config, seed)
