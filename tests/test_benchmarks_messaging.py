"""The benchmark of messaging runs, at a tiny size: what it measures is for a quiet machine."""

import json
import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]


def _measure(out, *arguments):
    """Runs the benchmark; what it wrote, and what it said."""
    command = ["--messages", "4", "--rounds", "2", "--idle", "0.1", "--out", out, *arguments]
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.messaging", *command],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        check=True,
        capture_output=True,
        text=True,
    )
    return json.loads(out.read_text()), done.stdout


def _nothing_lost(numbers, names):
    assert numbers["absent"] == {}
    for ages in numbers["age_us"].values():
        assert {name: row["lost"] for name, row in ages.items()} == dict.fromkeys(names, 0)


def test_each_of_our_own_transports_carries_every_frame(tmp_path):
    out = tmp_path / "messaging.json"
    ours = ["ours", "ours_loan", "zmq_ipc", "zmq_poll", "zmq_tcp"]
    numbers, _ = _measure(out, "--sizes", "64 B", "57.6 kB", "--transports", *ours)
    _nothing_lost(numbers, ours)
    table = out.with_suffix(".table.md").read_text()
    assert "| reflexarc, loaned slot |" in table


def test_edges_between_hosts_carry_every_frame_and_a_size_is_measured_once(tmp_path):
    out = tmp_path / "hosts.json"
    names = ["curve", "border"]
    sizes = ["--table", "hosts", "--transports", *names, "--sizes", "64 B", "57.6 kB"]
    numbers, said = _measure(out, *sizes)
    _nothing_lost(numbers, names)
    assert said.count(": done") == 2
    (tmp_path / "hosts" / "64_B.json").unlink()  # as after an interruption
    again, said = _measure(out, *sizes)
    assert said.count(": done") == 1
    assert again["age_us"]["57.6 kB"] == numbers["age_us"]["57.6 kB"]
