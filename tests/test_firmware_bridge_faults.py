import math

import numpy as np
import pytest

from firmware_bridge.emulators.fault_effects import DELAY_US, OFFSET, PERIOD_US
from firmware_bridge.emulators.faults import (
    FAULTS,
    Fault,
    FaultLine,
    Place,
    Word,
    parse_fault,
)
from firmware_bridge.emulators.plant_wire import Drive, Sense
from firmware_bridge.errors import FaultError

ITEMS = {
    Place.SENSOR: lambda us: Sense(us, (us / 1e6, 1.0), (0.5, us / 1e6), 12.0, 30.0),
    Place.ACTUATOR: lambda us: Drive(us, 1, (us / 1e6, 1.0)),
    Place.LINK: lambda us: us.to_bytes(4, "little"),
}
TICK_US = 5_000
BEGIN_US = 100_000


def played(place, word, ticks=200):
    """(time, what went in, what came out) of a fault that begins at BEGIN_US, at 200 Hz."""
    line = FaultLine(place, [Fault(place, word, BEGIN_US / 1e6)], seed=1)
    for tick in range(ticks):
        now_us = tick * TICK_US
        item = ITEMS[place](now_us)
        yield now_us, item, line.passes(item, now_us)


def test_every_word_has_a_row_for_every_place():
    assert set(FAULTS) == {(place, word) for place in Place for word in Word}


@pytest.mark.parametrize(("place", "word"), list(FAULTS), ids="-".join)
def test_nothing_changes_before_a_fault_begins_and_something_does_then(place, word):
    before = [(item, out) for now_us, item, out in played(place, word) if now_us < BEGIN_US]
    after = [(item, out) for now_us, item, out in played(place, word) if now_us >= BEGIN_US]
    assert all(out == [item] for item, out in before)
    assert any(out != [item] for item, out in after)


@pytest.mark.parametrize(("place", "word"), list(FAULTS), ids="-".join)
def test_a_fault_that_has_ended_is_gone_and_begins_anew_when_it_returns(place, word):
    line = FaultLine(place, [Fault(place, word, 0.0, 0.5)], seed=1)
    for tick in range(100):
        line.passes(ITEMS[place](tick * TICK_US), tick * TICK_US)
    item = ITEMS[place](500_000)
    assert line.passes(item, 500_000) == [item]


@pytest.mark.parametrize("word", list(Word))
def test_an_actuator_gets_a_drive_at_every_tick_whatever_its_fault(word):
    assert all(len(out) == 1 for *_, out in played(Place.ACTUATOR, word))


def outs(place, word):
    """All that came out after the fault had begun."""
    return [
        (now_us, one) for now_us, _, out in played(place, word) for one in out if now_us >= BEGIN_US
    ]


def test_a_sensor_that_is_stuck_says_the_same_at_new_times():
    said = [one for _, one in outs(Place.SENSOR, Word.STUCK)]
    assert {(one.values, one.efforts) for one in said} == {((0.1, 1.0), (0.5, 0.1))}
    assert len({one.time_us for one in said}) == len(said)


@pytest.mark.parametrize("place", [Place.SENSOR, Place.LINK])
def test_what_is_delayed_comes_late_in_order_and_whole(place):
    said = outs(place, Word.DELAYED)
    assert [one for _, one in said] == [ITEMS[place](us - DELAY_US) for us, _ in said]
    assert said[0][0] == BEGIN_US + DELAY_US


def test_a_drive_that_is_delayed_is_obeyed_late():
    said = outs(Place.ACTUATOR, Word.DELAYED)
    assert said[0][1].time_us == BEGIN_US
    assert said[-1][1].time_us == said[-1][0] - DELAY_US


