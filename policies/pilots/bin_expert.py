"""Puts one of three things into the bin, or takes it out."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from firmware_bridge.axis_limits import Limits
from policies.arm_expert import ArmExpert, Config, ExpertOptionError, objects
from policies.arm_moves import Hand, Load
from policies.observation import Observation

GRIPS_M = {"weight": (0.05, 0.024), "vase": (0.048, 0.034), "bench": (0.034, 0.026)}
"""Where the gripper takes a thing above its bottom, and how wide it is there."""
TRAVEL_Z_M = 0.12  # walls of 3 cm, and the longest thing below the gripper
ASIDE_M, AREA_M = np.array([0.27, -0.10]), np.array([0.04, 0.03])  # middle and half sides


@dataclass(frozen=True)
class BinConfig(Config):
    """Options of every expert, and the thing."""

    item: str = "weight"  # row of GRIPS_M


class BinExpert(ArmExpert):
    """Goal 0: in. Goal 1: out."""

    Config = BinConfig
    tensors = (*objects(2, tip=True),)

    def __init__(self, config: BinConfig, limits: Limits, rate_hz: float) -> None:
        """Fit for one robot.

        Raises:
            ExpertOptionError: no such thing or goal.
        """
        if config.item not in GRIPS_M:
            raise ExpertOptionError(f"item is {config.item!r}: give one of {', '.join(GRIPS_M)}")
        self._grip_z_m, self._width_m = GRIPS_M[config.item]
        super().__init__(config, limits, rate_hz)

    def decide(self, observation: Observation, hand: Hand) -> NDArray[np.float64]:
        """Carries the thing."""
        item_m, bin_m = observation["object_position_m"].astype(np.float64)
        up = observation["object_up"][0].astype(np.float64)
        off_m = np.abs(item_m[:2] - bin_m[:2])
        if self.goal == 0:
            to_m = bin_m[:2]
            is_there = (off_m < (0.03, 0.035)).all() and item_m[2] < 0.004
        else:
            to_m = ASIDE_M + self.spot * AREA_M
            is_there = off_m[1] > 0.11 and item_m[2] < 0.004
        place_m = np.array([*to_m, self._grip_z_m])
        grasp_m = item_m + self._grip_z_m * up
        return self.mover.carry(
            hand, Load(grasp_m, place_m, self._width_m, TRAVEL_Z_M, bool(is_there))
        )
