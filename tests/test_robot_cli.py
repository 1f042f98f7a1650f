"""The command line: what it prints, and how it ends."""

import json
import pkgutil
import signal
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import cv2
import numpy as np
import pytest

from robot.cli import main, overview, parse
from robot.commands import COMMANDS
from robot.commands.run import _draw, interruptible
from robot.config import list_configs
from robot.console import Console
from robot.record import LogReader
from robot.subjects import Subjects

REPO = Path(__file__).resolve().parent.parent
EUROC = REPO.parent / "shared" / "data" / "euroc_sample" / "mav0"
needs_euroc = pytest.mark.skipif(not EUROC.is_dir(), reason=f"no EuRoC sample at {EUROC}")


@pytest.fixture
def call(capsys):
    """Runs one command line; gives exit code, standard output and the lines of standard error."""

    def run(*arguments):
        try:
            code = main([str(argument) for argument in arguments])
        except SystemExit as end:
            code = end.code
        out, err = capsys.readouterr()
        return code, out, err.splitlines()

    return run


@pytest.fixture
def refused(call):
    """Runs a command line that is wrong; gives the one line that says so."""

    def run(*arguments):
        code, out, err = call(*arguments)
        assert code == 2, (out, err)
        assert out == ""
        assert len(err) == 1, err
        assert err[0].startswith("reflexarc: ")
        return err[0]

    return run


@pytest.fixture
def pair(asl_room):
    """The first left and right image of the rendered folder."""
    return [min((asl_room / side / "data").iterdir()) for side in ("cam0", "cam1")]


def all_commands():
    """Every verb, or verb and subject, with its command."""
    for verb, target in COMMANDS.items():
        item = pkgutil.resolve_name(target)
        if isinstance(item, Subjects):
            yield from (((verb, name), pkgutil.resolve_name(c)) for name, c in item.table.items())
        else:
            yield (verb,), item


NAMED = [pytest.param(*row, id="-".join(row[0])) for row in all_commands()]
SUBJECTS = [
    (verb, pkgutil.resolve_name(target).table)
    for verb, target in COMMANDS.items()
    if isinstance(pkgutil.resolve_name(target), Subjects)
]


@pytest.mark.parametrize(("words", "command"), NAMED)
def test_every_verb_and_subject_has_help_with_an_example(words, command, call):
    code, out, err = call(*words, "--help")
    assert (code, err) == (0, [])
    printed = " ".join(out.replace("│", " ").split())
    assert f"Example: reflexarc {' '.join(words)}" in printed
    assert "--json" in printed


@pytest.mark.parametrize(("words", "command"), NAMED)
def test_the_example_of_every_verb_and_subject_can_be_parsed(words, command):
    documentation = " ".join((command.__doc__ or "").split())
    example = documentation.split(f"Example: reflexarc {words[0]}")[1].split()
    assert isinstance(parse(words[0], example), command)


@pytest.mark.parametrize(("verb", "table"), SUBJECTS)
def test_the_help_of_a_verb_shows_its_subjects_with_what_they_do(verb, table, call):
    for flag in ("--help", "-h"):
        code, out, err = call(verb, flag)
        assert (code, err) == (0, [])
        for subject in table:
            (line,) = [line for line in out.splitlines() if line.split()[:1] == [subject]]
            assert len(line.split()) > 3


@pytest.mark.parametrize(("verb", "table"), SUBJECTS)
def test_without_a_subject_those_there_are_are_named(verb, table, refused):
    assert all(subject in refused(verb) for subject in table)
    line = refused(verb, "moon", "--json")
    assert all(word in line for word in ("no subject 'moon'", f"{verb} --help", *table))


def test_an_option_may_come_before_the_subject():
    command = parse("train", ["--updates", "7", "mono", "runs/a"])
    assert (command.updates, command.data) == (7, Path("runs/a"))


@pytest.mark.parametrize("flags", [[], ["--help"], ["-h"]])
def test_without_a_verb_all_verbs_are_listed_with_what_they_do(flags, call):
    code, out, err = call(*flags)
    assert (code, out, err) == (0, overview(), [])
    for verb in COMMANDS:
        (line,) = [line for line in out.splitlines() if line.split()[:1] == [verb]]
        assert len(line.split()) > 3


def test_the_version_is_printed(call):
    code, out, _ = call("--version")
    assert code == 0
    assert out.startswith("reflexarc ")


