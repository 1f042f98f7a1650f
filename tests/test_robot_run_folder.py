"""The folder of a run: private, and gone with its owner at the next start at the latest."""

import os
import subprocess
import sys

from robot.run_folder import RunFolder, remove_stale

HOLD = """
import sys
from pathlib import Path
from robot.run_folder import RunFolder
run = RunFolder(Path(sys.argv[1]))
(run.path / "r0.1.20.segment").write_bytes(b"pixels")
print(run.path, flush=True)
sys.stdin.read()
"""


def _hold(root):
    process = subprocess.Popen(
        [sys.executable, "-c", HOLD, root],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    )
    return process, process.stdout.readline().decode().strip()


def test_a_folder_is_its_owners_alone(tmp_path):
    run = RunFolder(tmp_path)
    assert run.path.stat().st_mode & 0o777 == 0o700
    run.close()
    assert list(tmp_path.iterdir()) == []


def test_the_folder_of_a_killed_run_is_removed_by_the_next_start_and_a_living_one_is_not(tmp_path):
    killed, _ = _hold(tmp_path)
    living, other_folder = _hold(tmp_path)
    assert remove_stale(tmp_path) == []
    killed.kill()
    killed.wait()
    run = RunFolder(tmp_path)
    assert {str(path) for path in tmp_path.iterdir()} == {other_folder, str(run.path)}
    living.communicate()
    assert [str(path) for path in remove_stale(tmp_path)] == [other_folder]
    run.close()
    killed.stdin.close()
    killed.stdout.close()


def test_what_is_not_ours_to_remove_stays(tmp_path):
    (tmp_path / "reflexarc-file").write_text("kept")
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (tmp_path / "reflexarc-link").symlink_to(elsewhere)
    assert remove_stale(tmp_path) == []
    assert len(list(tmp_path.iterdir())) == 3
