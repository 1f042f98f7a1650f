"""Puts the lid on the pot, or takes it off and lays it on the table."""

import numpy as np
from numpy.typing import NDArray

from policies.arm_expert import ArmExpert, objects
from policies.arm_moves import Hand, Load, raised
from policies.observation import Observation

KNOB_Z_M = 0.025  # of the knob's middle above the lid's own
KNOB_WIDTH_M = 0.024
ON_POT_M, ON_TABLE_M = 0.060, 0.005  # height of the lid's middle
ASIDE_M = np.array([0.27, -0.10])  # middle of the area beside the pot
AREA_M = np.array([0.04, 0.03])  # half of its sides


class LidExpert(ArmExpert):
    """Goal 0: on the pot. Goal 1: aside."""

    tensors = (*objects(2, tip=True),)

    def decide(self, observation: Observation, hand: Hand) -> NDArray[np.float64]:
        """Carries the lid by its knob."""
        lid_m, pot_m = observation["object_position_m"].astype(np.float64)
        rise_m = KNOB_Z_M * observation["object_up"][0].astype(np.float64)
        off_m = float(np.linalg.norm(lid_m[:2] - pot_m[:2]))
        if self.goal == 0:
            to_m = np.array([*pot_m[:2], ON_POT_M])
            is_there = off_m < 0.015 and abs(lid_m[2] - ON_POT_M) < 0.005
        else:
            to_m = np.array([*(ASIDE_M + self.spot * AREA_M), ON_TABLE_M])
            is_there = off_m > 0.12 and lid_m[2] < ON_TABLE_M + 0.004
        place_m = raised(to_m, KNOB_Z_M)
        load = Load(lid_m + rise_m, place_m, KNOB_WIDTH_M, 0.115, bool(is_there))
        return self.mover.carry(hand, load)
