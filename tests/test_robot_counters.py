"""Counters that outlive their process: consistent wherever the kill falls."""

import os
import signal
from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from robot.accounting import settle, unaccounted
from robot.counters import Counters, EdgeCounts, Pulse
from robot.edges import EdgeBuffer, parse_policy
from robot.executor import RunResult
from robot.messages import Alert
from robot.node import NodeReport


def test_both_ends_and_the_supervisor_see_one_file(tmp_path):
    made = Counters.create(tmp_path, 2, ["a", "b"])
    other = Counters(tmp_path, 2, ["a", "b"])
    other.edges[1].set_sent(7)
    other.edges[1].set_taken(3, 2, 5)
    other.nodes["b"].beat(11)
    other.nodes["b"].set_stepped(4, 12, safe=True)
    assert made.read_edges() == (EdgeCounts(), EdgeCounts(7, 3, 2, 5))
    assert made.read_nodes() == {"a": Pulse(), "b": Pulse(11, 4, 12)}


def test_the_end_of_an_edge_is_told_with_its_count(tmp_path):
    (cells,) = Counters.create(tmp_path, 1, []).edges
    cells.set_sent(5)
    assert (cells.sent, cells.ended) == (5, False)
    cells.end(6)
    assert (cells.sent, cells.ended, cells.read().sent) == (6, True, 6)


def test_safety_counts_from_the_first_safe_step(tmp_path):
    cells = Counters.create(tmp_path, 0, ["a"]).nodes["a"]
    cells.set_stepped(1, 10, safe=True)
    cells.set_stepped(2, 20, safe=True)
    assert cells.read().safe_since_ns == 10
    cells.set_stepped(3, 30, safe=False)
    assert cells.read().safe_since_ns == 0


class _KillAt:
    """Stands for the row of a process that is killed before its n-th store."""

    def __init__(self, cells, stores):
        self._cells, self._left = cells, stores

    def __getitem__(self, key):
        return self._cells[key]

    def __setitem__(self, key, value):
        if self._left == 0:
            raise ProcessLookupError
        self._left -= 1
        self._cells[key] = value


@given(
    policy=st.sampled_from(["latest", "queue(3)"]), lost=st.sets(st.integers(0, 9)), data=st.data()
)
def test_wherever_a_reader_is_killed_its_figures_agree(policy, lost, data, tmp_path_factory):
    (cells,) = Counters.create(tmp_path_factory.mktemp("run"), 1, []).edges
    cells._cells = _KillAt(cells._cells, data.draw(st.integers(0, 60)))
    buffer = EdgeBuffer("a/b", parse_policy(policy), lossless=False)
    buffer.writer_resumed(5)
    try:
        for seq in range(10):
            cells.set_sent(seq + 1)
            if seq not in lost:
                buffer.push(Alert(captured_ns=0, seq=seq, text=""), [])
                taken = buffer.received, buffer.dropped, buffer.newest_seq + 1, buffer.lost
                cells.set_taken(*taken)
    except ProcessLookupError:
        pass
    counts = cells.read()
    assert counts.received + counts.dropped + counts.lost == counts.next_seq <= counts.sent


def test_what_a_killed_process_counted_is_there(tmp_path):
    counters = Counters.create(tmp_path, 1, ["a"])
    child = os.fork()
    if child == 0:
        mine = Counters(tmp_path, 1, ["a"])
        mine.edges[0].set_sent(3)
        os.kill(os.getpid(), signal.SIGKILL)
    os.waitpid(child, 0)
    assert counters.read_edges()[0].sent == 3


@pytest.mark.parametrize(
    ("counts", "alive", "lost", "missing"),
    [
        (EdgeCounts(10, 7, 3, 10), True, 0, {}),
        (EdgeCounts(10, 7, 1, 8), False, 2, {}),  # two were under way when an end died
        (EdgeCounts(10, 7, 1, 8), True, 0, {"w.o -> r.i": 2}),  # nobody died: no excuse
        (EdgeCounts(10, 6, 1, 10, 3), True, 3, {}),  # three when an end died that was replaced
        (EdgeCounts(10, 6, 1, 8, 1), False, 3, {}),  # one then, two at the end
        (EdgeCounts(10, 6, 1, 10, 2), True, 2, {"w.o -> r.i": 1}),
        (EdgeCounts(10, 6, 1, 8), False, 2, {"w.o -> r.i": 1}),  # taken and never counted
        (EdgeCounts(10, 8, 3, 10), True, 0, {"w.o -> r.i": -1}),  # more than were sent
    ],
)
def test_only_a_death_excuses_a_loss_and_only_of_what_was_under_way(counts, alive, lost, missing):
    edge = _Edge()
    reports = dict.fromkeys("wr" if alive else "w", NodeReport())
    accounts = settle(
        SimpleNamespace(edges=(edge,), nodes="wr"), RunResult(reports=reports, counts=(counts,))
    )
    assert accounts[edge].lost_with_process == lost
    assert unaccounted(accounts) == missing


@pytest.mark.parametrize(
    ("counts", "sent", "missing"),
    [
        (EdgeCounts(0, 7, 3, 10), None, {}),  # the writer's host has said nothing
        (EdgeCounts(10, 7, 3, 10, ended=True), 10, {}),
        (EdgeCounts(11, 7, 3, 10, ended=True), 11, {"w.o -> r.i": 1}),
    ],
)
def test_an_edge_from_another_host_is_settled_once_that_host_has_told_its_end(
    counts, sent, missing
):
    edge = _Edge()
    result = RunResult(reports={"r": NodeReport()}, counts=(counts,))
    accounts = settle(SimpleNamespace(edges=(edge,), nodes="r"), result)
    assert accounts[edge].sent == sent
    assert unaccounted(accounts) == missing


class _Edge:
    writer, reader = "w", "r"

    def __str__(self):
        return "w.o -> r.i"
