"""Puts the lid on the pot, or takes it off and lays it on the table."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from firmware_bridge.axis_limits import Limits
from policies.arm_expert import ArmExpert, Config, ExpertOptionError, objects
from policies.arm_moves import Hand, Load, raised
from policies.observation import Observation

KNOB_Z_M = 0.025  # of the knob's middle above the lid's own
KNOB_WIDTH_M = 0.024
POTS_M = {"pot": 0.055, "low pot": 0.030, "tall pot": 0.080}  # their heights
LID_HALF_M = 0.005  # of its thickness: height of its middle on the table
ASIDE_M = np.array([0.27, -0.10])  # middle of the area beside the pot
AREA_M = np.array([0.04, 0.03])  # half of its sides


@dataclass(frozen=True)
class LidConfig(Config):
    """Options of every expert, and the pot."""

    pot: str = "pot"  # row of POTS_M


class LidExpert(ArmExpert):
    """Goal 0: on the pot. Goal 1: aside."""

    Config = LidConfig
    tensors = (*objects(2, tip=True),)

    def __init__(self, config: LidConfig, limits: Limits, rate_hz: float) -> None:
        """Fit for one robot.

        Raises:
            ExpertOptionError: no such pot or goal, or the robot is no arm.
        """
        if config.pot not in POTS_M:
            raise ExpertOptionError(f"pot is {config.pot!r}: give one of {', '.join(POTS_M)}")
        self._pot_m = POTS_M[config.pot]
        super().__init__(config, limits, rate_hz)

    def decide(self, observation: Observation, hand: Hand) -> NDArray[np.float64]:
        """Carries the lid by its knob."""
        lid_m, pot_m = observation["object_position_m"].astype(np.float64)
        rise_m = KNOB_Z_M * observation["object_up"][0].astype(np.float64)
        off_m = float(np.linalg.norm(lid_m[:2] - pot_m[:2]))
        if self.goal == 0:
            to_m = np.array([*pot_m[:2], self._pot_m + LID_HALF_M])
            is_there = off_m < 0.015 and abs(lid_m[2] - to_m[2]) < 0.005
        else:
            to_m = np.array([*(ASIDE_M + self.spot * AREA_M), LID_HALF_M])
            is_there = off_m > 0.12 and lid_m[2] < LID_HALF_M + 0.004
        travel_z_m = self._pot_m + LID_HALF_M + KNOB_Z_M + 0.042  # fingers pass over the knob
        place_m = raised(to_m, KNOB_Z_M)
        load = Load(lid_m + rise_m, place_m, KNOB_WIDTH_M, travel_z_m, bool(is_there))
        return self.mover.carry(hand, load)
