"""The learning half of practice, beside who acts: takes lessons, learns, hands out packages.

It waits for nobody and nobody waits for it. Lessons may be missing: each is whole, and the end of
an attempt is also seen by the beginning of the next.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from perception.quantities import InputError
from policies.learner import Learner
from policies.observation import Observation
from policies.replay_buffer import ReplayBuffer, batch_from
from policies.spec import INSTRUCTION


class LearningError(InputError):
    """A lesson that the learner cannot take."""


class Taken(NamedTuple):
    """One step of practice."""

    attempt: int
    text: str  # of the goal
    before: Observation
    action: NDArray[Any]  # (n,)
    reward: float
    after: Observation
    success: bool
    ended: bool


class LearningBeside:
    """A learner with its data, its own practice and the vectors of its goals."""

    def __init__(
        self,
        learner: Learner,
        vectors: Mapping[str, NDArray[np.float32]],
        offline: ReplayBuffer | None,
        capacity: int,
        seed: int,
    ) -> None:
        """An empty record of practice.

        Args:
            learner: who learns.
            vectors: (D,) by the text of a goal.
            offline: data, for the learner's share of them in each batch.
            capacity: steps of practice that are kept.
            seed: of what is drawn from them.
        """
        self.learner, self._vectors, self._offline = learner, dict(vectors), offline
        discount = learner.practice.discount
        self._online = ReplayBuffer(learner.spec, capacity, seed, discount=discount)
        self._attempt = -1
        self.lessons = 0  # ever
        self.metrics: dict[str, float] = {}  # of the last update

    @property
    def is_warm(self) -> bool:
        """Whether it has seen enough to learn from."""
        practice = self.learner.practice
        return practice.learns_online and self.lessons > practice.warmup_steps

    def take(self, lesson: Taken) -> None:
        """Remembers a step.

        Raises:
            LearningError: a goal whose vector is not known.
            PolicySpecError: an observation that is not of the learner's spec.
        """
        if lesson.text not in self._vectors:
            known = ", ".join(map(repr, self._vectors))
            raise LearningError(f"no vector for the goal {lesson.text!r}; there are: {known}")
        if lesson.attempt != self._attempt:
            self._online.end_episode()
            self._attempt = lesson.attempt
        told = {INSTRUCTION: self._vectors[lesson.text]}
        self._online.add(
            {**lesson.before, **told},
            lesson.action,
            lesson.reward,
            {**lesson.after, **told},
            lesson.success,
        )
        self.lessons += 1
        if lesson.ended:
            self._online.end_episode()

    def learn(self, updates: int) -> None:
        """So many updates."""
        practice = self.learner.practice
        for _ in range(updates):
            batch = batch_from(self._offline, self._online, practice.rows, practice.offline_share)
            self.metrics = self.learner.update(batch)

    def package(self, path: Path, parent: str, extra: Mapping[str, Any]) -> str:
        """Writes what the actor is to practise by, and a checkpoint beside it; the hash, hex.

        Raises:
            InputError: it cannot be written.
        """
        vectors = {text: vector.tolist() for text, vector in self._vectors.items()}
        extra = {**extra, "instructions": vectors}
        made = self.learner.export(path, explores=True, extra=extra, parent=parent or None)
        return made.sha256
