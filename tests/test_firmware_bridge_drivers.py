import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from firmware_bridge.axis_limits import AxisLimit, Limits
from firmware_bridge.driver import make_driver
from firmware_bridge.drivers import DRIVERS, SIMULATED
from firmware_bridge.errors import BridgeInputError, LinkTableError
from firmware_bridge.safety_words import Mode, Reaction, Wish

LIMITS = Limits(
    (
        AxisLimit("speed", "m/s", 0.0, 1.0, slew_per_s=2.0, stop=0.0),
        AxisLimit("altitude", "m", 0.5, 2.5, slew_per_s=0.5),
    ),
    max_command_age_s=0.25,
)
MS = 1_000_000


FLYING = Limits(
    (
        AxisLimit("forward_speed", "m/s", 0.0, 1.0, slew_per_s=2.0, stop=0.0),
        AxisLimit("yaw_rate", "rad/s", -1.0, 1.0, slew_per_s=5.0, stop=0.0),
        AxisLimit("altitude", "m", 0.5, 2.5, slew_per_s=0.5),
    ),
    max_command_age_s=0.25,
)
LINKS = {
    "fake": {},
    "mcu": {"port": "/dev/nobody"},
    "feetech": {"port": "/dev/nobody", "calibration": "nobody.toml"},
    "mavlink": {"port": "udpin:127.0.0.1:0", "open_timeout_s": 0.05},
}
"""The least that `[link]` must say of each driver; it leads to nobody."""
AXES = {"mavlink": FLYING}
"""Of drivers that know the axes of one kind of robot alone."""
OBSERVABLE = {"values", "effort", "voltage_v", "temperature_c"}
rows = pytest.mark.parametrize("name", DRIVERS)


def _made(name):
    return make_driver({"driver": name, **LINKS[name]}, AXES.get(name, LIMITS))


@pytest.fixture
def fake():
    driver = _made("fake")
    driver.open(0)
    return driver


@rows
def test_a_driver_tells_what_it_can_do_before_it_is_opened(name):
    features = _made(name).features
    assert set(features.observes) <= OBSERVABLE
    assert features.reactions
    assert set(features.reactions) <= {reaction.name.lower() for reaction in Reaction}


@rows
def test_only_what_is_simulated_arms_itself(name):
    assert _made(name).features.arms_itself == (name in SIMULATED)


@rows
def test_a_driver_that_was_never_opened_can_be_closed_twice(name):
    driver = _made(name)
    driver.close()
    driver.close()


@rows
def test_hardware_that_is_not_there_is_told_in_one_line_and_can_be_closed(name):
    driver = _made(name)
    if driver.features.arms_itself:
        driver.open(0)
        assert driver.read(0).mode is Mode.ARMED
    else:
        with pytest.raises(BridgeInputError) as refused:
            driver.open(0)
        assert "\n" not in str(refused.value)
    driver.close()


def test_the_fake_applies_a_command_and_stops_on_close(fake):
    assert fake.read(0).stopped
    fake.send(np.array([0.5, 1.2]), 0)
    state = fake.read(0)
    np.testing.assert_array_equal(state.values, [0.5, 1.2])
    assert (state.stopped, state.faults, state.mode) == (False, (), Mode.ACTIVE)
    fake.close()
    fake.close()
    assert fake.read(0).stopped
    assert fake.read(0).values[0] == 0.0


@pytest.mark.parametrize(
    ("wish", "mode"),
    [
        (Wish.STOP, Mode.PROTECTIVE_STOP),
        (Wish.ESTOP, Mode.ESTOP),
        (Wish.DISARM, Mode.DISARMED),
    ],
)
def test_a_stop_that_was_asked_for_outlives_every_command(wish, mode, fake):
    fake.send(np.array([0.5, 1.2]), 0)
    fake.request(wish, 10 * MS)
    for tick in range(1, 50):
        fake.send(np.array([0.5, 1.4]), tick * 20 * MS)
        state = fake.read(tick * 20 * MS)
        np.testing.assert_array_equal(state.values, [0.0, 1.2])  # speed stops, altitude holds
        assert (state.stopped, state.mode) == (True, mode)
        assert "wrong_mode" in state.faults
    assert fake.counters["refused"] == 49


