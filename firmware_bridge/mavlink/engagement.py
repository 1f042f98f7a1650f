"""Who has the controls: from a person's wish to a vehicle that follows, and back.

The controls are asked for once per wish. When a pilot or a failsafe takes them away, they stay away
until somebody wishes for them again.

    IDLE -- ARM --> ASKING -- armed and following (`handover`) --> ENGAGED
    ENGAGED -- no command, mode taken, heartbeat or position lost, STOP --> STOPPED
    STOPPED -- RESET --> ASKING
    STOPPED -- the vehicle has landed and disarmed itself --> IDLE
    any -- ESTOP --> ESTOPPED -- RESET, once it is disarmed --> IDLE
"""

from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum, auto
from typing import Final

from firmware_bridge.mavlink.asking import Asker
from firmware_bridge.mavlink.autopilots import Autopilot
from firmware_bridge.mavlink.handover import ARM_DISARM, DO_SET_MODE, Handover
from firmware_bridge.mavlink.stream import Stream
from firmware_bridge.mavlink.takeoff import Takeoff
from firmware_bridge.mavlink.vehicle import Vehicle
from firmware_bridge.safety import Mode, Wish

FORCE: Final = 21196.0  # second parameter of ARM_DISARM: in the air too, and then the vehicle FALLS
ASK_LAND_NS: Final = 1_500_000_000  # between two orders to land
ESTOP_PATIENCE: Final = 20  # times that the motors are asked to stop before it begins anew


