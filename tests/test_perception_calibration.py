import json
import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from perception.calibration import (
    CalibrationError,
    CameraIntrinsics,
    StereoRig,
    calibration_hash,
    ideal_rig,
    load_rig,
    rig_from_table,
)

SHORT = {"width": 128, "height": 96, "fov_deg": 58.0, "baseline_m": 0.06}
CAMERA = {"width": 8, "height": 6, "fx_px": 7.0, "fy_px": 7.5, "cx_px": 3.5, "cy_px": 2.5}
PARALLEL = [[1, 0, 0, -0.1], [0, 1, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1]]
EXPLICIT = {
    "left": CAMERA | {"distortion": [0.1, 0.0, 0.0, 0.0]},
    "right": CAMERA,
    "right_from_left": PARALLEL,
}
SENSOR_YAML = """%YAML:1.0
T_BS:
  cols: 4
  rows: 4
  data: [0, 0, 1, {x}, -1, 0, 0, {y}, 0, -1, 0, 0, 0, 0, 0, 1]
resolution: [8, 6]
camera_model: pinhole
intrinsics: [7.0, 7.5, 3.5, 2.5]
distortion_model: radial-tangential
distortion_coefficients: [0.1, 0.0, 0.0, 0.0]
"""


RIGHT_YAML = SENSOR_YAML.format(x=0.2, y=-0.1)


def write_folder(folder, right=RIGHT_YAML):
    for name, text in (("cam0", SENSOR_YAML.format(x=0.2, y=0.0)), ("cam1", right)):
        (folder / name).mkdir()
        (folder / name / "sensor.yaml").write_text(text)
    return folder


def test_short_form_puts_the_edge_of_the_image_at_half_the_field_of_view():
    rig = rig_from_table(SHORT)
    half_width_px = rig.left.fx_px * math.tan(math.radians(29))
    assert half_width_px == pytest.approx(64)
    assert (rig.left.cx_px, rig.left.cy_px) == (63.5, 47.5)
    assert rig.baseline_m == 0.06
    right_of_left_camera = rig.right_from_left @ [0.06, 0, 0, 1]  # where the right camera stands
    np.testing.assert_allclose(right_of_left_camera, [0, 0, 0, 1])


def test_explicit_form_keeps_every_number():
    rig = rig_from_table(EXPLICIT)
    assert rig.left == CameraIntrinsics(8, 6, 7.0, 7.5, 3.5, 2.5, (0.1, 0.0, 0.0, 0.0))
    assert rig.right == CameraIntrinsics(8, 6, 7.0, 7.5, 3.5, 2.5)
    np.testing.assert_array_equal(rig.right_from_left, PARALLEL)


def test_toml_is_read_as_a_robot_file_and_as_a_rig_file(tmp_path):
    lines = "\n".join(f"{key} = {value}" for key, value in SHORT.items())
    (tmp_path / "robot.toml").write_text(f"[limits]\nx = 1\n[rig]\n{lines}\n")
    (tmp_path / "rig.toml").write_text(lines)
    assert load_rig(tmp_path / "robot.toml") == load_rig(tmp_path / "rig.toml")
    assert load_rig(tmp_path / "rig.toml") == rig_from_table(SHORT)