def test_an_e_stop_wants_a_reset_and_an_arming_a_protective_stop_a_reset_alone(fake):
    fake.request(Wish.ESTOP, 0)
    fake.request(Wish.ARM, 0)
    assert fake.read(0).faults == ("requested", "arm_refused_wrong_mode")
    fake.request(Wish.RESET, 0)
    assert fake.read(0).mode is Mode.DISARMED
    fake.request(Wish.RESET, 0)
    assert fake.read(0).faults == ("reset_refused_wrong_mode",)
    fake.request(Wish.ARM, 0)
    assert fake.read(0).mode is Mode.ARMED
    fake.stop(0)
    fake.request(Wish.RESET, 0)
    state = fake.read(0)
    assert (state.mode, state.faults) == (Mode.ARMED, ())
    fake.send(np.array([0.5, 1.2]), MS)
    assert fake.read(MS).mode is Mode.ACTIVE


def test_refusals_that_nobody_reads_do_not_pile_up(fake):
    for _ in range(1000):
        fake.request(Wish.RESET, 0)
        fake.send(np.array([math.nan, 1.2]), 0)
    assert fake.read(0).faults == ("reset_refused_wrong_mode", "non_finite")


def test_watchdog_stops_once_until_commands_resume(fake):
    fake.send(np.array([0.5, 1.2]), 0)
    assert not fake.read(100 * MS).stopped
    for now_ns in (101 * MS, 500 * MS):
        state = fake.read(now_ns)
        np.testing.assert_array_equal(state.values, [0.0, 1.2])  # speed stops, altitude holds
        assert (state.stopped, state.faults) == (True, ("command_timeout",))
    fake.send(np.array([0.4, 1.2]), 600 * MS)
    assert fake.read(600 * MS).faults == ()
    assert fake.counters == {"received": 2, "refused": 0, "timeouts": 1}


def test_a_gap_is_counted_even_if_nobody_read_in_it(fake):
    fake.send(np.array([0.5, 1.2]), 0)
    fake.send(np.array([0.5, 1.2]), 101 * MS)
    assert fake.counters["timeouts"] == 1


def test_non_finite_is_refused_and_renews_nothing(fake):
    fake.send(np.array([0.5, 1.2]), 0)
    fake.send(np.array([math.nan, 1.2]), 90 * MS)
    state = fake.read(90 * MS)
    np.testing.assert_array_equal(state.values, [0.5, 1.2])
    assert state.faults == ("non_finite",)
    assert fake.read(110 * MS).faults == ("command_timeout",)


@given(st.lists(st.tuples(st.integers(0, 300), st.floats()), min_size=1, max_size=30))
def test_counters_add_up(commands):
    driver = _made("fake")
    driver.open(0)
    now_ns = 0
    for gap_ms, speed in commands:
        now_ns += gap_ms * MS
        driver.send(np.array([speed, 1.0]), now_ns)
        assert np.isfinite(driver.read(now_ns).values).all()
    counters = driver.counters
    assert counters["received"] == len(commands)
    assert counters["refused"] == sum(not math.isfinite(speed) for _, speed in commands)
    assert counters["timeouts"] <= len(commands) - counters["refused"]


@pytest.mark.parametrize(
    ("link", "says"),
    [
        ({}, "driver is None: valid drivers are fake"),
        ({"driver": "mcu9"}, "'mcu9': valid drivers are fake"),
        ({"driver": "fake", "port": "COM1"}, "no option 'port': valid options are watchdog_s"),
        ({"driver": "fake", "watchdog_s": 0}, "watchdog_s is 0"),
        ({"driver": "fake", "watchdog_s": "1"}, "watchdog_s is '1'"),
    ],
)
def test_a_bad_link_table_is_refused_in_one_line(link, says):
    with pytest.raises(LinkTableError, match=says) as refused:
        make_driver(link, LIMITS)
    assert "\n" not in str(refused.value)
