"""What networks read in place of an observation."""

import numpy as np
import pytest
import torch
from test_policies_learners import observations, small

from perception.model_package import TensorSpec
from policies.learner import make_learner
from policies.observation_inputs import ObservationInputs, pairs_of_places, with_waves
from policies.policy import OnnxPolicy
from policies.spec import INSTRUCTION, AxisBound, PolicySpec


def test_waves_are_four_standard_deviations_long_and_each_further_one_half_as_long():
    plain = torch.tensor([[0.0, 1.0], [0.5, -1.0]])  # (2, M) standard deviations
    half = 0.5**0.5
    expected = [
        # numbers   sin 4 std   sin 2 std   cos 4 std   cos 2 std
        [0.0, 1.0, 0.0, 1.0, 0.0, 0.0, 1.0, 0.0, 1.0, -1.0],
        [0.5, -1.0, half, -1.0, 1.0, 0.0, half, 0.0, 0.0, -1.0],
    ]
    torch.testing.assert_close(with_waves(plain, 2), torch.tensor(expected), atol=1e-6, rtol=0)
    assert with_waves(plain, 0) is plain


def test_an_instruction_has_no_waves_and_stays_last():
    spec = PolicySpec(
        (TensorSpec("at_m", (2,), "float32", "m"), TensorSpec(INSTRUCTION, (3,), "float32", "1")),
        (AxisBound("x", "1", -1.0, 1.0),),
        5.0,
    )
    inputs = ObservationInputs(spec, waves=1)
    told = np.array([[7.0, 8.0, 9.0]], np.float32)
    states = inputs.states({"at_m": np.zeros((1, 2), np.float32), INSTRUCTION: told})
    assert states.shape == (1, inputs.features + inputs.instruction) == (1, 2 * 3 + 3)
    np.testing.assert_array_equal(states[:, -3:], told)


def test_with_waves_a_narrow_band_is_learned_in_updates_that_do_not_suffice_without():
    """One thing within a seventh of the range, another elsewhere: as where a gripper must close."""
    losses = {
        waves: _losses_at_a_band(small("bc", waves=waves, hidden=(32, 32))) for waves in (0, 3)
    }
    assert np.mean(losses[3][-20:]) < 0.6 * np.mean(losses[0][-20:])


def _losses_at_a_band(learner):
    rng = np.random.default_rng(0)
    rows = {name: value[None].repeat(128, 0) for name, value in observations(1)[0].items()}
    losses = []
    for _ in range(300):
        rows["point_m"] = rng.uniform(-1, 1, (128, 2)).astype(np.float32)
        is_within = np.abs(rows["point_m"][:, :1]) < 0.15
        action = np.where(is_within, 0.9, -0.4).repeat(2, 1).astype(np.float32)
        losses.append(learner.update({**rows, "action": action})["loss"])
    return losses


@pytest.mark.parametrize("name", ["bc", "drq", "iql", "sac"])
def test_a_package_has_the_waves_of_its_learner(name, tmp_path):
    learner = small(name, waves=3)
    learner.export(tmp_path / "policy.onnx")
    policy = OnnxPolicy(tmp_path / "policy.onnx")
    for seen in observations(5):
        np.testing.assert_allclose(policy.act(seen), learner.act(seen), atol=1e-5)


ARM = (
    TensorSpec("tool_m", (3,), "float32", "m"),
    TensorSpec("gripper_m", (1,), "float32", "m"),
    TensorSpec("object_m", (2, 3), "float32", "m"),
    TensorSpec("object_up", (2, 3), "float32", "1"),
    TensorSpec(INSTRUCTION, (3,), "float32", "1"),
)


def test_places_are_rows_of_two_or_three_metres_and_each_pair_has_a_difference_per_axis():
    """Numbers 0..2 are the tool, 3 the gripper, 4..6 and 7..9 two objects, then their axes."""
    assert pairs_of_places(ARM[:-1]) == (
        *((0, 4), (1, 5), (2, 6)),  # tool and first object
        *((0, 7), (1, 8), (2, 9)),  # tool and second
        *((4, 7), (5, 8), (6, 9)),
    )


def test_relative_inputs_are_those_differences_behind_the_numbers_normalised_like_them():
    inputs = ObservationInputs(PolicySpec(ARM, (AxisBound("x", "1", -1, 1),), 5.0), relative=True)
    rows = {t.name: np.zeros((2, *t.shape), np.float32) for t in ARM}
    rows["tool_m"][:, 0], rows["object_m"][:, 1, 0] = (0.25, 0.75), (0.5, 0.5)
    raw = inputs.states(rows)[:, :-3]
    assert raw.shape == (2, inputs.features) == (2, 16 + 9)
    expected = np.zeros((2, 9))
    expected[:, 0] = (0.25, 0.75)  # from the first object, which is at 0
    expected[:, 3] = (-0.25, 0.25)  # from the second
    expected[:, 6] = (-0.5, -0.5)
    np.testing.assert_array_equal(raw[:, 16:], expected)
    inputs.fit(rows)
    np.testing.assert_array_equal(inputs.states(rows)[:, 16 + 3], [-1.0, 1.0])


@pytest.mark.parametrize("name", ["bc", "drq", "iql", "sac"])
def test_a_package_is_told_where_places_are_from_each_other_as_its_learner_is(name, tmp_path):
    image = TensorSpec("front", (16, 16, 3), "uint8", "1")
    tensors = (*ARM[:2], image, *ARM[2:]) if name == "drq" else ARM
    spec = PolicySpec(tensors, tuple(AxisBound(x, "1", -1.0, 2.0) for x in "xy"), 5.0)
    learner = make_learner(name, spec, {"hidden": (8,), "waves": 1, "relative": True})
    rng = np.random.default_rng(0)
    seen = [
        {t.name: (255 * rng.random(t.shape)).astype(t.dtype) for t in spec.observation}
        for _ in range(20)
    ]
    learner.prepare({name: np.stack([one[name] for one in seen]) for name in seen[0]})
    assert len(learner.inputs.pairs) == 9
    learner.export(tmp_path / "policy.onnx")
    policy = OnnxPolicy(tmp_path / "policy.onnx")
    for one in seen[:5]:
        np.testing.assert_allclose(policy.act(one), learner.act(one), atol=1e-5)
