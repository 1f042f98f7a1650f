from dataclasses import replace

import numpy as np
import pytest

from firmware_bridge.axis_limits import AxisLimit, Limits
from perception.model_package import Manifest, TensorSpec
from policies.spec import AxisBound, PolicySpec, PolicySpecError, bounds_of

AXES = (
    AxisLimit("speed", "m/s", 0.0, 1.0, slew_per_s=4.0, stop=0.0),
    AxisLimit("yaw_rate", "rad/s", -2.0, 2.0, slew_per_s=20.0, stop=0.0),
)
SPEC = PolicySpec(
    (TensorSpec("seen", (2, 3), "float32", "m"), TensorSpec("chance", (1,), "float32", "1")),
    bounds_of(Limits(AXES, 0.25)),
    rate_hz=10.0,
)
OBSERVATION = {
    "seen": np.zeros((2, 3), np.float32),
    "chance": np.zeros(1, np.float32),
    "more": np.zeros(4, np.float32),
}


def test_manifest_round_trip():
    manifest = SPEC.to_manifest(calibration_hash="abc")
    assert PolicySpec.from_manifest(manifest) == SPEC
    assert manifest.calibration_hash == "abc"


def test_a_package_of_another_kind_is_refused():
    manifest = Manifest(kind="mono_depth", inputs=SPEC.observation, outputs=SPEC.observation)
    with pytest.raises(PolicySpecError, match="'mono_depth'; a 'policy' is needed"):
        PolicySpec.from_manifest(manifest)


def test_an_observation_is_reduced_to_what_the_policy_reads():
    assert list(SPEC.check_observation(OBSERVATION)) == ["seen", "chance"]


@pytest.mark.parametrize(
    ("observation", "says"),
    [
        ({"seen": OBSERVATION["seen"]}, "reads 'chance', but what is observed is seen"),
        ({**OBSERVATION, "seen": np.zeros((3, 2), np.float32)}, r"\(2, 3\), but float32 \(3, 2\)"),
        ({**OBSERVATION, "seen": np.zeros((2, 3))}, "float32 .*but float64"),
    ],
)
def test_an_observation_that_does_not_fit_is_refused_in_one_line(observation, says):
    with pytest.raises(PolicySpecError, match=says) as refused:
        SPEC.check_observation(observation)
    assert "\n" not in str(refused.value)


def test_the_robot_it_was_made_for_is_accepted():
    SPEC.check_compatible(AXES, 10.0)
    wider = (replace(AXES[0], maximum=1.5), AXES[1])
    SPEC.check_compatible(wider, 10.0)


@pytest.mark.parametrize(
    ("axes", "rate_hz", "says"),
    [
        (AXES[::-1], 10.0, r"commands \(speed m/s, yaw_rate rad/s\), the robot takes \(yaw_rate"),
        (AXES[:1], 10.0, "the robot takes"),
        ((replace(AXES[0], unit="km/h"), AXES[1]), 10.0, "km/h"),
        ((replace(AXES[0], maximum=0.5), AXES[1]), 10.0, "speed within 0.0..1.0 m/s"),
        (AXES, 20.0, "acts at 10 Hz, the graph runs it at 20 Hz"),
    ],
)
def test_another_robot_is_refused_in_one_line(axes, rate_hz, says):
    with pytest.raises(PolicySpecError, match=says) as refused:
        SPEC.check_compatible(axes, rate_hz)
    assert "\n" not in str(refused.value)


def test_clip_keeps_the_bounds():
    np.testing.assert_array_equal(SPEC.clip(np.array([9.0, -9.0])), [1.0, -2.0])
    assert SPEC.action[0] == AxisBound("speed", "m/s", 0.0, 1.0)
