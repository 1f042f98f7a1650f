"""Moves the pot to the blue zone, or to the yellow one."""

import numpy as np
from numpy.typing import NDArray

from policies.arm_expert import ArmExpert, objects
from policies.arm_moves import Hand, Load, raised
from policies.observation import Observation

KNOB_Z_M, KNOB_WIDTH_M = 0.065, 0.024  # of the pot's knob, above the pot's bottom
ZONES_M = np.array([[0.27, 0.10], [0.27, -0.10]])  # by goal
SPREAD_M = 0.02  # half the square in a zone in which it is set down


class PlaceExpert(ArmExpert):
    """Goal 0: the blue zone. Goal 1: the yellow one."""

    tensors = (*objects(1, tip=True),)

    def decide(self, observation: Observation, hand: Hand) -> NDArray[np.float64]:
        """Carries the pot by its knob."""
        pot_m = observation["object_position_m"][0].astype(np.float64)
        up = observation["object_up"][0].astype(np.float64)
        zone_m = ZONES_M[self.goal]
        is_there = np.linalg.norm(pot_m[:2] - zone_m) < 0.035 and pot_m[2] < 0.004
        place_m = np.array([*(zone_m + self.spot * SPREAD_M), KNOB_Z_M])
        grasp_m = pot_m + KNOB_Z_M * up
        load = Load(
            raised(grasp_m, 0.004), raised(place_m, 0.004), KNOB_WIDTH_M, 0.12, bool(is_there)
        )
        return self.mover.carry(hand, load)
