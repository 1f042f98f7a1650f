"""How long a 50 Hz loop is kept by a bus of servos: our driver beside the vendor's client.

Six emulated servos at 1 Mbit/s behind a pseudo-terminal, in a process of their own; first all
answer, then one is silent. Each client in turn does what a tick needs: goals to all, then goal,
position, load, voltage and temperature of all. Each goal is another one, and the servos tell their
goals: so it shows whether an answer belongs to this tick or to one before.

    python -m benchmarks.servo_bus --out docs/results/servo_bus.json
"""

import argparse
import multiprocessing
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import scservo_sdk

from benchmarks.results import write_result
from firmware_bridge.driver import make_driver
from firmware_bridge.emulators.feetech import ServoBusEmulator
from firmware_bridge.emulators.feetech_pty import ServoBusPty
from firmware_bridge.emulators.feetech_servo import Servo, ServoFault
from firmware_bridge.feetech import registers as r
from firmware_bridge.feetech.calibration import Calibration, JointCalibration
from firmware_bridge.safety_words import Mode, Wish
from robot.config import load_robot

TICK_S = 0.02
IDS = tuple(range(1, 7))
SILENT_ID = 3
ROBOT = load_robot("so101")
LEAST = (r.GOAL_POSITION.address, r.PRESENT_TEMPERATURE.address + 1 - r.GOAL_POSITION.address)


class Client(NamedTuple):
    """One that is measured."""

    tick: Callable[[int], None]  # does the tick of this number
    notes: Callable[[], dict[str, int]]  # what else there is to say after all ticks


def main() -> None:
    parser = argparse.ArgumentParser(description=str(__doc__).splitlines()[0])
    parser.add_argument("--ticks", type=int, default=500, help="of each client and state")
    parser.add_argument("--out", type=Path)
    arguments = parser.parse_args()
    rows: dict[str, Any] = {}
    for client in (ours, vendors):
        for silent in (False, True):
            name = f"{client.__name__}, {'one silent' if silent else 'all answer'}"
            rows[name] = measure(client, silent, arguments.ticks)
            print(f"{name:<24} {rows[name]}")
    if arguments.out:
        write_result(arguments.out, {"ticks": arguments.ticks, "milliseconds": rows})


def measure(client: Any, silent: bool, ticks: int) -> dict[str, float]:
    """Milliseconds that a tick kept its loop, and of the processor; the share that overran."""
    with servos() as (path, ear), client(path) as (tick, notes):
        if silent:
            ear.send(SILENT_ID)
            ear.recv()
        kept_ms, worked_ms, due_s = [], [], time.perf_counter()
        for number in range(ticks):
            due_s = max(due_s + TICK_S, time.perf_counter())
            time.sleep(max(due_s - time.perf_counter(), 0.0))
            begun_s, worked_s = time.perf_counter(), time.process_time()
            tick(number)
            kept_ms.append((time.perf_counter() - begun_s) * 1e3)
            worked_ms.append((time.process_time() - worked_s) * 1e3)
        noted = notes()
    median, p99, most = np.percentile(kept_ms, [50, 99, 100]).round(3).tolist()
    overrun = float(np.mean(np.array(kept_ms) > TICK_S * 1e3))
    worked = round(float(np.median(worked_ms)), 3)
    row = {"median": median, "p99": p99, "max": most, "processor": worked}
    return {**row, "overran": round(overrun, 3), **noted}


@contextmanager
def servos() -> Iterator[tuple[str, Any]]:
    """Path of a bus of servos; the connection takes the id of one that shall be silent."""
    context = multiprocessing.get_context("spawn")
    ours_end, theirs_end = context.Pipe()
    process = context.Process(target=_serve, args=(theirs_end,))
    process.start()
    try:
        yield ours_end.recv(), ours_end
    finally:
        ours_end.send(None)
        process.join()


def _serve(ear: Any) -> None:
    arm = [Servo(id_) for id_ in IDS]
    with ServoBusPty(ServoBusEmulator(arm)) as pty:
        ear.send(pty.path)
        while (id_ := ear.recv()) is not None:
            with pty.lock:
                pty.bus.servos[id_].faults.add(ServoFault.SILENT)
            ear.send(True)


@contextmanager
def ours(path: str) -> Iterator[Client]:
    """Our driver, armed."""
    joints = [
        JointCalibration(axis.name, id_, 0, 1, (100, 3995))
        for id_, axis in zip(IDS, ROBOT.limits.axes, strict=True)
    ]
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "arm.toml"
        file.write_text(Calibration(tuple(joints)).to_toml())
        link = {**ROBOT.table("link"), "port": path, "calibration": str(file)}
        driver = make_driver(link, ROBOT.limits)
        driver.open(time.monotonic_ns())
    driver.request(Wish.ARM, time.monotonic_ns())
    while (state := driver.read(time.monotonic_ns())).mode is not Mode.ARMED:
        time.sleep(0.001)
    values = state.values

    def tick(number: int) -> None:
        driver.send(values + 0.002 * (number % 2), time.monotonic_ns())
        driver.read(time.monotonic_ns())

    def notes() -> dict[str, int]:
        counters = driver.read(time.monotonic_ns()).counters
        return {"late answers refused": counters["late"]}

    yield Client(tick, notes)
    driver.close()


@contextmanager
def vendors(path: str) -> Iterator[Client]:
    """feetech-servo-sdk with its own time-outs."""
    port = scservo_sdk.PortHandler(path)
    port.openPort()
    packets = scservo_sdk.PacketHandler(0)
    writer = scservo_sdk.GroupSyncWrite(port, packets, r.GOAL_POSITION.address, 2)
    reader = scservo_sdk.GroupSyncRead(port, packets, *LEAST)
    for id_ in IDS:
        writer.addParam(id_, [0, 0])
        reader.addParam(id_)
    old = 0

    def tick(number: int) -> None:
        nonlocal old
        goal = r.MIDDLE_STEPS + number % 10
        for id_ in IDS:
            writer.changeParam(id_, list(r.GOAL_POSITION.encode(goal)))
        writer.txPacket()
        reader.txRxPacket()
        told = [reader.getData(id_, r.GOAL_POSITION.address, 2) for id_ in IDS]
        old += any(answer not in (0, goal) for answer in told)

    yield Client(tick, lambda: {"ticks with answers of an older one": old})
    port.closePort()


if __name__ == "__main__":
    main()