class Stage(Enum):
    """How far the wish for the controls has come."""

    IDLE = auto()
    ASKING = auto()
    ENGAGED = auto()
    STOPPED = auto()
    ESTOPPED = auto()


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
        self._rules = rules
        self._handover = Handover(autopilot, vehicle, asker, stream, self._why_not)
        self._takeoff = Takeoff(autopilot, vehicle, asker)
        self._since_ns = 0  # when the stage began
        self._command_ns: int | None = None  # of the last good command
        self._land_ns = 0  # when landing is asked for next
        self._wish = Wish.ARM  # which led to asking
        self._disarming = False
        self._insists = False  # on an e-stop that no heartbeat has shown yet
        self._wishes: dict[Wish, Callable[[int], str | None]] = {  # each says why it is refused
            Wish.ARM: self._wish_arm,
            Wish.DISARM: self._wish_disarm,
            Wish.STOP: self._wish_stop,
            Wish.ESTOP: self._wish_estop,
            Wish.RESET: self._wish_reset,
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

    @property
    def has_controls(self) -> bool:
        """Whether the vehicle follows because somebody wished so; a stop hovers by them."""
        return self.stage in (Stage.ENGAGED, Stage.STOPPED) and self._vehicle.follows

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
        if (refusal := self._wishes[wish](now_ns)) is not None:
            self._refuse(wish, refusal)

    def tick(self, now_ns: int) -> None:
        """Takes the steps that are due."""
        self._watch_disarming(now_ns)
        if self.stage is Stage.ASKING:
            self._ask(now_ns)
        elif self.stage is Stage.ENGAGED:
            if (why := self._why_stop(now_ns)) is not None:
                self.stop(why, now_ns)
        elif self.stage is Stage.STOPPED:
            self._react(now_ns)
        elif self.stage is Stage.ESTOPPED:
            self._insist(now_ns)

    def stop(self, why: str, now_ns: int) -> None:
        """Lets go of the commands: from now on it hovers, and lands if the rules say so."""
        landed = not self._vehicle.armed and not self.is_silent(now_ns)
        self._enter(Stage.IDLE if landed else Stage.STOPPED, now_ns)
        self.why, self._land_ns = why, now_ns

    def _wish_arm(self, now_ns: int) -> str | None:
        if self.stage in (Stage.ASKING, Stage.ENGAGED):
            return None
        return self._begin(Wish.ARM, now_ns) if self.stage is Stage.IDLE else "wrong_mode"

    def _wish_reset(self, now_ns: int) -> str | None:
        if self.stage is Stage.STOPPED:
            return self._begin(Wish.RESET, now_ns)
        if self.stage is not Stage.ESTOPPED:
            return "wrong_mode"
        if self.is_silent(now_ns):
            return "no_heartbeat"
        if self._vehicle.armed:
            return "still_armed"
        self._enter(Stage.IDLE, now_ns)
        self.why = ""
        return None

    def _wish_disarm(self, now_ns: int) -> str | None:
        if self.stage is Stage.ESTOPPED:
            return "wrong_mode"
        if self.is_silent(now_ns):
            return "no_heartbeat"
        if self.stage is Stage.ASKING:
            self._cancel(now_ns)
        self._disarming = True
        self._asker.ask(ARM_DISARM, (0.0, 0.0))
        return None

    def _wish_stop(self, now_ns: int) -> str | None:
        if self.stage is Stage.ASKING:
            self._cancel(now_ns)
        elif self.stage is Stage.ENGAGED:
            self.stop("requested", now_ns)
        elif self.stage is not Stage.STOPPED:
            return "wrong_mode"
        return None

    def _wish_estop(self, now_ns: int) -> None:
        if self.stage is not Stage.ESTOPPED:
            self.counters["estops"] += 1
        self._enter(Stage.ESTOPPED, now_ns)
        self.why, self._disarming, self._insists = "requested", False, True
        self._asker.forget(DO_SET_MODE)
        self._asker.ask(ARM_DISARM, (0.0, FORCE), ESTOP_PATIENCE)

    def _insist(self, now_ns: int) -> None:
        """Asks for the motors to stop until a heartbeat shows it: an answer may be an old one's.

        Once it has shown it, whoever arms the vehicle by hand is not fought.
        """
        heard_s = self._vehicle.age_s("HEARTBEAT", now_ns)
        if not self._vehicle.armed and heard_s < (now_ns - self._since_ns) / 1e9:
            self._insists = False
        if self._insists and not self._asker.is_open(ARM_DISARM):
            self._asker.ask(ARM_DISARM, (0.0, FORCE), ESTOP_PATIENCE)

    def _begin(self, wish: Wish, now_ns: int) -> str | None:
        if (why_not := self._why_not(now_ns)) is not None:
            return why_not
        self._wish = wish
        self._enter(Stage.ASKING, now_ns)
        self._handover.begin(now_ns)
        return None

    def _ask(self, now_ns: int) -> None:
        why_not = self._handover.tick(now_ns)
        if why_not is not None:
            self._refuse(self._wish, why_not)
            self._cancel(now_ns)
        elif self._handover.is_done:
            self._enter(Stage.ENGAGED, now_ns)
            self.why = ""

    def _why_stop(self, now_ns: int) -> str | None:
        """What takes the controls away, or makes it wrong to keep them."""
        vehicle, rules = self._vehicle, self._rules
        late = self._command_ns is not None and now_ns - self._command_ns > rules.watchdog_ns
        if self.is_silent(now_ns):
            self.counters["heartbeats_lost"] += 1
            return "heartbeat_lost"
        if not vehicle.armed:
            return "disarmed"
        if not vehicle.follows:
            self.counters["modes_taken"] += 1
            return f"mode_{vehicle.mode}"
        if (poor := vehicle.poor_estimate(now_ns, rules.estimate_s)) is not None:
            return poor
        if late:
            self.counters["timeouts"] += 1
            return "command_timeout"
        return self._takeoff.tick(now_ns)

    def _react(self, now_ns: int) -> None:
        """Hovers, because that is what is streamed, then lands; only while it has the controls."""
        if not self._vehicle.armed and not self.is_silent(now_ns):
            self._enter(Stage.IDLE, now_ns)
            return
        after_ns = self._rules.land_after_ns
        waits = after_ns is None or now_ns - self._since_ns < after_ns or now_ns < self._land_ns
        if not waits and self.has_controls:
            self._land_ns = now_ns + ASK_LAND_NS
            self._asker.ask(DO_SET_MODE, self._autopilot.mode_params(self._autopilot.land))

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

    def _why_not(self, now_ns: int) -> str | None:
        """What speaks against having the controls."""
        rules, vehicle = self._rules, self._vehicle
        if self.is_silent(now_ns):
            return "no_heartbeat"
        if vehicle.armed:  # in somebody's hands; whether it may fly is decided already
            return vehicle.why_not_fly(now_ns, rules.estimate_s)
        return vehicle.why_not_arm(now_ns, rules.estimate_s, rules.min_battery)

    def _cancel(self, now_ns: int) -> None:
        """Back to where the wish came from."""
        self._handover.cancel()
        self._enter(Stage.STOPPED if self._wish is Wish.RESET else Stage.IDLE, now_ns)

    def _enter(self, stage: Stage, now_ns: int) -> None:
        self.stage, self._since_ns = stage, now_ns
        self._command_ns = None
        self._takeoff.end()

    def _refuse(self, wish: Wish, why: str) -> None:
        self.refusals[f"{wish.name.lower()}_refused_{why}"] = None
