import numpy as np
import pytest

from perception.model_package import TensorSpec
from policies.replay_buffer import (
    ReplayBuffer,
    ReplayBufferError,
    sample_mixed,
)
from policies.returns import returns_to_go
from policies.spec import AxisBound, PolicySpec, PolicySpecError, with_instruction

PLAIN = PolicySpec(
    (TensorSpec("place_m", (1,), "float32", "m"), TensorSpec("eye", (2, 2, 3), "uint8", "1")),
    (AxisBound("speed", "m/s", -1.0, 1.0),),
    rate_hz=5.0,
)
SPEC = with_instruction(PLAIN, 3)
WORDS = np.float32([1, 2, 3])


def observed(*places):
    """An observation per place; the image shows the place."""
    place_m = np.float32(places).reshape(-1, 1)
    return {
        "place_m": place_m,
        "eye": np.broadcast_to(place_m.reshape(-1, 1, 1, 1), (len(places), 2, 2, 3)).astype("u1"),
    }


def filled(places=(0, 1, 2, 3), success=(False, False, True), capacity=10, seed=0, discount=0.5):
    buffer = ReplayBuffer(SPEC, capacity, seed, discount=discount)
    add(buffer, places, success)
    return buffer


def add(buffer, places, success):
    success = np.array(success)
    action = np.linspace(0, 0.9, len(success)).reshape(-1, 1)
    buffer.add_episode(observed(*places), action, -1.0 + success, success, WORDS)


def everything(buffer):
    return buffer.rows(np.arange(len(buffer)))


def test_an_episode_becomes_its_transitions():
    batch = everything(filled())
    np.testing.assert_array_equal(batch["place_m"][:, 0], [0, 1, 2])
    np.testing.assert_array_equal(batch["next_place_m"][:, 0], [1, 2, 3])
    np.testing.assert_array_equal(batch["eye"][:, 0, 0, 0], [0, 1, 2])
    np.testing.assert_array_equal(batch["next_eye"][:, 1, 1, 2], [1, 2, 3])
    assert batch["eye"].dtype == np.uint8
    np.testing.assert_allclose(batch["action"][:, 0], [0, 0.45, 0.9])
    np.testing.assert_array_equal(batch["reward"], [-1, -1, 0])
    np.testing.assert_array_equal(batch["mask"], [1, 1, 0])
    for name in ("instruction", "next_instruction"):
        np.testing.assert_array_equal(batch[name], [WORDS] * 3)


def test_return_before_a_success_is_that_of_the_steps_to_it():
    """k = 2, 1, 0 steps before it: -(1 - 0.5^k) / (1 - 0.5)."""
    np.testing.assert_array_equal(everything(filled())["mc_return"], [-1.5, -1, 0])


def test_an_episode_without_success_would_have_failed_for_ever():
    """-1 / (1 - 0.5) at every step, not -1.75, -1.5, -1."""
    batch = everything(filled(success=(False, False, False)))
    np.testing.assert_array_equal(batch["mc_return"], [-2, -2, -2])
    np.testing.assert_array_equal(batch["mask"], [1, 1, 1])


def test_failure_after_a_success_does_not_reach_back_past_it():
    """-1 then the success; -1 + 0.5 (-2) = -2 after it."""
    found = returns_to_go(np.array([-1, 0, -1]), np.array([1, 0, 1]), 0.5)
    np.testing.assert_array_equal(found, [-1, 0, -2])


def test_what_three_frames_of_success_at_the_end_of_a_demonstration_give():
    """The last 3 frames are successes, each of which ends it; k = 2, 1 before the first."""
    found = returns_to_go(np.array([-1, -1, 0, 0, 0]), np.array([1, 1, 0, 0, 0]), 0.99)
    np.testing.assert_allclose(found, [-1.99, -1, 0, 0, 0])


def test_a_step_has_no_known_return_until_its_episode_ends():
    buffer = ReplayBuffer(SPEC, 10, discount=0.5)
    seen = [
        {**{n: v[k] for n, v in observed(0, 1, 2).items()}, "instruction": WORDS} for k in range(3)
    ]
    buffer.add(seen[0], [0.1], -1, seen[1], success=False)
    buffer.add(seen[1], [0.2], 0, seen[2], success=True)
    np.testing.assert_array_equal(everything(buffer)["mc_return"], [-np.inf, -np.inf])
    buffer.end_episode()
    np.testing.assert_array_equal(everything(buffer)["mc_return"], [-1, 0])
    whole = filled((0, 1, 2), (False, True))
    for name, values in everything(whole).items():
        if name != "action":
            np.testing.assert_array_equal(everything(buffer)[name], values)


