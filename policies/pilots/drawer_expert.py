"""Closes the drawer, or opens it."""

import numpy as np
from numpy.typing import NDArray

from perception.model_package import TensorSpec
from policies.arm_expert import ArmExpert, objects
from policies.arm_moves import Hand, Load, raised
from policies.observation import Observation

HANDLE_WIDTH_M = 0.024
TRAVEL_M = 0.10  # of the drawer


class DrawerExpert(ArmExpert):
    """Goal 0: shut. Goal 1: open."""

    tensors = (*objects(2, tip=False), TensorSpec("slide_m", (1,), "float32", "m"))

    def decide(self, observation: Observation, hand: Hand) -> NDArray[np.float64]:
        """Takes the handle and moves it along the rails."""
        handle_m = observation["object_position_m"][0].astype(np.float64)
        out_m = float(observation["slide_m"][0])
        wanted_m = (-0.004, TRAVEL_M - 0.004)[self.goal]  # pressed shut
        is_there = (out_m < 0.005, out_m > 0.090)[self.goal]
        grasp_m = raised(handle_m, 0.004)
        place_m = grasp_m - np.array([wanted_m - out_m, 0.0, 0.0])
        load = Load(grasp_m, place_m, HANDLE_WIDTH_M, 0.10, is_there, slides=True)
        return self.mover.carry(hand, load)
