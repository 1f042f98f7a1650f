"""What the bridge does about every fault of every part, and how soon: a matrix of small rows.

PX4's seven faults of sensors, actuators and link, and a host process that is killed, each come upon
a robot of two joints in motion, and upon one that stands still; `benchmarks.fault_bench` says what
counts as seen and as safe. Rows that are there are not measured again, and the page is made from
them. The board in Python and the firmware compiled for this machine run in virtual time, the
firmware on the emulated chip in real time, as does whatever hears a real host process.

    python -m benchmarks.fault_matrix --boards python native qemu
"""

import argparse
import itertools
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from benchmarks.fault_bench import (
    MS,
    RAMP_RAD_S,
    SEEN_RAD,
    TICK_NS,
    Bench,
    DrivenBench,
    Moment,
    PortBoard,
    RealTime,
    VirtualTime,
    triangle,
)
from benchmarks.fault_page import write_page
from benchmarks.results import write_result
from firmware_bridge.emulators.board import Board
from firmware_bridge.emulators.controller import PythonBoard
from firmware_bridge.emulators.faults import Fault, Place, Word
from firmware_bridge.emulators.native import NativeBoard
from firmware_bridge.emulators.qemu import Qemu, hurry
from firmware_bridge.ports.pty_port import PtyPort
from firmware_bridge.ports.stream import StreamPort
from firmware_bridge.protocol import Link

ROWS = Path("docs/results/fault_matrix")
PAGE = Path("docs/results/fault_matrix.md")
BOARDS = ("python", "native", "qemu")
MOTIONS = ("moving", "still")
RUNS = {"python": 3, "native": 10, "qemu": 5}  # per cell, each 2 ms later in the host's period
BEFORE_S, AFTER_S = 1.5, 0.8  # of motion around the fault; both within one stroke
QUIET_S, QUIET_RUN_S = 60.0, 10.0  # without a fault, in all and at a time
MOST_DISTURBED = 50  # runs of a row that are made again
PERIOD_US = TICK_NS // 1000
HOST_STARTS_NS = 60_000 * MS  # a Python process on a busy machine


class Run(NamedTuple):
    """What became of one fault, in ms of the controller's clock; None: it did not happen."""

    seen_ms: float | None  # from the fault to the first observable deviation
    safe_ms: float | None  # from the fault to a latched stop without motion
    limp_ms: float | None  # from the fault to no torque
    reason: str
    mode: str


@contextmanager
def powered(name: str) -> Iterator[tuple[Board, VirtualTime | RealTime]]:
    """A board of this name, and the time it runs in."""
    if name == "qemu":
        with Qemu() as chip:
            yield PortBoard(chip.port(Link.HOST), chip.port(Link.PLANT)), RealTime()
    else:
        yield PythonBoard() if name == "python" else NativeBoard(), VirtualTime()


def measure(board: str, fault: Fault, motion: str, number: int) -> Run | None:
    """One run of a cell; None: it was disturbed."""
    command = triangle if motion == "moving" else _stay
    with powered(board) as (made, clock):
        bench = DrivenBench(made, clock, seed=number)
        bench.arm()
        bench.run(BEFORE_S, command)
        bench.wait(number * 2 * MS)
        fault_us = bench.begin()
        bench.inject(fault)
        bench.run(AFTER_S, lambda seconds: command(seconds + BEFORE_S))
        if bench.was_disturbed:
            return None
        return judge(bench, fault.place is Place.LINK, fault_us)


def kill(board: str, number: int) -> Run | None:
    """One run with a host process that is killed (SIGKILL) in motion; None: it was disturbed."""
    with powered(board) as (made, _):
        port = PtyPort()
        bench = Bench(made, RealTime(), port)
        command = [sys.executable, "-m", "benchmarks.fault_host", port.path]
        with subprocess.Popen(command, stdout=subprocess.PIPE) as host:
            _wait_until_it_moves(bench, host)
            bench.wait((100 + number * 2) * MS)
            fault_us = bench.begin()
            host.kill()
            bench.wait(round(AFTER_S * 1e9))
        port.close()
        return None if bench.was_disturbed else judge(bench, True, fault_us)


def quiet(board: str) -> dict[str, Any]:
    """Motion without a fault: false alarms; what stopped as the bench was kept waiting is none."""
    seconds, disturbed, stops = 0.0, 0, []
    while seconds < QUIET_S and disturbed <= MOST_DISTURBED:
        with powered(board) as (made, clock):
            bench = DrivenBench(made, clock)
            bench.arm()
            bench.begin()
            bench.run(QUIET_RUN_S, triangle)
        stop = bench.board.stop
        if stop and bench.was_disturbed:
            disturbed += 1
            continue
        seconds += QUIET_RUN_S
        stops += [stop.reason.name.lower()] if stop else []
    return {"seconds": seconds, "stops": stops, "disturbed": disturbed}


