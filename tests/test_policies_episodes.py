"""Episodes and data sets on disk: round trips, refusals, and what a kill or a full disk costs."""

import dataclasses
import json
import os
import resource
import signal
import subprocess
import sys
import zipfile

import msgspec
import numpy as np
import pytest
from tiny_data import ABOUT, GOALS, episode_of

from perception.goal import Goal
from perception.model_package import TensorSpec
from perception.quantities import InputError
from policies.data_set import DataSet, DataSetWriter
from policies.data_set_about import ABOUT_FILE, DataSetError, RobotAbout, hash_of
from policies.episodes import EpisodeError, read_about, read_episode, write_episode
from policies.spec import AxisBound, PolicySpec


def same(one, other):
    assert one.about == other.about
    assert one.observation.keys() == other.observation.keys()
    pairs = [(one.observation[name], other.observation[name]) for name in one.observation]
    names = ("captured_ns", "action", "reward", "success", "intervention")
    for left, right in [*pairs, *((getattr(one, n), getattr(other, n)) for n in names)]:
        assert left.dtype == right.dtype
        np.testing.assert_array_equal(left, right)


@pytest.fixture
def folder(tmp_path):
    """A data set of four episodes: both goals, one failure."""
    with DataSetWriter(tmp_path / "data", ABOUT) as writer:
        for goal, succeeds in ((0, True), (1, True), (0, False), (1, True)):
            writer.append(episode_of(goal=goal, succeeds=succeeds))
    return tmp_path / "data"


# one episode


def test_an_episode_comes_back_to_the_bit(tmp_path):
    path = tmp_path / "episode-000000.npz"
    write_episode(path, episode_of())
    same(read_episode(path), episode_of())
    assert read_about(path) == episode_of().about


def test_equal_episodes_are_equal_bytes(tmp_path):
    paths = [tmp_path / name for name in ("a.npz", "b.npz")]
    for path in paths:
        write_episode(path, episode_of())
    assert paths[0].read_bytes() == paths[1].read_bytes()


@pytest.mark.parametrize(
    ("change", "fragment"),
    [
        ({"action": np.zeros((0, 1))}, "1 or more"),
        ({"action": np.zeros(3)}, "(steps, axes)"),
        ({"action": np.full((3, 1), np.nan)}, "action holds a number that is not finite"),
        ({"captured_ns": np.zeros(4, np.int64)}, "does not rise"),
        ({"captured_ns": np.arange(3)}, "captured_ns is int64 (3,); needed is int64 (4,)"),
        ({"reward": np.full(3, 0.5, np.float32)}, "other numbers than -1 and 0"),
        ({"reward": np.zeros(3)}, "reward is float64 (3,); needed is float32 (3,)"),
        ({"success": np.zeros(3, bool)}, "its last step has none"),
        ({"intervention": [False] * 3}, "intervention is list (3,)"),
        ({"observation": {"position_m": np.zeros((4, 2))}}, "position_m is float64"),
        ({"observation": {"position_m": np.zeros((3, 2), np.float32)}}, "needed is float32 (4, 2)"),
    ],
)
def test_arrays_that_do_not_fit_each_other_are_no_episode(change, fragment):
    with pytest.raises(EpisodeError) as raised:
        dataclasses.replace(episode_of(), **change)
    assert fragment in str(raised.value)


def test_a_file_cut_anywhere_is_refused_in_one_line(tmp_path):
    path = tmp_path / "episode-000000.npz"
    write_episode(path, episode_of())
    whole = path.read_bytes()
    for size in range(0, len(whole), 37):
        path.write_bytes(whole[:size])
        with pytest.raises(EpisodeError, match="is damaged"):
            read_episode(path)


def test_a_file_changed_anywhere_is_refused_or_harmless(tmp_path):
    path = tmp_path / "episode-000000.npz"
    write_episode(path, episode_of())
    whole = path.read_bytes()
    for place in range(0, len(whole), 7):
        path.write_bytes(whole[:place] + bytes([whole[place] ^ 255]) + whole[place + 1 :])
        try:
            found = read_episode(path)
        except InputError:
            continue
        same(found, episode_of())  # a date, or an attribute of the zip, that nobody reads


def test_a_file_of_other_arrays_or_words_is_no_episode(tmp_path):
    path = tmp_path / "episode-000000.npz"
    write_episode(path, episode_of())
    with np.load(path) as file:
        arrays = dict(file)
    words = {
        "about": np.frombuffer(b'{"task": 3}', np.uint8),
        "more": np.zeros(3),
        "action": np.array([[object()]], dtype=object),
    }
    for name, value in words.items():
        np.savez(path, **{**arrays, name: value})
        with pytest.raises(EpisodeError, match=r"episode-000000\.npz"):
            read_episode(path)
    np.savez(path, about=arrays["about"])
    with pytest.raises(EpisodeError, match="is no episode"):
        read_episode(path)
    with pytest.raises(EpisodeError, match="no such file"):
        read_episode(tmp_path / "none.npz")


