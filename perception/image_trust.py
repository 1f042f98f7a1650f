"""Whether the images of one moment can be believed at all, before anybody is asked about them.

A network that gets a black or an old image still answers. Each check measures one number with a
meaning and compares it with a limit; the first that is crossed is named:

    missing   there is no image, or none of this moment
    black     the 95th percentile of its grey levels                         (grey levels, below)
    covered   the contrast that 88 of 100 of its blocks stay below              (grey levels, below)
    frozen    how far the tool has moved since the image last changed        (m, above)
    unusual   the part of it that is unlike the images that the reward was proved on  (1, above)

A still image is no fault while the robot stands still, so `frozen` asks the robot's own sense of
where its tool is. `unusual` compares the colours of a grid with the median of the held-out attempts
(`Usual`): the arm and what it carries are never more than so much of an image, and all else stays
where it was until a lamp goes out, a camera is moved or the table is another. What is small in the
image passes, and so does a camera that was moved by a little.
"""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import cv2
import msgspec
import numpy as np
from numpy.typing import NDArray

from perception.monitor import block_texture
from perception.quantities import FloatArray

Image = NDArray[np.uint8]  # (H, W, 3) RGB
CELLS = 25  # of the grid, along each axis
FLOOR = 2.0  # grey levels; a cell that never varied may yet vary by the sensor's noise
FAR = 4.0  # spreads from the median at which a colour of a cell is unlike it
SPREAD_OF_MAD = 1.4826  # standard deviation of a normal distribution over its median deviation
DIGITS = 1  # of grey levels that go into a package
MARGIN = 1.25  # of the limit, over the greatest part among the images that it comes from
LEAST = 0.02  # of a limit: of images that are all the same, too


class Usual(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What images of one camera usually look like, coarsely; n = CELLS * CELLS * 3."""

    median: tuple[float, ...]  # (n,) grey levels, row by row, RGB
    spread: tuple[float, ...]  # (n,) about it, FLOOR at least
    limit: float  # part of an image from which on it is unusual

    def distance(self, image: Image) -> float:
        """Part of its colours that are unlike the median, from 0 to 1."""
        median, spread = np.array([self.median, self.spread], np.float32)
        return float(_unlike(coarse(image), median, spread))


def coarse(image: Image) -> FloatArray:
    """(n,) mean colours of an image's cells, grey levels."""
    small = cv2.resize(image, (CELLS, CELLS), interpolation=cv2.INTER_AREA)
    return np.asarray(small, np.float32).ravel()


def usual_of(images: Sequence[FloatArray]) -> Usual:
    """What is usual, by the coarse images (n,) of many moments, at least one."""
    every = np.stack(images)  # (m, n)
    median = np.median(every, axis=0)
    spread = np.maximum(SPREAD_OF_MAD * np.median(np.abs(every - median), axis=0), FLOOR)
    limit = MARGIN * max(float(_unlike(every, median, spread).max()), LEAST)
    told_median, told_spread = (tuple(one.round(DIGITS).tolist()) for one in (median, spread))
    return Usual(told_median, told_spread, limit)


class Doubt(NamedTuple):
    """Why an image is not believed."""

    view: str  # the camera
    reason: str  # a check at the module's head
    value: float = 0.0  # the number of that check
    limit: float = 0.0  # that it crossed

    def __str__(self) -> str:
        """For a person, one line."""
        told = "" if self.reason == "missing" else f" ({self.value:.3g}, limit {self.limit:.3g})"
        return f"{self.view} is {self.reason}{told}"


@dataclass(frozen=True)
class TrustConfig:
    """Limits."""

    black_level: float = 16.0  # grey levels, as perception.monitor has it
    least_contrast: float = 3.0  # grey levels, rms within 8 px after smoothing
    frozen_m: float = 0.01  # m; a tool that moved so far changes every image of it


class _Last(NamedTuple):
    sha256: str  # hex, of the pixels
    tool_m: tuple[float, ...]  # (3,) where the tool was when this image came first


class ImageTrust:
    """Watches the images of some cameras, moment by moment."""

    def __init__(self, config: TrustConfig, usual: Mapping[str, Usual]) -> None:
        """Nothing was seen yet.

        Args:
            config: limits.
            usual: by camera; a camera that is not in it is not compared.
        """
        self._config, self._usual = config, usual
        self._last: dict[str, _Last] = {}

    def doubt(self, images: Mapping[str, Image | None], tool_m: FloatArray) -> Doubt | None:
        """The first doubt about the images of one moment; None: all are believed.

        Args:
            images: by camera; None: there is none of this moment.
            tool_m: (3,) where the robot feels its tool.
        """
        found = [self._check(view, image, tool_m) for view, image in images.items()]
        return next((doubt for doubt in found if doubt is not None), None)

    def save(self) -> dict[str, Any]:
        """What further doubts hang on: JSON values."""
        return {view: last._asdict() for view, last in self._last.items()}

    def restore(self, state: Mapping[str, Any]) -> None:
        """Goes on from a saved state."""
        self._last = {
            view: _Last(last["sha256"], tuple(last["tool_m"])) for view, last in state.items()
        }

    def _check(self, view: str, image: Image | None, tool_m: FloatArray) -> Doubt | None:
        if image is None:
            return Doubt(view, "missing")
        config = self._config
        moved_m = self._moved_m(view, image, tool_m)
        grey = np.asarray(cv2.cvtColor(image, cv2.COLOR_RGB2GRAY), np.uint8)
        level = float(np.percentile(grey[::2, ::2], 95))
        contrast = float(np.percentile(block_texture(grey), 88))
        usual = self._usual.get(view)
        distance, limit = (usual.distance(image), usual.limit) if usual else (0.0, np.inf)
        checks = (
            ("black", level < config.black_level, level, config.black_level),
            ("covered", contrast < config.least_contrast, contrast, config.least_contrast),
            ("frozen", moved_m > config.frozen_m, moved_m, config.frozen_m),
            ("unusual", distance > limit, distance, limit),
        )
        for reason, is_crossed, value, crossed in checks:
            if is_crossed:
                return Doubt(view, reason, value, crossed)
        return None

    def _moved_m(self, view: str, image: Image, tool_m: FloatArray) -> float:
        """How far the tool has moved, m, since this camera showed another image."""
        last, at_m = self._last.get(view), np.asarray(tool_m, np.float64)
        sha256 = hashlib.sha256(image.tobytes()).hexdigest()
        if last is None or last.sha256 != sha256:
            last = self._last[view] = _Last(sha256, tuple(at_m.tolist()))
        return float(np.linalg.norm(at_m - last.tool_m))


def _unlike(colours: FloatArray, median: FloatArray, spread: FloatArray) -> FloatArray:
    """(...) part of colours (..., n) that are FAR from their median."""
    return np.mean(np.abs(colours - median) > FAR * spread, axis=-1)
