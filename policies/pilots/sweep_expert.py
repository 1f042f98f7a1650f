"""Sweeps eight pieces into the tray, or out of it, in strokes of the brush along y.

up, behind the rearmost pieces of a band ----> down ----> along, to the stroke's end
                      ^                                             |
                      +------------------- up <---------------------+
"""

import numpy as np
from numpy.typing import NDArray

from policies.arm_expert import ArmExpert, objects
from policies.arm_moves import Hand
from policies.observation import Observation

COUNT = 8
DOWN_M, UP_M = 0.014, 0.055  # heights of the tool: brushing, and above the pieces
BAND_M = 0.045  # the brush's middle is so far from the band's first piece
MIDDLES_M = (0.237, 0.323)  # least and greatest x of the brush's middle, between the rims
BEHIND_M = 0.026  # brush and piece pass each other
ENDS_M = (0.085, -0.045)  # y at which a stroke ends, by goal
DONE_M = (0.06, -0.01)  # y that a piece must have passed
GRIPPER_M = 0.0  # closed: open fingers are wider than the brush is thick


class SweepExpert(ArmExpert):
    """Goal 0: into the tray, towards +y. Goal 1: out of it, towards -y."""

    tensors = (*objects(COUNT, tip=False),)

    def decide(self, observation: Observation, hand: Hand) -> NDArray[np.float64]:
        """Goes on with the stroke, or begins the next."""
        way = (1.0, -1.0)[self.goal]  # towards larger or smaller y
        pieces_m = observation["object_position_m"][:, :2].astype(np.float64)
        left_m = pieces_m[way * pieces_m[:, 1] < way * DONE_M[self.goal]]  # (k, 2)
        end_m = ENDS_M[self.goal]
        if not len(left_m):
            return self._to(hand, hand.told_m[0], hand.told_m[1], UP_M)
        is_down, at_end = hand.tool_m[2] < 0.03, way * (end_m - hand.tool_m[1]) < 0.012
        if is_down and not at_end:
            return self._to(hand, hand.told_m[0], end_m, DOWN_M)
        first_m = float(left_m[:, 0].min())
        middle_m = first_m + min(BAND_M, float(np.ptp(left_m[:, 0])) / 2)
        middle_m = min(max(middle_m, MIDDLES_M[0]), MIDDLES_M[1])
        band_m = left_m[left_m[:, 0] < max(middle_m, first_m) + BAND_M + 0.02]
        start_m = float((way * band_m[:, 1]).min()) * way - way * BEHIND_M
        is_behind = np.hypot(hand.tool_m[0] - middle_m, hand.tool_m[1] - start_m) < 0.012
        if is_behind:
            return self._to(hand, middle_m, start_m, DOWN_M)
        if hand.tool_m[2] < UP_M - 0.02:
            return self._to(hand, hand.told_m[0], hand.told_m[1], UP_M)
        return self._to(hand, middle_m, start_m, UP_M)

    def _to(self, hand: Hand, x_m: float, y_m: float, z_m: float) -> NDArray[np.float64]:
        return self.mover.go(hand, np.array([x_m, y_m, z_m]), GRIPPER_M)
