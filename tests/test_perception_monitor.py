"""Laws of the monitor of stereo, on a wall that slides past a pair of known geometry."""

from collections import Counter

import cv2
import numpy as np
import pytest

from perception.calibration import CameraIntrinsics, StereoRig
from perception.corruption import Side, make_corruption
from perception.decalibration import DecalibrationConfig, DecalibrationDrift
from perception.geometry import Rectifier
from perception.monitor import MonitorConfig, Reason, StereoMonitor
from perception.quantities import StereoDepth, StereoImages

WIDTH, HEIGHT, DISPARITY_PX = 128, 96, 8
STEP_NS = 100_000_000


def rig():
    camera = CameraIntrinsics(WIDTH, HEIGHT, 115.459, 115.459, 63.5, 47.5, ())
    right_from_left = np.eye(4)
    right_from_left[0, 3] = -0.06
    return StereoRig(camera, camera, right_from_left)


def scene():
    """Smooth noise, (H, 3 W) float."""
    noise = np.random.default_rng(0).normal(size=(HEIGHT, 3 * WIDTH))
    fine, coarse = (cv2.GaussianBlur(noise, (0, 0), s) for s in (1.5, 5.0))
    return 128 + 30 * fine / fine.std() + 25 * coarse / coarse.std()


def flight(count, speed_px=2, noise=1.0):
    """Pairs before the sliding wall, each eye with noise of its own."""
    wall, rng = scene(), np.random.default_rng(1)
    for k in range(count):
        first = speed_px * k
        views = (wall[:, first + shift :][:, :WIDTH] for shift in (0, DISPARITY_PX))
        noisy = (view + rng.normal(0, noise, view.shape) for view in views)
        yield StereoImages(*(np.clip(np.rint(view), 0, 255).astype(np.uint8) for view in noisy))


def truth():
    """What a teacher would say of the wall where it is seen by both."""
    disparity_px = np.full((HEIGHT, WIDTH), DISPARITY_PX, np.float32)
    depth_m = 115.459 * 0.06 / disparity_px
    depth_m[:, :DISPARITY_PX] = np.nan
    return StereoDepth(disparity_px, depth_m, np.ones_like(depth_m))


def verdicts(corruption=None, side=Side.RIGHT, at=15, count=60, depth=None, **options):
    """The verdicts from frame `at` on, where the corruption begins."""
    monitor = StereoMonitor(rig())
    change = make_corruption(corruption, options, np.random.default_rng(2)) if corruption else None
    found = []
    for k, pair in enumerate(flight(count)):
        bad = change.corrupt(pair, side) if change and k >= at else pair
        found.append(monitor.judge(bad, depth or truth(), k * STEP_NS))
    assert all(verdict.ok for verdict in found[:at])
    return found[at:]


def delay_s(found):
    return next(k for k, verdict in enumerate(found) if not verdict.ok) * STEP_NS / 1e9


def test_a_good_pair_is_well_all_the_time():
    assert {verdict.reason for verdict in verdicts(count=100)} == {Reason.OK}


@pytest.mark.parametrize(
    ("corruption", "side", "options", "reason", "bar_s"),
    [
        ("unplugged", Side.RIGHT, {}, Reason.UNPLUGGED, 0.2),
        ("unplugged", Side.LEFT, {}, Reason.UNPLUGGED, 0.2),
        ("black", Side.RIGHT, {}, Reason.BLACK, 0.2),
        ("black", Side.BOTH, {}, Reason.BLACK, 0.2),
        ("frozen", Side.LEFT, {}, Reason.FROZEN, 0.5),
        ("frozen", Side.BOTH, {}, Reason.FROZEN, 0.5),
        ("frozen", Side.RIGHT, {"read_noise": 2.0}, Reason.FROZEN, 0.5),
        ("covered", Side.RIGHT, {}, Reason.COVERED, 1.0),
        ("covered", Side.LEFT, {"part": 0.5}, Reason.COVERED, 1.0),
        ("swapped", Side.BOTH, {}, Reason.SWAPPED, 1.0),
        ("rotated", Side.RIGHT, {"degrees": 0.5}, Reason.DECALIBRATED, 5.0),
        ("rotated", Side.RIGHT, {"degrees": -0.5, "axis": "pitch"}, Reason.DECALIBRATED, 5.0),
        ("rotated", Side.LEFT, {"degrees": 1.0, "axis": "pitch"}, Reason.DECALIBRATED, 5.0),
    ],
)
def test_a_fault_is_named_in_time_and_for_as_long_as_it_lasts(
    corruption, side, options, reason, bar_s
):
    found = verdicts(corruption, side, **options)
    assert delay_s(found) <= bar_s
    late = found[round(bar_s * 1e9 / STEP_NS) :]
    assert not any(verdict.ok for verdict in late)
    said = Counter(verdict.reason for verdict in found if not verdict.ok)
    assert said.most_common(1)[0][0] == reason


@pytest.mark.parametrize(("axis", "which"), [("pitch", 0), ("roll", 1)])
def test_the_angle_is_that_of_the_camera_where_the_disparity_is_known(axis, which):
    drift = DecalibrationDrift(Rectifier(rig()).view, DecalibrationConfig())
    turned = make_corruption("rotated", {"axis": axis, "degrees": 0.5}, np.random.default_rng(0))
    for k, pair in enumerate(flight(40)):
        drift.see(turned.corrupt(pair, Side.RIGHT), truth(), k * STEP_NS)
    angles_deg = np.abs(drift.angles_deg)
    assert angles_deg[which] == pytest.approx(0.5, abs=0.12)
    assert angles_deg[1 - which] < 0.1


def test_a_bare_wall_is_no_texture():
    nothing = StereoDepth(*(np.full((HEIGHT, WIDTH), np.nan, np.float32),) * 2, np.zeros((96, 128)))
    monitor = StereoMonitor(rig())
    grey = np.random.default_rng(0)
    found = [
        monitor.judge(
            StereoImages(*grey.normal(120, 1, (2, HEIGHT, WIDTH)).astype(np.uint8)),
            nothing,
            k * STEP_NS,
        )
        for k in range(20)
    ]
    assert {verdict.reason for verdict in found[10:]} == {Reason.NO_TEXTURE}


def test_a_plug_put_back_is_well_after_the_time_to_clear():
    monitor = StereoMonitor(rig())
    pairs = list(flight(40))
    gone = [pair._replace(right=np.empty((0, 0), np.uint8)) for pair in pairs[5:8]]
    shown = [*pairs[:5], *gone, *pairs[8:]]
    found = [monitor.judge(pair, truth(), k * STEP_NS) for k, pair in enumerate(shown)]
    back = 7 + round(MonitorConfig().clear_s * 1e9 / STEP_NS)
    assert [verdict.ok for verdict in found] == [True] * 5 + [False] * (back - 5) + [True] * (
        40 - back
    )
    assert {verdict.reason for verdict in found[5:back]} == {Reason.UNPLUGGED}


def test_what_is_over_is_taken_back_after_the_time_to_clear():
    monitor = StereoMonitor(rig())
    black = make_corruption("black", {}, np.random.default_rng(0))
    shown = [
        black.corrupt(pair, Side.LEFT) if 10 <= k < 20 else pair
        for k, pair in enumerate(flight(60))
    ]
    found = [monitor.judge(pair, truth(), k * STEP_NS) for k, pair in enumerate(shown)]
    clear = 20 + round(MonitorConfig().clear_s * 1e9 / STEP_NS)
    assert not any(verdict.ok for verdict in found[11 : clear - 1])
    assert all(verdict.ok for verdict in found[clear:])
