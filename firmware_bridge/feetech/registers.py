"""The memory of a Feetech STS servo: where each value lies, its unit, and how its sign is written.

Source: Feetech's memory table of the SMS and STS series ("Magnetic encoded STS servo, memory
table"), in agreement with `lerobot/motors/feetech/tables.py` and `SMS_STS.h` of the vendor's
library. Two bytes are little-endian. A sign is a bit of its own, not two's complement.
"""

import math
from enum import IntFlag
from typing import NamedTuple

STEPS_PER_TURN = 4096
RAD_PER_STEP = 2 * math.pi / STEPS_PER_TURN
MIDDLE_STEPS = 2048
"""Where a calibrated joint stands at angle zero: farthest from the seam between 4095 and 0."""

MODEL_STS3215 = 777
VOLTS_PER_UNIT = 0.1
LOAD_PER_UNIT = 0.001  # share of the full drive voltage
RPM_PER_STEP_S = 60.0 / STEPS_PER_TURN  # 0.0146
COARSE_STEPS_S = 50.0  # 0.732 rpm: the unit of speeds where bit 2 of `phase` is clear
FINE_SPEED_BIT = 4  # of `phase`


class Register(NamedTuple):
    """One value of the memory."""

    address: int
    size: int  # bytes
    sign_bit: int | None = None

    def encode(self, value: int) -> bytes:
        """Bytes of a value that fits.

        Raises:
            OverflowError: it does not.
        """
        magnitude = abs(value)
        largest = (1 << (8 * self.size if self.sign_bit is None else self.sign_bit)) - 1
        if magnitude > largest or (value < 0 and self.sign_bit is None):
            raise OverflowError(f"{value} does not fit register {self.address}")
        sign = 1 << self.sign_bit if self.sign_bit is not None and value < 0 else 0
        return (magnitude | sign).to_bytes(self.size, "little")

    def decode(self, memory: bytes | bytearray, start: int = 0) -> int:
        """The value in a piece of memory that begins at address `start`."""
        at = self.address - start
        raw = int.from_bytes(memory[at : at + self.size], "little")
        if self.sign_bit is None:
            return raw
        magnitude = raw & ~(1 << self.sign_bit)
        return -magnitude if raw >> self.sign_bit & 1 else magnitude


MODEL = Register(3, 2)
ID = Register(5, 1)
BAUD = Register(6, 1)
ANSWERS = Register(8, 1)  # 0: only READ and PING are answered; 1: all
MIN_POSITION = Register(9, 2)
MAX_POSITION = Register(11, 2)
MAX_TEMPERATURE = Register(13, 1)  # °C
MAX_VOLTAGE = Register(14, 1)
MIN_VOLTAGE = Register(15, 1)
MAX_TORQUE = Register(16, 2)
PHASE = Register(18, 1)
HOMING_OFFSET = Register(31, 2, sign_bit=11)  # present = encoder - offset, modulo a turn
OPERATING_MODE = Register(33, 1)  # 0: position
PROTECTIVE_TORQUE = Register(34, 1)  # %, what an overloaded servo still gives
PROTECTION_TIME = Register(35, 1)  # 10 ms
OVERLOAD_TORQUE = Register(36, 1)  # %

EEPROM_END = 40  # what lies before is kept without power, if it was written unlocked

TORQUE_ENABLE = Register(40, 1)
ACCELERATION = Register(41, 1)  # 100 steps/s²; 0: as fast as it can
GOAL_POSITION = Register(42, 2, sign_bit=15)
GOAL_TIME = Register(44, 2)
GOAL_SPEED = Register(46, 2, sign_bit=15)  # 0: as fast as it can
TORQUE_LIMIT = Register(48, 2)
LOCK = Register(55, 1)  # 0: writes to the EEPROM part are kept
PRESENT_POSITION = Register(56, 2, sign_bit=15)
PRESENT_SPEED = Register(58, 2, sign_bit=15)
PRESENT_LOAD = Register(60, 2, sign_bit=10)
PRESENT_VOLTAGE = Register(62, 1)
PRESENT_TEMPERATURE = Register(63, 1)  # °C
STATUS = Register(65, 1)
MOVING = Register(66, 1)
PRESENT_CURRENT = Register(69, 2, sign_bit=15)  # 6.5 mA
MEMORY_SIZE = 87


class ServoStatus(IntFlag):
    """Bits of `STATUS`, which every answer carries too."""

    VOLTAGE = 1
    ENCODER = 2
    TEMPERATURE = 4
    CURRENT = 8
    OVERLOAD = 32


class Block(NamedTuple):
    """Neighbouring registers that are read in one go."""

    start: int
    size: int


IDENTITY = Block(MODEL.address, OPERATING_MODE.address + 1 - MODEL.address)
FEEDBACK = Block(TORQUE_ENABLE.address, PRESENT_TEMPERATURE.address + 1 - TORQUE_ENABLE.address)
"""From torque to temperature, goal included: a servo that restarted or forgot its goal is seen."""


def speed_unit_steps_s(phase: int) -> float:
    """steps/s of one unit of a servo's speeds, as its `PHASE` says."""
    return 1.0 if phase & FINE_SPEED_BIT else COARSE_STEPS_S
