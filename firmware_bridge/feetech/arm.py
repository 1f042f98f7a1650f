"""The servos of one arm: what they measure in the axes' units, and what they are told.

Everything is told to all servos at once and without an answer, so nothing counts as done before the
servos' own memory, which is read at every tick, says so.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from firmware_bridge.axis_limits import Limits
from firmware_bridge.errors import ServoError
from firmware_bridge.feetech import registers as r
from firmware_bridge.feetech.bus import FeetechBus
from firmware_bridge.feetech.calibration import Calibration, JointCalibration
from firmware_bridge.feetech.config import Config
from firmware_bridge.feetech.guards import Finding, Reading, ServoGuard

MODELS = {r.MODEL_STS3215: "STS3215", 2825: "STS3250"}
ASK_AGAIN_NS = 5_000_000  # the servos are asked no more often
NEAR_STEPS = 60  # a goal that a joint may have without moving much: 5 degrees
SPEED_MARGIN = 1.25  # of the servos' own speed limit over the slew of the axes
_NOBODY = "is the arm powered, is this its port, and is the baud rate that of its servos?"

Pause = Callable[[], int]
"""Waits a moment; says what time it is then, monotonic ns."""


class Identity(NamedTuple):
    """What a servo keeps of itself."""

    model: int
    phase: int
    homing_offset_steps: int
    mode: int

    @classmethod
    def decode(cls, memory: bytes) -> "Identity":
        """Of the block `IDENTITY`."""
        registers = (r.MODEL, r.PHASE, r.HOMING_OFFSET, r.OPERATING_MODE)
        return cls(*(register.decode(memory, r.IDENTITY.start) for register in registers))


class ServoArm:
    """Servos in the order of the axes; all arrays are (n,)."""

    def __init__(
        self,
        bus: FeetechBus,
        calibration: Calibration,
        limits: Limits,
        config: Config,
        identities: Mapping[int, Identity],
    ) -> None:
        self.bus = bus
        self._joints, self.ids = calibration.joints, calibration.ids
        self._scale = calibration.scale(limits)
        rows = zip(calibration.joints, limits.axes, self._scale.steps_per_unit, strict=True)
        self._guards = {
            joint.id: ServoGuard(joint, config.guards(axis, steps)) for joint, axis, steps in rows
        }
        slews = np.array([axis.slew_per_s for axis in limits.axes])
        steps_s = SPEED_MARGIN * np.abs(slews * self._scale.steps_per_unit)
        self._units = {id_: r.speed_unit_steps_s(one.phase) for id_, one in identities.items()}
        units = [self._units[id_] for id_ in self.ids]
        self._speeds = np.clip(np.rint(steps_s / units), 1, 32767).astype(int)
        self._torques = np.rint(config.torque_shares(limits) / r.LOAD_PER_UNIT).astype(int)
        self._away_ns = round(config.silent_s * 1e9)
        self._collected_ns = 0
        self._asked_ns: int | None = None

    @property
    def readings(self) -> list[Reading | None]:
        """The newest believable one of each servo."""
        return [self._guards[id_].reading for id_ in self.ids]

    @property
    def holds(self) -> bool:
        """Whether any servo had torque when it was last heard."""
        return any(reading is not None and reading.torque for reading in self.readings)

    def measured(self, now_ns: int) -> NDArray[np.float64]:
        """Where the joints are, in the axes' units; not-a-number where a servo is silent."""
        silent = [self._guards[id_].is_silent(now_ns) for id_ in self.ids]
        steps = [
            np.nan if reading is None or lost else reading.position_steps
            for reading, lost in zip(self.readings, silent, strict=True)
        ]
        return self._scale.to_values(np.array(steps, np.float64))

    @property
    def counters(self) -> dict[str, int]:
        """Of the bus, and per joint what was `missed_` and what was a `leap_`."""
        joints = [(joint.name, self._guards[joint.id]) for joint in self._joints]
        missed = {f"missed_{name}": guard.missed for name, guard in joints}
        leaps = {f"leap_{name}": guard.leaps for name, guard in joints}
        return {**self.bus.counters, **missed, **leaps}

    def collect(self, now_ns: int) -> tuple[int, ...]:
        """Takes what has come; says which ids answered that were not asked, or twice."""
        if now_ns - self._collected_ns > self._away_ns:
            for guard in self._guards.values():
                guard.wake(now_ns)
        self._collected_ns = now_ns
        answers = self.bus.poll(now_ns)
        if answers is None:
            return ()
        for id_, guard in self._guards.items():
            memory = answers.memory.get(id_)
            guard.take(
                None
                if memory is None
                else Reading.decode(memory, answers.errors[id_], answers.asked_ns, self._units[id_])
            )
        return answers.strangers

    def ask(self, now_ns: int) -> None:
        """Asks the servos how they are, unless that was just done."""
        if self._asked_ns is None or now_ns - self._asked_ns >= ASK_AGAIN_NS:
            self._asked_ns = now_ns
            self.bus.ask(r.FEEDBACK, self.ids, now_ns)

    def findings(self, now_ns: int, *, engaged: bool) -> list[Finding]:
        """What is wrong with any servo."""
        guards = self._guards.values()
        return [one for guard in guards for one in guard.judge(now_ns, engaged=engaged)]

    def tell_torque(self, *, on: bool) -> None:
        """Switches all of them."""
        self.bus.tell(r.TORQUE_ENABLE.address, dict.fromkeys(self.ids, bytes((on,))))

    def tell_goals(self, values: NDArray[np.float64], ids: Sequence[int]) -> None:
        """Gives goals, speeds and torque limits: a servo that restarted has forgotten them."""
        columns = zip(self._scale.to_steps(values), self._speeds, self._torques, strict=True)
        blocks = {
            id_: _goal_block(*map(int, column))
            for id_, column in zip(self.ids, columns, strict=True)
        }
        goals = {id_: block for id_, block in blocks.items() if id_ in ids}
        if goals:
            self.bus.tell(r.ACCELERATION.address, goals)

    def hold_goals(self, values: NDArray[np.float64]) -> None:
        """Gives goals unless they are those that the servos have.

        No manual says whether a goal also switches torque on. So a servo that lost its torque gets
        none: from where it fell to it must not rise by itself.
        """
        told = self._told(values)
        if any(reading.torque and reading.goal_steps != step for _, reading, step in told):
            self.tell_goals(values, [id_ for id_, reading, _ in told if reading.torque])

    def has_goals(self, values: NDArray[np.float64]) -> bool:
        """Whether all servos say that these are their goals."""
        told = self._told(values)
        return len(told) == len(self.ids) and all(one.goal_steps == step for _, one, step in told)

    def is_near(self, values: NDArray[np.float64]) -> bool:
        """Whether all joints are where these goals would hold them."""
        told = self._told(values)
        return all(abs(one.position_steps - step) <= NEAR_STEPS for _, one, step in told)

    def without_torque(self) -> list[JointCalibration]:
        """Joints that nothing holds."""
        pairs = zip(self._joints, self.readings, strict=True)
        return [joint for joint, reading in pairs if reading is None or not reading.torque]

    def _told(self, values: NDArray[np.float64]) -> list[tuple[int, Reading, int]]:
        """Id, reading, and the step of its value, of each servo that has ever answered."""
        steps = self._scale.to_steps(values).tolist()
        rows = zip(self.ids, self.readings, steps, strict=True)
        return [(id_, reading, step) for id_, reading, step in rows if reading is not None]


