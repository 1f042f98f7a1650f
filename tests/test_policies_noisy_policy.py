"""A package with noise acts as its learner practises."""

import numpy as np
import pytest

from policies.learner import make_learner
from policies.noisy_policy import NoisyPolicy
from policies.policy import OnnxPolicy
from policies.spec import EXPLORATION, AxisBound, PolicySpec, TensorSpec

SPEC = PolicySpec(
    (TensorSpec("place_m", (3,), "float32", "m"),),
    (AxisBound("x", "m/s", -0.25, 0.25), AxisBound("gripper", "m", 0.0, 0.08)),
    5.0,
)


@pytest.fixture(scope="module")
def packages(tmp_path_factory):
    """Of one learner: what it deploys, and what it practises by."""
    folder = tmp_path_factory.mktemp("packages")
    options = {"hidden": (8,), "practice_noise": 0.3}
    learner = make_learner("bc", SPEC, options, 0)
    rng = np.random.default_rng(0)
    rows = 8
    place_m = rng.normal(size=(rows, 3)).astype(np.float32)
    batch = {
        "place_m": place_m,
        "next_place_m": place_m,
        "action": rng.uniform((-0.25, 0), (0.25, 0.08), (rows, 2)).astype(np.float32),
        "reward": np.full(rows, -1, np.float32),
        "mask": np.ones(rows, np.float32),
        "mc_return": np.full(rows, -1, np.float32),
        "offline": np.ones(rows, np.float32),
    }
    learner.prepare(batch)
    learner.update(batch)
    learner.export(folder / "deployed.onnx")
    learner.export(folder / "explorer.onnx", explores=True)
    return OnnxPolicy(folder / "deployed.onnx"), OnnxPolicy(folder / "explorer.onnx")


def test_a_package_with_noise_acts_as_its_learner_practises(packages):
    deployed, explorer = packages
    noisy = NoisyPolicy(deployed, 0.3)
    noisy.reset(np.random.default_rng(5))
    chance = np.random.default_rng(5)
    assert noisy.spec == deployed.spec
    for place_m in np.random.default_rng(1).normal(size=(20, 3)).astype(np.float32):
        drawn = chance.standard_normal(2).astype(np.float32)
        wanted = explorer.act({"place_m": place_m, EXPLORATION: drawn})
        action = noisy.act({"place_m": place_m})
        np.testing.assert_allclose(action, wanted, atol=1e-5)
        assert np.abs(action - deployed.act({"place_m": place_m})).max() > 1e-4


def test_an_action_at_the_end_of_its_range_stays_a_number_within_it():
    class Farthest:
        spec = SPEC

        def reset(self, rng):
            pass

        def act(self, observation):
            return np.array([0.25, 0.0])

    noisy = NoisyPolicy(Farthest(), 0.3)
    noisy.reset(np.random.default_rng(0))
    for _ in range(20):
        action = noisy.act({})
        np.testing.assert_allclose(action, [0.25, 0.0], atol=1e-3)
        assert (action == SPEC.clip(action)).all()
