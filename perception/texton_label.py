"""Which number of the teacher's a texton student learns to tell, in px.

In the paper teacher, pilot and judge share one: the disparity that a quarter of the pixels reach,
an obstacle above 8. Here pilot and handover go by the corridor ahead, for a quarter of the pixels
does not see a pillar, so by default the student learns that: 8 px where the corridor is as long as
an obstacle's distance, more where it is shorter, in proportion.
"""

import math
from dataclasses import dataclass
from enum import StrEnum

from perception.quantities import Proximity

NEAREST_M = 0.05  # m, nearer is as good as touched


class Label(StrEnum):
    """What is learned."""

    CORRIDOR = "corridor"  # how long the corridor ahead is
    PROXIMITY = "proximity"  # the paper's gt (van Hecke et al., arXiv 1603.08047, flight code)


@dataclass(frozen=True)
class LabelConfig:
    """What makes a label."""

    kind: Label = Label.CORRIDOR
    least_seen: float = 0.5  # part of the corridor that the teacher must see; the pilots' too
    largest_px: float = 14.0  # the paper's range


def label_px(near: Proximity, config: LabelConfig, obstacle_px: float, obstacle_m: float) -> float:
    """The label of one frame, px; NaN where the teacher does not know.

    Args:
        near: what the teacher measured.
        config: what makes a label.
        obstacle_px: an obstacle is above it.
        obstacle_m: the corridor's length that it stands for.
    """
    if near.corridor_seen < config.least_seen:
        return math.nan
    if config.kind is Label.PROXIMITY:
        return near.proximity_px
    return min(obstacle_px * obstacle_m / max(near.corridor_m, NEAREST_M), config.largest_px)
