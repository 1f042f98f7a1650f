"""A host process that moves the robot of `fault_bench` until it is killed.

    python -m benchmarks.fault_host PORT

It says "moving" once commands are followed.
"""

import sys

import numpy as np

from benchmarks.fault_bench import LIMITS, TICK_NS, RealTime, options, triangle
from firmware_bridge.drivers.mcu import McuDriver
from firmware_bridge.safety_words import Mode, Wish


def main() -> None:
    clock = RealTime()
    driver = McuDriver(LIMITS, options(sys.argv[1]))
    driver.open(clock.now_ns)
    due_ns, mode, moved = clock.now_ns, Mode.BOOT, 0
    while True:
        due_ns += TICK_NS
        clock.pass_to(due_ns)
        if mode.is_engaged:
            driver.send(np.full(2, triangle(moved * TICK_NS / 1e9)), clock.now_ns)
            moved += 1
        before, mode = mode, driver.read(clock.now_ns).mode
        if mode is Mode.DISARMED:
            driver.request(Wish.ARM, clock.now_ns)
        if mode is Mode.ACTIVE and before is not Mode.ACTIVE:
            print("moving", flush=True)


if __name__ == "__main__":
    main()
