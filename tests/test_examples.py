"""Every example runs, at a tiny size."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
TINY = {
    "clone_pilot.py": ("--flights", "1", "--seconds", "3", "--steps", "20", "--out", "clone.onnx"),
    "servo_arm.py": (),
}


@pytest.mark.parametrize("example", sorted(path.name for path in (ROOT / "examples").glob("*.py")))
def test_example_runs(example, tmp_path):
    command = [sys.executable, str(ROOT / "examples" / example), *TINY.get(example, ())]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-3000:]


def test_every_tiny_size_belongs_to_an_example():
    assert set(TINY) == {path.name for path in (ROOT / "examples").glob("*.py")}
