"""One attempt at a goal as it is recorded, and as a file.

    step               0        1               T-1
    captured_ns    c0       c1       c2  ...         c_T      T+1
    observation    o0       o1       o2  ...         o_T      T+1: the last shows where it ended
    action             a0       a1      ...     aT-1         T
    reward             r0       r1      ...     rT-1         what the action led to: of o1, o2, ...
    success            s0       s1      ...     sT-1         likewise
    intervention       i0       i1      ...     iT-1         likewise

An episode is one file, a zip of arrays as NumPy writes it, with its words as JSON in one of them.
It appears whole or not at all: a killed writer and a full disk cost the episode that was being
written and no other. The zip carries a checksum of every array, so a file that was cut or changed
is refused when it is read. Nothing is unpickled.
"""

import io
import zipfile
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import msgspec
import numpy as np
from numpy.typing import NDArray

from perception.atomic_file import write_atomically
from perception.goal import Direction
from perception.quantities import InputError

Ending = Literal["success", "timeout", "irreversible"]

ABOUT = "about"  # the words of an episode, in its file
OBSERVATION_PREFIX = "observation/"
PER_STEP = {"action": "float64", "reward": "float32", "success": "bool", "intervention": "bool"}
MOST_BYTES = 4 * 2**30  # of all arrays of one file, unpacked; a longer one is no episode
FAILURE, SUCCESS = -1.0, 0.0  # the two rewards that there are

_DAMAGES = (
    OSError,
    EOFError,
    ValueError,
    KeyError,
    zipfile.BadZipFile,
    zlib.error,
    NotImplementedError,  # a kind of packing that zipfile does not know
    RuntimeError,  # an encrypted member
    MemoryError,  # a header that promises more than there is
    RecursionError,
)


class EpisodeError(InputError):
    """An episode that contradicts itself, or a file that holds none."""


