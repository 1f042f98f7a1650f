"""The handover node: pairs of readings in, one reading out, and why."""

import numpy as np
import pytest

from perception.handover import HandoverConfig
from perception.organisation import Organisation
from robot.clock import VirtualClock
from robot.config import load_robot
from robot.edges import Arrival
from robot.messages import MonoStatus, ProximityReading, StereoHealth
from robot.node import Inputs, NodeContext
from robot.nodes.handover import HandoverNode, HandoverNodeConfig
from robot.wire import encode

MS = 1_000_000
QUICK = HandoverConfig(  # two approaches
    collect_frames=1, least_found=0.2, most_false_alarms=0.9, distrust_frames=1
)


def node_of(**choices):
    robot = load_robot("ardrone")
    context = NodeContext(name="handover", robot=robot, seed=0, clock=VirtualClock())
    return HandoverNode(
        HandoverNodeConfig(**{"machine": QUICK, "doubt_frames": 5, **choices}), context
    )


@pytest.fixture
def node():
    return node_of()


def reading(frame, corridor_m=3.0, *, valid=True):
    return ProximityReading(
        captured_ns=frame * 100 * MS,
        valid=valid,
        proximity_px=2.0,
        sectors_per_m=np.full(8, 1 / corridor_m, np.float32),
        sector_valid=np.ones(8, np.float32),
        corridor_m=corridor_m,
        corridor_seen=1.0,
    )


def status(frame, version):
    return MonoStatus(
        captured_ns=frame * 100 * MS, trusted=1.0, version=version, frames=1, package="",
        parent="", swaps=0, refused=0, rollbacks=0,
    )  # fmt: skip


def step(node, **messages):
    """One step on a message per port; what it sent, by port."""
    arrivals = {port: [Arrival(port, m, encode(m))] for port, m in messages.items()}
    return dict(node.step(0, Inputs(arrivals, {})))


class Flight:
    """Both cues, frame by frame."""

    def __init__(self, node):
        self.node, self.frame = node, 0

    def fly(self, teacher_m, student_m, *, trusted=True, version=5):
        self.frame += 1
        cues = {"status": status(self.frame, version)}
        if teacher_m is not None:
            cues["teacher"] = reading(self.frame, teacher_m)
        if student_m is not None:
            cues["student"] = reading(self.frame, student_m, valid=trusted)
        return step(self.node, **cues)

    def earn(self):
        """Two approaches that the student finds; it flies from then on."""
        for _ in range(3):
            self.fly(3.0, 3.0)
        for _ in range(2):
            self.fly(0.9, 0.9)
            for _ in range(3):
                out = self.fly(3.0, 3.0)
        assert out["state"].stage == "mono"
        return self


@pytest.fixture
def flight(node):
    return Flight(node).earn()


def test_the_teacher_is_flown_on_until_the_student_has_earned_it(node):
    out = step(node, teacher=reading(1, 2.0), student=reading(1, 4.0))
    assert (out["proximity"].corridor_m, out["state"].actor) == (2.0, "teacher")
    assert out["proximity"].captured_ns == out["state"].captured_ns == 100 * MS


def test_a_student_that_has_earned_it_is_flown_on(flight):
    out = flight.fly(2.0, 4.0)
    assert (out["proximity"].corridor_m, out["state"].actor) == (4.0, "student")
    assert "found 2 of 2 approaches" in out["state"].reason
    assert (out["state"].found, out["state"].missed, out["state"].false_alarms) == (2, 0, 0)
    assert out["state"].least_found > 0.2


def test_readings_are_paired_by_the_frame_they_come_from(node):
    assert step(node, student=reading(1)) == {}
    out = step(node, teacher=reading(1, 2.0))
    assert out["state"].captured_ns == 100 * MS
    assert out["state"].missing_student == 0


def test_a_missing_cue_is_waited_for_until_the_next_frame_and_then_no_more(node):
    assert step(node, teacher=reading(1)) == {}
    assert step(node, teacher=reading(2))["state"].missing_student == 2  # both frames, at once
    assert step(node, teacher=reading(3))["state"].captured_ns == 300 * MS


def test_a_cue_that_speaks_again_is_waited_for_again_even_if_it_was_late(node):
    for frame in (1, 2):
        step(node, teacher=reading(frame))
    assert step(node, student=reading(2)) == {}  # its frame is settled
    assert step(node, teacher=reading(3)) == {}
    assert step(node, student=reading(3))["state"].missing_student == 2


