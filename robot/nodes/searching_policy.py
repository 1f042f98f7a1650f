"""A policy that looks around when nobody may be flown on, in place of standing before one view.

What stereo cannot measure (a plain wall) or one camera does not believe stays so as long as the
robot stands and sees the same. Turning in place moves it nowhere and shows it the rest of the room.
It is for vehicles that may turn where they stand; others keep the policy that stops.
"""

import math
from dataclasses import dataclass

from perception.quantities import InputError
from robot.messages import Command
from robot.node import Emission, Inputs, NodeContext
from robot.nodes.policy import PolicyNode, PolicyNodeConfig

TURNING_AXIS = "yaw_rate"  # rad/s


@dataclass(frozen=True)
class SearchingPolicyConfig(PolicyNodeConfig):
    """How it looks around."""

    rest_frames: int = 20  # that it stands first: most blindness is over by itself
    search_rad_s: float = 0.5  # left; slow enough for a camera at 10 Hz
    most_turns: float = 2.0  # then it stands, as nothing to be seen has helped

    def __post_init__(self) -> None:
        if self.rest_frames < 0 or self.search_rad_s <= 0 or self.most_turns <= 0:
            raise InputError(
                "rest_frames must be at least 0, search_rad_s and most_turns above 0; "
                "for a robot that only stops take the class 'policy'"
            )


class SearchingPolicyNode(PolicyNode):
    """A policy node that turns in place while its readings are not valid."""

    Config = SearchingPolicyConfig

    def __init__(self, config: SearchingPolicyConfig, context: NodeContext) -> None:
        names = [axis.name for axis in context.robot.limits.axes]
        if TURNING_AXIS not in names:
            raise InputError(
                f"{context.robot.name} has no axis {TURNING_AXIS!r} to look around with; axes: "
                f"{', '.join(names)}; take the class 'policy', which stops"
            )
        super().__init__(config, context)
        self._turning = names.index(TURNING_AXIS)
        limit = context.robot.limits.axes[self._turning]
        self._search_rad_s = min(config.search_rad_s, limit.maximum)
        turn_s = 2 * math.pi / self._search_rad_s
        self._searches_until = config.rest_frames + round(
            config.most_turns * turn_s * (context.rate_hz or 0.0)
        )
        self._rest_frames = config.rest_frames
        self._blind_frames = 0

    def step(self, now_ns: int, inputs: Inputs) -> list[Emission]:
        """As a policy; a reading that is valid ends the search."""
        reading = inputs.newest("proximity")
        if reading is not None:
            self._blind_frames = 0 if reading.valid else self._blind_frames + 1
        return super().step(now_ns, inputs)

    def _stop(self, captured_ns: int) -> Command:
        """Stands for a while, then turns in place, then stands."""
        stopped = super()._stop(captured_ns)
        if not self._rest_frames < self._blind_frames <= self._searches_until:
            return stopped
        self._previous[self._turning] = self._search_rad_s
        return Command(captured_ns=captured_ns, values=tuple(map(float, self._previous)))
