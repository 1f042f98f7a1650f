"""The fault matrix tells a fault that is met from one that is missed or cannot be seen."""

import json

import pytest

from benchmarks.fault_matrix import first_command, measure
from benchmarks.fault_page import BAR_MS, write_page
from firmware_bridge.emulators.faults import Fault, Place, Word


@pytest.mark.parametrize(
    ("place", "word", "reason"),
    [
        (Place.SENSOR, Word.OFF, "sensor_lost"),
        (Place.ACTUATOR, Word.STUCK, "following"),
        (Place.LINK, Word.OFF, "watchdog"),
    ],
)
def test_a_fault_in_motion_is_seen_before_the_robot_is_safe_and_that_soon(place, word, reason):
    run = measure("python", Fault(place, word), "moving", 1)
    assert run.reason == reason
    assert 0 < run.safe_ms - run.seen_ms <= BAR_MS


def test_what_makes_no_difference_at_rest_is_neither_seen_nor_met():
    run = measure("python", Fault(Place.SENSOR, Word.STUCK), "still", 0)
    assert (run.seen_ms, run.safe_ms, run.reason) == (None, None, "")


def test_a_first_command_1_rad_away_stays_below_the_ramp_at_the_plant():
    row = first_command("python")
    assert row["peak_rad_s"] <= row["ramp_rad_s"] * 1.001
    assert row["reached_rad"] == pytest.approx(1.0, abs=0.01)


def _row(seen_ms, safe_ms):
    run = {"seen_ms": seen_ms, "safe_ms": safe_ms, "limp_ms": None, "reason": "", "mode": ""}
    about = {"commit": "c", "hardware": {"processor": "p", "cores": 2, "python": "3"}}
    return json.dumps({"runs": [run], **about})


@pytest.mark.parametrize(
    ("seen_ms", "safe_ms", "cell"),
    [
        (5.0, 60.0, "| 55 (55) |"),
        (5.0, 200.0, "| **195** (195) |"),
        (5.0, None, "| **missed in 1 of 1** |"),
        (None, 60.0, "| **missed in 1 of 1** |"),
        (None, None, "what the sensor says is true) |  | not detectable |"),
    ],
)
def test_the_page_shows_what_is_late_missed_or_not_detectable(tmp_path, seen_ms, safe_ms, cell):
    rows = tmp_path / "rows"
    rows.mkdir()
    (rows / "python_sensor_stuck_still.json").write_text(_row(seen_ms, safe_ms))
    write_page(rows, tmp_path / "page.md")
    assert cell in (tmp_path / "page.md").read_text()
