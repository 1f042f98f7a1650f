"""train, evaluate and export of a policy: what comes out, and what is refused."""

import itertools
import json
import shutil
from types import SimpleNamespace

import msgspec
import numpy as np
import pytest
import torch
from tiny_data import ABOUT, episode_of

from perception.model_package import read_package, write_package
from policies.data_set import DataSet, DataSetWriter
from policies.learners import LEARNERS
from policies.policy import OnnxPolicy
from policies.recipe import Recipe, RecipeRow
from robot.cli import main
from robot.collecting import CollectError, Collection
from robot.options import parsed_options

TINY = ("--updates", 3, "--set", "hidden=[8]", "--set", "batch_size=16", "--json")


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    folder = tmp_path_factory.mktemp("data") / "tabletop"
    command = ("collect", "tabletop", "--encoder", "words", "--episodes", "1", "--json")
    assert main([*command, "--out", str(folder)]) == 0
    return folder


@pytest.fixture(scope="module")
def trained(data, tmp_path_factory):
    out = tmp_path_factory.mktemp("runs") / "bc"
    assert main([*map(str, ("train", "policy", data, "--out", out, *TINY))]) == 0
    return out


def test_a_package_says_where_it_comes_from_and_carries_its_vectors(trained, data):
    manifest = read_package(trained / "policy.onnx").manifest
    about = DataSet(data).about
    extra = manifest.extra
    assert (extra["learner"], extra["updates"], extra["robot"]) == ("bc", 3, "tabletop")
    assert extra["data"][0]["recipe_sha256"] == about.recipe_sha256
    assert extra["instructions"] == about.instructions
    assert [tensor.name for tensor in manifest.inputs][-1] == "instruction"
    assert json.loads((trained / "training.json").read_text()) == extra
    assert manifest.rate_hz == 5.0


def test_attempts_of_a_package_are_recorded_as_it_practises(trained, tmp_path, call, refused):
    package = tmp_path / "policy.onnx"
    for ending in (".onnx", ".onnx.sha256"):
        shutil.copy(trained / f"policy{ending}", package.with_suffix(ending))
    few = ("collect", "tabletop", "--encoder", "words", "--pilot", package, "--steps", 4)
    practice = (*few, "--episodes", 1, "--noise", 0.3, "--chain", 4, "--out", tmp_path / "practice")
    assert call(*practice, "--json")[0] == 0
    assert call(*few, "--episodes", 1, "--out", tmp_path / "sure", "--json")[0] == 0
    tried, sure = [*DataSet(tmp_path / "practice")], next(iter(DataSet(tmp_path / "sure")))
    assert tried[0].about.operator == f"{package}, noise 0.3"
    assert np.abs(tried[0].action - sure.action).max() > 0.01
    for name, values in tried[0].observation.items():  # the first begins as any attempt does
        np.testing.assert_array_equal(values[0], sure.observation[name][0])
    goes_on = [
        all((now.observation[name][0] == old.observation[name][-1]).all() for name in values)
        for old, now in itertools.pairwise(tried)
        for values in [now.observation]
    ]
    assert goes_on == [True, True, True, False, True, True, True]
    manifest = read_package(package).manifest
    other = msgspec.structs.replace(manifest, parent="b" * 64)
    write_package(package, package.read_bytes(), other)  # replaced by another one
    assert "give another --out" in refused(*practice)
    row = RecipeRow("tabletop", 1, pilot=str(package), package="c" * 64)
    with pytest.raises(CollectError, match="and not cccccccccccc: it was replaced"):
        Collection(Recipe((row,), 0, "words"), tmp_path / "x")


def test_the_policy_of_a_checkpoint_is_the_one_that_was_trained(trained, tmp_path, call):
    code, _, _ = call("export", "policy", trained / "last.pt", "--out", tmp_path / "a.onnx")
    assert code == 0
    paths = (trained / "policy.onnx", tmp_path / "a.onnx")
    rng = np.random.default_rng(0)
    policies = [OnnxPolicy(path) for path in paths]
    observation = {
        tensor.name: rng.normal(size=tensor.shape).astype(np.float32)
        for tensor in policies[0].spec.observation
    }
    np.testing.assert_array_equal(*(policy.act(observation) for policy in policies))
    extras = [read_package(path).manifest.extra for path in paths]
    assert extras[0] == extras[1]


def test_training_goes_on_from_its_checkpoint(data, trained, tmp_path, call, refused):
    whole = ("train", "policy", data, *TINY[2:])
    out = tmp_path / "parts"
    assert call(*whole, "--updates", 1, "--out", out)[0] == 0
    assert "resume it" in refused(*whole, "--updates", 3, "--out", out)
    code, printed, _ = call(*whole, "--updates", 3, "--out", out, "--resume")
    assert (code, json.loads(printed)["updates"]) == (0, 3)
    contents = [torch.load(f / "last.pt", weights_only=True)["state"] for f in (trained, out)]
    weights = [state["actor"] for state in contents]
    assert str(weights[0]) == str(weights[1])


def test_evaluation_counts_attempts_at_each_goal(trained, call):
    command = ("evaluate", "policy", trained / "policy.onnx", "--task", "tabletop")
    code, out, _ = call(*command, "--episodes", 1, "--goal", "forward", "--json")
    outcome = json.loads(out)
    assert code == 0
    assert (outcome["attempts"], len(outcome["goals"])) == (4, 4)
    assert outcome["low"] <= outcome["success"] <= outcome["high"]


