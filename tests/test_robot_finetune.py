"""finetune: what comes out of practice, how it goes on after Ctrl-C, and what is refused."""

import itertools
import json
from contextlib import contextmanager

import numpy as np
import pytest
import torch
from tiny_data import ABOUT, episode_of

from perception.model_package import read_package
from policies.data_set import DataSet, DataSetWriter
from policies.learners import LEARNERS
from policies.policy import OnnxPolicy
from robot.cli import main
from robot.worlds import WORLDS

SMALL = ("--set", "hidden=[8]", "--set", "critic_hidden=[8]", "--set", "batch_size=8")
SHORT = (
    *("--steps", "40", "--final-episodes", "4", "--json"),
    *("--practice-set", "evaluation_episodes=4", "--practice-set", "checkpoint_every=10"),
)
SAC = ("--learner", "sac", *SMALL, "--set", "warmup_steps=5", *SHORT)


def finetune(*arguments, task="tabletop"):
    return main(["finetune", task, *map(str, arguments)])


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """Folder of an attempt of the expert at each goal; the vectors are those of words."""
    folder = tmp_path_factory.mktemp("data") / "tabletop"
    command = ("collect", "tabletop", "--encoder", "words", "--episodes", "1", "--json")
    assert main([*command, "--out", str(folder)]) == 0
    return folder


@pytest.fixture(scope="module")
def practised(data, tmp_path_factory):
    """Folder of a run from the first step to the last."""
    out = tmp_path_factory.mktemp("runs") / "whole"
    assert finetune("--data", data, "--out", out, *SAC, "--updates", 2) == 0
    return out


@pytest.fixture
def refused(capsys):
    """Runs a command line that is wrong; gives the one line that says so."""

    def run(*arguments, task="tabletop"):
        assert finetune(*arguments, task=task) == 2
        out, err = capsys.readouterr()
        (line,) = err.splitlines()
        assert out == ""
        return line

    return run


def test_a_package_says_what_it_was_taught_and_how_it_practised(practised, data):
    extra = read_package(practised / "policy.onnx").manifest.extra
    about = DataSet(data).about
    vectors = extra["instructions"]
    assert vectors.keys() == about.instructions.keys()
    for text, vector in about.instructions.items():
        np.testing.assert_array_equal(np.float32(vectors[text]), np.float32(vector))
    assert (extra["task"], extra["robot"]) == ("tabletop", "tabletop")
    practice = extra["practice"]
    assert (practice["steps"], practice["settings"]["learner"]) == (40, "sac")
    assert practice["settings"] == json.loads((practised / "settings.json").read_text())
    assert practice["settings"]["learner_options"]["critics"] == 2  # a default


def test_curves_are_written_for_people_and_for_tensorboard(practised):
    outcome = json.loads((practised / "practice.json").read_text())
    assert [point["step"] for point in outcome["curve"]] == [0, 40]
    assert "<polyline" in (practised / "curve.svg").read_text()
    assert [*practised.glob("events.out.*")]


def test_what_was_practised_can_be_evaluated(practised, capsys):
    command = ("evaluate", "policy", practised / "policy.onnx", "--task", "tabletop", "--json")
    assert main([*map(str, command), "--episodes", "1", "--goal", "backward"]) == 0
    assert json.loads(capsys.readouterr().out)["attempts"] == 1


def test_the_next_night_starts_from_who_learned_in_the_last_one(practised, data, tmp_path):
    out = tmp_path / "next"
    short = (*SAC, "--practice-set", "warmup_steps=100", "--steps", 3)  # it acts and learns nothing
    assert finetune("--data", data, "--start", practised, "--out", out, *short) == 0
    before, after = (OnnxPolicy(folder / "policy.onnx") for folder in (practised, out))
    rng = np.random.default_rng(0)
    for _ in range(3):
        tensors = before.spec.observation
        seen = {t.name: rng.normal(size=t.shape).astype(np.float32) for t in tensors}
        np.testing.assert_array_equal(before.act(seen), after.act(seen))


