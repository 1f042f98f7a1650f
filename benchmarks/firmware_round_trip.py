"""From the host through the firmware on the emulated chip and back: how long, and is anything lost.

    python -m benchmarks.firmware_round_trip --out docs/results/firmware_round_trip.json

Three measurements, while the chip also exchanges 200 drives and senses a second with its plant:

* `time`: from a time request to its reply; what the clocks of host and controller are compared by.
* `command`: from a command to the next drive (the pin, so to speak), and to the telemetry that says
  that it was taken. Ticks come every 5 ms and telemetry every 10 ms, so this is mostly waiting.
* `loop`: a command each 5 ms for minutes, by absolute deadlines. Nothing may be lost, refused or
  late enough for the watchdog, of 300 ms here: a computer with other work lets even a process with
  real-time priority wait for 100 ms, once in many minutes.

Host and plant share this process. QEMU and it get real-time priority where that is permitted.
"""

import argparse
import gc
import os
import select
import socket
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.results import write_result
from firmware_bridge.emulators.plant import Plant, PlantAxis
from firmware_bridge.emulators.qemu import Qemu, hurry
from firmware_bridge.framing import Decoder, encode_frame, next_seq
from firmware_bridge.protocol import BY_ID, BY_NAME, SCHEMA_HASH, Link, pack, unpack
from firmware_bridge.safety_words import AxisKind, Mode, Wish

ROUNDS = 2_000
PERIOD_S = 0.005
BEAT_S = 0.1
PATIENCE_S = 30.0
INFINITE = float("inf")


def main() -> None:
    parser = argparse.ArgumentParser(description=str(__doc__).splitlines()[0])
    parser.add_argument("--minutes", type=float, default=10.0, help="of the loop")
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    parser.add_argument("--out", type=Path, help="write the numbers as JSON here")
    options = parser.parse_args()
    with Qemu() as chip:
        hurry(0)
        gc.disable()  # a pause of the collector is none of the firmware's
        host = Host(chip)
        host.prepare()
        numbers = {
            "real_time_priority": os.sched_getscheduler(0) == os.SCHED_RR,
            "time_ms": summary([host.time_trip_s() for _ in range(options.rounds)]),
            "loop": loop(host, options.minutes * 60),
            **command_trips(host, options.rounds),
        }
    for name, value in numbers.items():
        print(f"{name:30} {value}")
    if options.out:
        write_result(options.out, numbers)


class Host:
    """A host and the plant of a chip with one joint. `newest` holds what the chip said, by name."""

    def __init__(self, chip: Qemu) -> None:
        self._wires = {link: connected(chip.address(link)) for link in Link}
        self._seq = 0
        self.decoders = {link: Decoder() for link in Link}
        self._plant = Plant([PlantAxis(AxisKind.POSITION, -2.0, 2.0, start=0.0)])
        self._beat_s = 0.0
        self.newest: dict[str, Any] = {}
        self.said = dict.fromkeys(BY_NAME, 0)
        self.offset_us = 0  # of the chip's clock from ours

    def prepare(self) -> None:
        """From power-up to DISARMED."""
        self.send("hello", schema_hash=SCHEMA_HASH)
        self.wait(lambda: "identity" in self.newest)
        self._configure()
        self.wait(lambda: self.mode is Mode.DISARMED and self.said["verdict"] == 2)
        self.time_trip_s()
        begun = self.said["drive"]
        self.wait(lambda: self.said["drive"] > begun + 20)  # it has sensed since
        self.send("heartbeat", mode=self.mode)

    def become(self, wish: Wish, mode: Mode) -> None:
        """Asks, and waits until it is so."""
        self.send("wish", wish=wish)
        self.wait(lambda: self.mode is mode)

    def _configure(self) -> None:
        times = {"watchdog_ms": 300, "heartbeat_ms": 500, "sensor_ms": 300, "following_ms": 500}
        self.send(
            "configure",
            axes=1,
            reaction=0,
            first_command=0,
            land_axis=0,
            land_per_s=0.0,
            max_command_age_ms=300,
            min_voltage_v=-INFINITE,
            max_temperature_c=INFINITE,
            **times,
        )
        none = ("acceleration_per_s2", "max_speed", "max_effort", "max_following")
        self.send(
            "configure_axis",
            index=0,
            kind=AxisKind.POSITION,
            minimum=-2.0,
            maximum=2.0,
            stop=float("nan"),
            slew_per_s=2.0,
            **dict.fromkeys((*none, "max_jump", "ramp_per_s"), INFINITE),
        )

    @property
    def mode(self) -> Mode:
        """As far as telemetry has said."""
        told = self.newest.get("telemetry")
        return Mode.BOOT if told is None else Mode(told.mode)

    def chip_us(self) -> int:
        """The chip's time."""
        return time.monotonic_ns() // 1000 + self.offset_us

    def send(self, name: str, **values: Any) -> int:
        """A packet; returns the number of its frame."""
        seq, self._seq = self._seq, next_seq(self._seq)
        payload = pack(name, **values)
        self._wires[Link.HOST].sendall(encode_frame(BY_NAME[name].id, seq, payload))
        return seq

    def command(self, value: float) -> int:
        """A command for now."""
        return self.send("command", stamped_us=self.chip_us(), values=[value])

    def wait(self, condition: Callable[[], bool], most_s: float = PATIENCE_S) -> None:
        """Serves plant and heartbeat until something is so."""
        give_up = time.monotonic() + most_s
        while not condition():
            if time.monotonic() > give_up:
                raise TimeoutError(f"the chip is {self.mode.name}, and said last: {self.newest}")
            self.serve(0.005)

    def serve(self, most_s: float) -> None:
        """Waits for bytes, and answers or remembers what they say."""
        if time.monotonic() - self._beat_s > BEAT_S:
            self._beat_s = time.monotonic()
            self.send("heartbeat", mode=self.mode)
        ready, _, _ = select.select([*self._wires.values()], [], [], max(0.0, most_s))
        for link, wire in self._wires.items():
            if wire in ready:
                self._take(link, wire.recv(1 << 16))

    def serve_for(self, seconds: float) -> None:
        """Serves until that time is over."""
        end_s = time.monotonic() + seconds
        while (left_s := end_s - time.monotonic()) > 0:
            self.serve(left_s)

    def _take(self, link: Link, data: bytes) -> None:
        if link is Link.PLANT:
            self._wires[link].sendall(self._plant.receive(data))
        for frame in self.decoders[link].feed(data):
            name = BY_ID[frame.type].name
            self.newest[name] = unpack(frame.type, frame.payload)
            self.said[name] += 1

    def time_trip_s(self) -> float:
        """From a time request to its reply; sets the clocks."""
        before = self.said["time_reply"]
        sent_us = time.monotonic_ns() // 1000
        self.send("time_request", host_us=sent_us)
        self.wait(lambda: self.said["time_reply"] > before)
        now_us = time.monotonic_ns() // 1000
        self.offset_us = self.newest["time_reply"].received_us - (sent_us + now_us) // 2
        return (now_us - sent_us) / 1e6


