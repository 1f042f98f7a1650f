"""The whole controller in Python: what the firmware does, where there is no chip and no compiler.

It is the frames of `firmware_bridge.framing` around the state machine of `firmware_bridge.safety`.
The conformance suite holds it, the firmware compiled for this machine and the firmware on the
emulated chip to the same law.
"""

import math
from typing import Any

from firmware_bridge.command_gate import is_newer
from firmware_bridge.configuration import (
    MAX_AXES,
    TICK_US,
    AxisConfiguration,
    Configuration,
    HardwareLimits,
)
from firmware_bridge.emulators.outbox import Outbox
from firmware_bridge.framing import Decoder, Frame
from firmware_bridge.monitors import Sample
from firmware_bridge.protocol import BY_ID, BY_NAME, SCHEMA_HASH, Link, unpack
from firmware_bridge.safety import SafetyMachine
from firmware_bridge.safety_words import Reason, Wish

FIRMWARE_VERSION = 1
TICKS_PER_TELEMETRY = 2
TICKS_PER_COUNTERS = 100
MOST_LATE_US = 1_000_000  # ticks that are later than this are not made up for
_UNKNOWN = (math.nan,) * MAX_AXES


class PythonBoard:
    """A `Board`. It is powered up when it is made, at 0 µs of its clock."""

    def __init__(self, hardware: HardwareLimits | None = None) -> None:
        self._machine = SafetyMachine(hardware or HardwareLimits())
        self._decoders = {link: Decoder() for link in Link}
        self._outboxes = {link: Outbox() for link in Link}
        self._handlers = {
            "hello": self._hello,
            "heartbeat": self._heartbeat,
            "configure": self._configure,
            "configure_axis": self._configure_axis,
            "wish": self._wish,
            "command": self._command,
            "time_request": self._time_request,
            "sense": self._sense,
        }
        self._is_greeted = False  # by a host that has the same table of packets
        self._host_seq = 0  # the newest
        self._unknown = 0  # frames that say nothing
        self._sample = Sample(-1, _UNKNOWN, _UNKNOWN, math.nan, math.nan)
        self._ticks = 0
        self._next_us = TICK_US

    def receive(self, link: Link, data: bytes, now_us: int) -> None:
        """Does what arrives on a wire; whatever that is, it never raises."""
        for frame in self._decoders[link].feed(data):
            self._dispatch(link, frame, now_us)

    def step(self, now_us: int) -> None:
        """Runs the ticks that are due."""
        if now_us - self._next_us > MOST_LATE_US:
            self._next_us = now_us - now_us % TICK_US
        while self._next_us <= now_us:
            self._tick(self._next_us, now_us)
            self._next_us += TICK_US

    def take(self, link: Link) -> bytes:
        """What waits on a wire."""
        return self._outboxes[link].take()

    def _dispatch(self, link: Link, frame: Frame, now_us: int) -> None:
        packet = BY_ID.get(frame.type)
        message = unpack(frame.type, frame.payload)
        if packet is None or message is None or packet.link is not link:
            self._unknown += 1
        elif packet.name not in self._handlers:
            self._unknown += 1  # it is the controller who says that
        elif link is Link.PLANT or packet.name == "hello":
            self._handlers[packet.name](message, frame.seq, now_us)
        elif self._is_greeted:
            self._hear_host(packet.name, message, frame.seq, now_us)

    def _hear_host(self, name: str, message: Any, seq: int, now_us: int) -> None:
        """Does what a host says, once: a wire may repeat what it has carried."""
        is_news = is_newer(seq, self._host_seq)
        if is_news:
            self._host_seq = seq
        is_stop = name == "wish" and message.wish in (Wish.STOP, Wish.ESTOP)
        if is_news or is_stop or name == "command":  # the machine looks at those itself
            self._handlers[name](message, seq, now_us)
        else:
            self._machine.counters["refused"] += 1

    def _say(self, name: str, **values: Any) -> None:
        self._outboxes[BY_NAME[name].link].put(name, **values)

    def _hello(self, message: Any, seq: int, now_us: int) -> None:
        self._host_seq = seq
        self._is_greeted = message.schema_hash == SCHEMA_HASH
        self._machine.hello(now_us)
        self._say(
            "identity",
            schema_hash=SCHEMA_HASH,
            uptime_us=now_us,
            firmware_version=FIRMWARE_VERSION,
            mode=self._machine.mode,
            max_axes=MAX_AXES,
        )

    def _heartbeat(self, message: Any, _: int, now_us: int) -> None:
        self._machine.heartbeat(message.mode, now_us)

    def _configure(self, message: Any, _: int, __: int) -> None:
        reason = self._machine.configure(Configuration(*message))
        self._answer("configure", 0, reason)

    def _configure_axis(self, message: Any, _: int, __: int) -> None:
        reason = self._machine.configure_axis(AxisConfiguration(*message))
        self._answer("configure_axis", message.index, reason)

    def _wish(self, message: Any, _: int, now_us: int) -> None:
        self._answer("wish", message.wish, self._machine.wish(message.wish, now_us))

    def _answer(self, about: str, index: int, reason: Reason) -> None:
        self._say(
            "verdict",
            about=BY_NAME[about].id,
            index=index,
            reason=reason,
            mode=self._machine.mode,
        )

    def _command(self, message: Any, seq: int, now_us: int) -> None:
        self._machine.command(message.values, message.stamped_us, seq, now_us)

    def _time_request(self, message: Any, _: int, now_us: int) -> None:
        self._say("time_reply", host_us=message.host_us, received_us=now_us, sent_us=now_us)

    def _sense(self, message: Any, _: int, now_us: int) -> None:
        sample = Sample(*message)
        self._machine.sense(sample, now_us)
        if self._sample.time_us < sample.time_us <= now_us:
            self._sample = sample

    def _tick(self, due_us: int, now_us: int) -> None:
        """One control period; what is said of it bears the time when it was due."""
        self._ticks += 1
        machine = self._machine
        machine.tick(now_us)
        setpoint = machine.setpoint.tolist()
        self._say("drive", time_us=due_us, torque=machine.torque, setpoint=setpoint)
        if self._is_greeted and self._ticks % TICKS_PER_TELEMETRY == 0:
            self._send_telemetry(setpoint, due_us)
        if self._is_greeted and self._ticks % TICKS_PER_COUNTERS == 0:
            self._send_counters()

    def _send_telemetry(self, setpoint: list[float], due_us: int) -> None:
        machine, sample = self._machine, self._sample
        self._say(
            "telemetry",
            time_us=due_us,
            mode=machine.mode,
            reason=machine.reason,
            torque=machine.torque,
            command_seq=machine.command_seq,
            setpoint=setpoint,
            measured=sample.values,
            effort=sample.efforts,
            voltage_v=sample.voltage_v,
            temperature_c=sample.temperature_c,
        )

    def _send_counters(self) -> None:
        wires = [decoder.counters for decoder in self._decoders.values()]
        self._say(
            "counters",
            frames=sum(wire.frames for wire in wires),
            lost=sum(wire.lost for wire in wires),
            crc_errors=sum(wire.crc_errors for wire in wires),
            framing_errors=sum(wire.framing_errors for wire in wires),
            unknown=self._unknown,
            send_overflows=sum(outbox.overflows for outbox in self._outboxes.values()),
            **self._machine.counters,
        )
