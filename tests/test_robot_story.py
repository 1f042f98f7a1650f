"""The picture of a flight that learned, from a log written by hand."""

import json

import cv2
import numpy as np
import pytest

from robot.edges import Arrival
from robot.messages import (
    CollisionEvent,
    HandoverState,
    MonoStatus,
    ProximityReading,
    RoomDescription,
)
from robot.pictures import draw_run
from robot.record import LogWriter
from robot.story import read_story, told
from robot.story_picture import (
    ACTOR,
    LEFT_PX,
    NEARNESS,
    NOBODY,
    RIGHT_PX,
    STUDENT,
    TEACHER,
    WIDTH_PX,
    draw_story,
)
from robot.wire import encode

MS = 1_000_000
START_NS = 5_000 * MS
EDGES = {
    "stereo.proximity -> handover.teacher": "latest",
    "eye.proximity -> handover.student": "latest",
}


def add(log, topic, kind, at_ms, **content):
    stamp_ns = START_NS + at_ms * MS
    message = kind(captured_ns=stamp_ns, sent_ns=stamp_ns, seq=at_ms // 100, **content)
    log.write(Arrival(topic, message, encode(message)))


def reading(log, topic, at_ms, corridor_m, *, valid=True):
    content = {"proximity_px": 1.0, "corridor_m": corridor_m, "corridor_seen": 1.0, "valid": valid}
    sectors = np.ones(2, np.float32)
    add(log, topic, ProximityReading, at_ms, sectors_per_m=sectors, sector_valid=sectors, **content)


def state(log, at_ms, **content):
    numbers = dict.fromkeys(
        ("stage_frames", "overrides", "student_version", "found", "missed", "false_alarms",
         "least_found", "most_found", "least_false_alarms", "most_false_alarms", "window_overrides",
         "missing_teacher", "missing_student"), 0,
    )  # fmt: skip
    flags = dict.fromkeys(
        ("changed", "teacher_alive", "student_trusted", "teacher_obstacle", "student_obstacle",
         "overriding", "labels", "trains", "wants_student"), False,
    )  # fmt: skip
    words = {"organisation": "training_wheels", "reason": ""}
    add(log, "handover/state", HandoverState, at_ms, **(numbers | flags | words | content))


@pytest.fixture
def run_dir(tmp_path):
    """Ten seconds: stereo, one camera, an unplugged eye, nobody; carried at 8 s."""
    log = LogWriter((tmp_path / "log.mcap").open("wb"), {"graph": json.dumps({"edges": EDGES})})
    for at_ms in (0, 8000):
        room = {"size_m": (5.0, 5.0, 3.0), "obstacles": (), "altitude_m": 1.4}
        add(log, "truth/simulator/room", RoomDescription, at_ms, **room)
    for at_ms in range(0, 10_001, 100):
        fault = "unplugged" if 5000 <= at_ms < 8000 else ""
        actor = "teacher" if at_ms < 3000 else "student" if at_ms < 7000 else "nobody"
        stage = "collect" if at_ms < 3000 else "mono"
        reading(log, "stereo/proximity", at_ms, 1.0, valid=not fault)
        reading(log, "eye/proximity", at_ms, 0.5)
        status = {
            "version": 3,
            "trusted": 1.0,
            "doubt": 0.25,
            "frames": 0,
            "package": "",
            "parent": "",
        }
        add(log, "eye/status", MonoStatus, at_ms, swaps=0, refused=0, rollbacks=0, **status)
        state(log, at_ms, stage=stage, actor=actor, teacher_fault=fault)
    add(log, "truth/simulator/collision", CollisionEvent, 9000, position_w=(0, 0, 1), other="wall")
    log.close()
    return tmp_path


def test_the_story_is_read_from_the_log_by_the_edges_of_its_graph(run_dir):
    story = read_story(run_dir / "log.mcap")
    assert story.length_s == pytest.approx(10.0)
    assert [(s.from_s, s.to_s, s.name) for s in story.spans("actor")] == [
        (0.0, 3.0, "teacher"),
        (3.0, 7.0, "student"),
        (7.0, 10.0, "nobody"),
    ]
    assert [(s.from_s, s.to_s, s.name) for s in story.spans("teacher_fault")] == [
        (5.0, 8.0, "unplugged")
    ]
    assert (story.rooms_s, story.collisions_s) == ([8.0], [9.0])
    assert {round(v, 3) for _, v in story.student} == {2.0}
    assert sum(np.isnan(v) for _, v in story.teacher) == 30
    assert {v for _, v in story.doubt} == {0.25}


def test_overrides_count_per_minute_of_the_time_in_which_the_student_had_the_controls(tmp_path):
    log = LogWriter((tmp_path / "log.mcap").open("wb"), {"graph": json.dumps({"edges": EDGES})})
    for at_ms in range(0, 180_000, 500):
        flies = 90_000 <= at_ms < 150_000  # the second half of one minute, the first of the next
        overriding = 100_000 <= at_ms < 110_000
        state(
            log,
            at_ms,
            stage="mono" if flies else "shadow",
            actor="student" if flies and not overriding else "teacher",
            overriding=overriding,
            overrides=0 if at_ms < 100_000 else 2,
        )
    log.close()
    rates = read_story(tmp_path / "log.mcap").override_rates()
    assert [(rate.from_s, rate.per_min) for rate in rates] == [
        (60.0, pytest.approx(4.0)),
        (120.0, 0.0),
    ]


def test_the_story_in_words_says_who_earned_what_and_who_flew_on(run_dir):
    assert told(read_story(run_dir / "log.mcap")) == [
        (
            "one camera earned the controls at 3 s and flew 4 s of the 7 s since; "
            "stereo overrode it 0 times"
        ),
        "stereo unplugged from 5 to 8 s: one camera flew on for 2 s of it, for 1 s nobody did",
    ]
    assert draw_run(run_dir).words == told(read_story(run_dir / "log.mcap"))


def test_the_story_of_a_student_that_never_flew_says_where_it_stands(tmp_path):
    log = LogWriter((tmp_path / "log.mcap").open("wb"), {"graph": json.dumps({"edges": EDGES})})
    for at_ms in range(0, 5000, 100):
        fault = "missing" if 2000 <= at_ms < 3000 else ""  # too short to be told
        state(log, at_ms, stage="shadow", actor="teacher", teacher_fault=fault)
    log.close()
    assert told(read_story(tmp_path / "log.mcap")) == [
        "one camera has not earned the controls; in the end it was in SHADOW"
    ]


def test_the_picture_shows_who_flew_and_a_gap_where_a_cue_was_not_valid(run_dir):
    picture = draw_story(read_story(run_dir / "log.mcap"))

    def x(at_s):
        return LEFT_PX + round((WIDTH_PX - LEFT_PX - RIGHT_PX) * at_s / 10)

    band = (ACTOR.top + ACTOR.bottom) // 2
    assert [tuple(picture[band, x(t)].tolist()) for t in (1.5, 5.0 - 0.1, 9.5)] == [
        TEACHER,
        STUDENT,
        NOBODY,
    ]

    def has(colour, at_s):
        column = picture[NEARNESS.top : NEARNESS.bottom, x(at_s)].astype(int)
        return bool((np.abs(column - colour).sum(1) < 60).any())

    assert [has(TEACHER, t) for t in (2.0, 6.5, 9.5)] == [True, False, True]
    assert has(STUDENT, 6.5)


def test_the_picture_lies_in_the_run_folder_and_only_where_somebody_decided(run_dir, tmp_path):
    assert draw_run(run_dir).files == [run_dir / "story.png"]
    assert cv2.imread(str(run_dir / "story.png")).shape[1] == WIDTH_PX
    empty = tmp_path / "empty"
    empty.mkdir()
    LogWriter((empty / "log.mcap").open("wb"), {}).close()
    assert draw_run(empty).files == []
