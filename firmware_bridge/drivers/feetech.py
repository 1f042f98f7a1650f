"""Arms of Feetech STS3215 servos on a serial bus, as the SO-100 and SO-101.

There is no microcontroller between: the servos know no watchdog and no arming. This process is the
controller, and where it ends nobody watches any more: **servos hold their last goal**.

One tick of the actuator at 50 Hz:

    send   the answers of the tick before; guards; goals to all servos, a question to all
    read   what is known by now
           the servos answer in turn, 0.4 ms each, while the process does other things

Nothing waits for an answer. A servo that gives none costs the others nothing, and is named.
"""

import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from firmware_bridge.axis_limits import Limits
from firmware_bridge.driver import DriverState, Features, refusal
from firmware_bridge.errors import BridgeInputError, PortLostError
from firmware_bridge.feetech import registers as r
from firmware_bridge.feetech.arm import Pause, ServoArm, gather, identify
from firmware_bridge.feetech.bus import FeetechBus
from firmware_bridge.feetech.calibration import read_calibration
from firmware_bridge.feetech.config import Config
from firmware_bridge.feetech.controller import ServoController
from firmware_bridge.port import Port, open_port
from firmware_bridge.safety_words import Mode, Reason, Wish

CLOSE_NS = 200_000_000  # for the servos to confirm that they are limp
PAUSE_S = 0.001  # between two looks at the bus, in `open` and `close` alone


def _pause() -> int:
    time.sleep(PAUSE_S)
    return time.monotonic_ns()


def _nothing(now_ns: int) -> None:
    del now_ns


class FeetechDriver:
    """The `Driver` interface over a bus of servos; `ServoController` decides."""

    Config = Config

    def __init__(
        self,
        limits: Limits,
        config: Config,
        connect: Callable[[str, int], Port] = open_port,
        pause: Pause = _pause,
    ) -> None:
        """`connect` and `pause` are given where there is no serial port and no clock."""
        self._limits, self._config = limits, config
        self._connect, self._pause = connect, pause
        self._port: Port | None = None
        self._controller: ServoController | None = None
        self._refused: tuple[str, ...] = ()  # before it was opened, since the last read

    @property
    def features(self) -> Features:
        """Hardware: armed by a person."""
        return Features(False, ("values", "effort", "voltage_v", "temperature_c"), ("hold", "limp"))

    def open(self, now_ns: int) -> None:
        """Finds all servos and compares them with the calibration; changes nothing in them.

        Raises:
            CalibrationError: the file is missing or does not fit the limits.
            PortError: the port cannot be used.
            ServoError: one is silent, or not the one that was calibrated.
            LinkTableError: a torque limit of an axis that there is not.
        """
        config = self._config
        config.torque_shares(self._limits)  # refuses axes that there are not
        calibration = read_calibration(Path(config.calibration).expanduser(), self._limits)
        self._port = self._connect(config.port, config.baud)
        bus = FeetechBus(self._port, round(config.answer_s * 1e9))
        times_ns = now_ns, now_ns + round(config.open_timeout_s * 1e9)
        try:
            found = gather(bus, r.IDENTITY, calibration.ids, times_ns, self._pause)
            known = identify(calibration, found)
        except BridgeInputError:
            self._port.close()
            raise
        arm = ServoArm(bus, calibration, self._limits, config, known)
        self._controller = ServoController(arm, self._limits, config)
        self._await_readings(arm, self._controller, times_ns[1])

    def read(self, now_ns: int) -> DriverState:
        """What is known by now; docs/users/feetech.md explains the faults."""
        controller = self._controller
        if controller is None:
            refused, self._refused = self._refused, ()
            middle = [(axis.minimum + axis.maximum) / 2 for axis in self._limits.axes]
            return DriverState(np.array(middle), True, refused, Mode.BOOT)
        self._tick(controller, now_ns)
        return controller.state(now_ns)

    def send(self, values: NDArray[np.float64], now_ns: int) -> None:
        """Takes a command; goes towards it by no more than the slew."""
        controller = self._controller
        if controller is None:
            self._refused = (Reason.WRONG_MODE.name.lower(),)
        else:
            self._tick(controller, now_ns, lambda now_ns: controller.command(values, now_ns))

    def request(self, wish: Wish, now_ns: int) -> None:
        """Asks for another mode; arming shows some ticks later, when the servos confirm it."""
        controller = self._controller
        if controller is None:
            self._refused = (refusal(wish, Reason.NOT_CONFIGURED),)
        else:
            self._tick(controller, now_ns, lambda now_ns: controller.request(wish, now_ns))

    def stop(self, now_ns: int) -> None:
        """Stops as `reaction` says, if it is engaged."""
        if self._controller is not None and self._controller.mode.is_engaged:
            self.request(Wish.STOP, now_ns)

    def close(self) -> None:
        """Leaves the torque as `on_exit` says; an arm that was let go of stays so."""
        controller, self._controller = self._controller, None
        if controller is None or self._port is None:
            return
        if controller.must_be_limp or self._config.on_exit == "limp":
            self._let_go(controller)
        self._port.close()

    def _await_readings(self, arm: ServoArm, controller: ServoController, end_ns: int) -> None:
        """So that whoever reads next knows where the arm is; a servo that is silent now is told."""
        now_ns = self._pause()
        while None in arm.readings and now_ns < end_ns:
            self._tick(controller, now_ns)
            now_ns = self._pause()

    def _let_go(self, controller: ServoController) -> None:
        """Torque off, until the servos confirm it or time is over."""
        now_ns = self._pause()
        end_ns = now_ns + CLOSE_NS
        controller.release()
        while controller.may_hold and now_ns < end_ns:
            self._tick(controller, now_ns)
            now_ns = self._pause()

    def _tick(
        self, controller: ServoController, now_ns: int, act: Callable[[int], None] = _nothing
    ) -> None:
        """Does something between what came from the servos and what goes to them.

        It is done even if the port is lost: an e-stop is noted that nobody can be told any more.
        """
        for step in (controller.collect, act, controller.emit):
            try:
                step(now_ns)
            except PortLostError:
                controller.lose(now_ns)
