"""One emulated STS3215: its memory, how it moves and warms up, and what may be wrong with it.

Motion is first order towards the goal, no faster than the goal speed or what the motor can; the
load is the share of its drive that a proportional controller gives for what is left to go, and what
gravity adds. Overloaded for too long it protects itself, as its EEPROM says (80 % for 2 s): then it
gives 20 % until its torque is switched off, and lets sink what needs more. Figures: no-load speed
45 rpm and warming from the vendor's data sheet and the measurements in issue 134 of
TheRobotStudio/SO-ARM100.
"""

import math
from enum import Enum

from firmware_bridge.feetech import registers as r

LAG_S = 0.08  # first order, from goal to position; pytorch/rl issue 4422 has 0.13 s end to end
TOP_SPEED_STEPS_S = 45 / r.RPM_PER_STEP_S
LOAD_PER_STEP = 0.004  # share of full drive per step of position error: full at 22 degrees
AMBIENT_C = 25.0
WARMING_C = 60.0  # above ambient, in the long run at full load
WARMING_S = 600.0  # time constant
SAG_V = 0.15  # at full load, of the common supply
FALL_STEPS_S = 600.0  # of a limp joint whose weight needs full drive
LONGEST_STEP_US = 10_000
PERCENT, CENTISECOND = 0.01, 0.01  # units of the registers of its protection


class ServoFault(Enum):
    """What can be made wrong."""

    SILENT = "silent"
    WRONG_ID = "wrong_id"
    """It answers with `impostor_id`."""
    CORRUPT = "corrupt"
    """The checksum of its answers is wrong."""
    SLOW = "slow"
    """Its answers come 30 ms late."""
    OVERHEATED = "overheated"
    """Measures 75 °C."""
    UNDER_VOLTAGE = "under_voltage"
    """Measures 3.5 V."""
    BLOCKED = "blocked"
    """It does not move, whatever the load."""


