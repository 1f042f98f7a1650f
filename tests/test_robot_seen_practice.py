"""A policy that sees by features, from demonstrations to practice: one package all the way."""

import json
import re
from dataclasses import replace

import msgspec
import numpy as np
import pytest
from seen_bench import ALWAYS, NEVER, lid_features, lid_reward

from perception.image_features import FeatureEye, FeaturesError
from perception.model_package import read_package
from perception.quantities import InputError
from policies.data_set import DataSet
from policies.featured_env import FeaturedEnv
from policies.policy import OnnxPolicy
from robot.cli import main
from robot.commands.finetune import Finetune
from robot.hooks import Hooks
from robot.policy_reads import policy_spec
from robot.practice_method import Method, config_hash, resolved
from robot.practising import collect_recipes, evaluation_world_of, world_of
from robot.study.practice_grid import PracticeCell
from robot.study.practice_worker import Order, data_keys, measure
from robot.worlds import make_world
from sim.bench_observation import FELT

READ = (*FELT, "front_features", "wrist_features")
SMALL = {"hidden": [8], "critic_hidden": [8], "batch_size": 8, "warmup_steps": 5}
RECIPE = """
encoder = "words"
[[rows]]
task = "lid_images"
episodes = 1
"""


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """Folder with demonstrations, the same with features, their package and another one."""
    folder = tmp_path_factory.mktemp("seen")
    recipe = folder / "lid.toml"
    recipe.write_text(RECIPE)
    lid_features(folder / "features.onnx")
    lid_features(folder / "other.onnx", numbers=6)
    assert main(["collect", "--recipe", str(recipe), "--out", str(folder / "seen"), "--json"]) == 0
    export = ("export", "features", str(folder / "seen"), "--out", str(folder / "data"))
    assert main([*export, "--package", str(folder / "features.onnx"), "--json"]) == 0
    return folder


@pytest.fixture(scope="module")
def trained(made):
    """Folder of a policy that imitates."""
    options = ("--updates", "3", "--set", "hidden=[8]", "--json")
    out = made / "trained"
    assert main(["train", "policy", str(made / "data"), "--out", str(out), *options]) == 0
    return out


def method_of(made, **more):
    """Soft actor-critic, for a few steps."""
    finetune = {"steps": 12, "evaluation_episodes": 1, "evaluate_every": 12, "checkpoint_every": 4}
    plain = Method("switching", "sac", learner_options=SMALL, finetune=finetune, final_episodes=1)
    return msgspec.structs.replace(plain, **{"features": str(made / "features.onnx"), **more})


def test_a_world_shows_what_the_package_makes_of_its_images_and_all_else(made):
    world = make_world("lid_images", features=made / "features.onnx")
    plain = make_world("lid_images")
    eye = FeatureEye(read_package(made / "features.onnx"))
    for moment in ("reset", "step"):
        seen, bare = (
            one.reset(seed=3)[0] if moment == "reset" else one.step(np.array([0.1, 0, 0, 0.05]))[0]
            for one in (world, plain)
        )
        assert [*seen] == [*bare, *READ[-2:]] == [tensor.name for tensor in world.tensors]
        assert all(np.array_equal(seen[name], bare[name]) for name in bare)
        for view in ("front", "wrist"):
            assert np.array_equal(seen[f"{view}_features"], eye.features(bare[view]))
    before = world.save()
    first = world.step(np.zeros(4))[0]
    world.restore(before)
    again = world.step(np.zeros(4))[0]
    assert all(np.array_equal(first[name], again[name]) for name in first)


def test_evaluations_draw_nothing_that_a_policy_does_not_read_and_are_the_same(made):
    numbers = method_of(made, features="", sees=FELT)
    drawn = {
        name: evaluation_world_of("lid_images", method, policy_spec(world, method)).tensors
        for name, world, method in (
            ("numbers", make_world("lid_images"), numbers),
            ("images", make_world("lid_images"), msgspec.structs.replace(numbers, sees=())),
            ("features", world_of("lid_images", method_of(made)), method_of(made)),
        )
    }
    found = {
        name: {"front", "wrist"} <= {t.name for t in tensors} for name, tensors in drawn.items()
    }
    assert found == {"numbers": False, "images": True, "features": True}
    plain, dark = make_world("lid_images"), make_world("lid_images", images=False)
    for move in (lambda one: one.reset(seed=3)[0], lambda one: one.step(np.full(4, 0.05))[0]) * 2:
        seen, bare = move(plain), move(dark)
        assert [*seen] == [*bare, "front", "wrist"]
        assert all(np.array_equal(seen[name], bare[name]) for name in bare)


