"""How the benchmark of the handover counts, on moments written by hand."""

from itertools import pairwise

import pytest

from benchmarks.handover import (
    CASES,
    Moment,
    Window,
    delay_s,
    false_alarms,
    flight_graph,
    table,
    windows,
)
from robot.validation import validate

BLACK = next(case for case in CASES if case.name == "black")
FAULT = Window(BLACK, 1.0, 2.0)


def flight(on_teacher, gone=()):
    """Ten frames per second for ten seconds; sets of frame numbers."""
    return [
        Moment(
            k / 10,
            on_teacher=k in on_teacher,
            teacher_alive=k not in gone,
            reason="black" * (k in gone),
        )
        for k in range(100)
    ]


@pytest.mark.parametrize(
    ("on_teacher", "expected"),
    [
        (range(12), 0.2),
        (range(10), 0.0),
        ([*range(11), 14], 0.5),  # a relapse within the fault counts
        ([*range(11), *range(20, 100)], 0.1),  # afterwards it may fly again
        (range(100), None),
    ],
)
def test_the_delay_ends_where_nobody_flies_on_the_teacher_for_the_rest_of_the_fault(
    on_teacher, expected
):
    assert delay_s(flight(set(on_teacher)), FAULT) == expected


def test_alarms_count_outside_of_faults_and_once_each():
    gone = {3, 4, *range(12, 50), 70, 72}
    quiet_s, alarms = false_alarms(flight(set(), gone), [FAULT])
    assert alarms == [[0.3, "black"], [7.0, "black"], [7.2, "black"]]
    assert quiet_s == pytest.approx(10 - 0.1 - 5)  # the fault and the time to settle are left out


def test_faults_follow_each_other_with_time_to_recover():
    planned = windows()
    assert len({window.case.name for window in planned}) == len(planned)
    assert all(w.to_s - w.from_s == w.case.lasts_s > w.case.bar_s for w in planned)
    assert all(b.from_s - a.to_s >= 6.0 for a, b in pairwise(planned))


def test_the_graph_that_flies_is_the_shipped_one_with_the_faults_and_no_learner():
    graph = flight_graph(windows(), None)
    validate(graph)
    assert "learner" not in graph.nodes
    assert [fault.from_s for fault in graph.nodes["camera_faults"].config.schedule] == [
        window.from_s for window in windows()
    ]
    assert {e.output for e in graph.edges_into("recorder")} == {"state", "collision"}


def test_the_table_has_a_line_per_fault_and_says_what_was_not_noticed():
    row = {
        "kind": "alone", "seed": 1, "commit": "abc", "collisions": 0, "quiet_s": 1800.0,
        "false_alarms": [], "delays_s": {case.name: 0.1 for case in CASES} | {"black": None},
        "said": {case.name: "black" for case in CASES} | {"black": ""},
    }  # fmt: skip
    page = table([row])
    assert "0.0 per flight hour (at most 6.0 with 95 %" in page
    assert "| black | nobody | 0.2 | 0 of 1 | 0.00 to 0.97 | inf (inf) | nothing 1 |" in page
    assert page.count("| nobody |") == len(CASES)