def test_a_file_that_unpacks_to_too_much_is_refused(tmp_path, monkeypatch):
    path = tmp_path / "episode-000000.npz"
    write_episode(path, episode_of())
    with zipfile.ZipFile(path) as packed:
        unpacked = sum(member.file_size for member in packed.infolist())
    monkeypatch.setattr("policies.episodes.MOST_BYTES", unpacked - 1)
    with pytest.raises(EpisodeError, match=f"unpack to {unpacked} bytes"):
        read_episode(path)


# a data set


def test_a_data_set_gives_its_episodes_in_their_order(folder):
    data = DataSet(folder)
    assert len(data) == 4
    assert [episode.about.goal for episode in data] == [0, 1, 0, 1]
    assert data.about == ABOUT
    same(next(iter(data)), episode_of())


@pytest.mark.parametrize(
    ("conditions", "numbers"),
    [
        ({}, [0, 1, 2, 3]),
        ({"goal": 0}, [0, 2]),
        ({"success": True}, [0, 1, 3]),
        ({"success": False}, [2]),
        ({"goal": 0, "success": True}, [0]),
        ({"direction": "backward"}, [1, 3]),
        ({"task": "push"}, [0, 1, 2, 3]),
        ({"task": "pull"}, []),
    ],
)
def test_episodes_are_chosen_by_task_goal_and_success(conditions, numbers, folder):
    data = DataSet(folder)
    every = [*data]
    chosen = [*data.episodes(**conditions)]
    assert len(chosen) == len(numbers)
    for episode, number in zip(chosen, numbers, strict=True):
        same(episode, every[number])


def test_a_vector_is_found_by_its_text(folder):
    about = DataSet(folder).about
    np.testing.assert_array_equal(about.instruction("push it away"), np.float32([0.6, 0.8]))
    with pytest.raises(DataSetError, match="'push it away', 'bring it back'"):
        about.instruction("fly")


def test_a_writer_goes_on_where_the_last_one_ended(folder):
    with DataSetWriter(folder, ABOUT) as writer:
        assert writer.append(episode_of()).name == "episode-000004.npz"
        assert writer.append(episode_of(), 9).name == "episode-000009.npz"
        assert writer.has(9)
        assert not writer.has(8)
    assert len(DataSet(folder)) == 6


def other(**changes):
    return msgspec.structs.replace(ABOUT, **changes)


SPEC = ABOUT.spec


@pytest.mark.parametrize(
    ("about", "fragment"),
    [
        (other(robot=RobotAbout("arm", "0" * 64)), "the robot 'stick' and not 'arm'"),
        (other(robot=RobotAbout("stick", "f" * 64)), "other limits of 'stick'"),
        (
            other(spec=PolicySpec(SPEC.observation, SPEC.action, 10.0)),
            "a rate of 5 Hz and not 10",
        ),
        (other(spec=PolicySpec((), SPEC.action, 5.0)), "also an observation 'position_m'"),
        (
            other(spec=PolicySpec((TensorSpec("a", (1,), "float32", "m"),), SPEC.action, 5.0)),
            "no observation 'a' but position_m",
        ),
        (
            other(
                spec=PolicySpec((TensorSpec("position_m", (3,), "float32", "m"),), SPEC.action, 5.0)
            ),
            "'position_m' as float32 (2,) in m and not float32 (3,) in m",
        ),
        (
            other(spec=PolicySpec(SPEC.observation, (AxisBound("x", "1", -2.0, 1.0),), 5.0)),
            "the action (x -1..1 1) and not (x -2..1 1)",
        ),
        (other(tasks={"pull": GOALS}), "of task 'push' goals 0 'push it away', 1 'bring it back'"),
        (other(tasks={"push": (Goal("push", "forward"),)}), "and not goals 0 'push'"),
        (other(encoder="other"), "vectors of the encoder 'words' and not 'other'"),
        (other(recipe={"rows": [{"noise": 0.5}]}), "recipe.rows[0].noise = 0.2 and not 0.5"),
        (other(recipe={"rows": []}), "recipe.rows = [{'noise': 0.2}] and not []"),
    ],
)
def test_going_on_with_another_data_set_is_refused_and_the_difference_named(
    about, fragment, folder
):
    with pytest.raises(DataSetError) as raised:
        DataSetWriter(folder, about)
    assert fragment in str(raised.value)
    with DataSetWriter(folder, ABOUT):  # and the lock was let go
        pass


@pytest.mark.parametrize(
    ("changes", "fragment"),
    [
        ({"robot": "arm"}, "the robot 'arm' and not 'stick'"),
        ({"task": "pull"}, "the task 'pull' and not 'push'"),
        ({"goal": 1}, "the goal 1 'push it away' forward"),
        ({"goal": -1}, "the goal -1"),
        ({"instruction": "fly"}, "the goal 0 'fly'"),
    ],
)
def test_an_episode_of_another_robot_or_task_is_refused_in_and_out(changes, fragment, folder):
    episode = episode_of()
    foreign = dataclasses.replace(episode, about=msgspec.structs.replace(episode.about, **changes))
    with DataSetWriter(folder, ABOUT) as writer, pytest.raises(DataSetError) as raised:
        writer.append(foreign)
    assert fragment in str(raised.value)
    write_episode(folder / "episode-000000.npz", foreign)
    with pytest.raises(DataSetError) as raised:
        [*DataSet(folder)]
    assert fragment in str(raised.value)


