"""Episodes as what teaches a reward, or judges one: images, instructions, and what is true.

What teaches follows from how an attempt ended, as a person can say it afterwards (RoboFuME, Yang et
al., arXiv 2310.15145): of a demonstration that succeeded the last images show success, all before
and all of failures do not. Asked for the opposite, the second half of an attempt does not show it
either; of the first half that is not said, because an attempt at putting the lid on begins where
it is off.

    moment        0     1     2    ...   T-3   T-2   T-1    T
    instruction   no    no    no         no    yes   yes    yes     k = 3
    opposite       -     -     -   ...   no    no    no     no

The moments just before success look most like it, and are few: there a learned reward errs first, a
step too early. They can be asked about more often than others (`NearMisses`).

What judges is the truth of each moment.

Whether only a person can put things right is one more question, a sentence of who teaches it. Of an
attempt that ended so the last image says yes; all others, of the second half of each attempt, no.
"""

from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from perception.reward import Looks, LookSpec, RewardInputError
from policies.data_set import DataSet
from policies.data_set_about import DataSetAbout
from policies.episodes import Episode
from policies.spec import fixed_shape

POSITIVE_FRAMES = 3  # k, as in its published code
CHANNELS = 3


class NearMisses(NamedTuple):
    """How often what just precedes success teaches."""

    weight: float = 1.0  # beside 1 for any other moment
    moments: int = 6  # before success


NEAR_MISSES = NearMisses()


class SeenEpisode(NamedTuple):
    """One attempt as cameras saw it, T + 1 moments."""

    images: dict[str, NDArray[np.uint8]]  # (T+1, H, W, 3) by camera
    text: str  # the instruction
    opposites: tuple[str, ...]  # instructions of the other direction
    reached: NDArray[np.bool_]  # (T+1,) the goal is reached, by the truth; at moment 0 it is not
    succeeded: bool  # as the attempt ended
    lost: bool = False  # only a person can put right how it ended
    lasting: int | None = None  # last moments that show it, none of which is nearly so; None: k


def look_spec(about: DataSetAbout, views: Sequence[str] = ()) -> LookSpec:
    """What the images of a data set are.

    Args:
        about: the data set.
        views: cameras that are looked through; none: all.

    Raises:
        RewardInputError: it has no such camera, or none at all, or images of several sizes.
    """
    images = {
        tensor.name: fixed_shape(tensor)
        for tensor in about.spec.observation
        if tensor.dtype == "uint8" and len(tensor.shape) == CHANNELS
    }
    if not images:
        raise RewardInputError(
            "these episodes hold no images; collect a task with cameras, such as lid_images"
        )
    if missing := [view for view in views if view not in images]:
        raise RewardInputError(
            f"there is no camera {missing[0]!r} in these episodes; there are {', '.join(images)}"
        )
    chosen = tuple(views) or tuple(images)
    sizes = {images[view] for view in chosen}
    if len(sizes) > 1 or next(iter(sizes))[2] != CHANNELS:
        raise RewardInputError(f"images must be (height, width, 3) of one size; there are {sizes}")
    height, width, _ = next(iter(sizes))
    return LookSpec(chosen, height, width, len(next(iter(about.instructions.values()))))


def seen_episodes(data: DataSet, views: Sequence[str]) -> Iterator[SeenEpisode]:
    """All episodes of a data set, in their order; one is in memory at a time.

    Raises:
        EpisodeError: a file is damaged.
        DataSetError: an episode is not of this data set.
    """
    for episode in data.episodes():
        yield seen(episode, data.about, views)


def seen(episode: Episode, about: DataSetAbout, views: Sequence[str]) -> SeenEpisode:
    """One episode as these cameras saw it."""
    words = episode.about
    opposites = opposites_of(about, words.task, words.instruction)
    return SeenEpisode(
        {view: episode.observation[view] for view in views},
        words.instruction,
        opposites,
        np.concatenate([[False], episode.success]),
        words.ended == "success",
        words.ended == "irreversible",
    )


def whether_lost(seen: SeenEpisode, text: str, begin: int = 0) -> SeenEpisode:
    """An attempt, asked whether only a person can put things right.

    Args:
        seen: the attempt.
        text: the sentence that asks.
        begin: first moment that is asked about.
    """
    ended = np.zeros(len(seen.reached) - begin, np.bool_)
    ended[-1] = seen.lost
    images = {view: every[begin:] for view, every in seen.images.items()}
    return SeenEpisode(images, text, (), ended, seen.lost, seen.lost, lasting=1)


