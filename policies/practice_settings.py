"""How long a practice run is, and how often this and that happens in it."""

import math
from dataclasses import dataclass
from typing import NamedTuple

from perception.quantities import InputError
from policies.learner import Practice


class FinetuneError(InputError):
    """Settings with which no run is possible."""


@dataclass(frozen=True)
class Config:
    """How long and how often; None asks the learner."""

    steps: int = 100_000  # of the world
    updates_per_step: float = 1.0  # 0.25: every fourth step, 4: four after each
    rows: int | None = None  # of a batch
    offline_share: float | None = None  # 0..1 of these from the offline buffer
    warmup_steps: int | None = None  # acted before the first update
    random_steps: int | None = None  # the first of these, acted at random over the whole range
    random_after_failure: int = 0  # steps of the next attempt: see `policies.astray`
    reset_every_steps: int | None = 200_000  # a person puts things back; None: never by the clock
    reset_every_attempts: int | None = None  # likewise; RoboFuME's 25
    evaluate_every: int = 10_000  # steps; EARL's
    evaluation_episodes: int = 10  # of all forward goals together; EARL's
    checkpoint_every: int | None = 10_000  # steps; needs a folder

    def __post_init__(self) -> None:
        """Refuses what cannot be counted.

        Raises:
            FinetuneError: a number that is too small.
        """
        least = {"steps": 1, "updates_per_step": 0, "evaluate_every": 1, "evaluation_episodes": 1}
        least["random_after_failure"] = 0
        optional = ("rows", "reset_every_steps", "reset_every_attempts", "checkpoint_every")
        least |= {name: 1 for name in optional if getattr(self, name) is not None}
        for name, minimum in least.items():
            if not getattr(self, name) >= minimum:
                raise FinetuneError(f"{name} = {getattr(self, name)}: give {minimum} or more")


class Pace(NamedTuple):
    """The settings, with what the learner asks for where they say nothing."""

    rows: int
    offline_share: float
    warmup_steps: int
    random_steps: int
    updates_per_step: float


def paced(config: Config, asked: Practice) -> Pace:
    """The settings, and what the learner asks for where they are None."""
    names = ("rows", "offline_share", "warmup_steps", "random_steps")
    given = {name: getattr(config, name) for name in names}
    chosen = {n: getattr(asked, n) if value is None else value for n, value in given.items()}
    return Pace(**chosen, updates_per_step=config.updates_per_step if asked.learns_online else 0.0)


def updates_due(steps: int, updates_per_step: float) -> int:
    """How many updates there should have been after so many steps, whole ones; 0 before."""
    return max(0, math.floor(steps * updates_per_step + 1e-9))  # 3 * 0.1 * 10 is below 3