@pytest.mark.parametrize(
    ("arrays", "fragment"),
    [
        ({"observation": {}}, "'position_m' as nothing and not float32 (2,)"),
        (
            {"observation": {"position_m": np.zeros((4, 2), np.uint8)}},
            "'position_m' as uint8 (2,) and not float32 (2,)",
        ),
        ({"action": np.zeros((3, 2))}, "2 axes of action and not 1"),
    ],
)
def test_an_episode_of_another_spec_is_refused(arrays, fragment, folder):
    with DataSetWriter(folder, ABOUT) as writer, pytest.raises(DataSetError) as raised:
        writer.append(dataclasses.replace(episode_of(), **arrays))
    assert fragment in str(raised.value)


@pytest.mark.parametrize(
    ("content", "fragment"),
    [
        (None, "is no data set"),
        (b"{", "malformed"),
        (b"\xff\xfe", "malformed"),
        (b"[" * 100_000, "malformed"),
        (b'{"format_version": 2}', "has format 2; this version reads 1"),
        (b'{"format_version": 1}', "missing required field"),
    ],
)
def test_a_folder_that_is_no_data_set_of_this_version_is_refused(content, fragment, folder):
    (folder / ABOUT_FILE).unlink()
    if content is not None:
        (folder / ABOUT_FILE).write_bytes(content)
    with pytest.raises(DataSetError) as raised:
        DataSet(folder)
    assert fragment in str(raised.value)


def test_an_unknown_key_is_refused(folder):
    table = json.loads((folder / ABOUT_FILE).read_text())
    (folder / ABOUT_FILE).write_text(json.dumps({**table, "colour": "red"}))
    with pytest.raises(DataSetError, match="colour"):
        DataSet(folder)


def test_an_empty_data_set_says_so(tmp_path):
    with DataSetWriter(tmp_path / "data", ABOUT) as writer:
        with pytest.raises(DataSetError, match="holds no episodes"):
            writer.data.require_episodes()
        writer.append(episode_of())
        writer.data.require_episodes()


def test_a_folder_of_other_things_is_left_alone(tmp_path):
    (tmp_path / "thesis.tex").write_text("precious")
    with pytest.raises(DataSetError, match=r"'thesis\.tex'"):
        DataSetWriter(tmp_path, ABOUT)
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.tex"]


def test_a_folder_that_cannot_be_made_is_refused(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(DataSetError, match="cannot be written"):
        DataSetWriter(tmp_path / "file" / "data", ABOUT)


def test_one_writer_at_a_time(folder):
    with DataSetWriter(folder, ABOUT), pytest.raises(DataSetError, match="another process"):
        DataSetWriter(folder, ABOUT)
    with DataSetWriter(folder, ABOUT):
        pass


def test_the_order_of_keys_does_not_change_a_hash():
    assert hash_of({"a": 1, "b": {"c": 2, "d": 3}}) == hash_of({"b": {"d": 3, "c": 2}, "a": 1})
    assert hash_of({"a": 1}) != hash_of({"a": 2})


# crashes

ENDLESS = """
import sys
from pathlib import Path
from policies.data_set import DataSetWriter
from tiny_data import ABOUT, episode_of
with DataSetWriter(Path(sys.argv[1]), ABOUT) as writer:
    for number in range(100_000):
        writer.append(episode_of(steps=200))
        print(number, flush=True)
"""


@pytest.mark.parametrize("written", [1, 4])
def test_a_killed_writer_costs_at_most_the_episode_in_its_hands(written, tmp_path):
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    with subprocess.Popen(
        [sys.executable, "-c", ENDLESS, tmp_path / "data"],
        stdout=subprocess.PIPE,
        env=environment,
    ) as writer:
        for _ in range(written):
            writer.stdout.readline()
        os.kill(writer.pid, signal.SIGKILL)
    data = DataSet(tmp_path / "data")
    assert len(data) >= written
    for episode in data:
        same(episode, episode_of(steps=200))
    (tmp_path / "data" / ".episode-000099.npz.abc").write_bytes(b"half")  # as a kill may leave it
    assert len(data) == len([*data])
    with DataSetWriter(tmp_path / "data", ABOUT) as again:
        again.append(episode_of())
    assert not [*(tmp_path / "data").glob(".*")]


def test_a_full_disk_costs_one_episode_and_says_so(folder):
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    with DataSetWriter(folder, ABOUT) as writer:
        resource.setrlimit(resource.RLIMIT_FSIZE, (2_000, hard))  # bytes of any file
        try:
            with pytest.raises(EpisodeError, match=r"episode-000004\.npz cannot be written: File"):
                writer.append(episode_of(steps=2_000))
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        assert not [*folder.glob(".*")]
        assert len([*DataSet(folder)]) == 4
        assert writer.append(episode_of()).name == "episode-000004.npz"