@pytest.mark.parametrize(
    ("arguments", "fragments"),
    [
        (["fly"], ["'fly'", *COMMANDS]),
        (["run", "room_sim", "--second", "3"], ["--second", "run --help"]),
        (["run", "room_sim", "--seconds", "many"], ["--seconds", "many", "FLOAT"]),
        (["run", "room_sim", "--seconds", "0"], ["--seconds 0", "above 0"]),
        (["run", "room_sim", "--seconds", "nan"], ["--seconds nan", "above 0"]),
        (["run", "room_sim", "--seed", "-1"], ["--seed -1", "0 or more"]),
        (["run", "room_sim", "--seed", "1.5"], ["--seed", "INT"]),
        (["run", "room_sim", "--clock", "sundial"], ["--clock", "sundial", "wall", "lockstep"]),
        (["run", "room_sin"], ["room_sin", *list_configs("graphs")]),
        (["run", "room_sim", "--set", "policy.policy"], ["policy.policy", "node.key=value"]),
        (["run", "room_sim", "--set", "pilot.x=1"], ["'pilot'", "simulator, stereo, policy"]),
        (["run", "room_sim", "extra"], ["extra"]),
        (["validate"], ["graph"]),
        (["validate", "room_sin"], ["room_sin", *list_configs("graphs")]),
        (["validate", "room_sim", "--set", "actuator.rate_hz=5"], ["'actuator'", "50 Hz"]),
        (["depth", "left.png"], ["right"]),
        (["doctor", "--please"], ["--please"]),
    ],
)
def test_bad_input_is_one_line_that_names_it_and_the_choices(arguments, fragments, refused):
    line = refused(*arguments)
    assert all(fragment.lower() in line.lower() for fragment in fragments), line


@pytest.mark.parametrize("name", list_configs("graphs"))
def test_run_without_a_graph_lists_the_graphs_there_are(name, call):
    code, out, err = call("run")
    assert (code, err) == (0, [])
    assert name in out
    code, out, _ = call("run", "--json")
    assert json.loads(out)[name]


@pytest.mark.parametrize("name", list_configs("graphs"))
def test_validate_shows_the_nodes_and_edges(name, call):
    code, out, err = call("validate", name)
    assert (code, err) == (0, [])
    assert "valid" in out
    assert "recorder" in out
    code, out, _ = call("validate", name, "--json")
    resolved = json.loads(out)
    assert resolved["valid"] is True
    assert resolved["nodes"]["recorder"]["class"] == "recorder"


def test_doctor_finds_this_machine_fit(call):
    code, out, err = call("doctor", "--json")
    assert (code, err) == (0, [])
    checks = {check["name"]: check for check in json.loads(out)}
    assert all(check["ok"] for check in checks.values() if check["required"])
    assert {"ZeroMQ", "sockets", "film", "rendering (sim)"} <= checks.keys()


def test_doctor_says_what_is_missing_and_fails(call, monkeypatch):
    monkeypatch.setattr("shutil.disk_usage", lambda _: SimpleNamespace(free=1e6))
    code, out, _ = call("doctor")
    assert code == 1
    (line,) = [line for line in out.splitlines() if line.startswith("FAIL")]
    assert "disk" in line
    assert "GB" in line


# run


@pytest.fixture
def tiny_run(tiny, tmp_path):
    """The command line that runs the tiny graph in this process."""
    return ["run", tiny, "--in-process", "--seconds", "0.1", "--out", tmp_path / "run"]


def test_a_run_leaves_its_folder_and_a_summary(tiny_run, tmp_path, call):
    code, out, err = call(*tiny_run, "--json", "--set", "ticker.bulk=2")
    assert code == 0, err
    summary = json.loads(out)
    run_dir = Path(summary.pop("run_dir"))
    assert run_dir == tmp_path / "run"
    assert json.loads((run_dir / "summary.json").read_text()) == summary
    assert summary["ended_by"] == "seconds"
    assert summary["edges"]["ticker.count -> relay.command"]["sent"] == 10
    resolved = json.loads((run_dir / "resolved.json").read_text())
    assert resolved["nodes"]["ticker"]["bulk"] == 2
    assert list(LogReader(run_dir / "log.mcap").messages())


def test_a_run_tells_a_person_where_it_is(tiny_run, tmp_path, call):
    code, out, _ = call(*tiny_run)
    assert code == 0
    assert f"run folder: {tmp_path / 'run'}" in " ".join(out.split())


def test_a_run_without_a_folder_makes_one_of_its_own(tiny_run, tmp_path, call, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for _ in range(2):  # in the same second
        assert call(*tiny_run[:-2])[0] == 0
    folders = [*Path("runs").iterdir()]
    assert len(folders) == 2
    assert all("-tiny" in folder.name for folder in folders)


def test_a_node_that_throws_gives_exit_code_1_and_its_name(tiny_run, call):
    code, _, err = call(*tiny_run, "--set", "relay.throw_at=2")
    assert code == 1
    assert err[-1] == "reflexarc: run: node 'relay' failed: boom, said the relay"
    assert any("[relay] Traceback" in line for line in err)


def test_a_run_folder_that_is_not_empty_is_refused_and_left_alone(tiny_run, tmp_path, refused):
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "log.mcap").write_text("precious")
    assert "is not empty; give another --out" in refused(*tiny_run)
    assert (tmp_path / "run" / "log.mcap").read_text() == "precious"


