"""How a scripted expert moves an arm's tool: what the hand-written pilots of an arm share.

All of it is a function of one observation, so that what an expert does can be cloned. The command
aims at where the tool was *told* to be, not at where it is: the servos follow late, and aiming at
the measured place would overshoot by the lag.

Carrying, as one decision per step:

    far away ----> above the thing ----> down ----> close ----> up ----> above the place ----> down
                        ^                 |  (not between the fingers any more)                 |
                        +-----------------+-------------- rise <---- open <---------------------+
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from perception.model_package import TensorSpec
from policies.observation import Observation

Array = NDArray[np.float64]

ALIGNED_M = 0.009  # beside the thing by less: the open fingers pass it on both sides
HEIGHT_M = 0.010  # above the right height by less: the fingers take hold of it
ABOVE_M = 0.040  # from where it goes straight down: the open fingers pass over a knob
LOW_M = 0.012  # lower than this it goes up first
SQUEEZE_M = 0.014  # told to close by this much more than the thing is wide: about 6 N a finger
OPEN_M = 0.030  # wider than the thing by this before it is taken
SETTLED_M = 0.0025  # the tool is where it was told to be
LOOSE_M = 0.012  # wider than the thing by this: it is let go of

ARM_TENSORS = (
    TensorSpec("tool_position_m", (3,), "float32", "m"),
    TensorSpec("tool_target_m", (3,), "float32", "m"),
    TensorSpec("gripper_m", (1,), "float32", "m"),
    TensorSpec("gripper_target_m", (1,), "float32", "m"),
)


class Hand(NamedTuple):
    """The arm's part of an observation."""

    tool_m: Array  # (3,) measured, base frame
    told_m: Array  # (3,) where it was told to be
    gripper_m: float  # measured opening

    @classmethod
    def of(cls, observation: Observation) -> "Hand":
        """Reads ARM_TENSORS."""
        return cls(
            observation["tool_position_m"].astype(np.float64),
            observation["tool_target_m"].astype(np.float64),
            float(observation["gripper_m"][0]),
        )


class Load(NamedTuple):
    """What is to be carried, and where to."""

    grasp_m: Array  # (3,) where the fingers take it
    place_m: Array  # (3,) where that point shall be
    width_m: float  # of what is between the fingers
    travel_z_m: float  # height at which nothing is in the way of the tool and what it holds
    is_there: bool  # whether it is where it shall be
    precision_m: float = 0.012  # beside its place by less: it may go down
    is_tight: bool = False  # it must not go down while it still swings
    slides: bool = False  # it cannot be lifted


class Mover:
    """Makes commands (4,) at one rate."""

    def __init__(self, rate_hz: float) -> None:
        self._rate_hz = rate_hz

    def go(self, hand: Hand, to_m: Array, opening_m: float) -> Array:
        """Straight to a place, as fast as limits allow."""
        return np.append((to_m - hand.told_m) * self._rate_hz, opening_m)

    def travel(self, hand: Hand, to_m: Array, travel_z_m: float, opening_m: float) -> Array:
        """To a place, at travel height where it is far; beside it never below `to_m`."""
        far_m = float(np.linalg.norm(to_m[:2] - hand.tool_m[:2]))
        aim_m = to_m.copy()
        if far_m > 0.03:
            aim_m[2] = max(to_m[2], travel_z_m)
        if hand.tool_m[2] < aim_m[2] - LOW_M:
            aim_m[:2] = hand.told_m[:2]  # up first
        return self.go(hand, aim_m, opening_m)

    def carry(self, hand: Hand, load: Load) -> Array:
        """One step of carrying a load to its place, letting go of it, and rising."""
        beside_m = float(np.linalg.norm(hand.tool_m[:2] - load.grasp_m[:2]))
        above_m = float(hand.tool_m[2] - load.grasp_m[2])
        around = beside_m < ALIGNED_M and abs(above_m) < HEIGHT_M
        wide_m, tight_m = load.width_m + OPEN_M, load.width_m - SQUEEZE_M
        if load.is_there:
            return self._leave(hand, load, beside_m, above_m, wide_m)
        if around and hand.gripper_m < load.width_m + 0.004:
            return self._bring(hand, load, tight_m)
        if around:
            return self.go(hand, load.grasp_m, tight_m)
        if beside_m < ALIGNED_M:
            return self.go(hand, load.grasp_m, wide_m)
        above = raised(load.grasp_m, ABOVE_M)
        return self.travel(hand, above, load.travel_z_m, wide_m)

    def _bring(self, hand: Hand, load: Load, opening_m: float) -> Array:
        off_m = float(np.linalg.norm(load.place_m[:2] - load.grasp_m[:2]))
        if load.slides:
            return self.go(hand, np.array([*load.place_m[:2], hand.told_m[2]]), opening_m)
        to_m = load.place_m - (load.grasp_m - hand.tool_m) * (1, 1, 0)  # it may sit off-centre
        lagging_m = float(np.linalg.norm(hand.told_m[:2] - hand.tool_m[:2]))
        if lagging_m < SETTLED_M:  # what is left is the servos' sag
            to_m[:2] = hand.told_m[:2] + (load.place_m - load.grasp_m)[:2]
        if off_m > load.precision_m or (load.is_tight and lagging_m > SETTLED_M):
            to_m[2] = load.place_m[2] + ABOVE_M
        return self.travel(hand, to_m, load.travel_z_m, opening_m)

    def _leave(
        self, hand: Hand, load: Load, beside_m: float, above_m: float, wide_m: float
    ) -> Array:
        """Lets go, then rises, then waits above."""
        if beside_m < 0.03 and abs(above_m) < 0.03 and hand.gripper_m < load.width_m + LOOSE_M:
            return self.go(hand, hand.told_m, wide_m)
        rise_m = hand.told_m.copy()
        rise_m[2] = max(load.travel_z_m, load.grasp_m[2] + 2 * ABOVE_M)
        return self.go(hand, rise_m, wide_m)


def raised(position_m: Array, by_m: float) -> Array:
    """A place (3,) so much higher."""
    return position_m + np.array([0.0, 0.0, by_m])