@pytest.mark.parametrize("gone", [None, "invalid"])
def test_without_the_teacher_a_student_that_earned_it_flies_on(flight, gone):
    for _ in range(4):
        flight.frame += 1
        cues = {"student": reading(flight.frame, 4.0)}
        if gone == "invalid":
            cues["teacher"] = reading(flight.frame, 1.0, valid=False)
        out = step(flight.node, **cues)
    assert (out["proximity"].corridor_m, out["state"].actor) == (4.0, "student")
    assert out["proximity"].valid
    assert not out["state"].teacher_alive


def test_without_the_teacher_a_student_that_has_not_earned_it_stops_the_robot(node):
    teacher = reading(1, valid=False)
    out = step(node, teacher=teacher, student=reading(1, 4.0), status=status(1, 5))
    assert not out["proximity"].valid
    assert out["state"].actor == "nobody"


def test_one_doubtful_frame_is_flown_on_the_teacher_and_costs_no_trust(flight):
    out = flight.fly(2.0, 4.0, trusted=False)
    assert (out["proximity"].corridor_m, out["state"].stage) == (2.0, "mono")
    assert flight.fly(2.0, 4.0)["state"].actor == "student"


def test_doubt_that_lasts_gives_the_controls_back(flight):
    outs = [flight.fly(2.0, 4.0, trusted=False) for _ in range(5)]
    assert outs[-1]["state"].stage == "shadow"
    assert [out["state"].actor for out in outs] == ["teacher"] * 5


def test_doubt_that_flickers_ends_the_trust_when_it_prevails_and_as_long_without_brings_it_back(
    flight,
):
    trusted = [True, False] * 10 + [False, False, True] * 9 + [True] * 4
    states = [flight.fly(3.0, 3.0, trusted=each)["state"] for each in trusted]
    assert all(state.student_trusted for state in states[:20])
    lost = next(k for k, state in enumerate(states) if not state.student_trusted)
    assert 20 < lost < 35
    assert states[lost].stage == "shadow"
    assert [state.student_trusted for state in states[-2:]] == [False, True]


def objection(frame, reason="frozen"):
    return StereoHealth(
        captured_ns=frame * 100 * MS, ok=reason == "ok", reason=reason, value=0.4, limit=0.35,
        decalibration_deg=0.0,
    )  # fmt: skip


@pytest.mark.parametrize("earned", [True, False])
def test_a_teacher_that_its_monitor_objects_to_is_not_alive_though_its_reading_is_valid(earned):
    flight = Flight(node_of()).earn() if earned else Flight(node_of())
    flight.frame += 1
    cues = {"teacher": reading(flight.frame, 0.9), "student": reading(flight.frame, 4.0)}
    state = step(flight.node, **cues, health=objection(flight.frame))["state"]
    assert (state.teacher_alive, state.teacher_fault) == (False, "frozen")
    assert state.actor == ("student" if earned else "nobody")
    assert not state.labels
    assert flight.fly(3.0, 3.0)["state"].teacher_fault == "frozen"  # until it says otherwise
    flight.frame += 1
    cues = {"teacher": reading(flight.frame), "student": reading(flight.frame)}
    state = step(flight.node, **cues, health=objection(flight.frame, "ok"))["state"]
    assert (state.teacher_alive, state.teacher_fault, state.labels) == (True, "", True)


def test_the_teacher_overrides_where_the_student_misses_something_imminent(flight):
    out = flight.fly(0.4, 4.0)
    assert out["state"].overriding
    assert (out["proximity"].corridor_m, out["state"].overrides) == (pytest.approx(0.4), 1)
    assert not flight.fly(0.95, 4.0)["state"].overriding  # past the threshold, not imminent
    assert flight.fly(0.4, 0.9)["state"].actor == "student"  # it sees the obstacle itself


def test_both_cues_call_the_same_corridor_an_obstacle(node):
    for corridor_m, expected in ((0.99, True), (1.01, False)):
        state = Flight(node_of()).fly(corridor_m, corridor_m)["state"]
        assert state.teacher_obstacle == state.student_obstacle == expected


def test_in_cold_turkey_nobody_overrides():
    flight = Flight(node_of(organisation=Organisation.COLD_TURKEY)).earn()
    flight.node._organiser._frames = 10**6  # the lesson is over
    out = flight.fly(0.3, 4.0)
    assert (out["state"].actor, out["state"].overriding) == ("student", False)
    assert out["state"].organisation == "cold_turkey"
