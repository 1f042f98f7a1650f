"""The options of a robot behind a microcontroller: one clear line for each that is wrong."""

import math
from dataclasses import fields, replace
from pathlib import Path

import pytest

from firmware_bridge import link_diagnosis
from firmware_bridge.axis_limits import AxisLimit, Limits
from firmware_bridge.configuration import ABORT, RAMP
from firmware_bridge.driver import make_driver
from firmware_bridge.errors import LinkTableError
from firmware_bridge.mcu_options import McuOptions
from firmware_bridge.mcu_setup import setup_of
from firmware_bridge.safety_words import AxisKind, Reaction, Reason

LIMITS = Limits(
    (
        AxisLimit("forward", "m/s", 0.0, 1.0, slew_per_s=4.0, stop=0.0),
        AxisLimit("altitude", "m", 0.5, 2.5, slew_per_s=0.5),
    ),
    max_command_age_s=0.25,
)
PAGE = (Path(__file__).parent.parent / "docs" / "users" / "mcu.md").read_text()
PORT = "/dev/ttyACM0"
LANDING = {"reaction": "land", "on_exit": "land", "land_axis": "altitude", "land_per_s": 0.3}


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({}, "needs the option 'port'"),
        ({"port": 5}, "port is 5"),
        ({"port": PORT, "speed": 9600}, "no option 'speed'"),
        ({"port": PORT, "baud": 0}, "baud is 0"),
        ({"port": PORT, "baud": 9600.5}, "baud is 9600.5"),
        ({"port": PORT, "watchdog_s": 0}, "watchdog_s is 0, must be 0.001"),
        ({"port": PORT, "watchdog_s": True}, "watchdog_s is True"),
        ({"port": PORT, "heartbeat_s": 66}, "heartbeat_s is 66"),
        ({"port": PORT, "max_delay_s": math.nan}, "max_delay_s is nan"),
        ({"port": PORT, "open_timeout_s": "soon"}, "open_timeout_s is 'soon'"),
        ({"port": PORT, "reaction": "panic"}, "valid are hold, decelerate, limp, land"),
        ({"port": PORT, "on_exit": "drop"}, "valid are hold, limp, land"),
        ({"port": PORT, "min_voltage_v": "12 V"}, "min_voltage_v is '12 V'"),
        ({"port": PORT, "reaction": "land"}, "on_exit 'hold' does not go with reaction 'land'"),
        ({"port": PORT, "on_exit": "land"}, "on_exit 'land' does not go with reaction 'hold'"),
        (
            {"port": PORT, **LANDING, "land_axis": "forward"},
            "needs a position axis, one of altitude",
        ),
        ({"port": PORT, **LANDING, "land_per_s": 0.0}, "land_per_s is 0.0, must be > 0"),
    ],
)
def test_a_wrong_option_is_told_in_one_line_before_anything_is_opened(options, says):
    with pytest.raises(LinkTableError, match=says) as told:
        make_driver({"driver": "mcu", **options}, LIMITS)
    assert "\n" not in str(told.value)


def test_without_options_an_arm_is_held_and_a_far_first_command_ramped():
    told = setup_of(LIMITS, McuOptions(PORT))
    assert told.configure["reaction"] == Reaction.HOLD
    assert told.configure["first_command"] == RAMP
    assert told.configure["watchdog_ms"] == 100
    altitude = told.axes[1]
    assert altitude["max_jump"] == pytest.approx(0.1)  # a twentieth of 2 m
    assert altitude["ramp_per_s"] == 0.125  # a quarter of 0.5 m/s
    assert altitude["max_following"] == math.inf


def test_a_jump_that_has_no_ramp_is_refused_by_the_controller_too():
    axis = AxisLimit("elbow", "rad", -1.0, 1.0, slew_per_s=1.0, max_jump=0.3)
    told = setup_of(Limits((axis, LIMITS.axes[1]), 0.25), McuOptions(PORT))
    assert told.configure["first_command"] == ABORT
    assert told.axes[0]["max_jump"] == 0.3
    ramped = replace(axis, ramp_per_s=0.2, max_speed=2.0, max_following=0.4)
    told = setup_of(Limits((ramped, LIMITS.axes[1]), 0.25), McuOptions(PORT))
    assert told.configure["first_command"] == RAMP
    elbow = told.axes[0]
    assert (elbow["ramp_per_s"], elbow["max_speed"], elbow["max_following"]) == (0.2, 2.0, 0.4)


def test_a_unit_per_second_is_a_velocity_and_no_stop_value_means_hold():
    forward, altitude = setup_of(LIMITS, McuOptions(PORT)).axes
    assert (forward["kind"], forward["stop"]) == (AxisKind.VELOCITY, 0.0)
    assert altitude["kind"] == AxisKind.POSITION
    assert math.isnan(altitude["stop"])


@pytest.mark.parametrize("option", [field.name for field in fields(McuOptions)])
def test_the_page_for_users_has_every_option(option):
    assert f"`{option}`" in PAGE or f"    {option} = " in PAGE


STAGES = {word for word in link_diagnosis.WORDS.values() if word != "refused"}
NEVER_TOLD = {"none", "schema", "stale", "non_finite", "beyond_hardware", "bad_value"}
"""Reasons for which the controller drops a packet; what the driver says of them has other names."""


@pytest.mark.parametrize(
    "word",
    sorted(({reason.name.lower() for reason in Reason} | STAGES) - NEVER_TOLD),
)
def test_the_page_for_users_has_every_fault_word(word):
    assert f"`{word}`" in PAGE


def test_landing_names_the_axis_that_goes_down():
    told = setup_of(LIMITS, McuOptions(PORT, **LANDING)).configure
    assert (told["reaction"], told["land_axis"], told["land_per_s"]) == (Reaction.LAND, 1, 0.3)


def test_a_controller_has_at_most_eight_axes():
    axes = tuple(AxisLimit(f"a{n}", "rad", -1.0, 1.0, slew_per_s=1.0) for n in range(9))
    with pytest.raises(LinkTableError, match="has 9 axes"):
        setup_of(Limits(axes, 0.25), McuOptions(PORT))
