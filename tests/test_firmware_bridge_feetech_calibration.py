"""The calibration file of an arm: what does not fit its robot is refused before a servo moves."""

from dataclasses import replace

import numpy as np
import pytest
from feetech_rig import CALIBRATION, LIMITS
from hypothesis import given
from hypothesis import strategies as st

from firmware_bridge.axis_limits import Limits
from firmware_bridge.errors import CalibrationError
from firmware_bridge.feetech.calibration import JointCalibration, fitted, read_calibration
from firmware_bridge.feetech.registers import RAD_PER_STEP

JOINTS = CALIBRATION.joints
joints = st.builds(
    JointCalibration,
    st.text(min_size=1).filter(str.isprintable),
    st.integers(0, 252),
    st.integers(-2047, 2047),
    st.sampled_from([1, -1]),
    st.tuples(st.integers(0, 1000), st.integers(3000, 4095)),
)


def written(tmp_path, text):
    path = tmp_path / "arm.toml"
    path.write_text(text, encoding="utf-8")
    return path


def limits_with(index, **changes):
    axes = list(LIMITS.axes)
    axes[index] = replace(axes[index], **changes)
    return Limits(tuple(axes), 0.5)


@given(st.lists(joints, min_size=1, max_size=1))
def test_a_calibration_comes_back_as_it_was_written(tmp_path_factory, made):
    path = written(tmp_path_factory.mktemp("calibration"), made[0].to_toml())
    axis = replace(LIMITS.axes[0], name=made[0].name, minimum=-0.1, maximum=0.1)
    limits = Limits((axis,), 0.5)
    assert read_calibration(path, limits).joints == tuple(made)


def test_joints_come_in_the_order_of_the_axes(tmp_path):
    text = "\n".join(joint.to_toml() for joint in reversed(JOINTS))
    assert read_calibration(written(tmp_path, text), LIMITS) == CALIBRATION


def test_an_angle_is_zero_in_the_middle_and_goes_in_the_joints_direction():
    scale = CALIBRATION.scale(LIMITS)
    values = scale.to_values(np.array([2048 + 100.0, 2048 + 100.0, 1900.0]))
    np.testing.assert_allclose(values, [100 * RAD_PER_STEP, -100 * RAD_PER_STEP, 0.0], atol=1e-12)


@pytest.mark.parametrize(("direction", "closed", "open_"), [(1, 1900, 3300), (-1, 3300, 1900)])
def test_a_gripper_is_at_its_minimum_at_one_end_and_at_its_maximum_at_the_other(
    direction, closed, open_
):
    gripper = replace(JOINTS[2], direction=direction)
    limits = limits_with(2, unit="m", minimum=0.01, maximum=0.08)
    scale = fitted((*JOINTS[:2], gripper), limits).scale(limits)
    assert scale.to_values(np.array([0.0, 0.0, closed]))[2] == pytest.approx(0.01)
    assert scale.to_values(np.array([0.0, 0.0, open_]))[2] == pytest.approx(0.08)


@given(st.lists(st.floats(-0.9, 0.9), min_size=2, max_size=2), st.floats(0, 1))
def test_values_survive_the_way_through_steps_within_half_a_step(angles, opening):
    scale = CALIBRATION.scale(LIMITS)
    values = np.array([*angles, opening])
    back = scale.to_values(scale.to_steps(values).astype(float))
    assert (np.abs(back - values) <= 0.5001 / np.abs(scale.steps_per_unit)).all()


def test_no_value_gives_steps_beyond_the_range():
    scale = CALIBRATION.scale(LIMITS)
    assert scale.to_steps(np.array([99.0, 99.0, 99.0])).tolist() == [3100, 1000, 3300]


@pytest.mark.parametrize(
    ("given_joints", "limits", "says"),
    [
        (JOINTS[:2], LIMITS, "lacks the axis 'gripper'"),
        (
            (*JOINTS, replace(JOINTS[0], name="wrist", id=9)),
            LIMITS,
            "no axis is named 'wrist': the axes are shoulder, elbow, gripper",
        ),
        ((*JOINTS, JOINTS[0]), LIMITS, "two joints have the same name"),
        ((*JOINTS[:2], replace(JOINTS[2], id=1)), LIMITS, "two joints have the same id"),
        (JOINTS, limits_with(0, unit="rad/s"), "'shoulder' is in 'rad/s': .* rad, m, 1"),
        (
            JOINTS,
            limits_with(1, maximum=1.7),
            "axis 'elbow', -1.2..1.7 rad, exceed its range, -1.6",
        ),
        (JOINTS, limits_with(0, minimum=-1.7), "axis 'shoulder', -1.7..1 rad, exceed its range"),
    ],
)
def test_a_calibration_of_another_robot_is_refused(given_joints, limits, says):
    with pytest.raises(CalibrationError, match=says):
        fitted(given_joints, limits)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (("id = 1", "id = 253"), "'shoulder': id is 253, must be 0 to 252"),
        (("= 300", "= 2048"), "homing_offset_steps 2048 is beyond ±2047"),
        (("direction = 1", "direction = 0"), "direction is 0, must be 1 or -1"),
        (("[1000, 3100]", "[3100, 1000]"), "range_steps is .3100, 1000., must rise within 0..4095"),
        (("[1000, 3100]", "[1000, 4096]"), "must rise within 0..4095"),
        (("[1000, 3100]", "[1000]"), "0: all values but the name are whole numbers"),
        (("id = 1", "id = 1.0"), "0: all values but the name are whole numbers"),
        (("id = 1", "id = true"), "0: all values but the name are whole numbers"),
        (('name = "shoulder"', "name = 7"), "0 name is 7"),
        (('"shoulder"', '""'), "'': a name has printable letters"),
        (('"shoulder"', '"a\\nb"'), "a name has printable letters"),
        (("id = 1", "di = 1"), "must have exactly the keys name, id, homing_offset_steps"),
        (("[[joints]]", "[[joint]]"), "must consist of tables"),
        (("id = 1", "id = = 1"), "is no valid TOML"),
    ],
)
def test_a_damaged_file_is_refused_in_one_line_that_begins_with_its_path(tmp_path, change, says):
    path = written(tmp_path, JOINTS[0].to_toml().replace(*change))
    with pytest.raises(CalibrationError, match=says) as refused:
        read_calibration(path, Limits(LIMITS.axes[:1], 0.5))
    assert str(refused.value).startswith(f"calibration {path}")
    assert "\n" not in str(refused.value)


def test_a_file_that_cannot_be_read_is_refused(tmp_path):
    with pytest.raises(CalibrationError, match="cannot be read: Is a directory"):
        read_calibration(tmp_path, LIMITS)
    with pytest.raises(CalibrationError, match="is missing"):
        read_calibration(tmp_path / "nobody.toml", LIMITS)


@given(st.binary(max_size=200))
def test_any_bytes_are_a_calibration_or_refused(tmp_path_factory, content):
    path = tmp_path_factory.mktemp("calibration") / "arm.toml"
    path.write_bytes(content)
    with pytest.raises(CalibrationError):
        read_calibration(path, LIMITS)
