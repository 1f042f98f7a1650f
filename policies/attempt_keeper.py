"""Keeps what a person should be asked about, while a robot practises: a wrapper of its reward.

A reward that looks is wrong where it is nearly sure, so four kinds of attempts are kept, a quarter
of the room each, by what was said of them:

    no        it was never said to succeed; the highest score first
    disagree  a camera said yes, another or the opposite question no; the widest apart first
    yes       it was said to succeed; the lowest score first
    sample    any, by chance, so that what is found among them holds for all

Disk and memory are bounded: images of one attempt in memory, `most` attempts on disk. Nothing that
is learned or chosen hangs on it, so a run is the same to the bit without it.
"""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, get_args

import msgspec
import numpy as np
from numpy.typing import NDArray

from perception.goal import Goal
from policies.kept_attempts import (
    Kept,
    KeptAbout,
    KeptAttempt,
    KeptList,
    Kind,
    attempt_path,
    write_attempt,
    write_list,
)
from policies.observation import Observation
from policies.practice_env import ACHIEVED
from policies.rewards import Judgement, RewardSource

KINDS: tuple[Kind, ...] = get_args(Kind)
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
    ) -> None:
        """Nothing is written yet.

        Args:
            source: who judges; it must look at images and give scores.
            folder: of what is kept; made when there is something.
            most: attempts that are kept at most, at least one of each kind.
            goals: of the task.
            package: sha256 of the reward.
            seed: of the sample.
        """
        self._source, self._folder, self._package = source, folder, package
        self._quota = max(most // len(KINDS), 1)
        self._goals = goals
        self._rng = np.random.default_rng((seed, 0x6B657074))
        self._seen: list[tuple[dict[str, NDArray[Any]], Judgement, bool]] = []
        self._goal = 0
        self._count = 0
        self._kept: list[Kept] = []

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
        before = {one.attempt for one in self._kept}
        self._kept = [*self._shortened([*self._kept, *self._reasons(attempt)])]
        after = {one.attempt for one in self._kept}
        if attempt.about.number in after:
            write_attempt(self._folder, attempt)
        self._count += 1
        write_list(self._folder, KeptList(self._count, tuple(self._kept)))
        for number in before - after:  # after the list, which must never name what is not there
            attempt_path(self._folder, number).unlink(missing_ok=True)

    def save(self) -> dict[str, Any]:
        """What the source saves, and what is kept; the attempt that is going on is not."""
        kept = {
            "count": self._count,
            "kept": msgspec.to_builtins(self._kept),
            "chance": self._rng.bit_generator.state,
        }
        return {**self._source.save(), "keeper": kept}

    def restore(self, state: Mapping[str, Any]) -> None:
        """Goes on; what was removed from the disk since is not listed again."""
        self._source.restore(state)
        self._seen = []
        if (kept := state.get("keeper")) is None:  # of a run that kept nothing until now
            return
        self._count = kept["count"]
        self._rng.bit_generator.state = kept["chance"]
        listed = msgspec.convert(kept["kept"], list[Kept])
        self._kept = [one for one in listed if attempt_path(self._folder, one.attempt).exists()]

    def _attempt(self) -> KeptAttempt:
        judged = [said for _, said, _ in self._seen]
        about = KeptAbout(
            number=self._count,
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

    def _reasons(self, attempt: KeptAttempt) -> Iterator[Kept]:
        """Why this attempt could be kept."""
        number, score = attempt.about.number, attempt.score
        surest = int(score.argmax())
        said = int(attempt.said.argmax()) if attempt.said.any() else None
        if said is None:
            yield Kept("no", float(score[surest]), number, surest)
        else:
            yield Kept("yes", -float(score[said]), number, said)
        low = attempt.looks.min(axis=1)  # (T,)
        high = attempt.looks[:, : len(self.sees)].max(axis=1)  # (T,)
        apart = np.where((low < 0) & (high > 0), high - low, 0.0)
        if apart.any():
            yield Kept("disagree", float(apart.max()), number, int(apart.argmax()))
        yield Kept("sample", float(self._rng.random()), number, surest if said is None else said)

    def _shortened(self, reasons: list[Kept]) -> Iterator[Kept]:
        """The best of each kind; of equals the earlier attempt."""
        for kind in KINDS:
            own = [one for one in reasons if one.kind == kind]
            yield from sorted(own, key=lambda one: (-one.key, one.attempt))[: self._quota]
