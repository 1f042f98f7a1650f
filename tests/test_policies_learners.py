import numpy as np
import pytest
import torch

from firmware_bridge.limits import AxisLimit, Limits
from perception.model_package import TensorSpec, read_package
from perception.tables import ChoiceError
from policies.learner import make_learner
from policies.learners import LEARNERS
from policies.learners.bc import BehaviorCloning, Config
from policies.policy import OnnxPolicy, PolicyNameError, make_policy
from policies.spec import ACTION, PolicySpec, PolicySpecError, bounds_of

LIMITS = Limits(
    (
        AxisLimit("speed", "m/s", 0.0, 1.0, slew_per_s=4.0, stop=0.0),
        AxisLimit("yaw_rate", "rad/s", -2.0, 2.0, slew_per_s=20.0, stop=0.0),
        AxisLimit("altitude", "m", 0.5, 2.5, slew_per_s=0.5),
    ),
    max_command_age_s=0.25,
)
SPEC = PolicySpec(
    (TensorSpec("seen", (3, 2), "float32", "1/m"), TensorSpec("chance", (1,), "float32", "1")),
    bounds_of(LIMITS),
    rate_hz=10.0,
)
SMALL = {"hidden": (16,)}


def pilot_data(n=400, seed=0):
    """A pilot that flies ahead unless something is near, then turns to a random side."""
    rng = np.random.default_rng(seed)
    seen = rng.random((n, 3, 2), dtype=np.float32)
    chance = rng.random((n, 1), dtype=np.float32)
    near = rng.random(n) < 0.1
    seen[:, 2, 0] = np.where(near, 0.9, 0.7 * seen[:, 2, 0])
    action = np.zeros((n, 3), np.float32)
    action[:, 0] = np.where(near, 0.0, 0.7)
    action[:, 1] = np.where(near, np.where(chance[:, 0] < 0.5, 1.5, -1.5), 0.0)
    action[:, 2] = 1.4
    return {"seen": seen, "chance": chance}, action


def observation_of(observations, row):
    return {name: values[row] for name, values in observations.items()}


@pytest.fixture(scope="module")
def cloned():
    """A clone that has learned the pilot well enough to tell its actions apart."""
    learner = BehaviorCloning(SPEC, Config(hidden=(32, 32)), seed=0)
    learner.fit(*pilot_data(2000), steps=600)
    return learner


@pytest.mark.parametrize("name", LEARNERS)
def test_loss_falls(name):
    learner = make_learner(name, SPEC, SMALL)
    observations, action = pilot_data()
    batch = {**observations, ACTION: action}
    losses = [learner.update(batch)["loss"] for _ in range(60)]
    assert losses[-1] < 0.7 * losses[0]


@pytest.mark.parametrize("name", LEARNERS)
def test_equal_seeds_learn_equal_policies_whatever_torch_drew_before(name):
    observations, action = pilot_data()
    actions = []
    for draws, seed in ((0, 3), (5, 3), (0, 4)):
        torch.rand(draws)
        learner = make_learner(name, SPEC, SMALL, seed)
        for _ in range(5):
            learner.update({**observations, ACTION: action})
        actions.append(learner.act(observation_of(observations, 0)))
    np.testing.assert_array_equal(actions[0], actions[1])
    assert not np.array_equal(actions[0], actions[2])


@pytest.mark.parametrize("name", LEARNERS)
def test_exported_policy_acts_as_the_learner_does(name, tmp_path):
    learner = make_learner(name, SPEC, SMALL)
    observations, action = pilot_data()
    learner.update({**observations, ACTION: action})
    learner.export(tmp_path / "policy.onnx")
    policy = make_policy(str(tmp_path / "policy.onnx"), LIMITS, SPEC.rate_hz)
    assert policy.spec == SPEC
    for row in range(20):
        observation = observation_of(observations, row)
        np.testing.assert_allclose(policy.act(observation), learner.act(observation), atol=1e-5)


def test_fit_is_deterministic():
    observations, action = pilot_data()
    learners = [BehaviorCloning(SPEC, Config(hidden=(16,)), seed=1) for _ in range(2)]
    metrics = [learner.fit(observations, action, steps=20) for learner in learners]
    assert metrics[0] == metrics[1]


