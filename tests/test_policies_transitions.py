"""Episodes as rows to learn from, against numbers worked out by hand."""

import dataclasses

import numpy as np
import pytest
from tiny_data import episode_of

from policies.transitions import transitions

G = 0.9


@pytest.mark.parametrize(
    ("reward", "expected"),
    [
        ([-1, -1, 0], [-1 - G, -1, 0]),
        ([0], [0]),
        ([-1, -1], [-1 / (1 - G)] * 2),  # never: the limit of the sum at every step
        ([0, -1, 0, -1], [0, -1, 0, -1 / (1 - G)]),  # lost, found, lost for good
        ([-1] * 5 + [0], [-(1 - G**k) / (1 - G) for k in (5, 4, 3, 2, 1, 0)]),
    ],
)
def test_return_to_go_counts_steps_to_the_next_success(reward, expected):
    judged = dataclasses.replace(
        episode_of(succeeds=False, steps=len(reward)), reward=np.array(reward, np.float32)
    )
    np.testing.assert_allclose(transitions(judged, G)["mc_return"], expected, rtol=1e-6)


def test_without_foresight_a_return_is_the_reward():
    rows = transitions(episode_of(), 0.0)
    np.testing.assert_array_equal(rows["mc_return"], rows["reward"])


def test_a_row_holds_a_step_and_what_came_of_it():
    episode = episode_of()
    rows = transitions(episode, G)
    position_m = episode.observation["position_m"]
    np.testing.assert_array_equal(rows["position_m"], position_m[:3])
    np.testing.assert_array_equal(rows["next_position_m"], position_m[1:])
    np.testing.assert_array_equal(rows["action"], episode.action.astype(np.float32))
    np.testing.assert_array_equal(rows["reward"], [-1, -1, 0])
    np.testing.assert_array_equal(rows["mask"], [1, 1, 0])
    np.testing.assert_allclose(rows["mc_return"], [-1.9, -1, 0], rtol=1e-6)
    assert {values.dtype for values in rows.values()} == {np.dtype("float32")}


def test_a_time_out_is_no_end_of_the_world():
    rows = transitions(episode_of(succeeds=False), G)
    np.testing.assert_array_equal(rows["mask"], [1, 1, 1])
    np.testing.assert_allclose(rows["mc_return"], [-10, -10, -10], rtol=1e-6)


def test_the_reward_source_is_believed_and_not_the_truth():
    doubted = dataclasses.replace(episode_of(), reward=np.array([-1, 0, -1], np.float32))
    rows = transitions(doubted, G)
    np.testing.assert_array_equal(rows["mask"], [1, 0, 1])


def test_the_instruction_stands_beside_every_observation():
    rows = transitions(episode_of(), G, np.array([0.6, 0.8], np.float32))
    for name in ("instruction", "next_instruction"):
        np.testing.assert_array_equal(rows[name], np.float32([[0.6, 0.8]] * 3))


def test_images_stay_bytes():
    episode = episode_of()
    image = np.arange(4 * 2 * 2 * 3, dtype=np.uint8).reshape(4, 2, 2, 3)
    seen = dataclasses.replace(episode, observation={**episode.observation, "front": image})
    rows = transitions(seen, G)
    assert rows["next_front"].dtype == np.uint8
    np.testing.assert_array_equal(rows["next_front"], image[1:])
