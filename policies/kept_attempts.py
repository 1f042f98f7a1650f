"""Attempts of practice that a person may be asked about: their images, and what was said of them.

    attempts/
      kept.json                 which are kept and why, and of how many
      attempt-000012.npz        images of each camera, scores, verdicts, words as JSON

Only what was judged is kept: moment t is what step t led to, t = 0 .. T-1. Each file is written
whole or not at all; nothing is unpickled.
"""

import io
import zipfile
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal, NamedTuple

import msgspec
import numpy as np
from numpy.typing import NDArray

from perception.atomic_file import write_atomically
from perception.quantities import InputError

FOLDER, LIST = "attempts", "kept.json"
FORMAT_VERSION = 1
ABOUT, IMAGES = "about", "images/"
MOST_BYTES = 2**30  # of all arrays of a file, unpacked

Kind = Literal["no", "disagree", "yes", "sample"]
"""Why an attempt is kept; `policies/attempt_shelf.py` says what each means."""


class KeptError(InputError):
    """Attempts that are missing or damaged."""


class KeptAbout(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """An attempt in words."""

    number: int  # of all attempts of the run, from 0
    goal: int  # index in the goals of the task
    instruction: str  # text of the goal
    package: str  # sha256 of the reward that judged it
    recipe: str = ""  # sha256 of that of the data set it was recorded in; empty: made in practice


class KeptAttempt(NamedTuple):
    """One attempt, T moments."""

    about: KeptAbout
    images: Mapping[str, NDArray[np.uint8]]  # (T, H, W, 3) by camera
    looks: NDArray[np.float64]  # (T, L) log-odds of "yes" by each camera, then by each opposite
    score: NDArray[np.float64]  # (T,) log-odds of the look that agrees least, over images on end
    said: NDArray[np.bool_]  # (T,) whether "yes" was said
    reached: NDArray[np.bool_]  # (T,) in truth, as a simulator knows it; (0,) where nobody does


class Kept(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Why an attempt is kept."""

    kind: Kind
    key: float  # of all attempts of a kind those with the highest are kept
    attempt: int
    moment: int  # that a person is asked about


class KeptList(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What `kept.json` holds."""

    attempts: int  # that ended, kept or not
    kept: tuple[Kept, ...]  # an attempt may be kept for several reasons
    promised: float | None = None  # most of all attempts that are paid in vain, 0..1
    format_version: int = FORMAT_VERSION


def attempt_path(folder: Path, number: int) -> Path:
    """Of the attempt of this number."""
    return folder / f"attempt-{number:06d}.npz"


def write_attempt(folder: Path, attempt: KeptAttempt) -> None:
    """Writes it whole or not at all.

    Raises:
        KeptError: the disk does not take it.
    """
    arrays: dict[str, NDArray[Any]] = {IMAGES + view: seen for view, seen in attempt.images.items()}
    arrays |= {name: getattr(attempt, name) for name in ("looks", "score", "said", "reached")}
    arrays[ABOUT] = np.frombuffer(msgspec.json.encode(attempt.about), np.uint8)
    content = io.BytesIO()
    np.savez_compressed(content, allow_pickle=False, **arrays)
    _write(attempt_path(folder, attempt.about.number), content.getvalue())


def read_attempt(path: Path) -> KeptAttempt:
    """The attempt of a file.

    Raises:
        KeptError: missing or damaged.
    """
    try:
        arrays = _arrays(path)
        about = msgspec.json.decode(arrays.pop(ABOUT).tobytes(), type=KeptAbout)
        images = {
            name.removeprefix(IMAGES): arrays.pop(name)
            for name in [*arrays]
            if name.startswith(IMAGES)
        }
        return KeptAttempt(about=about, images=images, **arrays)
    except (OSError, EOFError, ValueError, KeyError, TypeError, zipfile.BadZipFile) as error:
        raise KeptError(f"{path} is no kept attempt ({error}); remove it") from error
    except (zlib.error, NotImplementedError, RuntimeError, MemoryError) as error:
        raise KeptError(f"{path} is damaged ({error}); remove it") from error


def _arrays(path: Path) -> dict[str, NDArray[Any]]:
    """The arrays of a file; raises what zipfile and NumPy do."""
    with zipfile.ZipFile(path) as packed:
        if sum(member.file_size for member in packed.infolist()) > MOST_BYTES:
            raise ValueError("it would unpack to more than any attempt")
    with np.load(path, allow_pickle=False) as file:
        return {name: file[name] for name in file.files}


def write_list(folder: Path, found: KeptList) -> None:
    """Replaces `kept.json`.

    Raises:
        KeptError: the disk does not take it.
    """
    _write(folder / LIST, msgspec.json.encode(found) + b"\n")


def read_list(folder: Path) -> KeptList:
    """Which attempts are kept.

    Raises:
        KeptError: none were ever kept here, or it is malformed.
    """
    path = folder / LIST
    try:
        found = msgspec.json.decode(path.read_bytes(), type=KeptList)
    except OSError as error:
        raise KeptError(
            f"{folder} keeps no attempts ({error.strerror}); 'reflexarc finetune TASK --reward "
            "PACKAGE.onnx --keep 60' does, while it practises, and 'reflexarc evaluate reward "
            "PACKAGE.onnx DATA --keep 60 --out RUN' of recorded attempts"
        ) from error
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError) as error:
        raise KeptError(f"{path} is malformed: {error}") from error
    if found.format_version != FORMAT_VERSION:
        raise KeptError(
            f"{path} has format {found.format_version}; this version reads {FORMAT_VERSION}"
        )
    return found


def _write(path: Path, content: bytes) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(path, content)
    except OSError as error:
        raise KeptError(f"{path} cannot be written: {error.strerror}") from error
