"""Episodes as Minari itself reads them back."""

import dataclasses
import json
import subprocess
import sys

import minari
import numpy as np
import pytest
from tiny_data import ABOUT, SPEC, episode_of

import robot.minari_export
from perception.model_package import TensorSpec
from policies.data_set import DataSetWriter
from policies.spec import PolicySpec
from robot.cli import main
from robot.minari_export import MinariError, export_to_minari

NAME = "reflexarc/push/tiny-v0"


@pytest.fixture(autouse=True)
def minari_folder(tmp_path, monkeypatch):
    monkeypatch.setenv("MINARI_DATASETS_PATH", str(tmp_path / "minari"))
    return tmp_path / "minari"


@pytest.fixture
def episodes():
    return [episode_of(), episode_of(goal=1), episode_of(succeeds=False, steps=5)]


@pytest.fixture
def data(tmp_path, episodes):
    with DataSetWriter(tmp_path / "data", ABOUT) as writer:
        for episode in episodes:
            writer.append(episode)
        return writer.data


def exported(data, name=NAME, **options):
    told = []
    export_to_minari(data, name, told.append, **options)
    assert told == [*range(1, len(data) + 1)]
    return minari.load_dataset(name)


def test_minari_reads_every_number_back_as_it_was(data, episodes):
    loaded = exported(data)
    assert (loaded.total_episodes, loaded.total_steps) == (3, 11)
    for found, episode in zip(loaded.iterate_episodes(), episodes, strict=True):
        for name, values in episode.observation.items():
            np.testing.assert_array_equal(found.observations[name], values)
            assert found.observations[name].dtype == values.dtype
        np.testing.assert_array_equal(found.actions, episode.action)
        np.testing.assert_array_equal(found.rewards, episode.reward)
        np.testing.assert_array_equal(found.infos["success"][1:], episode.success)
        np.testing.assert_array_equal(found.infos["captured_ns"], episode.captured_ns)
        assert loaded.action_space.contains(found.actions[0])


def test_success_ends_an_episode_and_time_truncates_it(data):
    found = [*exported(data).iterate_episodes()]
    assert [[*e.terminations] for e in found] == [[0, 0, 1], [0, 0, 1], [0] * 5]
    assert [[*e.truncations] for e in found] == [[0] * 3, [0] * 3, [0, 0, 0, 0, 1]]


def test_words_and_seeds_go_over(data):
    (first, *_) = exported(data).storage.get_episode_metadata([0])
    assert first["seed"] == 7
    options = first["options"]
    assert options["instruction"] == "push it away"
    assert (options["task"], options["goal"], options["ended"]) == ("push", 0, "success")


def test_the_bounds_of_the_robot_are_those_of_the_action_space(data):
    space = exported(data).action_space
    assert (space.low.tolist(), space.high.tolist()) == ([-1.0], [1.0])


def test_vectors_of_instructions_are_observed_when_asked_for(data):
    loaded = exported(data, vectors=True)
    first, second, _ = loaded.iterate_episodes()
    np.testing.assert_array_equal(first.observations["instruction"], np.float32([[0.6, 0.8]] * 4))
    np.testing.assert_array_equal(second.observations["instruction"][0], np.float32([-0.6, -0.8]))
    assert loaded.observation_space["instruction"].shape == (2,)


def test_images_go_over_without_loss(tmp_path):
    rng = np.random.default_rng(0)
    pixels = rng.integers(0, 256, (4, 8, 8, 3)).astype(np.uint8)
    front = TensorSpec("front", (8, 8, 3), "uint8", "1")
    about = dataclasses.replace(SPEC, observation=(*SPEC.observation, front))
    episode = episode_of()
    seen = dataclasses.replace(episode, observation={**episode.observation, "front": pixels})
    with DataSetWriter(tmp_path / "data", _with_spec(about)) as writer:
        writer.append(seen)
        (found,) = exported(writer.data).iterate_episodes()
    np.testing.assert_array_equal(found.observations["front"], pixels)


def _with_spec(spec: PolicySpec):
    return type(ABOUT)(**{**{f: getattr(ABOUT, f) for f in ABOUT.__struct_fields__}, "spec": spec})


def test_the_command_tells_how_to_load_it(data, capsys):
    assert main(["export", "episodes", str(data.folder), "--out", NAME]) == 0
    assert f"minari.load_dataset({NAME!r})" in capsys.readouterr().out
    other = NAME.replace("v0", "v1")
    assert main(["export", "episodes", str(data.folder), "--out", other, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["episodes"] == 3


@pytest.mark.parametrize("name", ["lid", "../lid-v0", "/lid-v0", "lid -v0", "a//b-v0", "lid-v", ""])
def test_a_name_that_minari_does_not_take_is_refused(name, data, minari_folder):
    with pytest.raises(MinariError, match="expert-v0"):
        export_to_minari(data, name, lambda _: None)
    assert not minari_folder.exists()


def test_a_name_that_is_taken_is_refused_and_what_is_there_kept(data, minari_folder):
    exported(data)
    with pytest.raises(MinariError, match="higher -v"):
        export_to_minari(data, NAME, lambda _: None)
    assert minari.load_dataset(NAME).total_episodes == 3


def test_a_damaged_episode_leaves_nothing_behind(data, minari_folder):
    last = data.paths[-1]
    last.write_bytes(last.read_bytes()[:-100])
    with pytest.raises(ValueError, match="is damaged"):
        export_to_minari(data, NAME, lambda _: None)
    assert not list(minari_folder.rglob("*.hdf5"))


def test_an_empty_data_set_is_refused(tmp_path):
    with DataSetWriter(tmp_path / "empty", ABOUT) as writer, pytest.raises(ValueError) as raised:
        export_to_minari(writer.data, NAME, lambda _: None)
    assert "holds no episodes" in str(raised.value)


def test_without_minari_one_line_says_how_to_get_it(data, monkeypatch):
    def missing(name):
        raise ModuleNotFoundError(f"No module named {name!r}", name=name)

    monkeypatch.setattr(robot.minari_export.importlib, "import_module", missing)
    with pytest.raises(MinariError, match=r"reflexarc\[data\]"):
        export_to_minari(data, NAME, lambda _: None)


def test_jax_is_not_needed(data, minari_folder):
    program = (
        "import sys\n"
        "from robot.cli import main\n"
        f"main(['export', 'episodes', {str(data.folder)!r}, '--out', {NAME!r}, '--json'])\n"
        "sys.exit('jax' in sys.modules)\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