def opposites_of(about: DataSetAbout, task: str, text: str) -> tuple[str, ...]:
    """Instructions of a task's other direction."""
    goals = about.tasks[task]
    own = next(goal.direction for goal in goals if goal.text == text)
    return tuple(goal.text for goal in goals if goal.direction != own)


class Labels(NamedTuple):
    """What one episode teaches: n questions about its moments."""

    moment: NDArray[np.int64]  # (n,)
    text: list[str]  # n instructions
    success: NDArray[np.float32]  # (n,)
    weight: NDArray[np.float32]  # (n,) how often each is drawn beside the others


def labels_of(
    seen: SeenEpisode,
    positive_frames: int = POSITIVE_FRAMES,
    near: NearMisses = NEAR_MISSES,
) -> Labels:
    """The rule at the head of this file."""
    moments, lasting = len(seen.reached), seen.lasting or positive_frames
    first = moments - lasting if seen.succeeded else moments
    no = np.flatnonzero(~seen.reached[: max(first, 0)])  # what was reached and lost says nothing
    yes = np.arange(max(first, 0), moments)
    late = np.arange(moments // 2, moments)
    parts = [(no, seen.text, 0.0), (yes, seen.text, 1.0)]
    parts += [(late, other, 0.0) for other in seen.opposites]
    weight = np.ones(sum(len(part) for part, _, _ in parts), np.float32)
    reached = np.flatnonzero(seen.reached)
    if len(reached) and seen.lasting is None:
        weight[: len(no)][(no < reached[0]) & (no >= reached[0] - near.moments)] = near.weight
    return Labels(
        np.concatenate([part for part, _, _ in parts]).astype(np.int64),
        [text for part, text, _ in parts for _ in part],
        np.concatenate([np.full(len(part), label, np.float32) for part, _, label in parts]),
        weight,
    )


def looks_of(
    episodes: Iterable[SeenEpisode],
    spec: LookSpec,
    vectors: dict[str, list[float]],
    positive_frames: int = POSITIVE_FRAMES,
    near: NearMisses = NEAR_MISSES,
) -> Looks:
    """What some episodes teach, through every camera.

    Args:
        episodes: at least one.
        spec: of their images.
        vectors: of all instructions, by text.
        positive_frames: k.
        near: how often the moments before success are drawn.
    """
    texts = [*vectors]
    image, view, row, asked, success, of, weight = [], [], [], [], [], [], []
    count = 0
    for number, one in enumerate(episodes):
        labels = labels_of(one, positive_frames, near)
        questions = np.array([texts.index(text) for text in labels.text], np.int64)
        for index, name in enumerate(spec.views):
            images = one.images[name]
            image.append(images)
            view.append(np.full(len(images), index, np.int64))
            row.append(count + labels.moment)
            asked.append(questions)
            success.append(labels.success)
            of.append(np.full(len(labels.moment), number, np.int64))
            weight.append(labels.weight)
            count += len(images)
    return Looks(
        np.concatenate(image),
        np.concatenate(view),
        tuple(texts),
        np.array([vectors[text] for text in texts], np.float32),
        *(np.concatenate(parts) for parts in (row, asked, success, of)),
        weight=np.concatenate(weight) if near.weight != 1 else None,
    )


def split(episodes: Sequence[SeenEpisode], part: float, seed: int) -> tuple[list[int], list[int]]:
    """Numbers of episodes to learn from and to leave out, about alike in instruction and outcome.

    Whole episodes, never moments: the moments of one are too alike to judge what learned from
    some of them.

    Args:
        episodes: all.
        part: of each kind that is left out, at least one where there are two.
        seed: of which.
    """
    rng = np.random.default_rng(seed)
    kinds: dict[tuple[str, bool], list[int]] = {}
    for number, one in enumerate(episodes):
        kinds.setdefault((one.text, one.succeeded), []).append(number)
    left_out: list[int] = []
    for numbers in kinds.values():
        count = max(round(part * len(numbers)), 1) if len(numbers) > 1 else 0
        left_out += [int(one) for one in rng.permutation(numbers)[:count]]
    return [n for n in range(len(episodes)) if n not in set(left_out)], sorted(left_out)