@pytest.mark.parametrize("out", ["file", "file/run", "file/two\nlines", "/proc/run"])
def test_a_run_folder_that_cannot_be_made_is_refused(out, tiny_run, tmp_path, refused):
    (tmp_path / "file").write_text("")
    assert "give a writable --out" in refused(*tiny_run[:-1], tmp_path / out)


@pytest.mark.parametrize(
    ("override", "fragment"),
    [
        ("camera.frame_hz=20", "camera.path=FOLDER"),
        ("camera.path=/nowhere", "/nowhere"),
        ("camera.kind=eye", "folder"),
    ],
)
@pytest.mark.parametrize("existed", [True, False])
def test_a_run_that_could_not_begin_leaves_no_folder_behind(
    override, fragment, existed, tmp_path, refused, monkeypatch
):
    out = tmp_path / "run"
    if existed:
        out.mkdir()
        monkeypatch.chdir(out)
    where = "." if existed else out
    line = refused("run", "folder_stereo", "--in-process", "--out", where, "--set", override)
    assert fragment in line
    assert out.exists() == existed
    assert not existed or not list(out.iterdir())


def test_the_first_ctrl_c_asks_politely_and_the_second_insists():
    before = signal.getsignal(signal.SIGINT)
    with interruptible() as interrupted:
        assert not interrupted()
        signal.raise_signal(signal.SIGINT)
        assert interrupted()
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)
    assert signal.getsignal(signal.SIGINT) is before


def test_a_log_that_was_cut_short_is_told_with_its_cure(tiny_run, tmp_path, call, capsys):
    call(*tiny_run)
    log = tmp_path / "run" / "log.mcap"
    log.write_bytes(log.read_bytes()[:-100])
    _draw(tmp_path / "run", Console(quiet=False))
    told = " ".join(capsys.readouterr().err.split())
    assert f"{log} is cut short; mend it with: reflexarc recover {tmp_path / 'run'}" in told
    assert call("recover", tmp_path / "run")[0] == 0


# depth


def test_depth_without_a_calibration_is_disparity_in_pixels(pair, tmp_path, call):
    out = tmp_path / "disparity.png"
    code, printed, err = call("depth", *pair, "--out", out, "--json")
    assert (code, err) == (0, [])
    result = json.loads(printed)
    assert (result["unit"], result["width"], result["height"]) == ("px", 128, 96)
    numbers = cv2.imread(str(out), cv2.IMREAD_UNCHANGED)
    assert numbers.dtype == np.uint16
    known = numbers > 0
    assert known.mean() == pytest.approx(result["density"], abs=0.01)
    assert result["density"] > 0.5
    assert np.median(numbers[known]) / 256 == pytest.approx(result["median"], abs=0.05)
    assert cv2.imread(result["view"]).shape == (96, 128, 3)


def test_depth_with_a_calibration_is_millimetres(pair, asl_room, tmp_path, call):
    out = tmp_path / "depth.png"
    code, printed, _ = call("depth", *pair, "--calibration", asl_room, "--out", out, "--json")
    assert code == 0
    result = json.loads(printed)
    numbers = cv2.imread(str(out), cv2.IMREAD_UNCHANGED)
    assert result["unit"] == "m"
    assert np.median(numbers[numbers > 0]) / 1000 == pytest.approx(result["median"], abs=0.01)
    assert 1.5 < result["median"] < 3.0


def test_disparity_and_depth_of_one_pair_agree(pair, asl_room, tmp_path, call):
    call("depth", *pair, "--out", tmp_path / "px.npy")
    call("depth", *pair, "--out", tmp_path / "m.npy", "--calibration", asl_room)
    disparity_px, depth_m = (np.load(tmp_path / name) for name in ("px.npy", "m.npy"))
    both = np.isfinite(disparity_px) & np.isfinite(depth_m)
    assert both.mean() > 0.5
    focal_px, baseline_m = 115.459, 0.06
    np.testing.assert_allclose(depth_m[both], focal_px * baseline_m / disparity_px[both], rtol=1e-3)


def test_the_picture_of_depth_is_black_where_nothing_is_known(pair, tmp_path, call):
    call("depth", *pair, "--out", tmp_path / "px.npy")
    unknown = np.isnan(np.load(tmp_path / "px.npy"))
    picture = cv2.imread(str(tmp_path / "px_view.png"))
    np.testing.assert_array_equal(picture.any(axis=-1), ~unknown)


def test_depth_speaks_to_a_person_without_json(pair, tmp_path, call):
    code, printed, _ = call("depth", *pair, "--out", tmp_path / "d.png", "--matcher", "bm")
    assert code == 0
    assert "disparity known for" in printed
    assert str(tmp_path / "d_view.png") in printed


