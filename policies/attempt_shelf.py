"""Which attempts a person should be asked about: a bounded shelf of them on the disk.

A reward that looks is wrong where it is nearly sure, so four kinds of attempts are kept, a quarter
of the room each, by what was said of them:

    no        it was never said to succeed; the highest score first
    disagree  a camera said yes, another or the opposite question no; the widest apart first
    yes       it was said to succeed; the lowest score first
    sample    any, by chance, so that what is found among them holds for all
"""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, get_args

import msgspec
import numpy as np

from policies.kept_attempts import (
    Kept,
    KeptAttempt,
    KeptList,
    Kind,
    attempt_path,
    write_attempt,
    write_list,
)

KINDS: tuple[Kind, ...] = get_args(Kind)


class AttemptShelf:
    """Takes attempts one after the other; keeps `most` of them at most."""

    def __init__(self, folder: Path, most: int, seed: int, promised: float | None = None) -> None:
        """Nothing is written yet.

        Args:
            folder: of what is kept; made when there is something.
            most: attempts that are kept at most, at least one of each kind.
            seed: of the sample.
            promised: by the reward, most of all attempts that are paid in vain; None: nothing.
        """
        self._folder, self._promised = folder, promised
        self._quota = max(most // len(KINDS), 1)
        self._rng = np.random.default_rng((seed, 0x6B657074))
        self._kept: list[Kept] = []
        self.count = 0  # attempts that were taken, kept or not; the next one's number

    def take(self, attempt: KeptAttempt) -> None:
        """Keeps it, perhaps in place of another.

        Raises:
            KeptError: the disk does not take it.
        """
        before = {one.attempt for one in self._kept}
        self._kept = [*self._shortened([*self._kept, *self._reasons(attempt)])]
        after = {one.attempt for one in self._kept}
        if attempt.about.number in after:
            write_attempt(self._folder, attempt)
        self.count += 1
        write_list(self._folder, KeptList(self.count, tuple(self._kept), self._promised))
        for number in before - after:  # after the list, which must never name what is not there
            attempt_path(self._folder, number).unlink(missing_ok=True)

    def save(self) -> dict[str, Any]:
        """What is kept, as plain values."""
        return {
            "count": self.count,
            "kept": msgspec.to_builtins(self._kept),
            "chance": self._rng.bit_generator.state,
        }

    def restore(self, state: Mapping[str, Any]) -> None:
        """Goes on; what was removed from the disk since is not listed again."""
        self.count = state["count"]
        self._rng.bit_generator.state = state["chance"]
        listed = msgspec.convert(state["kept"], list[Kept])
        self._kept = [one for one in listed if attempt_path(self._folder, one.attempt).exists()]

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
        high = attempt.looks[:, : len(attempt.images)].max(axis=1)  # (T,)
        apart = np.where((low < 0) & (high > 0), high - low, 0.0)
        if apart.any():
            yield Kept("disagree", float(apart.max()), number, int(apart.argmax()))
        yield Kept("sample", float(self._rng.random()), number, surest if said is None else said)

    def _shortened(self, reasons: list[Kept]) -> Iterator[Kept]:
        """The best of each kind; of equals the earlier attempt."""
        for kind in KINDS:
            own = [one for one in reasons if one.kind == kind]
            yield from sorted(own, key=lambda one: (-one.key, one.attempt))[: self._quota]
