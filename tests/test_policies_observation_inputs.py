"""What networks read in place of an observation."""

import numpy as np
import pytest
import torch
from test_policies_learners import observations, small

from perception.model_package import TensorSpec
from policies.observation_inputs import ObservationInputs, with_waves
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
