"""Who has the controls: from a person's wish to an armed vehicle that follows, and back.

What the vehicle echoes in its heartbeat is what counts; that a command was accepted is not enough.
The controls are asked for once per wish. When a pilot or a failsafe takes them away, they stay away
until somebody wishes for them again.

    IDLE -- ARM --> PROVING -- a stream of 1.2 s --> SWITCHING -- mode echoed --> ARMING
    ARMING -- armed --> ENGAGED
    ENGAGED -- no command, mode taken, heartbeat or position lost, STOP --> STOPPED
    STOPPED -- RESET --> PROVING
    STOPPED -- the vehicle has landed and disarmed itself --> IDLE
    any -- ESTOP --> ESTOPPED -- RESET, once it is disarmed --> IDLE
"""

from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum, auto
from typing import Final

from firmware_bridge.mavlink.asking import Asker
from firmware_bridge.mavlink.autopilots import Autopilot
from firmware_bridge.mavlink.stream import Stream
from firmware_bridge.mavlink.takeoff import Takeoff
from firmware_bridge.mavlink.vehicle import Vehicle
from firmware_bridge.safety import Mode, Wish

DO_SET_MODE: Final = 176  # MAV_CMD_DO_SET_MODE
ARM_DISARM: Final = 400  # MAV_CMD_COMPONENT_ARM_DISARM
FORCE: Final = 21196.0  # its second parameter: in the air too, and then the vehicle FALLS
ECHO_NS: Final = 3_000_000_000  # for a heartbeat to show what was accepted: three of them
ASK_LAND_NS: Final = 1_500_000_000  # between two orders to land
ESTOP_PATIENCE: Final = 20  # times that the motors are asked to stop


class Stage(Enum):
    """How far the wish for the controls has come."""

    IDLE = auto()
    PROVING = auto()
    SWITCHING = auto()
    ARMING = auto()
    ENGAGED = auto()
    STOPPED = auto()
    ESTOPPED = auto()


_ASKING = (Stage.PROVING, Stage.SWITCHING, Stage.ARMING)


@dataclass(frozen=True)
class Rules:
    """When to stop, and what then."""

    watchdog_ns: int  # without a good command
    heartbeat_s: float  # without a heartbeat of the vehicle
    estimate_s: float  # without a position or an attitude
    min_battery: float  # 0 to 1, below which it is not armed
    land_after_ns: int | None  # of hovering after a stop; None: hovers on


