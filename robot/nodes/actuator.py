"""Commands to a driver, through limits: the last node before hardware.

It runs at the robot's own rate, follows the last accepted command, and steers to stop when that
command is too old, whatever has become of the nodes before it.
"""

from dataclasses import dataclass

from firmware_bridge.driver import make_driver
from firmware_bridge.limits import CommandLimiter, Limited
from robot.config import RobotConfig
from robot.messages import Command, Setpoint
from robot.node import Emission, Input, Inputs, NoConfig, Node, NodeContext, Output, Role


@dataclass(frozen=True)
class ActuatorConfig(NoConfig):
    """An actuator has no parameters: its limits and link stand in the robot's TOML."""


class ActuatorNode(Node[ActuatorConfig]):
    """Limits and sends; publishes what the driver applies."""

    inputs = {"command": Input(Command)}
    outputs = {"setpoint": Output(Setpoint)}
    role = Role.ACTUATOR
    min_rate_hz = 50.0
    Config = ActuatorConfig

    @classmethod
    def is_played_back(cls, config: ActuatorConfig, robot: RobotConfig) -> bool:
        """A replay moves no hardware; what is simulated is none."""
        del config
        return not make_driver(robot.table("link"), robot.limits).features.arms_itself

    def __init__(self, config: ActuatorConfig, context: NodeContext) -> None:
        super().__init__(config, context)
        limits = context.robot.limits
        self._limiter = CommandLimiter(limits)
        self._driver = make_driver(context.robot.table("link"), limits)
        self._halted = False
        self.safe = True
        now_ns = context.clock.now_ns()
        self._driver.open(now_ns)
        self._state = self._driver.read(now_ns)

    def step(self, now_ns: int, inputs: Inputs) -> list[Emission]:
        """Offers a new command to the limiter, or follows the last one; sends what it allows."""
        command = inputs.newest("command")
        limited = self._limit(command, now_ns)
        if self._state.mode.is_engaged:
            self._driver.send(limited.values, now_ns)
        self._state = state = self._driver.read(now_ns)
        self.safe = state.stopped or stops(limited.reasons)
        setpoint = Setpoint(
            captured_ns=now_ns if command is None else command.captured_ns,
            valid=not state.stopped,
            values=tuple(float(value) for value in state.values),
            reasons=limited.reasons + state.faults,
        )
        return [("setpoint", setpoint)]

    def halt(self, *, on: bool) -> None:
        """Stops at once, whatever is commanded."""
        self._halted = on

    def gauges(self) -> dict[str, float]:
        """How often each limit has bent a command."""
        return {f"limited_{reason}": float(n) for reason, n in self._limiter.counters.items()}

    def close(self) -> None:
        """Stops the robot and lets go of the hardware."""
        self._driver.close()

    def _limit(self, command: Command | None, now_ns: int) -> Limited:
        """What may be sent now; a driver that follows nobody will begin where the robot stands."""
        if not self._state.mode.is_engaged:
            return self._limiter.rebase(self._state.measured, now_ns)
        if self._halted:
            return self._limiter.halt(now_ns)
        if command is None:
            return self._limiter.follow(now_ns)
        return self._limiter.apply(command.values, command.captured_ns, now_ns, valid=command.valid)


def stops(reasons: tuple[str, ...]) -> bool:
    """Whether a setpoint that was limited for these reasons holds the robot still."""
    return "halted" in reasons or ("stale" in reasons and "slew" not in reasons)