def test_a_policy_of_features_reads_no_place_of_an_object_and_names_its_package(made, trained):
    policy = OnnxPolicy(trained / "policy.onnx")
    assert [tensor.name for tensor in policy.spec.observation] == [*READ, "instruction"]
    sha256 = read_package(made / "features.onnx").sha256
    assert policy.extra["features"] == sha256 == DataSet(made / "data").about.recipe["features"]


def test_held_out_demonstrations_tell_what_new_features_see(made, call, refused, tmp_path):
    collect = ("collect", "lid_images", "--episodes", 1, "--seed", 7, "--encoder", "words")
    assert call(*collect, "--out", tmp_path / "held", "--json")[0] == 0
    export = ("export", "features", made / "seen", "--out", tmp_path / "data", "--package")
    export += (tmp_path / "new.onnx", "--set", "backbone=tiny", "--set", "updates=30")
    code, said, _ = call(*export, "--held", tmp_path / "held")
    assert code == 0
    found = re.search(
        r"to within (\S+) mm by half of (\d+) held-out moments, (\S+) mm by nine", said
    )
    half_mm, moments, most_mm = map(float, found.groups())
    held = [one.until_success() for one in DataSet(tmp_path / "held")]
    assert 5 < moments < sum(map(len, held))  # of the way to the first grasp alone
    assert 1 < half_mm < most_mm < 300
    assert "--held: " in refused(*export[:-4], "--held", tmp_path / "held")
    other = (*export[:6], tmp_path / "x.onnx", *export[7:])
    assert "these teach" in refused(*other, "--held", made / "seen")


def test_it_is_deployed_with_that_package_alone(made, trained, call, refused):
    evaluate = ("evaluate", "policy", trained / "policy.onnx", "--task", "lid_images")
    evaluate += ("--episodes", 1, "--goal", "backward", "--json")
    code, out, _ = call(*evaluate, "--features", made / "features.onnx")
    assert (code, json.loads(out)["attempts"]) == (0, 1)
    assert "none are given; give --features" in refused(*evaluate)
    line = refused(*evaluate, "--features", made / "other.onnx")
    assert "learned from features of the package" in line


def test_as_a_pilot_it_leaves_images_for_a_reward_to_learn_from(made, trained, call, tmp_path):
    collect = ("collect", "lid_images", "--pilot", trained / "policy.onnx", "--episodes", 1)
    collect += ("--features", made / "features.onnx", "--steps", 3, "--encoder", "words", "--json")
    assert call(*collect, "--out", tmp_path / "held")[0] == 0
    episode = next(iter(DataSet(tmp_path / "held")))
    assert {*FELT, "front", "wrist"} < {*episode.observation}
    eye = FeatureEye(read_package(made / "features.onnx"))
    moment = {name: values[1] for name, values in episode.observation.items()}
    seen = {f"{view}_features": eye.features(moment[view]) for view in ("front", "wrist")}
    told = DataSet(made / "data").about.instruction(episode.about.instruction)
    policy = OnnxPolicy(trained / "policy.onnx")
    action = policy.act({**moment, **seen, "instruction": told})
    np.testing.assert_allclose(episode.action[1], action, atol=1e-6)


def test_practice_by_features_goes_on_where_it_was_stopped_and_its_row_says_which(made, tmp_path):
    method = method_of(made)
    cell = PracticeCell("lid_images", "seen", 1000)
    data = (str(made / "data"),)
    whole = measure(Order(cell, method, str(tmp_path / "whole"), data), Hooks())
    order = Order(cell, method, str(tmp_path / "parts"), data)
    asked = iter(range(100))
    assert measure(order, Hooks(should_stop=lambda: next(asked) >= 7)) is None
    row = measure(order, Hooks())
    assert (row["curve"], row["final"]) == (whole["curve"], whole["final"])
    assert row["settings"]["features"] == read_package(made / "features.onnx").sha256
    moved = msgspec.structs.replace(method, features=str(tmp_path / "moved.onnx"))
    for suffix in (".onnx", ".onnx.sha256"):
        content = (made / f"features{suffix}").read_bytes()
        (tmp_path / f"moved{suffix}").write_bytes(content)
    assert (
        config_hash("lid_images", moved) == config_hash("lid_images", method) == row["config_hash"]
    )
    other = msgspec.structs.replace(method, features=str(made / "other.onnx"))
    assert config_hash("lid_images", other) != row["config_hash"]


