import numpy as np
import pytest

from firmware_bridge.axis_limits import AxisLimit, Limits
from perception.model_package import TensorSpec, read_package
from perception.tables import ChoiceError
from policies.learners.clone import Config, PilotClone, farthest_first
from policies.observation import PREVIOUS_COMMAND
from policies.policy import OnnxPolicy, PolicyNameError, make_policy
from policies.spec import PolicySpec, PolicySpecError, bounds_of

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
    learner = PilotClone(SPEC, Config(hidden=(32, 32)), seed=0)
    learner.fit(*pilot_data(2000), steps=600)
    return learner


def test_exported_clone_acts_as_the_learner_does(cloned, tmp_path):
    observations, _ = pilot_data()
    cloned.export(tmp_path / "policy.onnx")
    policy = make_policy(str(tmp_path / "policy.onnx"), LIMITS, SPEC.rate_hz)
    assert policy.spec == SPEC
    for row in range(20):
        observation = observation_of(observations, row)
        np.testing.assert_allclose(policy.act(observation), cloned.act(observation), atol=1e-5)


def test_fit_is_deterministic():
    observations, action = pilot_data()
    learners = [PilotClone(SPEC, Config(hidden=(16,)), seed=1) for _ in range(2)]
    metrics = [learner.fit(observations, action, steps=20) for learner in learners]
    assert metrics[0] == metrics[1]


def test_progress_is_told_after_each_update():
    told = []
    learner = PilotClone(SPEC, Config(hidden=(16,)), seed=1)
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


def test_a_clone_gives_the_very_commands_of_its_pilot(cloned):
    observations, action = pilot_data(200, seed=5)
    given = {tuple(cloned.act(observation_of(observations, n))) for n in range(len(action))}
    assert given <= {tuple(row.astype(np.float64)) for row in np.unique(action, axis=0)}
    assert len(given) > 1


def test_the_previous_command_is_read_as_one_of_the_commands():
    """A pilot that does what follows its previous command, however near two commands are."""
    rng = np.random.default_rng(0)
    commands = np.array([[0.0, 0.1 * k, 1.4] for k in range(16)], np.float32)
    follows = rng.permutation(16)
    now = rng.integers(16, size=2000)
    previous = TensorSpec(PREVIOUS_COMMAND, (3,), "float32", "m/s, rad/s, m")
    learner = PilotClone(
        PolicySpec((previous,), SPEC.action, SPEC.rate_hz),
        Config(hidden=(32,)),
        seed=0,
    )
    learner.fit({PREVIOUS_COMMAND: commands[now]}, commands[follows[now]], steps=150)
    for command, then in zip(commands, follows, strict=True):
        np.testing.assert_allclose(learner.act({PREVIOUS_COMMAND: command}), commands[then])


def test_codes_reach_the_rare_and_far_first():
    points = np.array([[0.0], [0.1], [5.0], [0.2], [-3.0]], np.float32)
    np.testing.assert_array_equal(farthest_first(points, 3)[:, 0], np.float32([0.0, 5.0, -3.0]))
    few = farthest_first(points[:2], 4)[:, 0]
    np.testing.assert_array_equal(few[:2], np.float32([0.0, 0.1]))
    assert set(few) == {np.float32(0.0), np.float32(0.1)}


def test_actions_stay_within_the_bounds_of_the_spec(cloned):
    wild = {"seen": np.full((3, 2), 1e4, np.float32), "chance": np.full(1, -1e4, np.float32)}
    action = cloned.act(wild)
    assert np.isfinite(action).all()
    np.testing.assert_array_equal(action, SPEC.clip(action))


def test_the_normaliser_travels_inside_the_package(tmp_path):
    learner = PilotClone(SPEC, Config(hidden=(16,)), seed=1)
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
        learner = PilotClone(SPEC, Config(hidden=(width,)), seed=1)
        learner.export(tmp_path / "policy.onnx", calibration_hash="rig")
        manifest = read_package(tmp_path / "policy.onnx").manifest
        assert manifest.calibration_hash == "rig"
        hashes.append(manifest.training_config_hash)
    assert hashes[0] != hashes[1]


def test_a_package_for_another_robot_is_refused_in_one_line(tmp_path):
    PilotClone(SPEC, Config(hidden=(8,)), seed=1).export(tmp_path / "policy.onnx")
    other = Limits(LIMITS.axes[:2], 0.25)
    with pytest.raises(PolicySpecError, match="the robot takes") as refused:
        make_policy(str(tmp_path / "policy.onnx"), other, SPEC.rate_hz)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize(
    ("name", "options", "error", "says"),
    [
        ("reflux", {}, PolicyNameError, "'reflux' is no policy: give a pilot .bin_expert"),
        ("policy.onnx", {"speed": 1}, PolicyNameError, "takes no options"),
        ("constant", {"speed": 1}, ChoiceError, "no option speed; valid options: forward_speed"),
    ],
)
def test_a_bad_choice_of_policy_is_refused_in_one_line(name, options, error, says):
    with pytest.raises(error, match=says) as refused:
        make_policy(name, LIMITS, 10.0, options)
    assert "\n" not in str(refused.value)