def gather(
    bus: FeetechBus, block: r.Block, ids: Sequence[int], times_ns: tuple[int, int], pause: Pause
) -> dict[int, bytes]:
    """A block of memory of each servo, asked for until all have answered or time is over.

    Args:
        bus: nobody else uses it meanwhile.
        block: which memory.
        ids: of the servos.
        times_ns: from when until when.
        pause: between two looks at the bus.
    """
    now_ns, end_ns = times_ns
    found: dict[int, bytes] = {}
    while len(found) < len(ids) and now_ns < end_ns:
        answers = bus.poll(now_ns)
        if answers is not None:
            found |= answers.memory
        elif not bus.busy:
            bus.ask(block, ids, now_ns)
        now_ns = pause()
    return found


def identify(calibration: Calibration, found: Mapping[int, bytes]) -> dict[int, Identity]:
    """Whether the servos on a bus are those of a calibration.

    Args:
        calibration: of the arm.
        found: id -> block `IDENTITY` of those that answered.

    Raises:
        ServoError: one is silent, or is not the one that was calibrated.
    """
    if not found:
        raise ServoError(f"no servo answers: {_NOBODY}")
    for joint in calibration.joints:
        if joint.id not in found:
            raise ServoError(f"servo {joint.id} ({joint.name}) is silent: check its cable and id")
        _check(joint, Identity.decode(found[joint.id]))
    return {id_: Identity.decode(memory) for id_, memory in found.items()}


def _check(joint: JointCalibration, identity: Identity) -> None:
    who = f"servo {joint.id} ({joint.name})"
    if identity.model not in MODELS:
        known = ", ".join(f"{number} ({name})" for number, name in MODELS.items())
        raise ServoError(f"{who} is of model {identity.model}: known are {known}")
    if identity.mode != 0:
        raise ServoError(
            f"{who} is in mode {identity.mode}, not in position mode 0: calibrate anew"
        )
    if identity.homing_offset_steps != joint.homing_offset_steps:
        raise ServoError(
            f"{who} has the homing offset {identity.homing_offset_steps}, the calibration says "
            f"{joint.homing_offset_steps}: the servo or the file is another arm's; calibrate anew"
        )


def _goal_block(step: int, speed: int, torque: int) -> bytes:
    """Acceleration to torque limit."""
    return (
        r.ACCELERATION.encode(0)  # goals come in small steps already
        + r.GOAL_POSITION.encode(step)
        + r.GOAL_TIME.encode(0)
        + r.GOAL_SPEED.encode(speed)
        + r.TORQUE_LIMIT.encode(torque)
    )
