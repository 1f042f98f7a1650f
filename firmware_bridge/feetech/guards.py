"""What each servo says of itself, whether it can be believed, and whether the arm must stop for it.

One odd reading is noise: an eight-bit checksum lets it pass, a motor that starts pulls its supply
down. So each guard has a time for which its condition must last. The times are those of a loop at
50 Hz; that of the load precedes the servo's own protection: an STS3215 that gives 80 % for 2 s cuts
itself down to 20 %, and drops what it holds.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from firmware_bridge.feetech import registers as r
from firmware_bridge.feetech.calibration import JointCalibration
from firmware_bridge.safety_words import Reason

NOISE_S = 0.05  # more than one reading at 50 Hz
LEAP_STEPS_S = 6000.0  # twice the no-load speed of the fastest STS3215, 52 rpm
LEAP_STEPS = 60.0  # what a reading may be off, backlash and noise: 5 degrees


class Reading(NamedTuple):
    """What one servo told."""

    asked_ns: int
    torque: bool
    goal_steps: int
    position_steps: int
    load: float  # share of its full drive, signed
    voltage_v: float
    temperature_c: int
    status: r.ServoStatus

    @classmethod
    def decode(cls, memory: bytes, status: int, asked_ns: int) -> "Reading":
        """Of the block `FEEDBACK` and the error bits that came with it."""

        def value(register: r.Register) -> int:
            return register.decode(memory, r.FEEDBACK.start)

        return cls(
            asked_ns,
            value(r.TORQUE_ENABLE) == 1,
            value(r.GOAL_POSITION),
            value(r.PRESENT_POSITION),
            value(r.PRESENT_LOAD) * r.LOAD_PER_UNIT,
            value(r.PRESENT_VOLTAGE) * r.VOLTS_PER_UNIT,
            value(r.PRESENT_TEMPERATURE),
            r.ServoStatus(status),
        )


class Finding(NamedTuple):
    """Something is wrong with a servo."""

    word: str  # what
    reason: Reason
    joint: str
    id: int

    def __str__(self) -> str:
        """One word for logs: what, and which joint and servo."""
        return f"{self.word}_{self.joint}_{self.id}"


@dataclass(frozen=True)
class GuardLimits:
    """When an arm must stop."""

    silent_s: float
    min_voltage_v: float
    max_voltage_v: float
    max_temperature_c: float
    max_load: float  # share of full drive
    load_s: float


_STATUS = (
    (r.ServoStatus.VOLTAGE, "voltage", Reason.VOLTAGE),
    (r.ServoStatus.ENCODER, "encoder", Reason.SENSOR_RANGE),
    (r.ServoStatus.TEMPERATURE, "temperature", Reason.TEMPERATURE),
    (r.ServoStatus.CURRENT, "current", Reason.EFFORT),
    (r.ServoStatus.OVERLOAD, "load", Reason.EFFORT),
)


class ServoGuard:
    """Watches one servo; keeps its newest believable reading."""

    def __init__(self, joint: JointCalibration, limits: GuardLimits) -> None:
        self._joint = joint
        self._limits = limits
        self._since_ns: dict[str, int] = {}  # word -> when its condition began
        self.reading: Reading | None = None
        self.missed = 0  # questions without an answer
        self.leaps = 0  # answers that were not believed

    @property
    def position_steps(self) -> float:
        """Of the newest believable reading; not-a-number if there was none."""
        return np.nan if self.reading is None else self.reading.position_steps

    def is_silent(self, now_ns: int) -> bool:
        """Whether its last believable reading is too old."""
        reading = self.reading
        return reading is None or now_ns - reading.asked_ns > self._limits.silent_s * 1e9

    def take(self, reading: Reading | None) -> None:
        """The answer to a question; None: there was none, or it was another's."""
        if reading is None:
            self.missed += 1
        elif self._leaps(reading):
            self.leaps += 1
        else:
            self.reading = reading

    def judge(self, now_ns: int, *, engaged: bool) -> Iterable[Finding]:
        """What is wrong by now, the worst first. `engaged`: its torque should be on."""
        reading, limits = self.reading, self._limits
        if reading is None or self.is_silent(now_ns):
            return [self._finding("silent", Reason.SENSOR_LOST)]
        status = reading.status
        volts, celsius = reading.voltage_v, reading.temperature_c
        conditions = {
            ("torque_lost", Reason.MISMATCH): (engaged and not reading.torque, NOISE_S),
            ("voltage", Reason.VOLTAGE): (
                not limits.min_voltage_v <= volts <= limits.max_voltage_v,
                NOISE_S,
            ),
            ("temperature", Reason.TEMPERATURE): (celsius > limits.max_temperature_c, NOISE_S),
            ("load", Reason.EFFORT): (abs(reading.load) > limits.max_load, limits.load_s),
            **{("servo_" + w, why): (bool(status & bit), NOISE_S) for bit, w, why in _STATUS},
        }
        return [
            self._finding(*key)
            for key, (holds, lasts_s) in conditions.items()
            if self._lasts(key[0], holds, lasts_s, reading.asked_ns)
        ]

    def _finding(self, word: str, reason: Reason) -> Finding:
        return Finding(word, reason, self._joint.name, self._joint.id)

    def _lasts(self, word: str, holds: bool, lasts_s: float, at_ns: int) -> bool:
        """Whether a condition has held in all readings for so long."""
        if not holds:
            self._since_ns.pop(word, None)
            return False
        return at_ns - self._since_ns.setdefault(word, at_ns) >= lasts_s * 1e9

    def _leaps(self, reading: Reading) -> bool:
        """Whether the joint cannot have come there since the last believable reading."""
        last = self.reading
        if last is None or reading.asked_ns - last.asked_ns > self._limits.silent_s * 1e9:
            return False
        most = LEAP_STEPS + LEAP_STEPS_S * (reading.asked_ns - last.asked_ns) * 1e-9
        return abs(reading.position_steps - last.position_steps) > most