def test_ctrl_c_keeps_a_checkpoint_from_which_it_goes_on_to_the_bit(
    practised, data, tmp_path, monkeypatch, capsys
):
    asked = itertools.count()

    @contextmanager
    def ctrl_c_in_the_middle():
        yield lambda: next(asked) >= 19  # two offline updates, then steps

    out = tmp_path / "parts"
    command = ("--data", data, "--out", out, *SAC, "--updates", 2)
    with monkeypatch.context() as patched:
        patched.setattr("robot.commands.finetune.interruptible", ctrl_c_in_the_middle)
        assert finetune(*command) == 1
    assert (out / "checkpoints" / "latest").read_text() == "step_00000017"
    assert not (out / "policy.onnx").exists()
    capsys.readouterr()
    assert finetune(*command, "--resume") == 0
    contents = [json.loads((f / "practice.json").read_text()) for f in (practised, out)]
    assert contents[0]["curve"] == contents[1]["curve"]
    policies = [OnnxPolicy(folder / "policy.onnx") for folder in (practised, out)]
    rng = np.random.default_rng(0)
    tensors = policies[0].spec.observation
    observation = {t.name: rng.normal(size=t.shape).astype(np.float32) for t in tensors}
    np.testing.assert_array_equal(*(policy.act(observation) for policy in policies))


def test_practice_begins_where_offline_training_ended(data, tmp_path, capsys):
    offline = ("--learner", "calql", *SMALL, "--set", "sampled_actions=1", "--set", "layer_norm=1")
    train = ("train", "policy", data, "--out", tmp_path / "calql", "--updates", 2, *offline)
    assert main([*map(str, train)]) == 0
    out = tmp_path / "wsrl"
    wsrl = ("--learner", "wsrl", *SMALL, "--set", "warmup_steps=39", *SHORT)
    assert finetune("--start", tmp_path / "calql", "--data", data, "--out", out, *wsrl) == 0
    outcome = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert (outcome["updates"], outcome["settings"]["offline"]) == (1, None)


GRID = """
task = "tabletop"
[methods.frozen]
strategy = "naive"
learner = "wsrl"
learner_options = {hidden = [8], critic_hidden = [8], batch_size = 8, warmup_steps = 5}
data = ["RECIPE"]
[methods.frozen.finetune]
steps = 40
evaluate_every = 20
evaluation_episodes = 4
[methods.frozen.offline]
learner = "calql"
updates = 2
[methods.frozen.offline.options]
hidden = [8]
critic_hidden = [8]
batch_size = 8
"""
RECIPE = """
encoder = "world"
[[rows]]
task = "tabletop"
goals = "backward"
episodes = 1
"""


@pytest.fixture
def grid(tmp_path):
    """A grid whose one method begins from another learner, which no flags can say."""
    (tmp_path / "shown.toml").write_text(RECIPE)
    path = tmp_path / "ways.toml"
    path.write_text(GRID.replace("RECIPE", str(tmp_path / "shown.toml")))
    return path


def test_a_method_of_a_grid_is_practised_as_the_grid_says(grid, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)  # data are collected into data/
    out = tmp_path / "out"
    assert finetune("--method", f"{grid}/frozen", "--final-episodes", 4, "--out", out) == 0
    settings = json.loads((out / "settings.json").read_text())
    assert (settings["strategy"], settings["learner"]) == ("naive", "wsrl")
    assert settings["offline"]["learner"] == "calql"
    assert (settings["finetune"]["evaluation_episodes"], settings["final_episodes"]) == (4, 4)
    outcome = json.loads((out / "practice.json").read_text())
    assert [point["step"] for point in outcome["curve"]] == [0, 20, 40]
    assert read_package(out / "policy.onnx").manifest.extra["practice"]["steps"] == 40


def test_flags_change_what_a_grid_says(grid, data, tmp_path):
    out = tmp_path / "out"
    changes = ("--steps", 10, "--set", "warmup_steps=3", "--practice-set", "evaluate_every=5")
    judged = ("--evaluation-episodes", 5, "--reward", "noisy_truth", "--final-episodes", 5)
    command = ("--method", f"{grid}/frozen", "--data", data, *changes, *judged, "--out", out)
    assert finetune(*command) == 0
    settings = json.loads((out / "settings.json").read_text())
    assert settings["learner_options"]["warmup_steps"] == 3
    assert settings["learner_options"]["hidden"] == [8]
    assert settings["reward"] == "noisy_truth"
    practice = settings["finetune"]
    assert (practice["steps"], practice["evaluate_every"]) == (10, 5)
    assert practice["evaluation_episodes"] == 5


@pytest.mark.parametrize(
    ("arguments", "fragments"),
    [
        (("--method", "lid_five/magic"), ["no method 'magic'", "it has bc, rlpd"]),
        (("--method", "magic/rlpd"), ["magic", "lid_five"]),
        (("--method", "rlpd"), ["give GRID/METHOD"]),
        (("--method", "lid_five/rlpd", "--learner", "sac"), ["--learner", "leave one of them out"]),
        (("--method", "lid_five/rlpd", "--graph", "practice_sim"), ["--graph"]),
        (("--method", "lid_five/rlpd", "--updates", "3"), ["--updates"]),
    ],
)
def test_a_method_that_is_not_there_or_is_contradicted_is_refused(
    arguments, fragments, tmp_path, refused
):
    line = refused("--out", tmp_path / "x", *arguments)
    assert all(fragment in line for fragment in fragments), line


