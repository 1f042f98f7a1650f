"""Logs recorded once and kept: pilot and actuator still do what they did, to the byte.

Only these two run again: they compute in plain NumPy, whose results are the same on every machine.
Stereo's are not (OpenCV and numba choose other instructions by processor), so its readings are
played from the log. ``golden/make_golden.py`` records them anew.
"""

import re
from pathlib import Path

import pytest

from robot.cli import main
from robot.messages import Command
from robot.record import LogReader

GOLDEN = Path(__file__).parent / "golden"
clocks = pytest.mark.parametrize("clock", ["lockstep", "wall"])


@clocks
def test_the_golden_log_replays_to_the_byte(clock, capsys):
    code = main(["replay", str(GOLDEN / f"{clock}.mcap"), "--replace", "stereo", "--verify"])
    out = capsys.readouterr().out
    assert code == 0, out
    assert "ran again: policy" in out
    assert "actuator" in out


@clocks
def test_one_changed_constant_is_found_at_the_first_message_of_its_node(clock, capsys, monkeypatch):
    monkeypatch.setattr("policies.observation.FREE_M", 0.5)
    code = main(["replay", str(GOLDEN / f"{clock}.mcap"), "--replace", "stereo", "--verify"])
    assert code == 1
    assert re.search(r"first difference: policy/\w+ seq 0 at", capsys.readouterr().out)


@clocks
def test_the_golden_flight_turns_by_chance(clock):
    """Else it would not show that a replay draws the same numbers."""
    rates = {
        round(message.values[1], 3)
        for topic, message, _ in LogReader(GOLDEN / f"{clock}.mcap").messages(Command)
    }
    assert max(map(abs, rates)) > 0.5
    assert len(rates) > 20


def test_the_golden_logs_stay_small():
    assert sum(path.stat().st_size for path in GOLDEN.glob("*.mcap")) < 300_000  # bytes