def test_the_oldest_give_way():
    buffer = filled(capacity=4)
    add(buffer, (10, 11, 12), (False, True))
    assert len(buffer) == 4
    batch = everything(buffer)
    np.testing.assert_array_equal(batch["place_m"][:, 0], [11, 1, 2, 10])
    np.testing.assert_array_equal(batch["mc_return"], [0, -1, 0, -1])


def test_an_episode_longer_than_the_buffer_keeps_its_end():
    buffer = filled(tuple(range(8)), (False,) * 6 + (True,), capacity=3)
    np.testing.assert_array_equal(np.sort(everything(buffer)["place_m"][:, 0]), [4, 5, 6])
    np.testing.assert_array_equal(np.sort(everything(buffer)["mc_return"]), [-1.5, -1, 0])


def test_equal_seeds_draw_equal_batches():
    first, second, other = (filled(seed=seed).sample(20) for seed in (1, 1, 2))
    np.testing.assert_array_equal(first["place_m"], second["place_m"])
    assert (first["place_m"] != other["place_m"]).any()


@pytest.mark.parametrize("part", [slice(0, 8), slice(8, 16), slice(0, 16)])
def test_a_mixed_batch_is_mixed_in_every_part(part):
    offline, online = filled((0, 1), (True,)), filled((100, 101), (True,))
    batch = sample_mixed(offline, online, 16, 0.25)
    place_m = batch["place_m"][part, 0]
    assert (place_m == 0).mean() == 0.25
    np.testing.assert_array_equal(batch["offline"][part], place_m == 0)


@pytest.mark.parametrize(("share", "found"), [(0.0, {100}), (1.0, {0}), (0.5, {0, 100})])
def test_the_share_decides_where_a_batch_is_from(share, found):
    offline, online = filled((0, 1), (True,)), filled((100, 101), (True,))
    assert set(sample_mixed(offline, online, 8, share)["place_m"][:, 0]) == found


def test_all_is_from_offline_data_before_there_is_any_other():
    offline, online = filled(), ReplayBuffer(SPEC, 10)
    assert len(sample_mixed(offline, online, 8)["action"]) == 8


def test_a_saved_buffer_goes_on_as_it_would_have(tmp_path):
    buffer = filled(capacity=5, seed=3)
    add(buffer, (10, 11, 12, 13), (False, False, False))
    buffer.sample(4)
    buffer.save(tmp_path / "buffer.npz")
    loaded = ReplayBuffer.load(tmp_path / "buffer.npz", SPEC)
    for one in (buffer, loaded):
        add(one, (20, 21), (True,))
    expected, found = buffer.sample(30), loaded.sample(30)
    assert expected.keys() == found.keys()
    for name, values in expected.items():
        np.testing.assert_array_equal(found[name], values)
        assert found[name].dtype == values.dtype
    assert [path.name for path in tmp_path.iterdir()] == ["buffer.npz"]


def test_a_buffer_of_another_spec_is_refused(tmp_path):
    filled().save(tmp_path / "buffer.npz")
    with pytest.raises(ReplayBufferError, match="it holds instruction, which this policy"):
        ReplayBuffer.load(tmp_path / "buffer.npz", PLAIN)
    wider = PolicySpec(SPEC.observation, SPEC.action * 2, 5.0)
    with pytest.raises(ReplayBufferError, match=r"'action' should be float32 \(3, 2\)"):
        ReplayBuffer.load(tmp_path / "buffer.npz", wider)


@pytest.mark.parametrize("damage", [lambda b: b[:200], lambda b: b[: len(b) // 2], lambda b: b"x"])
def test_a_damaged_file_is_refused_in_one_line(tmp_path, damage):
    path = tmp_path / "buffer.npz"
    filled().save(path)
    path.write_bytes(damage(path.read_bytes()))
    with pytest.raises(ReplayBufferError, match="cannot read") as refused:
        ReplayBuffer.load(path, SPEC)
    assert "\n" not in str(refused.value)


def test_a_file_of_another_version_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr("policies.replay_buffer.FORMAT_VERSION", 0)
    filled().save(tmp_path / "buffer.npz")
    monkeypatch.undo()
    with pytest.raises(ReplayBufferError, match="has format 0; this version reads 1"):
        ReplayBuffer.load(tmp_path / "buffer.npz", SPEC)


def test_what_cannot_be_is_refused():
    with pytest.raises(ReplayBufferError, match="holds nothing"):
        ReplayBuffer(SPEC, 0)
    with pytest.raises(ReplayBufferError, match="is empty"):
        ReplayBuffer(SPEC, 1).sample(1)
    with pytest.raises(ReplayBufferError, match="steps found: reward 2"):
        filled().add_episode(
            observed(0, 1), np.zeros((1, 1)), np.zeros(2), np.zeros(1, bool), WORDS
        )
    with pytest.raises(PolicySpecError, match="reads 'instruction'"):
        filled().add_episode(observed(0, 1), np.zeros((1, 1)), np.zeros(1), np.zeros(1, bool))