class EpisodeAbout(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What an episode is, in words and numbers."""

    task: str
    robot: str
    goal: int  # index in the goals of the task
    instruction: str  # text of the goal
    direction: Direction
    operator: str  # who acted: a pilot with its noise, a package, a person's device
    seed: int  # of the world's reset and of the pilot's chance
    ended: Ending


@dataclass(frozen=True, eq=False)
class Episode:
    """One attempt of T steps, T at least 1."""

    captured_ns: NDArray[np.int64]  # (T+1,) rising; when each observation was taken
    observation: Mapping[str, NDArray[Any]]  # (T+1, ...) each, float32, or uint8 for images
    action: NDArray[np.float64]  # (T, n) in the units of the spec
    reward: NDArray[np.float32]  # (T,) -1, or 0 where the reward source said success
    success: NDArray[np.bool_]  # (T,) the goal is reached after the step, by the truth
    intervention: NDArray[np.bool_]  # (T,) a person put things back after the step
    about: EpisodeAbout

    def __post_init__(self) -> None:
        """Refuses arrays that do not fit each other.

        Raises:
            EpisodeError: naming the first that does not fit.
        """
        steps = len(self)
        if self.action.ndim != 2 or steps < 1:
            raise EpisodeError(f"action is {self.action.shape}; needed is (steps, axes), 1 or more")
        _check("captured_ns", self.captured_ns, (steps + 1,), "int64")
        if np.any(np.diff(self.captured_ns) <= 0):
            raise EpisodeError("captured_ns does not rise from each step to the next")
        for name, dtype in PER_STEP.items():
            values = getattr(self, name)
            _check(name, values, self.action.shape if name == "action" else (steps,), dtype)
        if not np.isin(self.reward, (FAILURE, SUCCESS)).all():
            raise EpisodeError(f"reward holds other numbers than {FAILURE:g} and {SUCCESS:g}")
        for name, values in self.observation.items():
            dtype = "uint8" if values.dtype == np.uint8 else "float32"
            _check(name, values, (steps + 1, *values.shape[1:]), dtype)
        if self.about.ended == "success" and not self.success[-1]:
            raise EpisodeError("it is said to have ended with success, but its last step has none")

    def __len__(self) -> int:
        """Steps T."""
        return len(self.action)

    def until_success(self) -> "Episode":
        """As practice would have recorded it: nothing after the first step that was paid for.

        What a demonstrator does at the goal, so that a reward sees it reached, is no way there.
        """
        paid = np.flatnonzero(self.reward == SUCCESS)
        steps = paid[0] + 1 if len(paid) else len(self)
        if steps == len(self):
            return self
        ended: Ending = "success" if self.success[steps - 1] else "timeout"
        return Episode(
            captured_ns=self.captured_ns[: steps + 1],
            observation={name: seen[: steps + 1] for name, seen in self.observation.items()},
            about=msgspec.structs.replace(self.about, ended=ended),
            **{name: getattr(self, name)[:steps] for name in PER_STEP},
        )


def write_episode(path: Path, episode: Episode) -> None:
    """Writes it whole or not at all; equal episodes give equal bytes.

    Raises:
        EpisodeError: the file cannot be written; the line says why.
    """
    arrays: dict[str, NDArray[Any]] = {"captured_ns": episode.captured_ns}
    arrays |= {name: getattr(episode, name) for name in PER_STEP}
    arrays |= {OBSERVATION_PREFIX + name: value for name, value in episode.observation.items()}
    arrays[ABOUT] = np.frombuffer(msgspec.json.encode(episode.about), np.uint8)
    content = io.BytesIO()
    np.savez_compressed(content, allow_pickle=False, **arrays)
    try:
        write_atomically(path, content.getvalue())
    except OSError as error:
        raise EpisodeError(f"{path} cannot be written: {error.strerror}") from error


def read_episode(path: Path) -> Episode:
    """The episode of a file.

    Raises:
        EpisodeError: it is missing, cut short, changed, or no episode.
    """
    arrays = _read(path, None)
    try:
        observation = {
            name.removeprefix(OBSERVATION_PREFIX): arrays.pop(name)
            for name in [*arrays]
            if name.startswith(OBSERVATION_PREFIX)
        }
        about = _decode_about(arrays.pop(ABOUT))
        return Episode(observation=observation, about=about, **arrays)
    except EpisodeError as error:
        raise EpisodeError(f"{path}: {error}") from error
    except (KeyError, TypeError) as error:
        raise EpisodeError(f"{path} is no episode: {error}") from error


def read_about(path: Path) -> EpisodeAbout:
    """The words of an episode, without reading its arrays.

    Raises:
        EpisodeError: as `read_episode`, as far as can be told without the arrays.
    """
    try:
        return _decode_about(_read(path, ABOUT)[ABOUT])
    except EpisodeError as error:
        raise EpisodeError(f"{path}: {error}") from error


def _read(path: Path, only: str | None) -> dict[str, NDArray[Any]]:
    """The arrays of a file by name, or only one of them."""
    try:
        with zipfile.ZipFile(path) as packed:
            unpacked = sum(member.file_size for member in packed.infolist())
        if unpacked > MOST_BYTES:
            raise ValueError(f"it would unpack to {unpacked} bytes")
        with np.load(path, allow_pickle=False) as file:
            return {name: file[name] for name in ([only] if only else file.files)}
    except FileNotFoundError as error:
        raise EpisodeError(f"{path}: there is no such file") from error
    except _DAMAGES as error:
        raise EpisodeError(
            f"{path} is damaged ({error}); remove it, and collect it again with the same command"
        ) from error


def _decode_about(encoded: NDArray[Any]) -> EpisodeAbout:
    try:
        return msgspec.json.decode(encoded.tobytes(), type=EpisodeAbout)
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError) as error:
        raise EpisodeError(f"its words cannot be read: {error}") from error


def _check(name: str, values: Any, shape: tuple[int, ...], dtype: str) -> None:
    found = f"{getattr(values, 'dtype', type(values).__name__)} {np.shape(values)}"
    if not isinstance(values, np.ndarray) or values.dtype != dtype or values.shape != shape:
        raise EpisodeError(f"{name} is {found}; needed is {dtype} {shape}")
    if values.dtype.kind == "f" and not np.isfinite(values).all():
        raise EpisodeError(f"{name} holds a number that is not finite")
