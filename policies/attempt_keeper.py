"""Keeps what a person should be asked about, while a robot practises: a wrapper of its reward.

What is kept is chosen by `policies/attempt_shelf.py`. Disk and memory are bounded: images of one
attempt in memory, `most` attempts on disk. Nothing that is learned or chosen hangs on it, so a run
is the same to the bit without it.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from perception.goal import Goal
from policies.attempt_shelf import AttemptShelf
from policies.kept_attempts import KeptAbout, KeptAttempt
from policies.observation import Observation
from policies.practice_env import ACHIEVED
from policies.rewards import Judgement, RewardSource

LONGEST = 500  # moments of an attempt that are kept; later ones are not


class AttemptKeeper:
    """A `RewardSource` that says what another says, and keeps some of what that one saw."""

    def __init__(
        self,
        source: RewardSource,
        folder: Path,
        most: int,
        goals: Sequence[Goal],
        package: str,
        seed: int,
        promised: float | None = None,
    ) -> None:
        """Nothing is written yet.

        Args:
            source: who judges; it must look at images and give scores.
            folder: of what is kept; made when there is something.
            most: attempts that are kept at most, at least one of each kind.
            goals: of the task.
            package: sha256 of the reward.
            seed: of the sample.
            promised: by the reward, most of all attempts that are paid in vain; None: nothing.
        """
        self._source, self._package = source, package
        self._shelf = AttemptShelf(folder, most, seed, promised)
        self._goals = goals
        self._seen: list[tuple[dict[str, NDArray[Any]], Judgement, bool]] = []
        self._goal = 0

    @property
    def sees(self) -> tuple[str, ...]:
        """As the source."""
        return self._source.sees

    def begin(self) -> None:
        """Another attempt; the one before it is kept or not."""
        self.end()
        self._source.begin()

    def judge(self, goal: int, observation: Observation, info: Mapping[str, Any]) -> Judgement:
        """As the source; the truth goes into the file and nowhere else."""
        judged = self._source.judge(goal, observation, info)
        self._goal = goal
        if len(self._seen) < LONGEST:
            images = {view: np.array(observation[view]) for view in self.sees}
            self._seen.append((images, judged, bool(info[ACHIEVED][goal])))
        return judged

    def end(self) -> None:
        """The attempt is over; nothing happens where none was begun."""
        if not self._seen:
            return
        attempt = self._attempt()
        self._seen = []
        self._shelf.take(attempt)

    def save(self) -> dict[str, Any]:
        """What the source saves, and what is kept; the attempt that is going on is not."""
        return {**self._source.save(), "keeper": self._shelf.save()}

    def restore(self, state: Mapping[str, Any]) -> None:
        """Goes on; what was removed from the disk since is not listed again."""
        self._source.restore(state)
        self._seen = []
        if (kept := state.get("keeper")) is not None:  # of a run that kept nothing until now
            self._shelf.restore(kept)

    def _attempt(self) -> KeptAttempt:
        judged = [said for _, said, _ in self._seen]
        about = KeptAbout(
            number=self._shelf.count,
            goal=self._goal,
            instruction=self._goals[self._goal].text,
            package=self._package,
        )
        return KeptAttempt(
            about,
            {view: np.stack([images[view] for images, _, _ in self._seen]) for view in self.sees},
            np.array([said.looks for said in judged], np.float64),
            np.array([said.score for said in judged], np.float64),
            np.array([said.success for said in judged], np.bool_),
            np.array([reached for _, _, reached in self._seen], np.bool_),
        )
