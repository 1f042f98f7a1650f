"""Data sets as a buffer to learn from, and data sets that do not go together."""

import dataclasses

import msgspec
import numpy as np
import pytest
from tiny_data import ABOUT, GOALS, episode_of

from policies.data_set import DataSetWriter
from policies.data_set_about import DataSetError, RobotAbout
from policies.offline_data import open_offline
from policies.spec import PolicySpec
from policies.transitions import transitions

G = 0.9


def written(folder, *episodes, about=ABOUT):
    with DataSetWriter(folder, about) as writer:
        for episode in episodes:
            writer.append(episode)
    return folder


def changed(**changes):
    return msgspec.structs.replace(ABOUT, **changes)


def test_every_step_is_in_the_buffer_with_what_it_is_told_and_its_return(tmp_path):
    episodes = [episode_of(), episode_of(goal=1), episode_of(succeeds=False, steps=5)]
    data = open_offline([written(tmp_path / "a", *episodes)])
    buffer = data.buffer(G, seed=0)
    rows = buffer.rows(np.arange(len(buffer)))
    expected = [transitions(e, G, ABOUT.instruction(e.about.instruction)) for e in episodes]
    assert rows.keys() == expected[0].keys()
    for name, values in rows.items():
        wanted = np.concatenate([one[name] for one in expected])
        np.testing.assert_allclose(values, wanted, rtol=1e-6, err_msg=name)


def test_who_imitates_learns_from_successes_alone(tmp_path):
    folder = written(tmp_path / "a", episode_of(), episode_of(succeeds=False, steps=5))
    assert len(open_offline([folder]).buffer(G, 0)) == 8
    assert len(open_offline([folder]).buffer(G, 0, failures=False)) == 3
    failed = written(tmp_path / "b", episode_of(succeeds=False))
    with pytest.raises(DataSetError, match="no episode succeeded"):
        open_offline([failed]).buffer(G, 0, failures=False)


def test_what_was_done_at_the_goal_teaches_no_policy(tmp_path):
    whole = episode_of(steps=6)
    reached = np.array([0, 0, 0, 1, 1, 1], bool)  # and stayed there, for a reward to look at
    stayed = dataclasses.replace(
        whole, reward=np.where(reached, 0, -1).astype(np.float32), success=reached
    )
    buffer = open_offline([written(tmp_path / "a", stayed)]).buffer(G, 0)
    rows = buffer.rows(np.arange(len(buffer)))
    np.testing.assert_array_equal(rows["action"], whole.action[:4].astype(np.float32))
    np.testing.assert_array_equal(rows["mask"], [1, 1, 1, 0])
    lost = dataclasses.replace(
        stayed,
        success=np.zeros(6, bool),  # a reward that lied
        about=msgspec.structs.replace(stayed.about, ended="timeout"),
    )
    assert (len(lost.until_success()), lost.until_success().about.ended) == (4, "timeout")
    assert stayed.until_success().about.ended == "success"
    assert whole.until_success() is whole


def test_two_data_sets_teach_together(tmp_path):
    other = changed(tasks={"pull": GOALS}, instructions={**ABOUT.instructions, "pull": [0.0, 1.0]})
    episode = episode_of()
    pulled = dataclasses.replace(episode, about=msgspec.structs.replace(episode.about, task="pull"))
    folders = [
        written(tmp_path / "a", episode_of(goal=1)),
        written(tmp_path / "b", pulled, about=other),
    ]
    data = open_offline(folders)
    assert len(data.buffer(G, 0)) == 6
    assert [*data.instructions] == ["push it away", "bring it back", "pull"]
    described = data.described()
    assert [one["tasks"] for one in described["data"]] == [["push"], ["pull"]]
    assert (described["robot"], described["encoder"]) == ("stick", "words")


@pytest.mark.parametrize(
    ("changes", "fragment"),
    [
        ({"robot": RobotAbout("arm", "0" * 64)}, "the robot 'arm' and not 'stick'"),
        ({"robot": RobotAbout("stick", "1" * 64)}, "other limits of the robot 'stick'"),
        ({"encoder": "minilm"}, "encoder 'minilm' and not 'words'"),
        (
            {"spec": PolicySpec(ABOUT.spec.observation, ABOUT.spec.action, 10.0)},
            "a rate of 10 Hz and not 5",
        ),
    ],
)
def test_data_sets_that_do_not_fit_are_refused_and_the_difference_named(
    changes, fragment, tmp_path
):
    episode = episode_of()
    robot = changes.get("robot", ABOUT.robot).name
    own = dataclasses.replace(episode, about=msgspec.structs.replace(episode.about, robot=robot))
    folders = [
        written(tmp_path / "a", episode_of()),
        written(tmp_path / "b", own, about=changed(**changes)),
    ]
    with pytest.raises(DataSetError) as raised:
        open_offline(folders)
    assert fragment in str(raised.value)
    assert "b has " in str(raised.value)


def test_an_empty_data_set_teaches_nothing(tmp_path):
    with pytest.raises(DataSetError, match="holds no episodes"):
        open_offline([written(tmp_path / "a")])
