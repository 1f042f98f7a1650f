"""What persons said of images that a reward was unsure of: an append-only file, and those images.

    labels/
      labels.jsonl       one label a line, written before the next question is asked
      images/SHA256.png  each image that was asked about, by the hash of its pixels

A label is never changed: who takes one back adds a line that says so. The images are copied here,
because practice goes on and removes attempts; so the folder is all that teaching needs. The last
line of a writer that was killed is cut off by the next writer, and passed over by readers.
"""

import fcntl
import hashlib
import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Literal

import cv2
import msgspec
import numpy as np
from numpy.typing import NDArray

from perception.atomic_file import write_atomically
from perception.quantities import InputError
from policies.kept_attempts import Kind

FOLDER, BOOK, IMAGES = "labels", "labels.jsonl", "images"

Answer = Literal["yes", "no", "skip", "undo"]
"""Of a person: the goal is reached in these images, is not, cannot be told; or take that back."""


class LabelError(InputError):
    """Labels that are missing, damaged, or written by somebody else just now."""


class Label(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One line."""

    at: str  # wall clock, UTC, ISO 8601
    by: str  # who said it
    attempt: int  # number in its run
    moment: int  # of the attempt
    instruction: str
    kind: Kind  # why it was asked
    answer: Answer
    said: bool  # what the reward had said of this attempt
    score: float  # log-odds of the reward at this moment
    package: str  # sha256 of the reward
    images: dict[str, str]  # sha256 of the pixels by camera
    recipe: str = ""  # sha256 of that of the data set of the attempt; empty: made in practice

    @property
    def question(self) -> tuple[int, int]:
        """What was asked."""
        return self.attempt, self.moment


class LabelBook:
    """Adds labels, as the only writer; a context manager."""

    def __init__(self, folder: Path) -> None:
        """Makes the folder, or goes on with what is in it.

        Raises:
            LabelError: it cannot be written, is damaged, or somebody else writes to it.
        """
        self.folder = folder
        try:
            (folder / IMAGES).mkdir(parents=True, exist_ok=True)
            self._file = (folder / BOOK).open("ab", buffering=0)
        except OSError as error:
            raise LabelError(f"{folder} cannot be written: {error.strerror}") from error
        try:
            self._take()
            self.labels = read_labels(folder)
        except LabelError:
            self.close()
            raise

    def __enter__(self) -> "LabelBook":
        """The book itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """Lets others write."""
        self.close()

    def close(self) -> None:
        """Lets others write; what was added is on the disk already."""
        self._file.close()

    def add(self, label: Label, images: Mapping[str, NDArray[np.uint8]]) -> None:
        """Writes a label with its images; both are on the disk when it returns.

        Raises:
            LabelError: the disk does not take them.
        """
        line = msgspec.json.encode(label) + b"\n"
        try:
            for view, image in images.items():
                self._keep(label.images[view], image)
            self._file.write(line)
            os.fsync(self._file.fileno())
        except OSError as error:
            raise LabelError(f"{self.folder} cannot be written: {error.strerror}") from error
        self.labels.append(label)

    def _take(self) -> None:
        """Locks the file, and cuts off a line that was never ended."""
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise LabelError(f"somebody else is labelling into {self.folder}; wait") from error
        content = (self.folder / BOOK).read_bytes()
        self._file.truncate(content.rfind(b"\n") + 1)

    def _keep(self, name: str, image: NDArray[np.uint8]) -> None:
        path = self.folder / IMAGES / f"{name}.png"
        if not path.exists():
            write_atomically(path, png_of(image))


def read_labels(folder: Path) -> list[Label]:
    """All lines in their order, also what was taken back.

    Raises:
        LabelError: there is no book, or a line of it is malformed.
    """
    path = folder / BOOK
    try:
        content = path.read_bytes()
    except OSError as error:
        raise LabelError(
            f"{folder} holds no labels ({error.strerror}); 'reflexarc label RUN' asks for some"
        ) from error
    labels = []
    for number, line in enumerate(content.split(b"\n")[:-1], start=1):
        try:
            labels.append(msgspec.json.decode(line, type=Label))
        except (msgspec.DecodeError, RecursionError, UnicodeDecodeError) as error:
            raise LabelError(f"{path}, line {number} is malformed: {error}") from error
    return labels


def standing(labels: Iterable[Label]) -> list[Label]:
    """What holds, one label a question, in the order in which they were given."""
    found: dict[tuple[int, int], Label] = {}
    for label in labels:
        found.pop(label.question, None)
        if label.answer != "undo":
            found[label.question] = label
    return [*found.values()]


def read_image(folder: Path, sha256: str) -> NDArray[np.uint8]:
    """One image that was asked about, (H, W, 3) RGB.

    Raises:
        LabelError: it is missing, or not the one that the label is about.
    """
    path = folder / IMAGES / f"{sha256}.png"
    content = path.read_bytes() if path.is_file() else b""
    found = cv2.imdecode(np.frombuffer(content, np.uint8), cv2.IMREAD_COLOR) if content else None
    image = None if found is None else found[..., ::-1].astype(np.uint8)
    if image is None or image_hash(image) != sha256:
        raise LabelError(f"{path} is missing or not the image that was labelled; put it back")
    return image


def image_hash(image: NDArray[np.uint8]) -> str:
    """sha256, hex, of the shape and the pixels."""
    pixels = np.ascontiguousarray(image)
    return hashlib.sha256(repr(pixels.shape).encode() + pixels.tobytes()).hexdigest()


def png_of(image: NDArray[np.uint8]) -> bytes:
    """An RGB image as a PNG."""
    done, encoded = cv2.imencode(".png", image[..., ::-1])
    if not done:
        raise ValueError(f"no PNG of an image {image.shape}")
    return encoded.tobytes()