def command_trips(host: Host, rounds: int) -> dict[str, dict[str, float]]:
    """From a command to the drive that bears it, and to the telemetry that knows it."""
    to_drive_s, to_telemetry_s = [], []
    rng = np.random.default_rng(0)
    host.become(Wish.ARM, Mode.ARMED)
    for k in range(rounds):
        host.serve_for(rng.uniform(0, 2 * PERIOD_S))  # at any time between two ticks
        before = host.newest["drive"].setpoint[0]
        value = before + (0.001 if k % 2 else -0.001)
        began_s = time.monotonic()
        seq = host.command(value)
        host.wait(lambda before=before: host.newest["drive"].setpoint[0] != before)
        to_drive_s.append(time.monotonic() - began_s)
        host.wait(lambda seq=seq: host.newest["telemetry"].command_seq == seq)
        to_telemetry_s.append(time.monotonic() - began_s)
    return {
        "command_to_drive_ms": summary(to_drive_s),
        "command_to_telemetry_ms": summary(to_telemetry_s),
    }


def loop(host: Host, seconds: float) -> dict[str, Any]:
    """Commands at 200 Hz, as the actuator node sends them; what both ends counted meanwhile."""
    host.become(Wish.ARM, Mode.ARMED)
    before, first_drives = counted(host), host.said["drive"]
    late_s, count = [], round(seconds / PERIOD_S)
    began_s = time.monotonic()
    for k in range(count):
        due_s = began_s + k * PERIOD_S
        host.serve_for(due_s - time.monotonic())
        late_s.append(time.monotonic() - due_s)
        if host.mode is Mode.PROTECTIVE_STOP:
            raise SystemExit(f"the chip stopped after {k} commands; latest {max(late_s)} s")
        host.command(0.5 * float(np.sin(due_s)))
        if k % 2_000 == 0:
            host.time_trip_s()  # the clocks drift apart
    drives, mode = host.said["drive"] - first_drives, host.mode
    host.become(Wish.DISARM, Mode.DISARMED)
    after = counted(host)
    return {
        "seconds": seconds,
        "commands_sent": count,
        "commands_taken": after.commands - before.commands,
        **{name: getattr(after, name) - getattr(before, name) for name in LOSSES},
        "lost_to_host": sum(decoder.counters.lost for decoder in host.decoders.values()),
        "drives": drives,
        "mode_at_end": mode.name,
        "sent_late_ms": summary(late_s),
    }


LOSSES = ("lost", "crc_errors", "framing_errors", "refused", "watchdogs", "stops", "send_overflows")


def counted(host: Host) -> Any:
    """The chip's counters, said after now."""
    before = host.said["counters"]
    host.wait(lambda: host.said["counters"] > before)
    return host.newest["counters"]


def summary(values_s: list[float]) -> dict[str, float]:
    """Milliseconds."""
    ms = np.array(values_s) * 1e3
    median, p99 = np.percentile(ms, [50, 99]).round(3).tolist()
    return {"median": median, "p99": p99, "max": round(float(ms.max()), 3), "n": len(ms)}


def connected(address: str) -> socket.socket:
    host, port = address.removeprefix("tcp://").split(":")
    wire = socket.create_connection((host, int(port)))
    wire.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return wire


if __name__ == "__main__":
    main()