def test_a_method_without_features_is_what_it_was_before_there_were_any():
    assert "features" not in resolved(Method("switching", "bc"))


def test_the_data_of_a_recipe_are_seen_once_by_each_package(made, tmp_path):
    recipe = str(made / "lid.toml")
    told = []

    def collected(package):
        return collect_recipes([recipe], tmp_path, told.append, lambda: False, str(package))[0]

    folders = [collected(made / f"{name}.onnx") for name in ("features", "other")]
    assert len({*folders}) == 2
    assert collected(made / "features.onnx") == folders[0]
    one, same = (next(iter(DataSet(folder))) for folder in (folders[0], made / "data"))
    assert np.array_equal(one.observation["front_features"], same.observation["front_features"])
    method = method_of(made, data=(recipe,))
    assert data_keys(method) == [(recipe, method.features)]


def test_finetune_practises_by_features(made, call, tmp_path):
    options = [text for key, value in SMALL.items() for text in ("--set", f"{key}={value}")]
    command = ("finetune", "lid_images", "--features", made / "features.onnx", "--learner", "sac")
    command += ("--data", made / "data", "--steps", 6, "--final-episodes", 1)
    lid_reward(tmp_path / "always.onnx")
    command += ("--reward", tmp_path / "always.onnx", "--keep", 0)
    command += ("--practice-set", "evaluation_episodes=1", *options, "--out", tmp_path / "run")
    code, said, _ = call(*command)
    assert code == 0
    assert "the promise of at most 2 % in vain was not kept" in said
    outcome = json.loads((tmp_path / "run" / "practice.json").read_text())
    assert outcome["promise"] == {"limit": 0.02, "broken": True}
    assert outcome["settings"]["reward"] == "classifier"  # it does not know where it may miss
    package = read_package(tmp_path / "run" / "policy.onnx")
    assert [tensor.name for tensor in package.manifest.inputs] == [*READ, "instruction"]
    assert package.manifest.extra["features"] == read_package(made / "features.onnx").sha256


def test_a_reward_that_knows_where_it_may_miss_says_nothing_there(tmp_path):
    lid_reward(tmp_path / "knows.onnx", threshold=NEVER, unsure=ALWAYS)
    flags = Finetune(task="lid_images", reward=str(tmp_path / "knows.onnx"))
    method = flags._method()
    assert method.reward == "hesitant_classifier"
    assert method.reward_options["sha256"] == read_package(tmp_path / "knows.onnx").sha256
    strict = replace(flags, reward="classifier", reward_set=(f"package={tmp_path}/knows.onnx",))
    assert strict._method().reward == "classifier"


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (
            ("lid", "--features", "{}/features.onnx"),
            "this task shows none; choose one with cameras",
        ),
        (("lid_images", "--features", "{}/features.onnx", "--data", "{}/seen"), "no features"),
        (("lid_images", "--features", "{}/other.onnx", "--data", "{}/data"), "write them anew by"),
        (("lid_images", "--data", "{}/data"), "give the package that made them"),
        (("lid_images", "--features", "{}/none.onnx"), "none.onnx"),
        (("lid_images", "--features", "{}/trained/policy.onnx"), "needed is one of kind features"),
    ],
)
def test_eyes_that_do_not_fit_are_refused_in_one_line(
    made, trained, tmp_path, refused, arguments, words
):
    del trained
    filled = [one.format(made) for one in arguments]
    assert words in refused("finetune", *filled, "--out", tmp_path / "run")


def test_an_eye_for_images_of_another_size_is_refused(made):
    eye = FeatureEye(read_package(made / "features.onnx"))
    world = make_world("lid_images")
    small = [
        msgspec.structs.replace(t, shape=(50, 50, 3)) for t in world.tensors if t.dtype == "uint8"
    ]
    world.tensors = tuple(small)
    with pytest.raises(FeaturesError, match=r"'front' is \(50, 50, 3\)"):
        FeaturedEnv(world, eye)


def test_data_of_two_packages_do_not_teach_together(made, tmp_path):
    from policies.offline_data import open_offline

    export = ("export", "features", str(made / "seen"), "--out", str(tmp_path / "data"))
    assert main([*export, "--package", str(made / "other.onnx"), "--json"]) == 0
    with pytest.raises(InputError, match="features of the package"):
        open_offline([made / "data", tmp_path / "data"])


def test_a_world_of_a_method_without_features_is_the_plain_one():
    world = world_of("lid_images", Method("switching", "bc"))
    assert not any(tensor.name.endswith("_features") for tensor in world.tensors)
