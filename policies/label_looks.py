"""What persons said of practice, as looks that a reward is taught by, beside demonstrations."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from perception.reward import Looks, LookSpec
from policies.label_book import BOOK, FOLDER, Label, LabelError, read_image, read_labels, standing

WEIGHT = 10.0  # labels are few beside the images of demonstrations, and each was worth asking


class Labelled(NamedTuple):
    """One moment that a person judged."""

    images: dict[str, NDArray[np.uint8]]  # (H, W, 3) by camera
    text: str  # the instruction
    reached: bool
    recipe: str = ""  # sha256 of that of the data set it was recorded in; empty: made in practice


def labels_folder(run: Path) -> Path:
    """Where the labels of a run are: in it, or it is their folder itself."""
    return run if (run / BOOK).exists() else run / FOLDER


def read_labelled(run: Path, spec: LookSpec, known: Mapping[str, object]) -> list[Labelled]:
    """All that can be learned from the labels of a run; what could not be told is left out.

    Args:
        run: the run's folder, or that of its labels.
        spec: which cameras are wanted.
        known: the instructions that are taught.

    Raises:
        LabelError: there are none, an image is not the one that was labelled, a camera is missing,
            or an instruction is not taught.
        RewardInputError: an image of another size.
    """
    folder = labels_folder(run)
    told = [label for label in standing(read_labels(folder)) if label.answer in ("yes", "no")]
    if not told:
        raise LabelError(f"{folder} holds no yes or no yet; 'reflexarc label {run}' asks")
    return [_labelled(folder, label, spec, known) for label in told]


def with_labels(
    looks: Looks,
    labelled: Sequence[Labelled],
    spec: LookSpec,
    opposites: Mapping[str, Sequence[str]],
    weight: float = WEIGHT,
) -> Looks:
    """Looks of data, and of labels through every camera.

    Where an instruction is carried out, its opposites are not; where it is not, nothing is known of
    them.

    Args:
        looks: of data.
        labelled: moments.
        spec: of all images.
        opposites: instructions by instruction.
        weight: how often a label is drawn, beside 1 for a look of the data.
    """
    if not labelled:
        return looks
    images: list[NDArray[np.uint8]] = []
    rows: list[tuple[int, int, float, int]] = []  # image, question, success, episode
    first, episode = len(looks.image), int(looks.episode.max(initial=-1)) + 1
    for number, one in enumerate(labelled):
        for name in spec.views:
            for text, success in _answers(one, opposites):
                rows.append(
                    (first + len(images), looks.text.index(text), success, episode + number)
                )
            images.append(one.images[name])
    row, asked, success, of = zip(*rows, strict=True)
    before = np.ones(len(looks.row), np.float32) if looks.weight is None else looks.weight
    views = np.tile(np.arange(len(spec.views)), len(labelled))
    return Looks(
        np.concatenate([looks.image, np.stack(images)]),
        np.concatenate([looks.view, views]),
        looks.text,
        looks.vector,
        np.concatenate([looks.row, np.array(row, np.int64)]),
        np.concatenate([looks.asked, np.array(asked, np.int64)]),
        np.concatenate([looks.success, np.array(success, np.float32)]),
        np.concatenate([looks.episode, np.array(of, np.int64)]),
        np.concatenate([before, np.full(len(rows), weight, np.float32)]),
    )


def _answers(one: Labelled, opposites: Mapping[str, Sequence[str]]) -> Iterator[tuple[str, float]]:
    """Instructions, and whether each is carried out."""
    yield one.text, float(one.reached)
    if one.reached:
        for text in opposites.get(one.text, ()):
            yield text, 0.0


def _labelled(folder: Path, label: Label, spec: LookSpec, known: Mapping[str, object]) -> Labelled:
    if label.instruction not in known:
        listed = ", ".join(map(repr, known))
        raise LabelError(
            f"{folder} has labels of {label.instruction!r}, which the data do not teach; they "
            f"teach {listed}"
        )
    if missing := [view for view in spec.views if view not in label.images]:
        raise LabelError(
            f"{folder} has no images of the camera {missing[0]!r}, only of "
            f"{', '.join(label.images)}; give --views"
        )
    images = {view: read_image(folder, label.images[view]) for view in spec.views}
    for view, image in images.items():
        spec.check(view, image.shape)
    return Labelled(images, label.instruction, label.answer == "yes", label.recipe)
