"""Demonstrations as what features learn from, and are judged by: what was done, where to go next.

Attempts that failed are left out: what they did is no answer to what is seen. Of the observation
only the images and what is named are read, so that the place of no object leaks in.

    step                0    1    2    3    4    5    6    7
    gripper command   open open open shut shut shut open open
    hand's next turn    3    3    3    3    6    6    6    8     (the end, where it turns no more)

A turn that is made at a moment is still that moment's next: what is seen then, the open hand above
the thing, is what was seen the moment before, and equal sights must not be asked for two places.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from perception.features_training import Lessons
from policies.data_set import DataSet
from policies.data_set_about import DataSetAbout, DataSetError
from policies.episodes import Episode
from policies.reward_frames import look_spec

TOOL = "tool_position_m"  # (3,) of an arm
HAND = "gripper_opening"  # axis of its action


def feature_lessons(data: DataSet, felt: Sequence[str]) -> Lessons:
    """All moments of the demonstrations that succeeded, until they did.

    Args:
        data: with images.
        felt: tensors that are known without eyes; those that are not observed are left out.

    Raises:
        RewardInputError: the episodes hold no images.
        DataSetError: none succeeded, or one is not of this data set.
        EpisodeError: a file is damaged.
    """
    about = data.about
    views = look_spec(about).views
    episodes = [one.until_success() for one in data.episodes(success=True)]
    if not episodes:
        raise DataSetError(f"{data.folder}: no episode succeeded, so there is nothing to imitate")
    names = [tensor.name for tensor in about.spec.observation if tensor.name in felt]
    return Lessons(
        {view: _joined([one.observation[view][:-1] for one in episodes]) for view in views},
        _joined([_felt(one, names) for one in episodes]),
        _joined([_instruction(one, about) for one in episodes]),
        _joined([_unit_action(one, about) for one in episodes]),
        _joined([_ways(one, about) for one in episodes]),
        _joined([_reaching(one, about) for one in episodes]),
    )


def turns(opening: NDArray[np.float64], middle: float) -> NDArray[np.intp]:
    """(T,) at which step, this one or later, the hand is next told to go to the other side.

    T, the end, where it is not.

    Args:
        opening: (T,) what it is told.
        middle: between open and shut.
    """
    is_open = opening > middle
    found = np.full(len(opening), len(opening))
    for step in reversed(range(1, len(opening))):
        found[step - 1] = found[step]
        if is_open[step] != is_open[step - 1]:
            found[step] = found[step - 1] = step
    return found


def ways_m(
    tool_m: NDArray[np.float32], opening: NDArray[np.float64], middle: float
) -> NDArray[np.float32]:
    """(T, 3) from where the tool is to where it is at the hand's next turn.

    Args:
        tool_m: (T+1, 3) its places, arm's base frame.
        opening: (T,) what the hand is told.
        middle: between open and shut.
    """
    return tool_m[turns(opening, middle)] - tool_m[:-1]


def _felt(episode: Episode, names: Sequence[str]) -> NDArray[np.float32]:
    """(T, K) of the named tensors, one behind the other."""
    steps = len(episode)
    numbers = [episode.observation[name][:-1].reshape(steps, -1) for name in names]
    return np.concatenate([np.empty((steps, 0), np.float32), *numbers], axis=1)


def _instruction(episode: Episode, about: DataSetAbout) -> NDArray[np.float32]:
    """(T, D) the same at every moment."""
    return np.tile(about.instruction(episode.about.instruction), (len(episode), 1))


def _unit_action(episode: Episode, about: DataSetAbout) -> NDArray[np.float32]:
    low, high = np.array([(bound.minimum, bound.maximum) for bound in about.spec.action]).T
    return ((2 * episode.action - low - high) / (high - low)).astype(np.float32)


def _ways(episode: Episode, about: DataSetAbout) -> NDArray[np.float32]:
    """(T, 3) m, from the tool to where it is at the hand's next turn; (T, 0) of what is no arm."""
    hand = _hand(episode, about)
    if hand is None or TOOL not in episode.observation:
        return np.empty((len(episode), 0), np.float32)
    return ways_m(episode.observation[TOOL], *hand)


def _reaching(episode: Episode, about: DataSetAbout) -> NDArray[np.bool_]:
    """(T,) up to the hand's first turn; of what has no hand, always."""
    hand = _hand(episode, about)
    if hand is None:
        return np.ones(len(episode), np.bool_)
    found = turns(*hand)
    return found == found[0]


def _hand(episode: Episode, about: DataSetAbout) -> tuple[NDArray[np.float64], float] | None:
    """(T,) what it is told, and the middle between open and shut; None: there is none."""
    axes = [bound.name for bound in about.spec.action]
    if HAND not in axes:
        return None
    bound = about.spec.action[axes.index(HAND)]
    return episode.action[:, axes.index(HAND)], (bound.minimum + bound.maximum) / 2


def _joined(parts: Sequence[NDArray[Any]]) -> NDArray[Any]:
    return np.concatenate(parts)
