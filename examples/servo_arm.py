"""Drive an arm of Feetech servos: calibrate, arm, move, lose a servo. No hardware needed.

    python examples/servo_arm.py

The servos are emulated behind a pseudo-terminal. With real ones, `reflexarc calibrate so101` makes
the calibration, and the port is that of the adapter.
"""

import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from firmware_bridge.driver import Driver, DriverState, make_driver
from firmware_bridge.emulators.feetech import ServoBusEmulator
from firmware_bridge.emulators.feetech_pty import ServoBusPty
from firmware_bridge.emulators.feetech_servo import Servo, ServoFault
from firmware_bridge.feetech.calibration import Calibration, JointCalibration
from firmware_bridge.safety_words import Mode, Wish
from robot.config import load_robot

Array = NDArray[np.float64]
TICK_S = 0.02
ROBOT = load_robot("so101")


def main() -> None:
    servos = [Servo(id_) for id_ in range(1, 7)]
    with ServoBusPty(ServoBusEmulator(servos)) as bus, tempfile.TemporaryDirectory() as folder:
        calibration = Path(folder) / "arm.toml"
        calibration.write_text(pretended_calibration().to_toml())
        link = {**ROBOT.table("link"), "port": bus.path, "calibration": str(calibration)}
        driver = make_driver(link, ROBOT.limits)
        driver.open(time.monotonic_ns())
        driver.request(Wish.ARM, time.monotonic_ns())
        show("armed", run_until(driver, lambda state: state.mode is Mode.ARMED))
        goal = np.array([0.15, -0.15, 0.1, 0.1, 0.2, 0.53])
        show("moved", run_until(driver, lambda state: is_near(state, goal), goal))
        with bus.lock:
            servos[2].faults.add(ServoFault.SILENT)
        show("a servo lost", run_until(driver, lambda state: state.stopped, goal))
        driver.close()  # the others hold: the arm does not fall


def pretended_calibration() -> Calibration:
    """Of servos that stand in the middle of their ranges."""
    axes = enumerate(ROBOT.limits.axes, 1)
    return Calibration(
        tuple(JointCalibration(axis.name, id_, 0, 1, (100, 3995)) for id_, axis in axes)
    )


def run_until(
    driver: Driver, done: Callable[[DriverState], bool], values: Array | None = None
) -> DriverState:
    """Ticks of the actuator."""
    while True:
        now_ns = time.monotonic_ns()
        if values is not None:
            driver.send(values, now_ns)
        state = driver.read(now_ns)
        if done(state):
            return state
        time.sleep(TICK_S)


def is_near(state: DriverState, goal: Array) -> bool:
    return state.measured is not None and bool((np.abs(state.measured - goal) < 0.01).all())


def show(what: str, state: DriverState) -> None:
    print(f"{what:<14} {state.mode.name:<16} {np.round(state.values, 2)} {', '.join(state.faults)}")


if __name__ == "__main__":
    main()
