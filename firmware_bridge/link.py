"""The host's end of the wire to a controller: kept alive by `pump` at every tick, never waiting.

It greets, sets up, asks for the time, gives signs of life, and begins anew when the cable was out
or the controller was reset. It never arms by itself: what comes back is disarmed or stopped, and
stays so until somebody asks.

A command goes out only while the controller says that it is engaged, and only with a stamp of the
controller's clock: without an estimate of that none is sent, and the controller's watchdog stops.
"""

from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any

from firmware_bridge.clock_sync import Exchange, PeerClock
from firmware_bridge.errors import BridgeInputError, PortError, PortLostError
from firmware_bridge.handshake import Handshake, Stage
from firmware_bridge.mcu_setup import Setup
from firmware_bridge.packet_line import FOREIGN, Packet, PacketLine
from firmware_bridge.port import Port
from firmware_bridge.safety_words import Mode, Reason, Wish
from firmware_bridge.wishes import STOPS, Wishes

HEARTBEAT_NS = 100_000_000
TIME_REQUEST_NS = 250_000_000
REOPEN_NS = 500_000_000  # between attempts to open a port that was lost
SILENT_NS = 100_000_000  # ten telemetry packets that did not come


class HostLink:
    """A link over ports that `connect` opens, to a controller that is told `setup`."""

    def __init__(self, connect: Callable[[], Port], setup: Setup, where: str) -> None:
        """Connects to nothing yet.

        Args:
            connect: opens the port; raises a `PortError`.
            setup: what the controller is told.
            where: names the port, for messages.
        """
        self._connect = connect
        self._max_bound_ns = setup.configure["max_command_age_ms"] * 1_000_000 // 2
        self._tried_ns: int | None = None  # when a port was last opened
        self._heard_ns = 0  # when the last good packet came
        self._said_ns = {"heartbeat": -HEARTBEAT_NS, "time_request": -TIME_REQUEST_NS}
        self._counted: Counter[str] = Counter()
        self.line: PacketLine | None = None
        self.handshake = Handshake(setup, where)
        self.wishes = Wishes()
        self.clock = PeerClock(resolution_ns=1000)
        self.port_error: PortError | None = None  # why there is no port
        self.telemetry: Any = None  # newest; None: the controller's state is not known
        self.controller_counters: dict[str, int] = {}

    @property
    def mode(self) -> Mode:
        """The controller's, as far as it is known: without a link it counts as BOOT."""
        return Mode.BOOT if self.telemetry is None else Mode(self.telemetry.mode)

    @property
    def is_up(self) -> bool:
        """Whether host and controller agree, and it tells its state."""
        return self.handshake.stage is Stage.DONE and self.telemetry is not None

    @property
    def is_told(self) -> bool:
        """Whether nothing is left to be agreed on without a person: up, or to be disarmed first."""
        return self.is_up or (self.handshake.stage is Stage.FOREIGN and self.telemetry is not None)

    @property
    def error(self) -> BridgeInputError | None:
        """What is wrong for good, as far as is known."""
        return self.port_error or self.handshake.error

    @property
    def counters(self) -> dict[str, int]:
        """Events on this side since the link was made."""
        counted = Counter(self._counted)
        if self.line is not None:
            counted.update(_of(self.line))
        counted["controller_resets"] = self.handshake.resets
        return dict(counted)

    def open(self, now_ns: int) -> None:
        """Opens the port.

        Raises:
            PortError: why not; `pump` tries again.
        """
        self._tried_ns = now_ns
        self.line = PacketLine(self._connect())
        self.port_error = None
        self._heard_ns = now_ns
        self.handshake.begin()

    def pump(self, now_ns: int) -> None:
        """Reads what has come and says what is due, at monotonic time `now_ns`."""
        if self.line is None:
            self._reopen(now_ns)
        if self.line is None:
            return
        try:
            for packet in self.line.read():
                self._take(packet, now_ns)
            self._watch(now_ns)
            self._speak(self.line, now_ns)
            self.line.flush()
        except PortLostError as error:
            self._lose(error)

    def command(self, values: Sequence[float], now_ns: int) -> str:
        """Sends a command, one value per axis in its unit; "" or why it was not sent."""
        why = self._withheld(now_ns)
        if not why and self.line is not None:
            estimate = self.clock.estimate(now_ns)
            stamped_us = 0 if estimate is None else (now_ns + estimate.offset_ns) // 1000
            sent = self.line.say("command", stamped_us=max(stamped_us, 0), values=values)
            why = "" if sent else "link_full"
        self._counted["commands" if not why else f"withheld_{why}"] += 1
        return why

    def wish(self, wish: Wish, now_ns: int) -> None:
        """Asks for another mode; see `wishes`."""
        stage = self.handshake.stage
        if self.line is None or stage in (Stage.GREETING, Stage.REFUSED):
            self.wishes.refuse(wish, "no_link")
        elif stage is not Stage.DONE and wish not in STOPS and self.mode is not Mode.ESTOP:
            self.wishes.refuse(wish, Reason.NOT_CONFIGURED.name)
        else:
            self.wishes.ask(wish, now_ns)

    def close(self) -> None:
        """Frees the port."""
        if self.line is not None:
            self.line.close()
            self._counted.update(_of(self.line))
            self.line = None
            self._greet()

    def _withheld(self, now_ns: int) -> str:
        """Why no command may go out, "" if one may."""
        if not self.is_up:
            return "no_link"
        if not self.mode.is_engaged:
            return "wrong_mode"
        estimate = self.clock.estimate(now_ns)
        return "" if estimate and estimate.bound_ns <= self._max_bound_ns else "no_clock"

    def _take(self, packet: Packet, now_ns: int) -> None:
        self._heard_ns = now_ns
        name, fields = packet
        if name == "identity":
            self.handshake.identity(fields)
        elif name == FOREIGN:
            self.handshake.foreign(fields)
        elif name == "verdict":
            self.handshake.verdict(fields)
            self.wishes.verdict(fields)
        elif name == "telemetry":
            self._note_time(fields.time_us)
            self.telemetry = fields
            self.handshake.mode(Mode(fields.mode))
        elif name == "counters":
            self.controller_counters = dict(fields._asdict())
        elif name == "time_reply":
            asked_ns = fields.host_us * 1000
            self._note_time(fields.sent_us)
            self.clock.add(
                Exchange(asked_ns, fields.received_us * 1000, fields.sent_us * 1000, now_ns)
            )
        else:
            self._counted["unexpected"] += 1  # what only a host says: an echo

    def _note_time(self, controller_us: int) -> None:
        if self.handshake.is_at(controller_us):
            self._greet()

    def _greet(self) -> None:
        """Begins anew with a controller whose state is not known."""
        self.handshake.begin()
        self.telemetry = None
        self.clock.forget()
        self.wishes.forget()

    def _watch(self, now_ns: int) -> None:
        """Greets a controller anew that was there and says nothing; if it hears, that stops it."""
        if self.telemetry is not None and now_ns - self._heard_ns > SILENT_NS:
            self._counted["silences"] += 1
            self._greet()

    def _speak(self, line: PacketLine, now_ns: int) -> None:
        for name, fields in self.handshake.to_say(now_ns):
            line.say(name, **fields)
        if self.handshake.stage in (Stage.GREETING, Stage.REFUSED):
            return
        for wish in self.wishes.to_say(now_ns):
            line.say("wish", wish=wish)
        if self._is_due("heartbeat", HEARTBEAT_NS, now_ns):
            line.say("heartbeat", mode=self.wishes.believed(self.mode))
        unknown = self.clock.estimate(now_ns) is None
        if self._is_due("time_request", HEARTBEAT_NS if unknown else TIME_REQUEST_NS, now_ns):
            line.say("time_request", host_us=now_ns // 1000)

    def _is_due(self, name: str, period_ns: int, now_ns: int) -> bool:
        """Whether a period is over; a tick that comes a little early counts."""
        if now_ns - self._said_ns[name] < period_ns:
            return False
        self._said_ns[name] = now_ns
        return True

    def _reopen(self, now_ns: int) -> None:
        if self._tried_ns is not None and now_ns - self._tried_ns < REOPEN_NS:
            return
        try:
            self.open(now_ns)
        except PortError as error:
            self.port_error = error
        else:
            self._counted["reconnects"] += 1

    def _lose(self, error: PortLostError) -> None:
        self._counted["port_losses"] += 1
        self.close()
        self.port_error = error


def _of(line: PacketLine) -> dict[str, int]:
    frames = line.frames
    return {
        "frames": frames.frames,
        "lost": frames.lost,
        "crc_errors": frames.crc_errors,
        "framing_errors": frames.framing_errors,
        "unknown": line.unknown,
        "send_overflows": line.overflows,
    }
