"""The benchmark of messaging runs, at a tiny size: what it measures is for a quiet machine."""

import json
import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]


def test_each_of_our_own_transports_carries_every_frame(tmp_path):
    out = tmp_path / "messaging.json"
    ours = ["ours", "ours_loan", "zmq_ipc", "zmq_tcp"]
    command = ["--messages", "4", "--rounds", "2", "--idle", "0.1", "--sizes", "64 B", "57.6 kB"]
    subprocess.run(
        [
            sys.executable,
            "-m",
            "benchmarks.messaging",
            *command,
            "--out",
            out,
            "--transports",
            *ours,
        ],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        check=True,
        capture_output=True,
    )
    numbers = json.loads(out.read_text())
    assert numbers["absent"] == {}
    for ages in numbers["age_us"].values():
        assert {name: row["lost"] for name, row in ages.items()} == dict.fromkeys(ours, 0)
    table = out.with_suffix(".table.md").read_text()
    assert "| reflexarc, loaned slot |" in table
