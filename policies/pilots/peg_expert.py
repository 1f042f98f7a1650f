"""Inserts the peg into the hole, or pulls it out and stands it in the cup."""

import numpy as np
from numpy.typing import NDArray

from policies.arm_expert import ArmExpert, objects
from policies.arm_moves import Hand, Load
from policies.observation import Observation

HEAD_Z_M, HEAD_WIDTH_M = 0.07, 0.024  # of the peg's head, above the peg's bottom
PRECISION_M = (0.0014, 0.003)  # by goal: beside hole or cup by less, it goes down
TRAVEL_Z_M = 0.13  # the peg's bottom passes above the blocks


class PegExpert(ArmExpert):
    """Goal 0: into the hole. Goal 1: into the cup."""

    tensors = (*objects(3, tip=True),)

    def decide(self, observation: Observation, hand: Hand) -> NDArray[np.float64]:
        """Carries the peg by its head."""
        peg_m, *blocks_m = observation["object_position_m"].astype(np.float64)
        up = observation["object_up"][0].astype(np.float64)
        to_m = blocks_m[self.goal]
        is_there = np.linalg.norm(peg_m[:2] - to_m[:2]) < 0.012 and peg_m[2] < 0.006
        place_m = to_m + np.array([0.0, 0.0, HEAD_Z_M])
        load = Load(
            peg_m + HEAD_Z_M * up,
            place_m,
            HEAD_WIDTH_M,
            TRAVEL_Z_M,
            bool(is_there),
            PRECISION_M[self.goal],
            is_tight=True,
        )
        return self.mover.carry(hand, load)
