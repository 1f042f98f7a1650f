"""Clocks that neither jump nor drift."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from robot.clock import SECOND_NS, Pacer, VirtualClock, WallClock


def test_virtual_time_stands_still_until_it_is_set():
    clock = VirtualClock()
    assert clock.now_ns() == clock.now_ns() == 0
    clock.set(20)
    clock.set(20)
    assert clock.now_ns() == 20


def test_virtual_time_cannot_run_back():
    clock = VirtualClock()
    clock.set(20)
    with pytest.raises(ValueError, match="from 20 to 19"):
        clock.set(19)
    assert clock.now_ns() == 20


def test_wall_time_never_runs_back():
    clock = WallClock()
    stamps = [clock.now_ns() for _ in range(100)]
    assert stamps == sorted(stamps)


def test_deadlines_are_absolute_so_that_lateness_does_not_add_up():
    pacer = Pacer(rate_hz=50, start_ns=1000)
    for tick in range(1000):
        deadline = 1000 + tick * 20_000_000
        assert pacer.next_ns == deadline
        assert not pacer.due(deadline - 1)
        assert pacer.due(deadline + 19_999_999)
        pacer.advance(deadline + 19_999_999)  # nearly a period late, every time
    assert pacer.overruns == 0


def test_missed_deadlines_are_skipped_and_counted_not_caught_up():
    pacer = Pacer(rate_hz=10, start_ns=0)
    pacer.advance(now_ns=350_000_000)  # the deadlines at 100 and 200 ms are lost, 300 is due
    assert pacer.overruns == 2
    assert pacer.next_ns == 300_000_000
    pacer.advance(now_ns=360_000_000)
    assert (pacer.overruns, pacer.next_ns) == (2, 400_000_000)


@given(
    rate_hz=st.sampled_from([1, 3, 20, 50, 1000]),
    delays=st.lists(st.integers(0, 3 * SECOND_NS), max_size=30),
)
def test_every_deadline_is_served_or_counted(rate_hz, delays):
    pacer = Pacer(rate_hz, start_ns=7)
    now_ns = 7
    for served, delay_ns in enumerate(delays, start=1):
        now_ns = max(now_ns, pacer.next_ns) + delay_ns
        pacer.advance(now_ns)
        assert pacer.next_ns == 7 + (served + pacer.overruns) * pacer.period_ns
        assert now_ns < pacer.next_ns + pacer.period_ns