def test_t_bs_goes_from_camera_to_body(tmp_path):
    # Body: x forward, y left. The right camera stands at y = -0.1, so a point at the left camera
    # is seen by the right one 0.1 m to its left: x_R = -0.1.
    rig = load_rig(write_folder(tmp_path))
    np.testing.assert_allclose(rig.right_from_left, PARALLEL, atol=1e-12)
    assert rig.left.distortion == (0.1, 0.0, 0.0, 0.0)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"fov": 58.0}, "unknown fov; valid keys: width, height, fov_deg, baseline_m"),
        ({"width": None}, "width is None"),
        ({"width": 12.5}, "whole number"),
        ({"fov_deg": math.nan}, "finite"),
        ({"fov_deg": 180.0}, "0 < fov_deg < 180"),
        ({"baseline_m": 0.0}, "positive baseline_m"),
        ({"baseline_m": "6 cm"}, "'6 cm'; a number is needed"),
        ({"height": -1}, "positive size"),
        ({"left": {}}, "unknown baseline_m, fov_deg, height, width"),
    ],
)
def test_bad_short_form_says_what_is_wrong(changes, said):
    with pytest.raises(CalibrationError) as caught:
        rig_from_table(SHORT | changes)
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("key", SHORT)
def test_a_missing_key_is_named(key):
    with pytest.raises(CalibrationError, match=f"missing {key}; valid keys"):
        rig_from_table({name: value for name, value in SHORT.items() if name != key})


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"left": CAMERA | {"k1": 1}}, "left: unknown k1"),
        ({"left": CAMERA | {"fx_px": -1.0}}, "positive size and focal lengths"),
        ({"left": CAMERA | {"cx_px": math.inf}}, "finite"),
        ({"left": CAMERA | {"width": 9}}, "differ in size: 9x6 and 8x6"),
        ({"left": CAMERA | {"distortion": [1.0]}}, "valid counts: 0, 4, 5, 8"),
        ({"left": CAMERA | {"distortion": 1.0}}, "list of numbers"),
        ({"left": 3}, "left must be a table"),
        ({"right_from_left": [1, 2]}, "4 rows of 4 numbers"),
        ({"right_from_left": "abc"}, "4 rows of 4 numbers"),
        ({"right_from_left": [[math.nan] * 4] * 4}, "finite"),
        ({"right_from_left": np.diag([1, 1, -1, 1]).tolist()}, "not a rotation"),
        ({"right_from_left": (2 * np.eye(4)).tolist()}, "not a rotation"),
        ({"right_from_left": np.eye(4).tolist()}, "baseline_m is 0"),
    ],
)
def test_bad_explicit_form_says_what_is_wrong(changes, said):
    with pytest.raises(CalibrationError) as caught:
        rig_from_table(EXPLICIT | changes)
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("yaml", "said"),
    [
        ("", "sensor must be a table"),
        ("a: [", "not valid YAML"),
        ("T_BS: {data: [1, 2]}", "4 rows of 4 numbers"),
        ("camera_model: pinhole", "key 'T_BS' is missing"),
        (SENSOR_YAML.format(x=".nan", y=0), "finite"),
        (SENSOR_YAML.format(x=0, y=0).replace("radial-tangential", "equidistant"), "only pinhole"),
        (SENSOR_YAML.format(x=0, y=0).replace("[8, 6]", "8"), "see a EuRoC sensor.yaml"),
        (SENSOR_YAML.format(x=0, y=0).replace("[8, 6]", "[8]"), "resolution needs 2"),
        (SENSOR_YAML.format(x=0, y=0).replace("[7.0, 7.5", "[.inf, 7.5"), "finite"),
    ],
)
def test_bad_sensor_yaml_says_which_file_and_what(tmp_path, yaml, said):
    with pytest.raises(CalibrationError) as caught:
        load_rig(write_folder(tmp_path, right=yaml))
    assert said in str(caught.value)
    assert str(tmp_path / "cam1" / "sensor.yaml") in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("content", [b"width = ", b"\xff\xfe"])
def test_bad_toml_says_which_file(tmp_path, content):
    (tmp_path / "rig.toml").write_bytes(content)
    with pytest.raises(CalibrationError, match=r"rig\.toml"):
        load_rig(tmp_path / "rig.toml")


def test_a_missing_calibration_says_so(tmp_path):
    with pytest.raises(CalibrationError, match=r"rig\.toml: No such file"):
        load_rig(tmp_path / "rig.toml")
    with pytest.raises(CalibrationError, match=r"cam0/sensor\.yaml: No such file"):
        load_rig(tmp_path)


def test_every_number_of_a_rig_changes_its_hash():
    rig = rig_from_table(EXPLICIT)
    moved = rig.right_from_left.copy()
    moved[1, 3] += 1e-9
    variants = [StereoRig(rig.left, rig.right, moved)]
    for name in ("fx_px", "fy_px", "cx_px", "cy_px"):
        nudged = replace(rig.right, **{name: getattr(rig.right, name) + 1e-9})
        variants.append(StereoRig(rig.left, nudged, rig.right_from_left))
    variants.append(StereoRig(rig.left, rig.left, rig.right_from_left))
    hashes = {calibration_hash(variant) for variant in [rig, *variants]}
    assert len(hashes) == len(variants) + 1


@settings(deadline=None, derandomize=True)
@given(width=st.integers(1, 4000), fov_deg=st.floats(1, 170), baseline_m=st.floats(1e-3, 10))
def test_equal_rigs_share_hash_and_survive_their_table(width, fov_deg, baseline_m):
    rig = ideal_rig(width, 6, fov_deg, baseline_m)
    camera = {
        name: getattr(rig.left, name)
        for name in ("width", "height", "fx_px", "fy_px", "cx_px", "cy_px")
    }
    table = {"left": camera, "right": camera, "right_from_left": rig.right_from_left.tolist()}
    again = rig_from_table(json.loads(json.dumps(table)))
    assert again == rig
    assert hash(again) == hash(rig)


def test_a_rig_cannot_be_changed_from_outside():
    transform = np.array(PARALLEL, float)
    rig = StereoRig(CameraIntrinsics(**CAMERA), CameraIntrinsics(**CAMERA), transform)
    transform[0, 3] = 5
    assert rig.baseline_m == pytest.approx(0.1)
    with pytest.raises(ValueError, match="read-only"):
        rig.right_from_left[0, 3] = 5