@needs_euroc
def test_depth_of_a_real_pair_is_that_of_a_real_room(tmp_path, call):
    stamp = min((EUROC / "cam0" / "data").iterdir()).name
    left, right = (EUROC / side / "data" / stamp for side in ("cam0", "cam1"))
    out = tmp_path / "depth.npy"
    code, printed, _ = call("depth", left, right, "--calibration", EUROC, "--out", out, "--json")
    assert code == 0
    result = json.loads(printed)
    assert (result["unit"], result["width"]) == ("m", 752)
    assert result["density"] > 0.3
    assert 1.0 < result["median"] < 10.0  # a hall of some ten metres


@pytest.mark.parametrize(
    ("change", "fragments"),
    [
        (["--out", "depth.jpg"], ["depth.jpg", ".png or .npy"]),
        (["--out", "/nowhere/depth.png"], ["/nowhere/depth.png", "cannot be written"]),
        (["--matcher", "eyes"], ["eyes", "bm", "sad", "sgbm"]),
        (["--disparities", "0"], ["--disparities 0", "between 1 and 127"]),
        (["--disparities", "128"], ["--disparities 128", "between 1 and 127"]),
        (["--calibration", "/nowhere.toml"], ["/nowhere.toml"]),
    ],
)
def test_a_depth_option_that_does_not_fit_is_refused(
    change, fragments, pair, tmp_path, refused, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    line = refused("depth", *pair, *change)
    assert all(fragment in line for fragment in fragments), line


def test_a_pair_that_is_none_is_refused(pair, tmp_path, refused):
    left, right = pair
    small, broken = tmp_path / "small.png", tmp_path / "broken.png"
    cv2.imwrite(str(small), np.zeros((48, 64), np.uint8))
    broken.write_bytes(b"\x89PNG no image")
    sizes = refused("depth", left, small)
    assert "96" in sizes
    assert "48" in sizes
    assert str(broken) in refused("depth", left, broken)
    assert "missing.png" in refused("depth", tmp_path / "missing.png", right)


@pytest.mark.parametrize(
    ("content", "fragment"),
    [
        ("width = 128", "rig"),
        ("[rig]\nwidth = 128\nheight = 96\nfov_deg = nan\nbaseline_m = 0.06", "finite"),
        ("[rig]\nwidth = 640\nheight = 480\nfov_deg = 58\nbaseline_m = 0.06", "640"),
        ("no toml", "TOML"),
    ],
)
def test_a_calibration_that_does_not_fit_is_refused(content, fragment, pair, tmp_path, refused):
    rig = tmp_path / "rig.toml"
    rig.write_text(content)
    assert fragment in refused("depth", *pair, "--calibration", rig, "--out", tmp_path / "d.png")


# the process as a whole


def test_the_console_command_exits_with_the_code_and_one_line():
    ended = subprocess.run(
        [sys.executable, "-m", "robot.cli", "run", "room_sin"],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        cwd=REPO,
    )
    assert ended.returncode == 2
    assert ended.stdout == ""
    assert len(ended.stderr.splitlines()) == 1


def test_what_a_robot_runs_imports_neither_torch_nor_mujoco():
    program = (
        "import pkgutil, sys\n"
        "import robot.cli, robot.worker, robot.commands.run, robot.commands.depth\n"
        "import robot.commands.validate, robot.commands.doctor, robot.pictures\n"
        "import robot.commands.replay, robot.commands.recover\n"
        "import policies.policy, policies.observation, perception.stereo, perception.onnx_model\n"
        "import perception.model_package, perception.proximity, firmware_bridge.driver\n"
        "from robot.nodes import NODES\n"
        "from perception.matchers import MATCHERS\n"
        "from perception.cameras import CAMERAS\n"
        "from policies.pilots import PILOTS\n"
        "from firmware_bridge.drivers import DRIVERS\n"
        "from robot.graph import load_graph\n"
        "rows = [v for k, v in NODES.items() if k != 'simulator']\n"
        "for table in (MATCHERS, CAMERAS, PILOTS, DRIVERS):\n"
        "    rows += table.values()\n"
        "for row in rows:\n"
        "    pkgutil.resolve_name(row)\n"
        "load_graph('folder_stereo')\n"
        "from sim.manipulation_tasks import MANIPULATION_TASKS, make_manipulation\n"
        "[make_manipulation(name).goals for name in MANIPULATION_TASKS]  # as one who practises\n"
        "heavy = ('torch', 'pytorch_lightning', 'mujoco', 'gymnasium', 'onnx')\n"
        "sys.exit(', '.join(name for name in heavy if name in sys.modules) or 0)\n"
    )
    ended = subprocess.run(
        [sys.executable, "-c", program],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
        cwd=REPO,
    )
    assert (ended.returncode, ended.stderr) == (0, "")
