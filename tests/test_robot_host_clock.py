"""The estimate of another host's clock: its bound always holds, and what has none is stale."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from robot.clock import SECOND_NS
from robot.host_clock import (
    MAX_BOUND_NS,
    MAX_DRIFT,
    WINDOW,
    Estimate,
    Exchange,
    HostClock,
    shifted,
)
from robot.messages import Command

MS = 1_000_000
OFFSETS_NS = st.integers(-(10**16), 10**16)  # four months between two boots
DELAYS_NS = st.integers(0, 2 * SECOND_NS)
DRIFTS = st.floats(-MAX_DRIFT, MAX_DRIFT)


class Pair:
    """Two clocks that run apart, and a network between them."""

    def __init__(self, offset_ns, drift=0.0):
        self.now_ns = 10**12
        self._offset_ns = offset_ns
        self._drift = drift
        self._since_ns = self.now_ns

    def offset_ns(self):
        return self._offset_ns + round((self.now_ns - self._since_ns) * self._drift)

    def wait(self, ns):
        self.now_ns += ns

    def exchange(self, there_ns, thinks_ns, back_ns):
        asked = self.now_ns
        self.wait(there_ns)
        heard = self.now_ns + self.offset_ns()
        self.wait(thinks_ns)
        replied = self.now_ns + self.offset_ns()
        self.wait(back_ns)
        return Exchange(asked, heard, replied, self.now_ns)


@given(
    offset_ns=OFFSETS_NS,
    drift=DRIFTS,
    rounds=st.lists(
        st.tuples(DELAYS_NS, DELAYS_NS, DELAYS_NS, st.integers(0, 60 * SECOND_NS)),
        min_size=1,
        max_size=2 * WINDOW,
    ),
)
def test_the_true_offset_is_always_within_the_bound(offset_ns, drift, rounds):
    pair, clock = Pair(offset_ns, drift), HostClock()
    for there, thinks, back, pause in rounds:
        clock.add(pair.exchange(there, thinks, back))
        pair.wait(pause)
        estimate = clock.estimate(pair.now_ns)
        assert abs(estimate.offset_ns - pair.offset_ns()) <= estimate.bound_ns
    assert clock.restarts == 0


@given(offset_ns=OFFSETS_NS, delay_ns=DELAYS_NS, thinks_ns=DELAYS_NS)
def test_equal_ways_give_the_offset_itself(offset_ns, delay_ns, thinks_ns):
    pair, clock = Pair(offset_ns), HostClock()
    clock.add(pair.exchange(delay_ns, thinks_ns, delay_ns))
    assert clock.estimate(pair.now_ns).offset_ns == offset_ns


def test_the_quickest_exchange_counts_and_slow_ones_do_not_spoil_it():
    pair, clock = Pair(5 * SECOND_NS), HostClock()
    clock.add(pair.exchange(1 * MS, 0, 1 * MS))
    for _ in range(5):
        clock.add(pair.exchange(400 * MS, 0, 0))
    estimate = clock.estimate(pair.now_ns)
    assert estimate.offset_ns == 5 * SECOND_NS
    assert estimate.bound_ns < 2 * MS


def test_the_bound_is_half_the_round_trip_and_grows_with_age_by_the_drift():
    pair, clock = Pair(0), HostClock()
    clock.add(pair.exchange(3 * MS, 50 * MS, 1 * MS))
    at_once = clock.estimate(pair.now_ns)
    assert at_once.bound_ns == pytest.approx(2 * MS, rel=0.01)
    pair.wait(10 * SECOND_NS)
    later = clock.estimate(pair.now_ns)
    assert later.bound_ns - at_once.bound_ns == pytest.approx(10 * SECOND_NS * MAX_DRIFT, rel=0.01)


def test_a_fresh_exchange_replaces_an_old_one_that_was_quicker():
    pair, clock = Pair(0, MAX_DRIFT), HostClock()
    clock.add(pair.exchange(0, 0, 0))
    pair.wait(100 * SECOND_NS)  # 20 ms of drift
    clock.add(pair.exchange(1 * MS, 0, 1 * MS))
    assert clock.estimate(pair.now_ns).bound_ns < 2 * MS


def test_a_host_that_was_booted_anew_is_noticed_and_its_old_clock_forgotten():
    clock = HostClock()
    before, after = Pair(5 * SECOND_NS), Pair(-7 * SECOND_NS)
    clock.add(before.exchange(MS, 0, MS))
    after.wait(SECOND_NS)
    clock.add(after.exchange(MS, 0, MS))
    assert clock.restarts == 1
    assert clock.estimate(after.now_ns).offset_ns == -7 * SECOND_NS


@given(readings=st.tuples(*[st.integers(-(2**63), 2**63)] * 4))
def test_an_exchange_that_cannot_have_happened_is_left_out(readings):
    exchange, clock = Exchange(*readings), HostClock()
    assert clock.add(exchange) == exchange.possible()
    assert (clock.estimate(readings[3]) is not None) == exchange.possible()


def test_a_host_that_is_gone_has_no_estimate():
    pair, clock = Pair(0), HostClock()
    assert clock.estimate(0) is None
    clock.add(pair.exchange(MS, 0, MS))
    clock.forget()
    assert clock.estimate(pair.now_ns) is None


def _command():
    return Command(captured_ns=1000, sent_ns=1200, seq=3, source="policy", values=(1.0,))


@given(offset_ns=OFFSETS_NS)
def test_stamps_are_shifted_to_our_clock_and_nothing_else_changes(offset_ns):
    seen = shifted(_command(), Estimate(offset_ns, MS))
    assert (seen.captured_ns, seen.sent_ns) == (1000 - offset_ns, 1200 - offset_ns)
    assert (seen.seq, seen.source, seen.valid, seen.values) == (3, "policy", True, (1.0,))


@pytest.mark.parametrize("estimate", [None, Estimate(-(10**15), MAX_BOUND_NS + 1)])
def test_without_a_good_estimate_a_message_is_stale_even_from_a_clock_that_is_ahead(estimate):
    ahead = Command(captured_ns=10**15, sent_ns=10**15, values=(1.0,))
    seen = shifted(ahead, estimate)
    assert (seen.captured_ns, seen.sent_ns, seen.valid) == (0, 0, False)
    assert seen.values == (1.0,)
