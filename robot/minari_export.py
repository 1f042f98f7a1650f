"""A data set of episodes as a Minari data set, which other people's learners read.

Minari keeps one episode per HDF5 group. Rewards, observations and actions go over as they are, and
images without loss. What Minari has no place for goes into the infos (success, intervention,
captured_ns) and the options of an episode (task, goal, instruction, direction, operator, how it
ended). Success is `terminated`. An attempt after which a person must put things back is
`truncated`, as a time-out is: with rewards of -1 an end would be the best that could happen to it.
"""

import importlib
import re
import shutil
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from perception.quantities import InputError
from policies.data_set import DataSet
from policies.episodes import Episode
from policies.spec import INSTRUCTION, PolicySpec, fixed_shape

NAME = re.compile(r"(?:[a-zA-Z0-9][\w-]*/)*[a-zA-Z0-9][\w-]*-v\d+")
LARGEST_BYTE = 255


class MinariError(InputError):
    """A name that Minari does not take, or Minari is not installed."""


def export_to_minari(
    data: DataSet, name: str, progress: Callable[[int], None], *, vectors: bool = False
) -> Path:
    """Writes a Minari data set whole, or none.

    Args:
        data: what to export.
        name: such as "reflexarc/lid/expert-v0".
        progress: told the number of episodes written.
        vectors: whether the instruction's vector is part of each observation.

    Returns:
        The folder: below $MINARI_DATASETS_PATH, or where Minari keeps data by itself.

    Raises:
        InputError: a name that is taken or none, Minari is missing, no episodes, or a damaged one.
    """
    if not NAME.fullmatch(name):
        raise MinariError(f"--out {name!r}: a name for Minari is like reflexarc/lid/expert-v0")
    data.require_episodes()
    minari = _library()
    folder = Path(minari.storage.get_dataset_path(name))
    if folder.exists():
        raise MinariError(f"{folder} exists already; give another name, or a higher -v")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # it recommends an e-mail address and more
            minari.create_dataset_from_buffers(
                name,
                _buffers(data, vectors=vectors, progress=progress),
                observation_space=_observation_space(data, vectors=vectors),
                action_space=_action_space(data.about.spec),
                algorithm_name=", ".join(sorted({about.operator for about in data.abouts()})),
                description=f"reflexarc collect, recipe {data.about.recipe_sha256}",
                data_format="hdf5",
                jpeg_encoding=False,
            )
    except BaseException as error:
        shutil.rmtree(folder, ignore_errors=True)
        if isinstance(error, OSError):
            raise MinariError(f"{folder} cannot be written: {error.strerror or error}") from error
        raise
    return folder


def _library() -> Any:
    try:
        importlib.import_module("h5py")
        return importlib.import_module("minari")
    except ModuleNotFoundError as error:
        raise MinariError(
            f"export to Minari needs {error.name}: run 'pip install reflexarc[data]'"
        ) from error


def _buffers(data: DataSet, *, vectors: bool, progress: Callable[[int], None]) -> Iterator[Any]:
    """One episode at a time, as Minari takes it."""
    buffer = importlib.import_module("minari.data_collector.episode_buffer").EpisodeBuffer
    for number, episode in enumerate(data):
        observation = dict(episode.observation)
        if vectors:
            told = data.about.instruction(episode.about.instruction)
            observation[INSTRUCTION] = np.tile(told, (len(episode) + 1, 1))
        yield buffer(
            id=number,
            seed=episode.about.seed,
            options=_options(episode),
            observations=observation,
            actions=episode.action,
            rewards=episode.reward,
            terminations=_only_last(episode, episode.about.ended == "success"),
            truncations=_only_last(episode, episode.about.ended != "success"),
            infos=_infos(episode),
        )
        progress(number + 1)


def _options(episode: Episode) -> dict[str, Any]:
    about = episode.about
    names = ("task", "robot", "goal", "instruction", "direction", "operator", "ended")
    return {name: getattr(about, name) for name in names}


def _infos(episode: Episode) -> dict[str, NDArray[Any]]:
    """(T+1,) each; the first is of the reset."""
    no = np.zeros(1, np.bool_)
    return {
        "success": np.concatenate([no, episode.success]),
        "intervention": np.concatenate([no, episode.intervention]),
        "captured_ns": episode.captured_ns,
    }


def _only_last(episode: Episode, value: bool) -> NDArray[np.bool_]:
    flags = np.zeros(len(episode), np.bool_)
    flags[-1] = value
    return flags


def _observation_space(data: DataSet, *, vectors: bool) -> Any:
    spaces = importlib.import_module("gymnasium.spaces")
    boxes = {
        tensor.name: spaces.Box(0, LARGEST_BYTE, fixed_shape(tensor), np.uint8)
        if tensor.dtype == "uint8"
        else spaces.Box(-np.inf, np.inf, fixed_shape(tensor), np.float32)
        for tensor in data.about.spec.observation
    }
    if vectors:
        size = len(next(iter(data.about.instructions.values())))
        boxes[INSTRUCTION] = spaces.Box(-1.0, 1.0, (size,), np.float32)
    return spaces.Dict(boxes)


def _action_space(spec: PolicySpec) -> Any:
    spaces = importlib.import_module("gymnasium.spaces")
    low, high = np.array([[bound.minimum, bound.maximum] for bound in spec.action]).T
    return spaces.Box(low, high, dtype=np.float64)
