"""Closed-form depth against arithmetic and against the engine's own rays."""

import math

import numpy as np
import pytest

from perception.geometry import RectifiedView
from sim.gl import mujoco
from sim.room_map import Obstacle, RoomMap
from sim.stereo_camera import CameraConfig
from sim.tasks.room import RoomTask
from sim.true_depth import true_depth_m
from sim.world import World, WorldConfig

LEVEL = (1.0, 0.0, 0.0, 0.0)
NOSE = (0.0, 0.0, 0.0)
VIEW = RectifiedView(9, 7, focal_px=8.0, cx_px=4.0, cy_px=3.0, baseline_m=0.06)
ROOM = RoomMap((5.0, 5.0, 3.0))


def test_a_wall_ahead_has_the_same_depth_in_every_column_that_sees_it():
    depth = true_depth_m(ROOM, (0.5, 0, 1.5), LEVEL, NOSE, VIEW)
    np.testing.assert_allclose(depth[3], 2.0, atol=1e-6)


def test_the_floor_is_as_far_as_the_rays_slope_says():
    # 1 m above the floor, two rows below the axis: slope 2/8, so the floor is 4 m ahead
    depth = true_depth_m(ROOM, (-2.4, 0, 1.0), LEVEL, NOSE, VIEW)
    assert depth[5, 4] == pytest.approx(4.0)


def test_the_lens_stands_where_the_body_carries_it():
    turned = (math.cos(math.pi / 4), 0.0, 0.0, math.sin(math.pi / 4))  # to the left, along +y
    depth = true_depth_m(ROOM, (0, 0, 1.5), turned, (0.2, 0, 0), VIEW)
    assert depth[3, 4] == pytest.approx(2.3)


def test_from_outside_of_the_room_nothing_is_known():
    assert np.isinf(true_depth_m(ROOM, (3.0, 0, 1.5), LEVEL, NOSE, VIEW)).all()


@pytest.mark.parametrize("shape", ["box", "cylinder"])
def test_an_obstacle_hides_the_wall_only_where_it_stands(shape):
    pillar = Obstacle("p", "pillar", shape, (1.0, 0.0, 1.5), (0.2, 0.2, 1.5), 0.0)
    depth = true_depth_m(RoomMap(ROOM.size_m, (pillar,)), (0, 0, 1.5), LEVEL, NOSE, VIEW)
    assert depth[3, 4] == pytest.approx(0.8)
    assert depth[3, 0] == pytest.approx(2.5)


@pytest.mark.parametrize("seed", [1001, 1002, 1003])
def test_rays_end_where_the_engines_own_rays_end(seed):
    config = WorldConfig(task=RoomTask(obstacles=6), camera=CameraConfig(rate_hz=0))
    with World(config, seed) as world:
        world.place(world.scene.start.position_w_m, 0.7)
        world.push((0.05, 0.02, 0.0), (1e-3, 2e-3, 0.0))
        sensors = world.step(0.1)  # tilted by now
        pose, camera = sensors.pose, np.array([0.1, 0.03, 0.0])
        depth = true_depth_m(world.room, pose.position_w_m, pose.quaternion_wxyz, camera, VIEW)
        rotation = np.empty(9)
        mujoco.mju_quat2Mat(rotation, pose.quaternion_wxyz)
        rotation = rotation.reshape(3, 3)
        origin = pose.position_w_m + rotation @ camera
        mujoco.mj_forward(world.model, world.data)
        for row in range(VIEW.height):
            for column in range(VIEW.width):
                ray = rotation @ [1.0, (4.0 - column) / 8.0, (3.0 - row) / 8.0]
                length = np.linalg.norm(ray)
                found = mujoco.mj_ray(
                    world.model, world.data, origin, ray / length, TOUCHED, 1,
                    world.model.body("vehicle").id, np.zeros(1, np.int32), None,
                )  # fmt: skip
                assert depth[row, column] == pytest.approx(found / length, rel=1e-4)


TOUCHED = np.array([1, 0, 1, 1, 1, 1], np.uint8)  # geoms that are touched and walls
