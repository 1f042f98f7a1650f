"""What a robot installs: the wheel without extras, in an empty environment."""

import json
import os
import subprocess
import sys
import venv
from pathlib import Path

import pytest

from policies.learner import make_learner
from policies.observation import select
from policies.spec import PolicySpec, bounds_of
from robot.config import load_robot

ROOT = Path(__file__).resolve().parent.parent
RECORDING = ROOT / "tests" / "data" / "asl_room" / "mav0"
CLEAN = {k: v for k, v in os.environ.items() if not k.startswith(("PYTHON", "VIRTUAL_ENV"))}


def run(*command: str | Path, cwd: Path) -> str:
    done = subprocess.run(
        [str(part) for part in command], cwd=cwd, env=CLEAN, capture_output=True, text=True
    )
    assert done.returncode == 0, f"{command}\n{done.stdout[-2000:]}\n{done.stderr[-4000:]}"
    return done.stdout


@pytest.fixture(scope="module")
def edge(tmp_path_factory):
    """Folder whose `venv` holds the wheel and what it requires, nothing else."""
    folder = tmp_path_factory.mktemp("edge")
    source = folder / "source"
    run("git", "clone", "--quiet", ROOT, source, cwd=folder)
    tracked = run("git", "ls-files", "-co", "--exclude-standard", cwd=ROOT).splitlines()
    for name in tracked:  # the working tree, not the last commit
        if (ROOT / name).is_file():
            (source / name).parent.mkdir(parents=True, exist_ok=True)
            (source / name).write_bytes((ROOT / name).read_bytes())
    pip = (sys.executable, "-m", "pip", "--disable-pip-version-check")
    run(*pip, "wheel", "--quiet", "--no-deps", "--wheel-dir", folder, source, cwd=folder)
    (wheel,) = folder.glob("reflexarc-*.whl")
    venv.create(folder / "venv", with_pip=False)
    python = folder / "venv" / "bin" / "python"
    constraints = ROOT / "constraints.txt"
    run(*pip, "--python", python, "install", "--quiet", "-c", constraints, wheel, cwd=folder)
    return folder


@pytest.fixture(scope="module")
def package(tmp_path_factory):
    """A learned policy, made where torch is installed."""
    robot = load_robot("ardrone")
    names = ("sectors_per_m", "previous_command", "turn_random")
    learner = make_learner("clone", PolicySpec(select(*names), bounds_of(robot.limits), 10.0))
    path = tmp_path_factory.mktemp("package") / "policy.onnx"
    learner.export(path)
    return path


@pytest.mark.timeout(400)
def test_edge_environment_holds_neither_torch_nor_mujoco(edge):
    python = edge / "venv" / "bin" / "python"
    listed = run(sys.executable, "-m", "pip", "--python", python, "list", "--format=json", cwd=edge)
    names = {row["name"].lower() for row in json.loads(listed)}
    assert "reflexarc" in names
    assert not names & {"torch", "mujoco", "gymnasium", "pytorch-lightning", "onnx"}


@pytest.mark.timeout(400)
def test_folder_stereo_runs_from_the_wheel(edge, tmp_path):
    reflexarc = edge / "venv" / "bin" / "reflexarc"
    command = ("run", "folder_stereo", "--set", f"camera.path={RECORDING}", "--json")
    summary = json.loads(run(reflexarc, *command, "--out", tmp_path / "run", cwd=tmp_path))
    assert summary["ended_by"] == "finished"
    assert summary["edges"]["camera.frame -> stereo.frame"]["received"] == 6
    assert (tmp_path / "run" / "flight.mp4").stat().st_size > 0


@pytest.mark.timeout(400)
def test_onnx_policy_flies_from_the_wheel(edge, package, tmp_path):
    reflexarc = edge / "venv" / "bin" / "reflexarc"
    graph = ROOT / "tests" / "graphs" / "folder_policy.toml"
    choices = ("--set", f"camera.path={RECORDING}", "--set", f"policy.policy={package}")
    out = ("--json", "--out", tmp_path / "run")
    summary = json.loads(run(reflexarc, "run", graph, *choices, *out, cwd=tmp_path))
    assert summary["ended_by"] == "finished"
    assert summary["edges"]["policy.command -> actuator.command"]["received"] == 6


@pytest.mark.timeout(400)
def test_simulator_without_its_extra_says_how_to_get_it(edge, tmp_path):
    reflexarc = edge / "venv" / "bin" / "reflexarc"
    done = subprocess.run(
        [str(reflexarc), "run", "room_sim", "--seconds", "1"],
        cwd=tmp_path,
        env=CLEAN,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 2
    assert len(done.stderr.strip().splitlines()) == 1
    assert "reflexarc[sim]" in done.stderr