@pytest.mark.parametrize(
    ("arguments", "fragments"),
    [
        (("--learner", "magic"), ["magic", *LEARNERS]),
        (("--strategy", "magic"), ["magic", "switching"]),
        (("--reward", "magic"), ["magic", "noisy_truth"]),
        (("--set", "colour=1"), ["learner calql has no option colour"]),
        (("--strategy-set", "colour=1"), ["strategy switching has no option colour"]),
        (("--reward-set", "colour=1"), ["reward truth has no option colour"]),
        (("--reward-set", "colour"), ["--reward-set 'colour': write it as KEY=VALUE"]),
        (("--practice-set", "colour=1"), ["finetune has no option colour"]),
        (("--steps", "0"), ["steps = 0: give 1 or more"]),
        (("--updates", "3"), ["--updates 3 needs --data or --recipe"]),
        (("--updates", "-3"), ["--updates -3: must be 0 or more"]),
        (("--recipe", "lit"), ["no data named 'lit'", "lid_prior"]),
        (("--recipe", "lid", "--data", "x"), ["either --data FOLDERS or --recipe"]),
        (("--resume",), ["holds no checkpoint"]),
        (("--start", "a/policy.onnx"), ["holds the actor alone", "a/last.pt"]),
        (("--keep", "-1"), ["--keep -1: must be 0 or more"]),
        (("--evaluation-episodes", "0"), ["evaluation_episodes = 0: give 1 or more"]),
    ],
)
def test_wrong_arguments_are_refused(arguments, fragments, tmp_path, refused):
    line = refused("--out", tmp_path / "x", *arguments)
    assert all(fragment in line for fragment in fragments), line


def test_what_cannot_begin_is_refused_before_the_sentence_encoder_is_loaded(
    monkeypatch, tmp_path, refused
):
    def never(*_):
        raise AssertionError

    monkeypatch.setattr("robot.worlds.encode_instructions", never)
    out = ("--out", tmp_path / "x")
    assert "'nose' is not observed; there are" in refused("--sees", "nose", *out, task="lid")
    missing = tmp_path / "last.pt"
    assert f"there is no checkpoint {missing}" in refused("--start", missing, *out, task="lid")
    assert not (tmp_path / "x").exists()


def test_a_task_that_does_not_exist_is_answered_with_those_that_do(tmp_path, refused):
    line = refused("--out", tmp_path, task="lit")
    assert "no task is called 'lit'" in line
    assert all(task in line for task in WORLDS)


def test_data_that_do_not_fit_are_refused(data, tmp_path, refused):
    with DataSetWriter(tmp_path / "empty", ABOUT):
        assert "holds no episodes" in refused("--data", tmp_path / "empty", "--out", tmp_path / "x")
    with DataSetWriter(tmp_path / "stick", ABOUT) as writer:
        writer.append(episode_of())
    line = refused("--data", tmp_path / "stick", "--out", tmp_path / "x")
    assert "has the robot 'stick', the task tabletop is for 'tabletop'" in line
    line = refused("--data", data, "--out", tmp_path / "x", task="lid")
    assert "has the robot 'tabletop', the task lid is for 'arm6'" in line


def test_a_folder_that_holds_another_run_is_refused(practised, data, refused):
    begun = ("--data", data, "--out", practised, *SAC, "--updates", 2)
    assert "go on with --resume" in refused(*begun)
    line = refused(*begun, "--resume", "--reward", "noisy_truth")
    assert "was begun with reward = truth, now it is noisy_truth" in line


def cut(path):
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 2])


def of_another_version(path):
    content = torch.load(path, weights_only=True)
    torch.save({**content, "format_version": 0}, path)


@pytest.mark.parametrize(("spoil", "said"), [(cut, "damaged"), (of_another_version, "format 0")])
def test_a_checkpoint_that_cannot_be_read_is_refused(
    spoil, said, practised, data, tmp_path, refused
):
    learner = practised / "checkpoints" / "step_00000040" / "learner.pt"
    start = tmp_path / "learner.pt"
    start.write_bytes(learner.read_bytes())
    spoil(start)
    line = refused("--start", start, "--data", data, "--out", tmp_path / "x", *SAC)
    assert said in line
