"""What each servo says of itself, whether it can be believed, and whether the arm must stop for it.

One odd reading is noise: an eight-bit checksum lets it pass, a motor that starts pulls its supply
down. So each guard has a time for which its condition must last. The times are those of a loop at
50 Hz; that of the load precedes the servo's own protection: an STS3215 that gives 80 % for 2 s cuts
itself down to 20 %, and drops what it holds.
"""

from dataclasses import dataclass
from typing import NamedTuple

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
    speed_steps_s: float  # signed
    load: float  # share of its full drive, signed
    voltage_v: float
    temperature_c: int
    status: r.ServoStatus

    @classmethod
    def decode(cls, memory: bytes, status: int, asked_ns: int, speed_unit: float) -> "Reading":
        """Of the block `FEEDBACK` and the error bits that came with it.

        Args:
            memory: the block.
            status: the error bits.
            asked_ns: when it was asked for.
            speed_unit: steps/s that one unit of this servo's speed means.
        """

        def value(register: r.Register) -> int:
            return register.decode(memory, r.FEEDBACK.start)

        return cls(
            asked_ns,
            value(r.TORQUE_ENABLE) == 1,
            value(r.GOAL_POSITION),
            value(r.PRESENT_POSITION),
            value(r.PRESENT_SPEED) * speed_unit,
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
    max_speed_steps_s: float
    max_following_steps: float  # between goal and position
    following_s: float


class _Oddity(NamedTuple):
    """What is wrong if it lasts."""

    word: str
    reason: Reason
    lasts_s: float = NOISE_S


_STATUS = (
    (r.ServoStatus.VOLTAGE, "servo_voltage", Reason.VOLTAGE),
    (r.ServoStatus.ENCODER, "servo_encoder", Reason.SENSOR_RANGE),
    (r.ServoStatus.TEMPERATURE, "servo_temperature", Reason.TEMPERATURE),
    (r.ServoStatus.CURRENT, "servo_current", Reason.EFFORT),
    (r.ServoStatus.OVERLOAD, "servo_load", Reason.EFFORT),
)


class ServoGuard:
    """Watches one servo; keeps its newest believable reading."""

    def __init__(self, joint: JointCalibration, limits: GuardLimits) -> None:
        self._joint = joint
        self._limits = limits
        self._since_ns: dict[str, int] = {}  # word -> when its condition began
        self._awake_ns = 0  # silence before that was nobody's asking
        self.reading: Reading | None = None
        self.missed = 0  # questions without an answer
        self.leaps = 0  # answers that were not believed

    def is_silent(self, now_ns: int) -> bool:
        """Whether its last believable reading is too old."""
        if self.reading is None:
            return True
        since_ns = max(self.reading.asked_ns, self._awake_ns)
        return now_ns - since_ns > self._limits.silent_s * 1e9

    def wake(self, now_ns: int) -> None:
        """Forgives silence until now: this process was away, and did not ask."""
        self._awake_ns = now_ns

    def take(self, reading: Reading | None) -> None:
        """The answer to a question; None: there was none, or it was another's."""
        if reading is None:
            self.missed += 1
        elif self._leaps(reading):
            self.leaps += 1
        else:
            self.reading = reading

    def judge(self, now_ns: int, *, engaged: bool) -> list[Finding]:
        """What is wrong by now, the worst first. `engaged`: its torque should be on."""
        reading = self.reading
        if reading is None or self.is_silent(now_ns):
            return [self._finding("silent", Reason.SENSOR_LOST)]
        at_ns, before = reading.asked_ns, self._since_ns
        odd = self._odd(reading, engaged=engaged)
        self._since_ns = {one.word: before.get(one.word, at_ns) for one in odd}
        return [
            self._finding(one.word, one.reason)
            for one in odd
            if at_ns - self._since_ns[one.word] >= one.lasts_s * 1e9
        ]

    def _odd(self, reading: Reading, *, engaged: bool) -> list[_Oddity]:
        """What a single reading says that should not last."""
        limits, odd = self._limits, []
        if engaged and not reading.torque:
            odd.append(_Oddity("torque_lost", Reason.MISMATCH))
        if not limits.min_voltage_v <= reading.voltage_v <= limits.max_voltage_v:
            odd.append(_Oddity("voltage", Reason.VOLTAGE))
        if reading.temperature_c > limits.max_temperature_c:
            odd.append(_Oddity("temperature", Reason.TEMPERATURE))
        if abs(reading.speed_steps_s) > limits.max_speed_steps_s:
            odd.append(_Oddity("speed", Reason.SPEED))
        behind_steps = abs(reading.goal_steps - reading.position_steps)
        if engaged and behind_steps > limits.max_following_steps:
            odd.append(_Oddity("following", Reason.FOLLOWING, limits.following_s))
        if abs(reading.load) > limits.max_load:
            odd.append(_Oddity("load", Reason.EFFORT, limits.load_s))
        if reading.status:
            odd += [_Oddity(word, why) for bit, word, why in _STATUS if reading.status & bit]
        return odd

    def _finding(self, word: str, reason: Reason) -> Finding:
        return Finding(word, reason, self._joint.name, self._joint.id)

    def _leaps(self, reading: Reading) -> bool:
        """Whether the joint cannot have come there since the last believable reading."""
        last = self.reading
        if last is None or reading.asked_ns - last.asked_ns > self._limits.silent_s * 1e9:
            return False
        most = LEAP_STEPS + LEAP_STEPS_S * (reading.asked_ns - last.asked_ns) * 1e-9
        return abs(reading.position_steps - last.position_steps) > most
