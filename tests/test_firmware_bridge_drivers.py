import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from firmware_bridge.axis_limits import AxisLimit, Limits
from firmware_bridge.driver import make_driver
from firmware_bridge.drivers import DRIVERS
from firmware_bridge.errors import LinkTableError

LIMITS = Limits(
    (
        AxisLimit("speed", "m/s", 0.0, 1.0, slew_per_s=2.0, stop=0.0),
        AxisLimit("altitude", "m", 0.5, 2.5, slew_per_s=0.5),
    ),
    max_command_age_s=0.25,
)
MS = 1_000_000


@pytest.fixture
def fake():
    return make_driver({"driver": "fake"}, LIMITS)


@pytest.mark.parametrize("name", DRIVERS)
def test_every_driver_applies_a_command_and_stops_on_close(name):
    driver = make_driver({"driver": name}, LIMITS)
    assert driver.read(0).stopped
    driver.send(np.array([0.5, 1.2]), 0)
    state = driver.read(0)
    np.testing.assert_array_equal(state.values, [0.5, 1.2])
    assert (state.stopped, state.faults) == (False, ())
    driver.close()
    driver.close()
    assert driver.read(0).stopped
    assert driver.read(0).values[0] == 0.0


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
    driver = make_driver({"driver": "fake"}, LIMITS)
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
