"""Makes a calibration: a person moves the limp arm, and this looks where its joints go.

1. `find`: every servo answers. `release`: their torque goes off, and somebody must hold the arm.
2. `set_middle`, while each joint stands in the middle of its range: an offset is written into each
   servo so that it reads 2048 there. The seam of its encoder, which a servo in position mode cannot
   cross, then lies opposite, where no joint goes.
3. `look`, over and over, while each joint is moved from end to end.
4. `finish`: the ends become the servo's own position limits too, a last fence behind all others.
"""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from firmware_bridge.axis_limits import Limits
from firmware_bridge.errors import CalibrationError, ServoError
from firmware_bridge.feetech import registers as r
from firmware_bridge.feetech.arm import Pause, gather
from firmware_bridge.feetech.bus import FeetechBus
from firmware_bridge.feetech.calibration import LARGEST_OFFSET_STEPS, JointCalibration

LEAST_RANGE_STEPS = 200  # 18 degrees: less was no movement from end to end
SEAM_STEPS = 2048  # between two looks: only a joint that crosses the seam seems to go so far
ANSWER_NS = 1_000_000_000  # until a servo that does not answer is given up
TRIES = 5  # until one that does not take a value is: writing its EEPROM it hears nothing


class Seen(NamedTuple):
    """Where a joint has been, in steps."""

    low: int
    now: int
    high: int


class Calibrator:
    """A conversation with the servos of one arm; every method waits for their answers."""

    def __init__(self, bus: FeetechBus, limits: Limits, ids: Sequence[int], pause: Pause) -> None:
        """`ids`: of the servos, in the order of the axes."""
        self._bus, self._pause = bus, pause
        self._axes = limits.axes
        self._ids = tuple(ids)
        self._offsets: dict[int, int] = {}
        self.seen: dict[int, Seen] = {}  # by id

    def find(self) -> None:
        """Looks for all servos.

        Raises:
            ServoError: one is silent.
        """
        self._read(r.PRESENT_POSITION)

    def release(self) -> None:
        """Lets go of the arm.

        Raises:
            ServoError: a servo is silent or keeps its torque.
        """
        self._put(r.TORQUE_ENABLE, self._all(0))

    def set_middle(self) -> None:
        """Makes where the joints stand their middle.

        Raises:
            ServoError: a servo is silent or does not take its offset.
        """
        self._keep(r.HOMING_OFFSET, self._all(0))
        self._keep(r.OPERATING_MODE, self._all(0))
        stands = self._read(r.PRESENT_POSITION)
        self._offsets = {
            id_: min(max(steps - r.MIDDLE_STEPS, -LARGEST_OFFSET_STEPS), LARGEST_OFFSET_STEPS)
            for id_, steps in stands.items()
        }
        self._keep(r.HOMING_OFFSET, self._offsets)
        middle = self._read(r.PRESENT_POSITION)
        self.seen = {id_: Seen(steps, steps, steps) for id_, steps in middle.items()}

    def look(self) -> None:
        """Notes where the joints are.

        Raises:
            ServoError: a servo is silent.
            CalibrationError: a joint crossed the seam: it did not stand in its middle.
        """
        for id_, steps in self._read(r.PRESENT_POSITION).items():
            low, last, high = self.seen[id_]
            if abs(steps - last) > SEAM_STEPS:
                raise CalibrationError(
                    f"{self._who(id_)} went more than half a turn from where it began: begin anew, "
                    "with each joint in the middle of its range"
                )
            self.seen[id_] = Seen(min(low, steps), steps, max(high, steps))

    def finish(self) -> tuple[JointCalibration, ...]:
        """The calibration; an axis that is no angle stands at its minimum now.

        Raises:
            ServoError: a servo is silent or does not take its limits.
            CalibrationError: a joint was hardly moved.
        """
        self.look()
        for id_, seen in self.seen.items():
            if seen.high - seen.low < LEAST_RANGE_STEPS:
                raise CalibrationError(
                    f"{self._who(id_)} was hardly moved, {seen.high - seen.low} steps: move each "
                    "joint from end to end"
                )
        self._keep(r.MIN_POSITION, {id_: seen.low for id_, seen in self.seen.items()})
        self._keep(r.MAX_POSITION, {id_: seen.high for id_, seen in self.seen.items()})
        return tuple(
            JointCalibration(
                axis.name,
                id_,
                self._offsets[id_],
                1 if axis.unit == "rad" else _direction(self.seen[id_]),
                (self.seen[id_].low, self.seen[id_].high),
            )
            for axis, id_ in zip(self._axes, self._ids, strict=True)
        )

    def _keep(self, register: r.Register, values: Mapping[int, int]) -> None:
        """Writes a value that outlives the power."""
        self._put(r.LOCK, self._all(0))
        self._put(register, values)
        self._put(r.LOCK, self._all(1))

    def _put(self, register: r.Register, values: Mapping[int, int]) -> None:
        """Writes, and reads back.

        Raises:
            ServoError: a servo does not take it.
        """
        wrong: list[int] = []
        for _ in range(TRIES):
            self._bus.tell(
                register.address, {id_: register.encode(value) for id_, value in values.items()}
            )
            has = self._read(register)
            wrong = [id_ for id_ in self._ids if has[id_] != values[id_]]
            if not wrong:
                return
        who = self._who(wrong[0])
        raise ServoError(f"{who} does not keep {values[wrong[0]]} at {register.address}: try again")

    def _read(self, register: r.Register) -> dict[int, int]:
        """A register of each servo.

        Raises:
            ServoError: one is silent.
        """
        now_ns = self._pause()
        times_ns = now_ns, now_ns + ANSWER_NS
        block = r.Block(register.address, register.size)
        found = gather(self._bus, block, self._ids, times_ns, self._pause)
        for id_ in self._ids:
            if id_ not in found:
                raise ServoError(f"{self._who(id_)} is silent: check power, cable and id")
        return {id_: register.decode(memory, block.start) for id_, memory in found.items()}

    def _all(self, value: int) -> dict[int, int]:
        return dict.fromkeys(self._ids, value)

    def _who(self, id_: int) -> str:
        return f"servo {id_} ({self._axes[self._ids.index(id_)].name})"


def _direction(seen: Seen) -> int:
    """Of an axis that stands at its minimum: 1 if that is the low end of its range."""
    return 1 if seen.now - seen.low <= seen.high - seen.now else -1