class Servo:
    """A servo and what it turns.

    Attributes that a test may set: `encoder_steps`, where the shaft is, counted through the seam of
    the encoder; `stops_steps`, between which it can turn; `gravity_load`, the share of full drive
    that holds its weight, signed; `supply_v`; `faults`, and the `impostor_id` of one of them. An id
    that a host writes is kept in memory, but the bus knows the servo by its first one.
    """

    def __init__(self, id_: int, encoder_steps: float = 2048.0, supply_v: float = 7.4) -> None:
        self.id = id_
        self.encoder_steps = encoder_steps
        self.stops_steps = (encoder_steps - 2048, encoder_steps + 2047)
        self.supply_v = supply_v
        self.gravity_load = 0.0
        self.faults: set[ServoFault] = set()
        self.impostor_id = 0
        self.registered: tuple[int, bytes] | None = None
        self.temperature_c = AMBIENT_C
        self._load = 0.0  # share of full drive, signed
        self._speed_steps_s = 0.0
        self._overload_s = 0.0  # for how long it has been overloaded
        self._protects_itself = False
        self._now_us: int | None = None
        self._kept = bytearray(r.MEMORY_SIZE)
        self.memory = bytearray(r.MEMORY_SIZE)
        self._fill_factory_values()
        self.power_cycle()

    @property
    def torque(self) -> bool:
        """Whether it holds or moves."""
        return self.memory[r.TORQUE_ENABLE.address] == 1

    @property
    def position_steps(self) -> float:
        """As it tells: the encoder less the homing offset, within one turn."""
        offset = r.HOMING_OFFSET.decode(self.memory)
        return (self.encoder_steps - offset) % r.STEPS_PER_TURN

    @property
    def acknowledges(self) -> bool:
        """Whether it answers writes."""
        return self.memory[r.ANSWERS.address] == 1

    @property
    def drop_v(self) -> float:
        """What its load takes from the common supply."""
        return SAG_V * abs(self._load)

    @property
    def errors(self) -> int:
        """Bits of `ServoStatus`."""
        return self.memory[r.STATUS.address]

    def put(self, register: r.Register, value: int) -> None:
        """Sets a register as the servo itself does."""
        data = register.encode(value)
        self.memory[register.address : register.address + register.size] = data

    def read(self, start: int, size: int) -> bytes:
        """A piece of memory; zeros beyond its end."""
        return bytes(self.memory[start : start + size]).ljust(size, b"\0")

    def write(self, start: int, data: bytes) -> None:
        """Writes what may be written; what lies in the EEPROM is kept only if it is unlocked."""
        unlocked = self.memory[r.LOCK.address] == 0
        for address, value in enumerate(data, start):
            if r.ID.address <= address < r.PRESENT_POSITION.address:
                self.memory[address] = value
                if unlocked and address < r.EEPROM_END:
                    self._kept[address] = value

    def act(self) -> None:
        """Does what REG WRITE has left."""
        if self.registered is not None:
            self.write(*self.registered)
        self.registered = None

    def power_cycle(self) -> None:
        """Forgets all but the EEPROM: torque off, locked, no goal."""
        self.memory[:] = self._kept
        self.put(r.LOCK, 1)
        self.put(r.TORQUE_LIMIT, r.MAX_TORQUE.decode(self._kept))
        self._measure(self.supply_v)

    def step(self, now_us: int, supply_sag_v: float) -> None:
        """Lets time pass until `now_us`; the first call only notes it."""
        if self._now_us is None:
            self._now_us = now_us
        while self._now_us < now_us:
            step_us = min(now_us - self._now_us, LONGEST_STEP_US)
            self._now_us += step_us
            self._move(step_us * 1e-6)
        self._measure(self.supply_v - supply_sag_v)

    def _move(self, step_s: float) -> None:
        error_steps = self._goal_steps() - self.position_steps if self.torque else 0.0
        drive = error_steps * LOAD_PER_STEP + self.gravity_load if self.torque else 0.0
        most = self._most_load()
        self._load = min(max(drive, -most), most)
        self._watch_load(step_s)
        self._speed_steps_s = self._turn(error_steps, step_s) / step_s
        goal_c = AMBIENT_C + WARMING_C * self._load**2
        self.temperature_c += (goal_c - self.temperature_c) * step_s / WARMING_S

    def _turn(self, error_steps: float, step_s: float) -> float:
        """Turns the shaft; says how far it went."""
        if ServoFault.BLOCKED in self.faults:
            return 0.0
        unit = r.speed_unit_steps_s(self.memory[r.PHASE.address])
        asked = abs(r.GOAL_SPEED.decode(self.memory)) * unit or TOP_SPEED_STEPS_S
        reach = min(asked, TOP_SPEED_STEPS_S) * step_s
        way = error_steps * (1 - math.exp(-step_s / LAG_S))
        sinking = max(abs(self.gravity_load) - self._most_load(), 0.0)
        if not self.torque or sinking:
            way = reach = -math.copysign(sinking, self.gravity_load) * FALL_STEPS_S * step_s
        before = self.encoder_steps
        low, high = self.stops_steps
        turned = min(max(way, -abs(reach)), abs(reach))
        self.encoder_steps = min(max(before + turned, low), high)
        return self.encoder_steps - before

    def _most_load(self) -> float:
        """The greatest share of full drive that it gives now."""
        if not self.torque:
            return 0.0
        limit = r.TORQUE_LIMIT.decode(self.memory) * r.LOAD_PER_UNIT
        protective = r.PROTECTIVE_TORQUE.decode(self.memory) * PERCENT
        return min(limit, protective) if self._protects_itself else limit

    def _watch_load(self, step_s: float) -> None:
        """Its own protection against overload."""
        overloaded = abs(self._load) >= r.OVERLOAD_TORQUE.decode(self.memory) * PERCENT
        self._overload_s = self._overload_s + step_s if overloaded else 0.0
        allowed_s = r.PROTECTION_TIME.decode(self.memory) * CENTISECOND
        overdone = self._overload_s >= allowed_s
        self._protects_itself = self.torque and (self._protects_itself or overdone)

    def _goal_steps(self) -> int:
        """Its goal within the position limits of its own memory."""
        low, high = r.MIN_POSITION.decode(self.memory), r.MAX_POSITION.decode(self.memory)
        return min(max(r.GOAL_POSITION.decode(self.memory), low), high)

    def _measure(self, voltage_v: float) -> None:
        """Writes what it feels into its memory."""
        hot, low = ServoFault.OVERHEATED in self.faults, ServoFault.UNDER_VOLTAGE in self.faults
        celsius = 75 if hot else round(self.temperature_c)
        units = 35 if low else round(voltage_v / r.VOLTS_PER_UNIT)
        unit = r.speed_unit_steps_s(self.memory[r.PHASE.address])
        self.put(r.PRESENT_POSITION, round(self.position_steps) % r.STEPS_PER_TURN)
        self.put(r.PRESENT_SPEED, round(self._speed_steps_s / unit))
        self.put(r.PRESENT_LOAD, round(self._load / r.LOAD_PER_UNIT))
        self.put(r.PRESENT_VOLTAGE, units)
        self.put(r.PRESENT_TEMPERATURE, celsius)
        self.put(r.MOVING, int(abs(self._speed_steps_s) > 1))
        errors = r.ServoStatus.TEMPERATURE * (celsius > r.MAX_TEMPERATURE.decode(self.memory))
        errors |= r.ServoStatus.VOLTAGE * (units < r.MIN_VOLTAGE.decode(self.memory))
        errors |= r.ServoStatus.OVERLOAD * self._protects_itself
        self.put(r.STATUS, int(errors))

    def _fill_factory_values(self) -> None:
        """What a new servo has in its EEPROM."""
        factory = {
            r.MODEL: r.MODEL_STS3215,
            r.ID: self.id,
            r.ANSWERS: 1,
            r.MAX_POSITION: r.STEPS_PER_TURN - 1,
            r.MAX_TEMPERATURE: 70,
            r.MAX_VOLTAGE: 80,
            r.MIN_VOLTAGE: 40,
            r.MAX_TORQUE: 1000,
            r.PHASE: 12,  # fine speeds; speed 0 means as fast as it can
            r.PROTECTIVE_TORQUE: 20,
            r.PROTECTION_TIME: 200,
            r.OVERLOAD_TORQUE: 80,
        }
        for register, value in factory.items():
            data = register.encode(value)
            self._kept[register.address : register.address + register.size] = data
