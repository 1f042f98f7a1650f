"""What a pilot flies on: the last three frames, its previous command and one random number.

The random number is drawn here and not in the pilot, so that a pilot's action is a function of the
observation: what a learner needs to clone it, and what replaying a log needs to repeat it.

    tick               0          1          2          3
    proximity         p0         p1         p2         p3
    sectors_per_m  p0 p0 p0   p0 p0 p1   p0 p1 p2   p1 p2 p3      newest last
    previous_command  rest     command0   command1   command2

    command       ahead ahead   stop   turn   turn   turn  ahead  ahead   stop   turn
    turn_random     u0    u0     u0     u0     u0     u0     u0     u1     u1     u1
"""

from collections import deque
from collections.abc import Mapping

import numpy as np
from numpy.typing import ArrayLike, NDArray

from perception.model_package import TensorSpec
from perception.quantities import Proximity

FRAMES = 3  # a glimpse of motion: 0.2 s at 10 Hz
SECTORS = 8
FREE_M = 10.0  # m, what a corridor in which nothing was seen counts as; keeps observations finite
UNSEEN_PER_M = 4.0  # 1/m, what a sector counts as of which too little is seen: as near as can be
LEFT_RIM_PER_M = 1.7  # 1/m, the same for the leftmost: nearer things the right camera does not see
# Part of a sector to be seen; less for the leftmost, for the same reason.
MIN_VALID = np.array([0.1] + [0.4] * (SECTORS - 1))
TURNING_RAD_S = 0.15  # rad/s, from here on a command is a turn
MOVING_M_S = 0.1  # m/s, from here on a command is forward

PREVIOUS_COMMAND = "previous_command"

Observation = Mapping[str, NDArray[np.float32]]

OBSERVATION = (
    TensorSpec("sectors_per_m", (FRAMES, SECTORS), "float32", "1/m"),  # left to right
    TensorSpec("sector_valid", (FRAMES, SECTORS), "float32", "1"),
    TensorSpec("corridor_m", (1,), "float32", "m"),
    TensorSpec("corridor_seen", (1,), "float32", "1"),
    TensorSpec(PREVIOUS_COMMAND, (3,), "float32", "m/s, rad/s, m"),
    TensorSpec("turn_random", (1,), "float32", "1"),
)


def select(*names: str) -> tuple[TensorSpec, ...]:
    """The rows of OBSERVATION with these names, in OBSERVATION's order."""
    return tuple(spec for spec in OBSERVATION if spec.name in names)


class FlightObserver:
    """Makes the observation dict of a flying robot, one call per camera frame."""

    def __init__(self, rng: np.random.Generator) -> None:
        """Draws `turn_random` from `rng`, now and after each turn."""
        self.reset(rng)

    def reset(self, rng: np.random.Generator) -> None:
        """Forgets the frames seen so far; the next one fills the stack."""
        self._rng = rng
        self._sectors: deque[NDArray[np.float32]] = deque(maxlen=FRAMES)
        self._valid: deque[NDArray[np.float32]] = deque(maxlen=FRAMES)
        self._turning = False
        self._turn_random = rng.random()

    def observe(self, proximity: Proximity, previous_command: ArrayLike) -> Observation:
        """The rows of OBSERVATION, float32, finite.

        Args:
            proximity: of the newest frame.
            previous_command: (3,) m/s, rad/s, m; what was commanded at the frame before.
        """
        previous = np.asarray(previous_command, dtype=np.float32)  # (3,)
        self._remember(proximity)
        self._redraw_after_turn(forward_m_s=previous[0], yaw_rad_s=previous[1])
        corridor_m = FREE_M if np.isnan(proximity.corridor_m) else proximity.corridor_m
        return {
            "sectors_per_m": np.stack(self._sectors),  # (3, 8)
            "sector_valid": np.stack(self._valid),  # (3, 8)
            "corridor_m": np.array([min(corridor_m, FREE_M)], dtype=np.float32),
            "corridor_seen": np.array([proximity.corridor_seen], dtype=np.float32),
            PREVIOUS_COMMAND: previous,
            "turn_random": np.array([self._turn_random], dtype=np.float32),
        }

    def _remember(self, proximity: Proximity) -> None:
        missing = 1 if self._sectors else FRAMES
        self._sectors.extend([_cautious(proximity)] * missing)
        self._valid.extend([proximity.sector_valid.astype(np.float32)] * missing)

    def _redraw_after_turn(self, forward_m_s: float, yaw_rad_s: float) -> None:
        if forward_m_s < MOVING_M_S:
            self._turning |= abs(yaw_rad_s) >= TURNING_RAD_S
        elif self._turning:
            self._turning = False
            self._turn_random = self._rng.random()


def _cautious(proximity: Proximity) -> NDArray[np.float32]:
    """The sectors (S,) in 1/m, where a sector of which too little is seen counts as near."""
    seen = proximity.sector_valid >= MIN_VALID
    sectors_per_m = np.where(seen, np.nan_to_num(proximity.sectors_per_m), UNSEEN_PER_M)
    if not seen[0]:
        sectors_per_m[0] = max(sectors_per_m[1], LEFT_RIM_PER_M)
    return sectors_per_m.astype(np.float32)
