"""Commands to a driver, through limits: the last node before hardware.

It runs at the robot's own rate, follows the last accepted command, and steers to stop when that
command is too old, whatever has become of the nodes before it.
"""

from dataclasses import dataclass

from firmware_bridge.driver import DriverState, make_driver
from firmware_bridge.drivers import SIMULATED
from firmware_bridge.limits import CommandLimiter, Limited
from firmware_bridge.safety_words import Wish
from perception.quantities import InputError
from robot.clock import SECOND_NS
from robot.config import RobotConfig
from robot.messages import Alert, Command, DriverReport, Setpoint
from robot.node import Emission, Input, Inputs, Node, NodeContext, Output, Role
from robot.run_ports import SCHEME, is_of_run, resolved
from robot.wishes import MODE_GAUGE, Asked, Outcome, Requests, as_sentence, words

ARM_PERIOD_NS = SECOND_NS // 4  # between attempts of a simulated robot to arm itself


@dataclass(frozen=True)
class ActuatorConfig:
    """Parameters of an actuator; its limits and its link stand in the robot's TOML."""

    arms_itself: bool = False  # at the start, and only where nothing real hangs on the link


class ActuatorNode(Node[ActuatorConfig]):
    """Limits and sends; publishes what the driver applies, and what hardware says of itself."""

    inputs = {"command": Input(Command)}
    outputs = {
        "setpoint": Output(Setpoint),
        "driver": Output(DriverReport, steady=False),
    }
    role = Role.ACTUATOR
    min_rate_hz = 50.0
    Config = ActuatorConfig

    @classmethod
    def is_played_back(cls, config: ActuatorConfig, robot: RobotConfig) -> bool:
        """A replay moves no hardware; what is simulated is none."""
        del config
        return robot.table("link").get("driver") not in SIMULATED

    def __init__(self, config: ActuatorConfig, context: NodeContext) -> None:
        super().__init__(config, context)
        limits = context.robot.limits
        self._limiter = CommandLimiter(limits)
        link = context.robot.table("link")
        if config.arms_itself and not is_of_run(link):
            raise InputError(
                f"node {context.name!r}: arms_itself = true, but hardware never arms itself: "
                f"set false and use reflexarc arm (it is for ports of the run, {SCHEME}NAME)"
            )
        self._driver = make_driver(resolved(link, context.control_folder), limits)
        self._is_simulated = self._driver.features.arms_itself
        self._requests = Requests(self._driver)
        self._arm_at_ns = 0 if config.arms_itself else None
        """When to ask it to arm again; None: that is a person's affair."""
        self._halted = False
        self.safe = True
        now_ns = context.clock.now_ns()
        self._driver.open(now_ns)
        self._state = self._driver.read(now_ns)

    def step(self, now_ns: int, inputs: Inputs) -> list[Emission]:
        """Offers a new command to the limiter, or follows the last one; sends what it allows."""
        before = self._state
        self._arm(now_ns)
        self._state = self._requests.serve(self._state, now_ns)
        command = inputs.newest("command")
        limited = self._limit(command, now_ns)
        if self._state.mode.is_engaged:
            self._driver.send(limited.values, now_ns)
        self._state = self._driver.read(now_ns)
        self._state = state = self._requests.serve(self._state, now_ns)
        self.safe = state.stopped or stops(limited.reasons)
        setpoint = Setpoint(
            captured_ns=now_ns if command is None else command.captured_ns,
            valid=not state.stopped,
            values=tuple(float(value) for value in state.values),
            reasons=limited.reasons + state.faults,
        )
        return [("setpoint", setpoint), *self._report(before, now_ns)]

    def halt(self, *, on: bool) -> None:
        """Stops at once, whatever is commanded."""
        self._halted = on

    def ask(self, asked: Asked) -> None:
        """Takes in a demand to arm, disarm or stop; from then on a person decides."""
        self._arm_at_ns = None
        self._requests.add(asked, self._state)

    def take_outcomes(self) -> list[Outcome]:
        """What came of demands since this was asked last."""
        outcomes, self._requests.outcomes = self._requests.outcomes, []
        return outcomes

    def gauges(self) -> dict[str, float]:
        """How often each limit has bent a command; the driver's mode and what it counted."""
        return {
            **{f"limited_{reason}": float(n) for reason, n in self._limiter.counters.items()},
            MODE_GAUGE: float(self._state.mode),
            **{f"driver_{event}": float(n) for event, n in self._state.counters.items()},
        }

    def close(self) -> None:
        """Stops the robot and lets go of the hardware."""
        self._driver.close()

    def _arm(self, now_ns: int) -> None:
        """Arms a robot of which nothing is real, once its sensors tell where it is."""
        if self._state.mode.is_engaged:
            self._arm_at_ns = None
        if self._arm_at_ns is None or now_ns < self._arm_at_ns:
            return
        self._arm_at_ns = now_ns + ARM_PERIOD_NS
        self._driver.request(Wish.ARM, now_ns)

    def _limit(self, command: Command | None, now_ns: int) -> Limited:
        """What may be sent now; a driver that follows nobody will begin where the robot stands."""
        if not self._state.mode.is_engaged:
            return self._limiter.rebase(self._state.measured, now_ns)
        if self._halted:
            return self._limiter.halt(now_ns)
        if command is None:
            return self._limiter.follow(now_ns)
        return self._limiter.apply(command.values, command.captured_ns, now_ns, valid=command.valid)

    def _report(self, before: DriverState, now_ns: int) -> list[Emission]:
        """What hardware says of itself, and simulated robots while they were told to stop.

        An alert goes with it when the mode has changed, but for the first command of an armed one.
        """
        state = self._state
        engaged = before.mode.is_engaged and state.mode.is_engaged
        if self._is_simulated and engaged:
            return []
        measured = () if state.measured is None else tuple(map(float, state.measured))
        report = DriverReport(
            captured_ns=now_ns,
            mode=state.mode.name.lower(),
            faults=state.faults,
            measured=measured,
            counters=dict(state.counters),
        )
        emissions: list[Emission] = [("driver", report)]
        if state.mode is not before.mode and not engaged:
            why = f" ({as_sentence(state.faults)})" if state.faults else ""
            text = f"the robot is {words(state.mode)}, it was {words(before.mode)}{why}"
            emissions.append(("alerts", Alert(captured_ns=now_ns, text=text)))
            print(text, flush=True)  # noqa: T201 - whoever started the run must not look it up
        return emissions


def stops(reasons: tuple[str, ...]) -> bool:
    """Whether a setpoint that was limited for these reasons holds the robot still."""
    return "halted" in reasons or ("stale" in reasons and "slew" not in reasons)