def test_progress_is_told_after_each_update():
    told = []
    learner = BehaviorCloning(SPEC, Config(hidden=(16,)), seed=1)
    learner.fit(*pilot_data(), steps=3, on_progress=lambda done, metrics: told.append(done))
    assert told == [1, 2, 3]


def right_turns(learner):
    """Part of the turns of unseen data that the learner repeats."""
    observations, action = pilot_data(1000, seed=9)
    clone = np.array([learner.act(observation_of(observations, n)) for n in range(len(action))])
    np.testing.assert_allclose(clone[:, 2], action[:, 2], atol=0.02)
    turning = action[:, 1] != 0
    return (np.abs(clone - action)[turning, 1] < 0.5).mean()


def test_a_clone_repeats_its_pilot_also_where_it_acts_rarely(cloned):
    assert right_turns(cloned) > 0.75


def test_modes_choose_between_two_ways_that_one_mode_would_average():
    observations, action = pilot_data(2000)
    observations["chance"][:] = 0.5  # nothing tells to which side the pilot will turn
    turning = action[:, 1] != 0
    observations = {name: values[turning] for name, values in observations.items()}

    def whole_turns(modes):
        yaw_rad_s = []
        for seed in range(4):
            learner = BehaviorCloning(SPEC, Config(hidden=(16,), modes=modes), seed)
            learner.fit(observations, action[turning], steps=120)
            rows = range(0, turning.sum(), 10)
            yaw_rad_s += [learner.act(observation_of(observations, n))[1] for n in rows]
        return np.mean(np.abs(np.abs(yaw_rad_s) - 1.5) < 0.4)

    assert whole_turns(modes=4) > 0.9
    assert whole_turns(modes=1) < 0.9


def test_actions_stay_within_the_bounds_of_the_spec(cloned):
    wild = {"seen": np.full((3, 2), 1e4, np.float32), "chance": np.full(1, -1e4, np.float32)}
    action = cloned.act(wild)
    assert np.isfinite(action).all()
    np.testing.assert_array_equal(action, SPEC.clip(action))


def test_the_normaliser_travels_inside_the_package(tmp_path):
    learner = BehaviorCloning(SPEC, Config(hidden=(16,)), seed=1)
    observations, action = pilot_data()
    far = {**observations, "seen": 1000 + 50 * observations["seen"]}
    learner.fit(far, action, steps=5)
    learner.export(tmp_path / "policy.onnx")
    observation = observation_of(far, 0)
    exported = OnnxPolicy(tmp_path / "policy.onnx").act(observation)
    np.testing.assert_allclose(exported, learner.act(observation), atol=1e-4)


def test_the_manifest_names_the_config_it_was_trained_with(tmp_path):
    hashes = []
    for width in (8, 16):
        learner = BehaviorCloning(SPEC, Config(hidden=(width,)), seed=1)
        learner.export(tmp_path / "policy.onnx", calibration_hash="rig")
        manifest = read_package(tmp_path / "policy.onnx").manifest
        assert manifest.calibration_hash == "rig"
        hashes.append(manifest.training_config_hash)
    assert hashes[0] != hashes[1]


def test_a_package_for_another_robot_is_refused_in_one_line(tmp_path):
    BehaviorCloning(SPEC, Config(hidden=(8,)), seed=1).export(tmp_path / "policy.onnx")
    other = Limits(LIMITS.axes[:2], 0.25)
    with pytest.raises(PolicySpecError, match="the robot takes") as refused:
        make_policy(str(tmp_path / "policy.onnx"), other, SPEC.rate_hz)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize(
    ("name", "options", "error", "says"),
    [
        ("reflux", {}, PolicyNameError, "'reflux' is no policy: give a pilot .constant, reflex."),
        ("policy.onnx", {"speed": 1}, PolicyNameError, "takes no options"),
        ("constant", {"speed": 1}, ChoiceError, "no option speed; valid options: forward_speed"),
    ],
)
def test_a_bad_choice_of_policy_is_refused_in_one_line(name, options, error, says):
    with pytest.raises(error, match=says) as refused:
        make_policy(name, LIMITS, 10.0, options)
    assert "\n" not in str(refused.value)


def test_a_bad_choice_of_learner_is_refused():
    with pytest.raises(ChoiceError, match="valid names: bc"):
        make_learner("bcc", SPEC)
    with pytest.raises(ChoiceError, match="no option width"):
        make_learner("bc", SPEC, {"width": 3})
