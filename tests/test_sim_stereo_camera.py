from dataclasses import dataclass, replace
from functools import cache

import numpy as np
import pytest

from perception.calibration import CameraIntrinsics, StereoRig, ideal_rig
from sim.room_map import Obstacle, RoomMap
from sim.stereo_camera import CameraConfig, CameraError, StereoCamera
from sim.surfaces import draw_look
from sim.task import StartPose
from sim.tasks.room import Room, RoomTask
from sim.world import World, WorldConfig

CLEAN = CameraConfig(auto_exposure=False, shot_noise=0.0, read_noise=0.0, right_gain=1.0)
RIG = WorldConfig().rig
LENS_AHEAD_M = 0.2  # of the vehicle's centre


EMPTY = RoomMap((5.0, 5.0, 3.0))


@dataclass(frozen=True)
class FixedRoom(RoomTask):
    """The room of a given plan, the vehicle in its middle looking along +x."""

    plan: RoomMap = EMPTY

    def draw(self, rng):
        return Room(self.plan, StartPose((0.0, 0.0, 1.5), 0.0), draw_look(self.plan, 0.0, rng))


@cache
def world_of(plan, camera, rig):
    """Drawing textures takes most of the time here: worlds are shared between tests."""
    return World(WorldConfig(FixedRoom(plan=plan), camera=camera, rig=rig), seed=8)


def look(plan=EMPTY, camera=CLEAN, rig=RIG, position_w_m=(0.0, 0.0, 1.5), yaw_rad=0.0):
    """The pair seen from a pose, float64 (H, W) each."""
    world = world_of(plan, camera, rig)
    world.reset()
    world.place(position_w_m, yaw_rad)
    images = world.step(0.1).images
    return np.float64(images.left), np.float64(images.right)


def disparity_of_centre(left, right):
    """Sub-pixel shift that best matches the middle of the left image, by least squares."""
    rows, columns = slice(24, 72), slice(40, 88)
    template = left[rows, columns]
    errors = np.array([((template - right[rows, 40 - d : 88 - d]) ** 2).mean() for d in range(16)])
    best = int(np.clip(errors.argmin(), 1, 14))
    before, at, after = errors[best - 1 : best + 2]
    return best + 0.5 * (before - after) / (before - 2 * at + after)


@pytest.mark.parametrize("distance_m", [0.9, 1.3, 2.0])
@pytest.mark.parametrize("yaw_rad", [0.0, np.pi / 2, np.pi])
def test_a_wall_shows_the_disparity_of_its_distance(distance_m, yaw_rad):
    ahead_m = 2.5 - LENS_AHEAD_M - distance_m
    position = (ahead_m * np.cos(yaw_rad), ahead_m * np.sin(yaw_rad), 1.5)
    left, right = look(position_w_m=position, yaw_rad=yaw_rad)
    expected_px = RIG.left.fx_px * RIG.baseline_m / distance_m
    assert disparity_of_centre(left, right) == pytest.approx(expected_px, abs=0.25)


def test_the_first_view_is_that_of_the_start_pose():
    world = world_of(EMPTY, CLEAN, RIG)
    first, hovering = world.reset().images.left, world.step(0.1).images.left
    assert np.abs(np.float64(first) - hovering).mean() < 0.1 * first.std()


def test_what_stands_on_the_left_is_on_the_left_of_the_image():
    pillar = Obstacle("pillar 0", "pillar", "cylinder", (1.5, 0.5, 1.5), (0.2, 0.2, 1.5), 0.0)
    with_pillar, _ = look(RoomMap(EMPTY.size_m, (pillar,)))
    without, _ = look()
    changed = np.abs(with_pillar - without).max(axis=0) > 8  # (W,)
    assert changed[:64].sum() > 10
    assert not changed[64:].any()


def test_what_hangs_from_the_ceiling_is_at_the_top_of_the_image():
    lamp = Obstacle("hanging 0", "hanging", "box", (1.5, 0.0, 2.4), (0.2, 0.2, 0.6), 0.0)
    with_lamp, _ = look(RoomMap(EMPTY.size_m, (lamp,)))
    without, _ = look()
    changed = np.abs(with_lamp - without).max(axis=1) > 8  # (H,)
    assert changed[:40].any()
    assert not changed[48:].any()