def test_what_is_intermittent_is_away_half_of_the_time():
    there = {(us - BEGIN_US) // PERIOD_US % 2 for us, _ in outs(Place.SENSOR, Word.INTERMITTENT)}
    assert there == {1}
    torque = {
        (us - BEGIN_US) // PERIOD_US % 2: one.torque
        for us, one in outs(Place.ACTUATOR, Word.INTERMITTENT)
    }
    assert torque == {0: 0, 1: 1}


def test_what_is_wrong_is_beside_the_truth():
    _, one = outs(Place.SENSOR, Word.WRONG)[0]
    assert one.values == pytest.approx((0.1 + OFFSET, 1.0 + OFFSET))


def test_what_is_slow_lags_a_quarter_of_a_second():
    us, one = outs(Place.SENSOR, Word.SLOW)[-1]
    assert us / 1e6 - one.values[0] == pytest.approx(0.25, abs=0.03)


def test_a_slow_link_passes_so_many_bytes_a_second_and_forgets_what_it_cannot_hold():
    passed = b"".join(one for _, one in outs(Place.LINK, Word.SLOW))
    assert len(passed) == pytest.approx(0.9 * 500, abs=10)
    sent = b"".join(item for now_us, item, _ in played(Place.LINK, Word.SLOW) if now_us >= BEGIN_US)
    assert sent.startswith(passed)
    line = FaultLine(Place.LINK, [parse_fault("link:slow")])
    line.passes(b"x" * 100_000, 0)
    came = b"".join(b"".join(line.passes(b"", tick * 100_000)) for tick in range(1, 200))
    assert len(came) == 4096


def test_a_wrong_link_changes_one_bit():
    for now_us, item, out in played(Place.LINK, Word.WRONG):
        if now_us >= BEGIN_US:
            bits = int.from_bytes(item, "little") ^ int.from_bytes(out[0], "little")
            assert bits.bit_count() == 1


@pytest.mark.parametrize("word", list(Word))
def test_a_link_over_which_nothing_comes_says_nothing_of_its_own(word):
    line = FaultLine(Place.LINK, [Fault(Place.LINK, word)], seed=1)
    assert not any(b"".join(line.passes(b"", tick * TICK_US)) for tick in range(100))


def test_equal_seeds_give_equal_garbage():
    def run(seed):
        line = FaultLine(Place.LINK, [parse_fault("link:garbage")], seed)
        return line.passes(bytes(8), 0)

    assert run(1) == run(1) != run(2)


def test_a_fault_of_another_place_does_not_count():
    line = FaultLine(Place.LINK, [parse_fault("sensor:off")])
    assert line.passes(b"x", 0) == [b"x"]


def test_two_faults_add_up():
    line = FaultLine(Place.SENSOR, [parse_fault("sensor:wrong"), parse_fault("sensor:wrong")])
    [one] = line.passes(ITEMS[Place.SENSOR](0), 0)
    assert one.values == pytest.approx((2 * OFFSET, 1 + 2 * OFFSET))


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("sensor:stuck@3.0-5.0", Fault(Place.SENSOR, Word.STUCK, 3.0, 5.0)),
        ("link:off@2", Fault(Place.LINK, Word.OFF, 2.0, math.inf)),
        ("actuator:slow", Fault(Place.ACTUATOR, Word.SLOW, 0.0, math.inf)),
    ],
)
def test_a_fault_is_read_from_text(text, fault):
    assert parse_fault(text) == fault


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("stuck", "write PLACE:WORD@BEGIN-END"),
        ("motor:off", "no such place; there are sensor, actuator, link"),
        ("sensor:broken", "no such word; there are off, stuck, garbage, wrong, slow, delayed"),
        ("sensor:off@5-3", "its end is not after its beginning"),
        ("sensor:off@1.2.3", "begin and end are seconds"),
    ],
)
def test_a_fault_written_wrongly_is_refused_in_one_line(text, says):
    with pytest.raises(FaultError, match=says) as refused:
        parse_fault(text)
    assert "\n" not in str(refused.value)


def test_garbage_is_anything():
    values = np.array([one.values for _, one in outs(Place.SENSOR, Word.GARBAGE)])
    assert values.std() > 4
