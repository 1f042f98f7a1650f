"""OpenCV's semi-global matcher: dense, the default teacher.

Three-path mode: on the Middlebury motorcycle it is both the fastest and among the most exact of
OpenCV's four modes (`benchmarks/stereo_motorcycle.py`). Hirschmüller, "Stereo processing by
semi-global matching and mutual information", TPAMI 2008; the cost is Birchfield-Tomasi.
"""

from dataclasses import dataclass, field

import cv2

from perception.left_right import TrustConfig, match_both_ways, trusted_disparity
from perception.matcher import MatcherConfigError
from perception.quantities import Disparity, StereoImages, check_pair


@dataclass(frozen=True)
class Config:
    """Options of the semi-global matcher."""

    num_disparities: int = (
        32  # px, search range, a multiple of 16; 128 px wide at 6 cm: from 0.22 m
    )
    block_px: int = 3  # px, odd; larger blocks swallow thin things
    small_step_cost: int = 8  # per block pixel, for a change of 1 px (P1); OpenCV's advice
    large_step_cost: int = 32  # per block pixel, for a larger change (P2); OpenCV's advice
    uniqueness_percent: int = 5  # the best cost must win by this much
    prefilter_cap: int = 31  # grey levels per px, gradients are clipped here
    trust: TrustConfig = field(default_factory=TrustConfig)

    def __post_init__(self) -> None:
        if self.num_disparities < 16 or self.num_disparities % 16:
            raise MatcherConfigError(
                f"num_disparities is {self.num_disparities}; sgbm needs 16, 32, 48, ..."
            )


class SgbmMatcher:
    """Semi-global matching in both directions, with the trust of `perception.left_right`."""

    Config = Config

    def __init__(self, config: Config | None = None) -> None:
        self.config = config or Config()
        area_px = self.config.block_px**2
        self._matcher = cv2.StereoSGBM.create(
            numDisparities=self.config.num_disparities,
            blockSize=self.config.block_px,
            P1=self.config.small_step_cost * area_px,
            P2=self.config.large_step_cost * area_px,
            disp12MaxDiff=-1,  # off: both directions are compared by ourselves
            preFilterCap=self.config.prefilter_cap,
            uniquenessRatio=self.config.uniqueness_percent,
            mode=cv2.STEREO_SGBM_MODE_SGBM_3WAY,
        )

    def match(self, images: StereoImages) -> Disparity:
        """Disparity and confidence of each pixel of the rectified left image, (H, W) float32."""
        check_pair(images)
        margin_px = self.config.num_disparities
        both = match_both_ways(self._matcher, images, margin_px)
        return trusted_disparity(images, *both, self.config.trust)