class Engagement:
    """The state machine above. `why` says what stopped it, until it is engaged anew."""

    def __init__(
        self, autopilot: Autopilot, vehicle: Vehicle, asker: Asker, stream: Stream, rules: Rules
    ) -> None:
        self.stage = Stage.IDLE
        self.why = ""
        self.refusals: dict[str, None] = {}  # words since they were last taken; each once
        self.counters = {"timeouts": 0, "heartbeats_lost": 0, "modes_taken": 0, "estops": 0}
        self._autopilot, self._vehicle, self._asker = autopilot, vehicle, asker
        self._stream, self._rules = stream, rules
        self._takeoff = Takeoff(autopilot, vehicle, asker)
        self._since_ns = 0  # when the stage began
        self._command_ns: int | None = None  # of the last good command
        self._land_ns = 0  # when landing is asked for next
        self._wish = Wish.ARM  # which led to asking
        self._disarming = False
        self._wishes: dict[Wish, Callable[[int], str | None]] = {  # each says why it is refused
            Wish.ARM: self._wish_arm,
            Wish.DISARM: self._wish_disarm,
            Wish.STOP: self._wish_stop,
            Wish.ESTOP: self._wish_estop,
            Wish.RESET: self._wish_reset,
        }
        self._steps: dict[Stage, Callable[[int], None]] = {
            Stage.PROVING: self._prove,
            Stage.SWITCHING: self._switch,
            Stage.ARMING: self._arm,
            Stage.ENGAGED: self._follow,
            Stage.STOPPED: self._react,
        }

    def mode(self, now_ns: int) -> Mode:
        """In the bridge's words."""
        if self.stage is Stage.ESTOPPED:
            return Mode.ESTOP
        if self.stage is Stage.STOPPED:
            return Mode.PROTECTIVE_STOP
        if self.is_silent(now_ns):
            return Mode.BOOT
        if self.stage is Stage.ENGAGED:
            return Mode.ARMED if self._command_ns is None else Mode.ACTIVE
        return Mode.PROTECTIVE_STOP if self._vehicle.armed else Mode.DISARMED

    def is_silent(self, now_ns: int) -> bool:
        """Whether the vehicle's heartbeat is missing."""
        return self._vehicle.age_s("HEARTBEAT", now_ns) > self._rules.heartbeat_s

    @property
    def may_stream(self) -> bool:
        """Whether a set-point may be sent: one would end a take-off."""
        return not self._takeoff.is_climbing

    def command_came(self, altitude_m: float, now_ns: int) -> bool:
        """A good command came; says whether it is followed."""
        if self.stage is not Stage.ENGAGED:
            return False
        if self._command_ns is None:
            self._takeoff.begin(altitude_m, now_ns)
        self._command_ns = now_ns
        return True

    def request(self, wish: Wish, now_ns: int) -> None:
        """Grants a wish, begins to, or adds to `refusals`."""
        refusal = self._wishes[wish](now_ns)
        if refusal is not None:
            self._refuse(wish, refusal)

    def tick(self, now_ns: int) -> None:
        """Takes the steps that are due."""
        self._watch_disarming(now_ns)
        if self.stage in _ASKING and self.is_silent(now_ns):
            self._give_up("no_heartbeat", now_ns)
        elif self.stage in self._steps:
            self._steps[self.stage](now_ns)

    def _wish_arm(self, now_ns: int) -> str | None:
        if self.stage in (*_ASKING, Stage.ENGAGED):
            return None
        if self.stage is not Stage.IDLE:
            return "wrong_mode"
        return self._begin(Wish.ARM, now_ns)

    def _wish_reset(self, now_ns: int) -> str | None:
        if self.stage is Stage.ESTOPPED:
            if self.is_silent(now_ns):
                return "no_heartbeat"
            if self._vehicle.armed:
                return "still_armed"
            self._enter(Stage.IDLE, now_ns)
            self.why = ""
            return None
        return self._begin(Wish.RESET, now_ns) if self.stage is Stage.STOPPED else "wrong_mode"

    def _begin(self, wish: Wish, now_ns: int) -> str | None:
        if (why_not := self._why_not(now_ns)) is not None:
            return why_not
        self._wish = wish
        self._enter(Stage.PROVING, now_ns)
        return None

    def _wish_disarm(self, now_ns: int) -> str | None:
        if self.stage is Stage.ESTOPPED:
            return "wrong_mode"
        if self.is_silent(now_ns):
            return "no_heartbeat"
        if self.stage in _ASKING:
            self._cancel(now_ns)
        self._ask_disarm()
        return None

    def _wish_stop(self, now_ns: int) -> str | None:
        if self.stage in _ASKING:
            self._cancel(now_ns)
        elif self.stage is Stage.ENGAGED:
            self._stop("requested", now_ns)
        elif self.stage is not Stage.STOPPED:
            return "wrong_mode"
        return None

    def _wish_estop(self, now_ns: int) -> None:
        if self.stage is not Stage.ESTOPPED:
            self.counters["estops"] += 1
        self._enter(Stage.ESTOPPED, now_ns)
        self.why, self._disarming = "requested", False
        self._asker.forget(DO_SET_MODE)
        self._asker.ask(ARM_DISARM, (0.0, FORCE), ESTOP_PATIENCE)

    def _prove(self, now_ns: int) -> None:
        if not self._stream.is_proof(now_ns):
            return
        self._enter(Stage.SWITCHING, now_ns)
        if not self._vehicle.follows:
            params = self._autopilot.mode_params(self._autopilot.controlled)
            self._asker.ask(DO_SET_MODE, params)

    def _switch(self, now_ns: int) -> None:
        if not self._vehicle.follows:
            self._give_up_if_denied(DO_SET_MODE, now_ns)
            return
        if (why_not := self._why_not(now_ns)) is not None:
            self._give_up(why_not, now_ns)
        elif self._vehicle.armed or not self._vehicle.prearm_fails:
            self._ask_to_arm(now_ns)
        elif now_ns - self._since_ns > ECHO_NS:  # its checks are those of the mode it is in now
            self._give_up("prearm_check", now_ns)

    def _ask_to_arm(self, now_ns: int) -> None:
        self._asker.forget(DO_SET_MODE)
        self._enter(Stage.ARMING, now_ns)
        if not self._vehicle.armed:
            self._asker.ask(ARM_DISARM, (1.0, 0.0))

    def _arm(self, now_ns: int) -> None:
        if not self._vehicle.follows:
            self._give_up("mode_" + self._vehicle.mode, now_ns)
        elif self._vehicle.armed:
            self._asker.forget(ARM_DISARM)
            self._enter(Stage.ENGAGED, now_ns)
            self.why = ""
        else:
            self._give_up_if_denied(ARM_DISARM, now_ns)

    def _follow(self, now_ns: int) -> None:
        vehicle, rules = self._vehicle, self._rules
        poor = vehicle.poor_estimate(now_ns, rules.estimate_s)
        if self.is_silent(now_ns):
            self.counters["heartbeats_lost"] += 1
            self._stop("heartbeat_lost", now_ns)
        elif not vehicle.armed:
            self._enter(Stage.IDLE, now_ns)
            self.why = "disarmed"
        elif not vehicle.follows:
            self.counters["modes_taken"] += 1
            self._stop("mode_" + vehicle.mode, now_ns)
        elif poor is not None:
            self._stop(poor, now_ns)
        elif self._command_ns is not None and now_ns - self._command_ns > rules.watchdog_ns:
            self.counters["timeouts"] += 1
            self._stop("command_timeout", now_ns)
        elif (why := self._takeoff.tick(now_ns)) is not None:
            self._stop(why, now_ns)

    def _react(self, now_ns: int) -> None:
        """Hovers, because that is what is streamed, then lands; only while it has the controls."""
        if not self._vehicle.armed and not self.is_silent(now_ns):
            self._enter(Stage.IDLE, now_ns)
            return
        after_ns = self._rules.land_after_ns
        if after_ns is None or now_ns - self._since_ns < after_ns or not self._vehicle.follows:
            return
        if now_ns >= self._land_ns:
            self._land_ns = now_ns + ASK_LAND_NS
            self._asker.ask(DO_SET_MODE, self._autopilot.mode_params(self._autopilot.land))

    def _why_not(self, now_ns: int) -> str | None:
        """What speaks against taking the controls now."""
        rules, vehicle = self._rules, self._vehicle
        if self.is_silent(now_ns):
            return "no_heartbeat"
        if vehicle.armed:  # in somebody's hands; whether it may fly is decided already
            return vehicle.why_not_fly(now_ns, rules.estimate_s)
        return vehicle.why_not_arm(now_ns, rules.estimate_s, rules.min_battery)

    def _enter(self, stage: Stage, now_ns: int) -> None:
        self.stage, self._since_ns = stage, now_ns
        self._command_ns = None
        self._takeoff.end()

    def _stop(self, why: str, now_ns: int) -> None:
        self._enter(Stage.STOPPED, now_ns)
        self.why, self._land_ns = why, now_ns

    def _give_up_if_denied(self, command: int, now_ns: int) -> None:
        answer = self._asker.answer(command)
        if answer not in (None, "accepted"):
            self._give_up(answer or "", now_ns)
        elif now_ns - self._since_ns > ECHO_NS:
            self._give_up("not_echoed", now_ns)

    def _give_up(self, why: str, now_ns: int) -> None:
        self._refuse(self._wish, why)
        self._cancel(now_ns)

    def _cancel(self, now_ns: int) -> None:
        """Back to where the wish came from; a question to arm that is still under way is undone."""
        self._asker.forget(DO_SET_MODE)
        if self.stage is Stage.ARMING and not self._vehicle.armed:
            self._asker.ask(ARM_DISARM, (0.0, 0.0))
        back = Stage.STOPPED if self._wish is Wish.RESET else Stage.IDLE
        self._enter(back, now_ns)

    def _ask_disarm(self) -> None:
        self._disarming = True
        self._asker.ask(ARM_DISARM, (0.0, 0.0))

    def _watch_disarming(self, now_ns: int) -> None:
        """Sees what became of a wish to disarm: an echo, a refusal, or nothing yet."""
        if not self._disarming:
            return
        answer = self._asker.answer(ARM_DISARM)
        if not self._vehicle.armed and not self.is_silent(now_ns):
            self._disarming, self.why = False, ""
            self._enter(Stage.IDLE, now_ns)
        elif answer not in (None, "accepted"):
            self._disarming = False
            self._refuse(Wish.DISARM, answer or "")

    def _refuse(self, wish: Wish, why: str) -> None:
        self.refusals[f"{wish.name.lower()}_refused_{why}"] = None
