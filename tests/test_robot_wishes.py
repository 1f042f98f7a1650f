"""Demands followed up: on the fake driver, and on controllers that refuse, relapse or hang."""

import numpy as np
import pytest

from firmware_bridge.axis_limits import AxisLimit, Limits
from firmware_bridge.driver import DriverState, make_driver, refusal
from firmware_bridge.safety_words import Mode, Reason, Wish
from robot.wishes import MAX_WAITING, PATIENCE_NS, Asked, Demand, Outcome, Request, Requests

LIMITS = Limits((AxisLimit("speed", "m/s", 0.0, 1.0, 2.0, stop=0.0),), max_command_age_s=0.25)


@pytest.fixture
def driver():
    driver = make_driver({"driver": "fake"}, LIMITS)
    driver.open(0)
    return driver


def _state(mode, *faults):
    return DriverState(np.zeros(1), mode is not Mode.ACTIVE, faults, mode)


def _ask(driver, *demands):
    """What came of demands that were made at the same moment."""
    requests = Requests(driver)
    for number, demand in enumerate(demands):
        requests.add(Asked(number, demand), driver.read(0))
    requests.serve(driver.read(0), 0)
    return requests.outcomes


def test_each_demand_is_done_when_the_driver_says_so(driver):
    told = {}
    for demand in (Demand.DISARM, Demand.ARM, Demand.ESTOP, Demand.REARM):
        (outcome,) = _ask(driver, demand)
        assert outcome.done
        told[demand] = (driver.read(0).mode, outcome.mode, outcome.text)
    assert told == {
        Demand.DISARM: (Mode.DISARMED, "disarmed", "disarmed"),
        Demand.ARM: (Mode.ARMED, "armed", "armed"),
        Demand.ESTOP: (Mode.ESTOP, "estop", "e-stop, until: reflexarc arm --reset"),
        Demand.REARM: (Mode.ARMED, "armed", "armed"),
    }


@pytest.mark.parametrize("stop", [Wish.STOP, Wish.ESTOP])
def test_a_stop_is_not_armed_away_but_reset(stop, driver):
    driver.request(stop, 0)
    before = driver.read(0).mode
    (refused,) = _ask(driver, Demand.ARM)
    assert not refused.done
    assert "latched; when it is safe to go on: reflexarc arm --reset" in refused.text
    assert driver.read(0).mode is before
    (armed,) = _ask(driver, Demand.REARM)
    assert (armed.done, armed.mode) == (True, "armed")


def test_what_is_so_already_is_said_to_be(driver):
    assert [outcome.text for outcome in _ask(driver, Demand.ARM)] == ["already armed"]
    assert driver.read(0).mode is Mode.ARMED


def test_an_e_stop_goes_before_all_that_waits_and_is_sent_whatever_the_mode_was(driver):
    outcomes = _ask(driver, Demand.DISARM, Demand.ARM, Demand.ESTOP, Demand.ARM)
    assert [(o.number, o.done) for o in outcomes] == [(0, False), (1, False), (2, True), (3, False)]
    assert outcomes[0].text == outcomes[1].text == "an e-stop came in between"
    stale = _state(Mode.ESTOP)  # heard before somebody reset it elsewhere
    assert Request(Asked(0, Demand.ESTOP), 0).advance(stale, 0) is Wish.ESTOP


def test_demands_are_not_hoarded(driver):
    outcomes = _ask(driver, *[Demand.DISARM] * (MAX_WAITING + 2))
    assert [o.text for o in outcomes[:2]] == ["too many demands at once; ask again"] * 2
    assert len(outcomes) == MAX_WAITING + 2


def test_a_refusal_is_told_with_its_reason():
    request = Request(Asked(7, Demand.ARM), 0)
    before = _state(Mode.DISARMED, refusal(Wish.ARM, Reason.SENSOR_LOST))  # of an earlier demand
    assert request.advance(before, 0) is Wish.ARM
    assert request.advance(_state(Mode.DISARMED), 10) is None
    refused = request.advance(_state(Mode.DISARMED, refusal(Wish.ARM, Reason.SENSOR_LOST)), 20)
    assert refused == Outcome(7, False, "disarmed", "refused: sensor lost")


def test_an_e_stop_that_reached_nobody_is_told_so():
    request = Request(Asked(7, Demand.ESTOP), 0)
    assert request.advance(_state(Mode.BOOT), 0) is Wish.ESTOP
    outcome = request.advance(_state(Mode.BOOT, refusal(Wish.ESTOP, "no_link")), 1)
    assert not outcome.done
    assert "no link" in outcome.text


def test_a_controller_that_does_not_do_as_asked_is_told_of_when_patience_ends():
    request = Request(Asked(7, Demand.ARM), 1000)
    assert request.advance(_state(Mode.DISARMED), 1000) is Wish.ARM
    assert request.advance(_state(Mode.DISARMED), 999 + PATIENCE_NS) is None
    outcome = request.advance(_state(Mode.DISARMED), 1000 + PATIENCE_NS)
    assert not outcome.done
    assert "does not answer; it last said that it is disarmed" in outcome.text


def test_a_stop_that_comes_back_at_once_is_not_reset_for_ever():
    request = Request(Asked(7, Demand.REARM), 0)
    assert request.advance(_state(Mode.ESTOP), 0) is Wish.RESET
    assert request.advance(_state(Mode.DISARMED), 1) is Wish.ARM
    outcome = request.advance(_state(Mode.PROTECTIVE_STOP, "sensor_stuck"), 2)
    assert not outcome.done
    assert outcome.text == "it fell back: sensor stuck"


@pytest.mark.parametrize(
    ("demand", "mode", "says"),
    [
        (Demand.ARM, Mode.BOOT, "not set up"),
        (Demand.DISARM, Mode.BOOT, "not set up"),
        (Demand.DISARM, Mode.ESTOP, "outlasts a disarming"),
    ],
)
def test_what_cannot_be_is_refused_without_asking_the_controller(demand, mode, says):
    outcome = Request(Asked(0, demand), 0).advance(_state(mode), 0)
    assert not outcome.done
    assert says in outcome.text
