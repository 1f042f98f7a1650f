"""The stereo teacher: a pair of images in, trusted metres out.

"Teacher" because these metres later label the frames from which a single camera learns; wrong
metres cost more than missing ones, so whatever is in doubt becomes NaN.
"""

from dataclasses import dataclass

import numpy as np

from perception.calibration import StereoRig
from perception.geometry import Rectifier, depth_from_disparity
from perception.matcher import Matcher
from perception.quantities import StereoDepth, StereoImages


@dataclass(frozen=True)
class StereoConfig:
    """What the teacher lets through."""

    min_confidence: float = 0.5  # 0..1; 0.5 is "passed every test of the matcher"


class StereoTeacher:
    """Rectifies, matches, and turns trusted disparity into metres."""

    def __init__(
        self, rig: StereoRig, matcher: Matcher, config: StereoConfig | None = None
    ) -> None:
        self._rectifier = Rectifier(rig)
        self._matcher = matcher
        self._config = config or StereoConfig()
        self.view = self._rectifier.view

    def infer(self, images: StereoImages) -> StereoDepth:
        """Depth of each pixel of the rectified left image.

        Raises:
            ImageError: if the images are not a grey pair of the size of the calibration.
        """
        disparity_px, confidence = self._matcher.match(self._rectifier.rectify(images))
        matchable = self._rectifier.matchable(disparity_px)
        if matchable is not None:
            confidence = np.where(matchable, confidence, np.float32(0))
        trusted = confidence >= self._config.min_confidence
        depth_m = depth_from_disparity(disparity_px, self.view)
        return StereoDepth(disparity_px, np.where(trusted, depth_m, np.float32(np.nan)), confidence)
