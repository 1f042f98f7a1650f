"""One sitting of a person who labels: what is asked now, what was answered, how to take it back.

It knows neither pages nor terminals; both are shells over it.
"""

from collections.abc import Callable, Sequence
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from policies.kept_attempts import Kept, KeptAttempt, attempt_path, read_attempt
from policies.label_book import Answer, Label, LabelBook, image_hash, standing

CONTEXT = 6  # moments of an attempt that are shown beside the one that is asked about
READ_AHEAD = 4  # attempts in memory


class Shown(NamedTuple):
    """One question with what is needed to answer it. It does not show what the reward said."""

    question: Kept
    attempt: KeptAttempt
    context: tuple[int, ...]  # moments, spread over the attempt

    @property
    def key(self) -> str:
        """Names the question: "ATTEMPT-MOMENT"."""
        return f"{self.question.attempt}-{self.question.moment}"

    def images(self, moment: int) -> dict[str, NDArray[np.uint8]]:
        """(H, W, 3) RGB by camera."""
        return {view: seen[moment] for view, seen in self.attempt.images.items()}


class Sitting:
    """Goes through questions in their order."""

    def __init__(
        self,
        folder: Path,
        questions: Sequence[Kept],
        book: LabelBook,
        by: str,
        now: Callable[[], str],
    ) -> None:
        """Begins at the first question without an answer.

        Args:
            folder: of the kept attempts.
            questions: all, also those that were answered in an earlier sitting.
            book: where answers go.
            by: who answers.
            now: the time for a label, ISO 8601.
        """
        self._folder, self._book, self._by, self._now = folder, book, by, now
        self.questions = [*questions]
        self._given: list[Shown] = []  # answered in this sitting, not taken back
        self._read = lru_cache(maxsize=READ_AHEAD)(read_attempt)

    @property
    def answers(self) -> dict[tuple[int, int], Answer]:
        """What stands, by attempt and moment."""
        return {label.question: label.answer for label in standing(self._book.labels)}

    @property
    def done(self) -> int:
        """Questions that have an answer."""
        answers = self.answers
        return sum((one.attempt, one.moment) in answers for one in self.questions)

    def current(self) -> Shown | None:
        """The first question without an answer; None: all have one.

        Raises:
            KeptError: its attempt is damaged.
        """
        answers = self.answers
        for one in self.questions:
            if (one.attempt, one.moment) not in answers:
                return self.shown(one)
        return None

    def shown(self, question: Kept) -> Shown:
        """A question with its images; raises as `current`."""
        attempt = self._read(attempt_path(self._folder, question.attempt))
        spread = np.linspace(0, len(attempt.score) - 1, CONTEXT).round().astype(int)
        return Shown(question, attempt, tuple(int(one) for one in np.unique(spread)))

    def answer(self, shown: Shown, answer: Answer) -> None:
        """Writes what was said; it is on the disk when this returns.

        Raises:
            LabelError: the disk does not take it.
        """
        seen = shown.images(shown.question.moment)
        self._book.add(self._label(shown, answer), seen)
        self._given.append(shown)

    def undo(self) -> bool:
        """Takes back the last answer of this sitting; False: there is none left.

        Raises:
            LabelError: the disk does not take it.
        """
        if not self._given:
            return False
        self._book.add(self._label(self._given[-1], "undo"), {})
        self._given.pop()
        return True

    def _label(self, shown: Shown, answer: Answer) -> Label:
        question, attempt = shown.question, shown.attempt
        seen = shown.images(question.moment)
        return Label(
            at=self._now(),
            by=self._by,
            attempt=question.attempt,
            moment=question.moment,
            instruction=attempt.about.instruction,
            kind=question.kind,
            answer=answer,
            said=bool(attempt.said.any()),
            score=float(attempt.score[question.moment]),
            package=attempt.about.package,
            images={view: image_hash(image) for view, image in seen.items()},
            recipe=attempt.about.recipe,
        )