def first_command(board: str) -> dict[str, Any]:
    """A first command 1 rad away from the joints: their greatest speed, by the plant itself.

    No limiter of the host stands before the driver: it is the controller that ramps.
    """
    with powered(board) as (made, clock):
        bench = DrivenBench(made, clock)
        bench.arm()
        bench.run(4.0, lambda _: 1.0)
        pairs = itertools.pairwise(bench.plant.moments)
        speeds = [
            abs(now.true[0] - before.true[0]) / (now.time_us - before.time_us) * 1e6
            for before, now in pairs
            if now.time_us > before.time_us
        ]
        return {
            "ramp_rad_s": RAMP_RAD_S,
            "peak_rad_s": max(speeds),
            "reached_rad": bench.plant.moments[-1].true[0],
        }


def judge(bench: Bench, by_commands: bool, fault_us: int) -> Run:
    """What the wires tell; `by_commands`: the fault is seen by what does not arrive."""
    moments = [moment for moment in bench.plant.moments if moment.time_us >= fault_us]
    stop = bench.board.stop
    still_us = last_began(moments, stands_still)
    if by_commands:
        good_us = [time_us for time_us in bench.commands.good_us if stop and time_us < stop.time_us]
        seen_us = max(good_us[-1] + PERIOD_US, fault_us) if good_us else None
    else:
        seen_us = next((moment.time_us for moment in moments if deviates(moment)), None)

    def since(time_us: int | None) -> float | None:
        return None if time_us is None else (time_us - fault_us) / 1000

    return Run(
        since(seen_us),
        since(max(stop.time_us, still_us)) if stop and still_us else None,
        since(last_began(moments, lambda _, now: not now.torque)),
        stop.reason.name.lower() if stop else "",
        stop.mode.name.lower() if stop else "",
    )


def deviates(moment: Moment) -> bool:
    """Whether a healthy robot would have answered otherwise."""
    if moment.told is None:
        return True
    pairs = zip(moment.told, moment.healthy, strict=True)
    return any(not abs(told - healthy) <= SEEN_RAD for told, healthy in pairs)


def stands_still(before: Moment, now: Moment) -> bool:
    """Whether nothing is asked of the actuators."""
    return not now.torque or now.setpoint == before.setpoint


def last_began(moments: list[Moment], is_so: Callable[[Moment, Moment], bool]) -> int | None:
    """Since when something has been so without a break until the end; None: it is not."""
    since = None
    for before, now in reversed(list(itertools.pairwise(moments))):
        if not is_so(before, now):
            break
        since = now.time_us
    return since


def rows(boards: list[str]) -> Iterator[tuple[str, Callable[[], dict[str, Any]]]]:
    """Name and measurement of every row."""
    for board, place, word, motion in itertools.product(boards, Place, Word, MOTIONS):
        fault = Fault(place, word)
        yield (
            f"{board}_{place}_{word}_{motion}",
            lambda b=board, f=fault, m=motion: _runs(b, lambda n: measure(b, f, m, n)),
        )
    for board in boards:
        yield f"{board}_host_killed_moving", lambda b=board: _runs(b, lambda n: kill(b, n))
        yield f"{board}_quiet", lambda b=board: quiet(b)
        yield f"{board}_first_command", lambda b=board: first_command(b)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--boards", nargs="+", choices=BOARDS, default=list(BOARDS))
    arguments = parser.parse_args()
    print("A row of the chip takes about half a minute, 45 of them are in real time.")
    for name, measurement in rows(arguments.boards):
        path = ROWS / f"{name}.json"
        if not path.exists():
            _prioritise(name)
            write_result(path, measurement())
            print(path)
    write_page(ROWS, PAGE)


def _prioritise(row: str) -> None:
    """Lets this process wait for nobody while it is the plant and the wires in real time."""
    if row.startswith("qemu") or "_host_" in row:
        hurry(0)
    else:
        os.sched_setscheduler(0, os.SCHED_OTHER, os.sched_param(0))


def _runs(board: str, run: Callable[[int], Run | None]) -> dict[str, Any]:
    made, disturbed = [], 0
    while len(made) < RUNS[board]:
        one = run(len(made))
        if one is not None:
            made.append(one._asdict())
            continue
        disturbed += 1
        if disturbed > MOST_DISTURBED:
            raise RuntimeError("this machine is too busy to measure in real time")
    return {"runs": made, "disturbed": disturbed}


def _stay(_: float) -> float:
    return 0.0


def _wait_until_it_moves(bench: Bench, host: "subprocess.Popen[bytes]") -> None:
    """Serves the robot until the host has said so.

    Raises:
        RuntimeError: it has not, or has ended.
    """
    assert host.stdout is not None
    said = StreamPort(host.stdout.fileno(), "host", lambda: None)
    give_up_ns = bench.clock.now_ns + HOST_STARTS_NS
    while not said.read():
        bench.wait(MS)
        if host.poll() is not None or bench.clock.now_ns > give_up_ns:
            host.kill()
            raise RuntimeError(f"the host did not move the robot (exit code {host.poll()})")


if __name__ == "__main__":
    main()
