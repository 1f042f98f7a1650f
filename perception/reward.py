"""A reward that sees: is this instruction carried out in this image, yes or no?

Whoever answers is asked as a vision-language model is: with an image and a sentence, and answers
with the log-odds of "yes" against "no". Two kinds of answerers are meant, small networks that a
robot carries and models that read the sentence itself, so a question holds both the text and its
vector. A maker (`perception/reward_makers`) learns to answer from labelled looks; a label may be a
probability, so that a small answerer can learn from the verdicts of a large one.
"""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import msgspec
import numpy as np
from numpy.typing import NDArray

from perception.quantities import FloatArray, InputError

Images = NDArray[np.uint8]  # (N, H, W, 3), RGB
Progress = Callable[[int, Mapping[str, float]], None]
"""Told the updates done and the last metrics."""


class RewardInputError(InputError):
    """Images, instructions or data that a reward cannot be asked about or taught by."""


class Question(NamedTuple):
    """What is asked of an image."""

    text: str  # the instruction, as a person would say it
    vector: FloatArray  # (D,) of length 1, what the sentence encoder makes of it


class LookSpec(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What the images are: of which cameras, how large; and how long a vector is."""

    views: tuple[str, ...]  # names of the cameras
    height: int  # px
    width: int  # px
    vector: int  # numbers, D

    def check(self, view: str, shape: tuple[int, ...], dtype: str = "uint8") -> None:
        """Passes if an image (H, W, 3) is one of these.

        Raises:
            RewardInputError: another camera, size or kind of image.
        """
        if view not in self.views:
            raise RewardInputError(
                f"the reward looks through {', '.join(self.views)}; given is an image of {view!r}"
            )
        wanted = (self.height, self.width, 3)
        if shape != wanted or dtype != "uint8":
            raise RewardInputError(
                f"the image of {view} is {dtype} {shape}; the reward takes uint8 {wanted}"
            )


class Looks(NamedTuple):
    """Labelled looks: n questions about m images."""

    image: Images  # (m, H, W, 3)
    view: NDArray[np.int64]  # (m,) of each image, index in the views of the spec
    text: tuple[str, ...]  # q instructions
    vector: FloatArray  # (q, D) of each instruction
    row: NDArray[np.int64]  # (n,) which image is asked about
    asked: NDArray[np.int64]  # (n,) which instruction
    success: FloatArray  # (n,) 0 no .. 1 yes
    episode: NDArray[np.int64]  # (n,) of which episode the image is
    weight: FloatArray | None = None  # (n,) how often each is drawn beside the others; None: alike


def require_both_kinds(looks: Looks) -> None:
    """Passes if there is something to tell apart.

    Raises:
        RewardInputError: all looks are successes, or none is.
    """
    yes = int((looks.success > 0.5).sum())
    if yes in (0, len(looks.success)):
        kind = "failures" if yes else "successes"
        raise RewardInputError(
            f"a reward learns from looks of both kinds; there are no {kind}: collect some"
        )


class Answerer(Protocol):
    """Who answers."""

    @property
    def spec(self) -> LookSpec:
        """The images it takes."""
        ...

    def log_odds(self, images: Images, view: str, questions: tuple[Question, ...]) -> FloatArray:
        """(N, q) log-odds of "yes" for each of q questions about each of N images of one camera.

        Raises:
            RewardInputError: images of another camera or size.
        """
        ...


class Written(Protocol):
    """What was learned, on disk."""

    @property
    def path(self) -> Path:
        """A package, or a folder."""
        ...

    @property
    def sha256(self) -> str:
        """Names it."""
        ...


class Maker(Answerer, Protocol):
    """Who learns to answer, and becomes a package."""

    ending: str  # of the path that it writes to: ".onnx", or "" for a folder

    def fit(self, looks: Looks, updates: int, on_progress: Progress | None = None) -> None:
        """Learns from labelled looks."""
        ...

    def export(self, path: Path, looks: Looks, extra: Mapping[str, Any]) -> Written:
        """Writes a package that answers alike on some of these looks, or none.

        Raises:
            ExportParityError: it does not answer alike.
            ModelPackageError: it cannot be written.
        """
        ...
