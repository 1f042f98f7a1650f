"""What a person is asked of kept attempts, and in which order; and what the answers say.

Kinds take turns, each with its best first, so that who stops early has seen some of each: a reward
is mended by what it nearly paid for, by what its looks disagree on, and by what it paid for. The
sample is asked in its own random order, so any beginning of it is a sample too.
"""

from collections.abc import Iterable
from itertools import chain, zip_longest
from pathlib import Path
from typing import NamedTuple

from perception.reward_bound import lower_bound, upper_bound
from policies.attempt_shelf import KINDS
from policies.kept_attempts import Kept, KeptList, Kind, attempt_path
from policies.label_book import Label, standing


def questions_of(folder: Path, found: KeptList) -> list[Kept]:
    """Each moment that is to be asked about, once; attempts whose file is gone are left out."""
    there = [one for one in found.kept if attempt_path(folder, one.attempt).exists()]
    lists = [_ranked(there, kind) for kind in KINDS]
    asked: dict[tuple[int, int], Kept] = {}
    for one in chain.from_iterable(zip_longest(*lists)):
        if one is not None:
            asked.setdefault((one.attempt, one.moment), one)
    return [*asked.values()]


class Estimate(NamedTuple):
    """What the sample says of all attempts of a run."""

    attempts: int  # of the run
    sampled: int  # of these, drawn by chance and answered
    in_vain: int  # of those, said to succeed in vain, or perhaps: it could not be told
    in_vain_lower: float  # 95 % lower bound of that part of all attempts, without what is unsure
    in_vain_upper: float  # 95 % upper bound of it
    missed: int  # of those, not said to succeed though the image asked about shows success
    promised: float | None  # by the reward, most of all attempts in vain; None: nothing

    @property
    def broken(self) -> bool:
        """Whether so many errors show that more attempts are paid in vain than was promised."""
        return self.promised is not None and self.in_vain_lower > self.promised


def estimate_of(found: KeptList, labels: Iterable[Label]) -> Estimate:
    """Of the sample as far as it was answered without a gap.

    Attempts that were kept for another reason too are asked earlier; to count them before their
    turn would make a sample of the doubtful ones.
    """
    answers = {label.question: label for label in standing(labels)}
    in_vain = surely = missed = sampled = 0
    for one in _ranked(found.kept, "sample"):
        label = answers.get((one.attempt, one.moment))
        if label is None:
            break
        sampled += 1
        in_vain += label.said and label.answer != "yes"
        surely += label.said and label.answer == "no"
        missed += not label.said and label.answer == "yes"
    return Estimate(
        attempts=found.attempts,
        sampled=sampled,
        in_vain=in_vain,
        in_vain_lower=lower_bound(surely, sampled),
        in_vain_upper=upper_bound(in_vain, sampled),
        missed=missed,
        promised=found.promised,
    )


def _ranked(kept: Iterable[Kept], kind: Kind) -> list[Kept]:
    return sorted((one for one in kept if one.kind == kind), key=lambda one: -one.key)
