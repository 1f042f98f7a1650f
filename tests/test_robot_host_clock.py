"""Stamps of another host: shifted by the estimate of its clock, and stale without one."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from firmware_bridge.clock_sync import Estimate
from robot.host_clock import MAX_BOUND_NS, shifted
from robot.messages import Command

MS = 1_000_000
OFFSETS_NS = st.integers(-(10**16), 10**16)  # four months between two boots


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
