"""Configurations of a controller with two axes: one that it takes, and what it refuses."""

import math
from dataclasses import replace

from firmware_bridge.configuration import AxisConfiguration, Configuration
from firmware_bridge.safety_words import AxisKind, Reaction

TOLD = Configuration(
    axes=2,
    reaction=Reaction.HOLD,
    first_command=0,
    land_axis=0,
    land_per_s=0.5,
    watchdog_ms=100,
    heartbeat_ms=500,
    sensor_ms=50,
    following_ms=100,
    max_command_age_ms=200,
    min_voltage_v=-math.inf,
    max_temperature_c=math.inf,
)
JOINT = AxisConfiguration(
    index=0,
    kind=AxisKind.POSITION,
    minimum=-2.0,
    maximum=2.0,
    stop=math.nan,
    slew_per_s=2.0,
    acceleration_per_s2=math.inf,
    max_speed=math.inf,
    max_effort=math.inf,
    max_following=math.inf,
    max_jump=math.inf,
    ramp_per_s=math.inf,
)
WHEEL = replace(
    JOINT, index=1, kind=AxisKind.VELOCITY, minimum=-1.0, maximum=1.0, stop=0.0, slew_per_s=4.0
)

BAD = [
    {"axes": 0},
    {"axes": 9},
    {"reaction": 4},
    {"first_command": 2},
    {"watchdog_ms": 0},
    {"heartbeat_ms": 0},
    {"sensor_ms": 0},
    {"following_ms": 0},
    {"max_command_age_ms": 0},
    {"min_voltage_v": math.nan},
    {"max_temperature_c": math.nan},
    {"reaction": Reaction.LAND, "land_axis": 2},
    {"reaction": Reaction.LAND, "land_per_s": 0.0},
    {"reaction": Reaction.LAND, "land_per_s": math.inf},
    {"reaction": Reaction.LAND, "land_per_s": math.nan},
]
BEYOND = [{"watchdog_ms": 1001}, {"heartbeat_ms": 5001}, {"sensor_ms": 1001}]
KEPT = [
    {"watchdog_ms": 1000, "heartbeat_ms": 5000, "sensor_ms": 1000},
    {"watchdog_ms": 1, "heartbeat_ms": 1, "sensor_ms": 1},
    {"following_ms": 1, "max_command_age_ms": 1},
    {"axes": 1},
    {"axes": 8},
    {"reaction": Reaction.LAND, "first_command": 1, "land_axis": 1, "land_per_s": 1e-3},
    {"land_axis": 2, "land_per_s": 0.0},  # it does not land
    {"min_voltage_v": math.inf, "max_temperature_c": -math.inf},
]

GUARDS = (
    *("acceleration_per_s2", "max_speed", "max_effort"),
    *("max_following", "max_jump", "ramp_per_s"),
)
BAD_AXIS = [
    {"index": 2},
    {"index": 255},
    {"kind": 2},
    {"minimum": math.nan},
    {"minimum": -math.inf},
    {"maximum": math.inf},
    {"maximum": math.nan},
    {"minimum": 2.0},
    {"minimum": 2.5},
    {"stop": 2.1},
    {"stop": -2.1},
    {"slew_per_s": 0.0},
    {"slew_per_s": -1.0},
    {"slew_per_s": math.inf},
    {"slew_per_s": math.nan},
    *({key: value} for key in GUARDS for value in (0.0, -1.0, math.nan)),
]
BEYOND_AXIS = [
    {"minimum": -10.5},
    {"maximum": 10.5},
    {"slew_per_s": 50.5},
    {"acceleration_per_s2": 1001.0},
]
KEPT_AXIS = [
    {"minimum": -10.0, "maximum": 10.0, "slew_per_s": 50.0, "acceleration_per_s2": 1000.0},
    {"stop": 2.0},
    {"stop": -2.0},
    {"index": 1, "kind": 1},
    *({key: 1e-3} for key in GUARDS),
]