def test_the_expert_can_be_compared_with(call):
    command = ("evaluate", "policy", "expert", "--task", "tabletop", "--episodes", 2)
    code, out, _ = call(*command, "--goal", "backward")
    assert code == 0
    assert out.startswith("2 of 2 (100 %, 95 %: 34 to 100), mean ")
    assert out.endswith("steps: bring the mug back to where it was\n")
    assert json.loads(call(*command, "--json")[1])["successes"] == 10


@pytest.mark.parametrize(
    ("arguments", "fragments"),
    [
        (("--learner", "magic"), ["magic", *LEARNERS]),
        (("--set", "colour=1"), ["colour", "hidden"]),
        (("--set", "hidden"), ["--set 'hidden'", "KEY=VALUE"]),
        (("--updates", 0), ["--updates 0"]),
        (("--checkpoint-every", 0), ["--checkpoint-every 0"]),
        (("--seed", -1), ["--seed -1"]),
        (("--failures", "some"), ["some", "auto"]),
    ],
)
def test_wrong_arguments_of_train_are_refused(arguments, fragments, data, tmp_path, refused):
    line = refused("train", "policy", data, "--out", tmp_path / "x", *arguments)
    assert all(fragment in line for fragment in fragments), line
    assert not (tmp_path / "x").exists()


def test_data_that_nothing_can_be_learned_from_are_refused(data, tmp_path, refused):
    assert "is no data set" in refused("train", "policy", tmp_path)
    with DataSetWriter(tmp_path / "empty", ABOUT):
        assert "holds no episodes" in refused("train", "policy", tmp_path / "empty")
    with DataSetWriter(tmp_path / "stick", ABOUT) as writer:
        writer.append(episode_of())
    line = refused("train", "policy", data, tmp_path / "stick")
    assert "the robot 'stick' and not 'tabletop'" in line


def test_without_torch_one_line_says_how_to_get_it(data, refused, monkeypatch):
    def missing(name):
        raise ModuleNotFoundError("No module named 'torch'", name="torch")

    monkeypatch.setattr("robot.training_library.importlib", SimpleNamespace(import_module=missing))
    assert "reflexarc[train]" in refused("train", "policy", data)


def test_a_policy_of_another_task_or_robot_is_refused(trained, tmp_path, refused):
    package = trained / "policy.onnx"
    line = refused("evaluate", "policy", package, "--task", "lid")
    assert "knows no instruction 'put the lid on the pot'" in line
    line = refused("evaluate", "policy", package, "--task", "lid", "--encoder", "words")
    assert "the policy commands (x 1, y 1, grip 1), the robot takes (tool_x_speed m/s" in line
    assert "lidd" in refused("evaluate", "policy", package, "--task", "lidd")
    missing = refused("evaluate", "policy", tmp_path / "none.onnx", "--task", "lid")
    assert "none.onnx" in missing


@pytest.mark.parametrize("arguments", [("--episodes", 0), ("--seed", -1)])
def test_wrong_arguments_of_evaluate_are_refused(arguments, refused):
    line = refused("evaluate", "policy", "expert", "--task", "tabletop", *arguments)
    assert f"{arguments[0]} {arguments[1]}" in line


@pytest.mark.parametrize(
    ("content", "fragment"),
    [
        (None, "cannot read"),
        (b"", "damaged"),
        (b"no checkpoint", "damaged"),
        ({"a": 1}, "not a checkpoint"),
        ({"format_version": 2}, "format 2"),
        ({"learner": "magic"}, "magic"),
        ({"config": '{"colour": 1}'}, "colour"),
        ({"spec": "{"}, "no learner can be made"),
        ({"spec": '{"observation": 3}'}, "no learner can be made"),
    ],
)
def test_a_checkpoint_that_is_none_is_refused(content, fragment, trained, tmp_path, refused):
    path = tmp_path / "x.pt"
    if isinstance(content, bytes):
        path.write_bytes(content)
    elif content:
        whole = torch.load(trained / "last.pt", weights_only=True)
        torch.save(content if "a" in content else {**whole, **content}, path)
    line = refused("export", "policy", path, "--out", tmp_path / "x.onnx")
    assert fragment in line
    assert not (tmp_path / "x.onnx").exists()


def test_a_checkpoint_that_was_cut_is_refused(trained, tmp_path, refused):
    whole = (trained / "last.pt").read_bytes()
    (tmp_path / "x.pt").write_bytes(whole[: len(whole) // 2])
    assert "damaged" in refused("export", "policy", tmp_path / "x.pt")
    assert ".onnx" in refused("export", "policy", trained / "last.pt", "--out", "x.bin")
    (tmp_path / "y.pt").write_bytes(whole)
    (tmp_path / "training.json").write_text("{")
    line = refused("export", "policy", tmp_path / "y.pt", "--out", tmp_path / "y.onnx")
    assert "training.json cannot be read" in line


def test_options_are_read_as_toml_has_them():
    texts = ("hidden=[8, 9]", "rate=1e-3", "deep=true", "name=abc", "empty=", 'quoted="a b"')
    assert parsed_options(texts) == {
        "hidden": (8, 9),
        "rate": 1e-3,
        "deep": True,
        "name": "abc",
        "empty": "",
        "quoted": "a b",
    }
    for wrong in (("a",), ("=1",), ("a=1", "a=2"), ("a.b=1",)):
        with pytest.raises(ValueError, match="--set"):
            parsed_options(wrong)