def test_an_obstacle_is_as_wide_in_the_image_as_the_pinhole_says():
    # 0.4 m wide, its face 1.1 m in front of the lens: 115.5 px * 0.4 / 1.1 = 42 px.
    box = Obstacle("box 0", "box", "box", (1.5, 0.0, 1.5), (0.2, 0.2, 1.5), 0.0)
    with_box, _ = look(RoomMap(EMPTY.size_m, (box,)))
    without, _ = look()
    changed = np.flatnonzero(np.abs(with_box - without).max(axis=0) > 4)
    assert changed[-1] - changed[0] + 1 == pytest.approx(RIG.left.fx_px * 0.4 / 1.1, abs=4)


@pytest.mark.parametrize(("width", "height"), [(64, 48), (320, 240), (128, 64)])
def test_images_have_the_size_of_the_rig(width, height):
    left, right = look(rig=ideal_rig(width, height, 58.0, 0.06))
    assert left.shape == right.shape == (height, width)
    assert left.std() > 3


def test_noise_has_the_stated_size():
    noisy = replace(CLEAN, shot_noise=0.04, read_noise=1.0)
    clean, _ = look()
    left, _ = look(camera=noisy)
    lit = (clean > 20) & (clean < 230)
    expected = np.sqrt(1.0 + 0.04 * clean[lit] + 1 / 12)  # read, shot, rounding
    assert ((left - clean)[lit] / expected).std() == pytest.approx(1.0, abs=0.05)


def test_gain_brightens_the_image_in_proportion():
    plain, _ = look()
    bright, _ = look(camera=replace(CLEAN, gain=1.2))
    free = (plain > 20) & (bright < 250)
    assert (bright[free] / plain[free]).mean() == pytest.approx(1.2, abs=0.01)


def test_auto_exposure_reaches_its_target_late():
    camera = replace(CLEAN, auto_exposure=True, gain=0.5, target_brightness=100.0)
    world = world_of(EMPTY, camera, RIG)
    means = [world.reset().images.left.mean()]
    means += [world.step(0.1, (0.0, 0.0, 1.5)).images.left.mean() for _ in range(30)]
    assert abs(means[1] - 100.0) > 0.3 * abs(means[0] - 100.0)
    assert means[-1] == pytest.approx(100.0, abs=5.0)


@pytest.mark.parametrize("rate_hz", [10.0, 15.0])
def test_images_come_at_the_camera_rate(rate_hz):
    camera = replace(CLEAN, rate_hz=rate_hz)
    world = world_of(EMPTY, camera, RIG)
    world.reset()
    taken = [world.step(0.02).images_time_s for _ in range(100)]
    times_s = [time_s for time_s in taken if time_s is not None]
    assert len(times_s) == 2.0 * rate_hz
    assert np.diff(times_s) == pytest.approx(1 / rate_hz, abs=0.0021)


def test_drawing_time_is_reported_with_images_only():
    world = world_of(EMPTY, CLEAN, RIG)
    world.reset()
    for _ in range(10):
        sensors = world.step(0.02)
        assert (sensors.render_s > 0) == (sensors.images is not None)


def test_a_rig_that_cannot_be_simulated_is_refused():
    lens = RIG.left
    bent = replace(lens, distortion=(0.1, 0.0, 0.0, 0.0))
    with pytest.raises(CameraError, match="no distortion"):
        StereoCamera(CLEAN, StereoRig(bent, bent, RIG.right_from_left))
    long_lens = CameraIntrinsics(lens.width, lens.height, 200.0, 200.0, lens.cx_px, lens.cy_px)
    with pytest.raises(CameraError, match="parallel pair of equal lenses"):
        StereoCamera(CLEAN, StereoRig(lens, long_lens, RIG.right_from_left))
    with pytest.raises(CameraError, match="rate_hz"):
        StereoCamera(replace(CLEAN, rate_hz=-1.0), RIG)
