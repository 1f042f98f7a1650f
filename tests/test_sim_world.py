import itertools
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from perception.quantities import InputError
from sim.stereo_camera import CameraConfig
from sim.tasks.room import RoomTask
from sim.world import PHYSICS_STEP_S, StepError, World, WorldConfig, load_world_config

ALTITUDE_M = 1.4
HOVER = (0.0, 0.0, ALTITUDE_M)
AHEAD = (0.5, 0.0, ALTITUDE_M)
BLIND = CameraConfig(rate_hz=0)
HALL = WorldConfig(RoomTask(obstacles=0, size_m=(12.0, 12.0, 3.0)), camera=BLIND)
ROOM = WorldConfig(RoomTask(obstacles=4))
ROBOT_FILE = Path(__file__).parents[1] / "configs" / "robots" / "ardrone.toml"


@pytest.fixture(scope="module")
def hall():
    """A large empty hall without cameras, for flying; begin with `reset`."""
    return World(HALL, seed=0)


@pytest.fixture(scope="module")
def room():
    """A furnished room with cameras; begin with `reset`."""
    with World(ROOM, seed=3) as world:
        yield world


def fly(world, seconds, command, dt_s=0.02):
    return [world.step(dt_s, command) for _ in range(round(seconds / dt_s))]


def begin_hovering(world):
    """In the middle of the hall, settled."""
    world.reset()
    world.place((0.0, 0.0, ALTITUDE_M), 0.0)
    return fly(world, 2.0, HOVER)[-1]


def positions(flight):
    return np.array([sensors.pose.position_w_m for sensors in flight])


def forward_speeds(flight):
    """Along the true heading, m/s."""
    return np.array(
        [
            np.cos(s.pose.yaw_rad) * s.pose.velocity_w_m_s[0]
            + np.sin(s.pose.yaw_rad) * s.pose.velocity_w_m_s[1]
            for s in flight
        ]
    )


def content(sensors):
    """Everything in a Sensors but the wall time spent drawing, as bytes and plain values."""
    parts = [replace_none(sensors.images), sensors.imu, sensors.pose, [sensors.velocity_b_m_s]]
    arrays = [array.tobytes() for array in itertools.chain.from_iterable(parts)]
    return (
        *arrays,
        sensors.time_s,
        sensors.altitude_m,
        sensors.images_time_s,
        sensors.collision,
        sensors.put_back,
        sensors.hovering_on_watchdog,
    )


def replace_none(images):
    return () if images is None else images


def mixed_flight(world, steps=25):
    """Flies about, with steps of several lengths and some without a command."""
    commands = [(0.6, 0.8, 1.5), None, (0.3, -1.5, 1.3), (1.0, 0.0, 1.4), None]
    lengths = [0.1, 0.02, 0.034, 0.006]
    return [
        content(world.step(lengths[i % len(lengths)], commands[i % len(commands)]))
        for i in range(steps)
    ]


def test_it_begins_at_the_start_pose_level_and_at_rest(room):
    sensors = room.reset()
    assert sensors.time_s == 0.0
    assert tuple(sensors.pose.position_w_m) == room.scene.start.position_w_m
    assert sensors.pose.yaw_rad == pytest.approx(room.scene.start.yaw_rad)
    assert not sensors.pose.velocity_w_m_s.any()
    assert sensors.images is not None
    assert sensors.images_time_s == 0.0


def test_a_reset_after_a_flight_shows_the_first_view_again(room):
    first = content(room.reset(3))
    fly(room, 1.0, (0.5, 1.0, ALTITUDE_M), dt_s=0.1)
    assert content(room.reset()) == first


def test_hovering_drifts_by_centimetres(hall):
    begin_hovering(hall)
    drift = positions(fly(hall, 10.0, HOVER)) - hall.data.qpos[:3]
    assert np.linalg.norm(drift[:, :2], axis=1).max() < 0.15
    assert np.abs(drift[:, 2]).max() < 0.05


def test_forward_speed_is_reached_soon_with_little_overshoot(hall):
    begin_hovering(hall)
    speeds = forward_speeds(fly(hall, 3.0, AHEAD))
    assert np.argmax(speeds > 0.45) * 0.02 < 1.0
    assert speeds.max() < 1.15 * 0.5
    assert speeds[100:].mean() == pytest.approx(0.5, abs=0.05)


def test_it_stops_within_a_third_of_a_metre(hall):
    begin_hovering(hall)
    start = positions(fly(hall, 3.0, AHEAD))[-1]
    stopping = positions(fly(hall, 2.0, HOVER)) - start
    assert np.linalg.norm(stopping[:, :2], axis=1).max() < 0.35


def test_yaw_rate_is_followed_and_stops(hall):
    begin_hovering(hall)
    turning = fly(hall, 1.5, (0.0, 1.0, ALTITUDE_M))
    assert turning[-1].pose.yaw_rad == pytest.approx(1.5, abs=0.15)
    rates = [sensors.imu.gyro_rad_s[2] for sensors in fly(hall, 1.0, HOVER)[25:]]
    assert np.mean(rates) == pytest.approx(0.0, abs=0.05)


def test_altitude_commands_are_followed(hall):
    begin_hovering(hall)
    end = fly(hall, 4.0, (0.0, 0.0, 2.0))[-1]
    assert end.pose.position_w_m[2] == pytest.approx(2.0, abs=0.05)
    assert end.altitude_m == pytest.approx(2.0, abs=0.08)


def test_velocity_is_measured_in_the_body_frame(hall):
    begin_hovering(hall)
    hall.place((0.0, 0.0, ALTITUDE_M), np.pi / 2)
    measured = np.mean([s.velocity_b_m_s for s in fly(hall, 3.0, AHEAD)[100:]], axis=0)
    assert measured == pytest.approx([0.5, 0.0, 0.0], abs=0.06)


def test_when_commands_stop_it_hovers_on_its_watchdog(hall):
    begin_hovering(hall)
    assert not fly(hall, 3.0, AHEAD)[-1].hovering_on_watchdog
    silent = fly(hall, 3.0, None)
    timeout_s = hall.config.body.command_timeout_s
    assert not any(s.hovering_on_watchdog for s in silent[:2])  # 0.06 s since the last command
    assert all(s.hovering_on_watchdog for s in silent[round(timeout_s / 0.02) + 1 :])
    assert abs(forward_speeds(silent)[-50:]).max() < 0.06
    assert not hall.step(0.02, HOVER).hovering_on_watchdog


def test_flying_into_a_wall_is_one_collision_and_then_a_put_back(hall):
    begin_hovering(hall)
    hall.place((4.0, 0.0, ALTITUDE_M), 0.0)
    flight = fly(hall, 7.0, AHEAD)
    collisions = [s.collision for s in flight if s.collision]
    put_backs = [s.put_back for s in flight if s.put_back]
    assert [collision.what for collision in collisions] == ["wall east"]
    assert collisions[0].position_w_m[0] == pytest.approx(6.0 - 0.26, abs=0.03)
    assert [put_back.reason for put_back in put_backs] == ["stuck"]
    # At 0.5 m/s it was a metre away two seconds before; the trouble begins after the last bounce.
    before_m = collisions[0].position_w_m[0] - put_backs[0].to_w_m[0]
    assert 0.6 < before_m < 1.1
    assert positions(flight)[-1][0] > put_backs[0].to_w_m[0]


def test_a_flipped_vehicle_is_put_back_level_and_flies_on(hall):
    begin_hovering(hall)
    hall.push((0.0, 0.0, 0.0), (0.06, 0.0, 0.0))
    flight = fly(hall, 8.0, HOVER)
    put_backs = [s.put_back for s in flight if s.put_back]
    assert len(put_backs) == 1
    assert np.linalg.norm(np.array(put_backs[0].to_w_m) - (0.0, 0.0, ALTITUDE_M)) < 0.1
    assert positions(flight)[-1] == pytest.approx(put_backs[0].to_w_m, abs=0.2)


def test_a_knock_is_flown_out(hall):
    begin_hovering(hall)
    hall.push((0.3, 0.2, -0.1), (0.01, -0.01, 0.002))
    flight = fly(hall, 4.0, HOVER)
    assert not any(s.put_back for s in flight)
    assert np.linalg.norm(flight[-1].pose.velocity_w_m_s) < 0.1


def test_nothing_teleports_but_a_put_back(hall):
    begin_hovering(hall)
    hall.place((4.6, 0.0, ALTITUDE_M), 0.0)
    before = hall.data.qpos[:3].copy()
    for _ in range(3000):
        sensors = hall.step(PHYSICS_STEP_S, (1.5, 0.3, ALTITUDE_M))
        moved = np.linalg.norm(sensors.pose.position_w_m - before)
        assert sensors.put_back or moved < 3.0 * PHYSICS_STEP_S
        before = sensors.pose.position_w_m


def test_one_long_step_equals_short_ones_to_the_bit(room):
    room.reset()
    for _ in range(5):
        long = room.step(0.1, AHEAD)
    room.reset()
    for _ in range(5):
        taken = [room.step(0.02, AHEAD) for _ in range(5)]  # the link repeats what it was told
    assert content(long) == content(taken[-1])


def test_of_several_images_due_in_a_step_the_newest_comes(room):
    room.reset()
    sensors = room.step(0.35, HOVER)
    assert sensors.images_time_s == pytest.approx(0.3)
    assert room.step(0.04, HOVER).images is None
    assert room.step(0.01 + 2 * PHYSICS_STEP_S, HOVER).images_time_s == pytest.approx(0.4)


def test_equal_seeds_and_commands_give_equal_sensors_to_the_bit(room):
    room.reset(3)
    flight = mixed_flight(room)
    with World(ROOM, seed=3) as twin:
        assert mixed_flight(twin) == flight
        twin.reset()
        assert mixed_flight(twin) == flight


def test_other_seeds_give_other_rooms_and_other_noise(room):
    first = content(room.reset(3))
    with World(ROOM, seed=4) as other:
        assert other.room != room.room
        assert content(other.reset()) != first


def test_two_worlds_at_a_time_do_not_disturb_each_other(room):
    room.reset(3)
    alone = [content(room.step(0.1, AHEAD)) for _ in range(3)]
    room.reset()
    with World(ROOM, seed=4) as other:
        together = []
        for _ in range(3):
            together.append(content(room.step(0.1, AHEAD)))
            other.step(0.1, AHEAD)
    assert together == alone


def test_drawing_does_not_change_the_flight(room):
    room.reset(3)
    seen = [room.step(0.1, (0.5, 0.5, ALTITUDE_M)).pose.position_w_m for _ in range(20)]
    blind = World(replace(ROOM, camera=BLIND), seed=3)
    flown = [blind.step(0.1, (0.5, 0.5, ALTITUDE_M)).pose.position_w_m for _ in range(20)]
    assert np.array_equal(seen, flown)


@pytest.mark.parametrize("fresh", [False, True])
def test_a_restored_world_continues_to_the_bit(room, fresh):
    room.reset(3)
    mixed_flight(room, 11)
    state = room.save()
    flight = mixed_flight(room)
    with World(ROOM, seed=5) as other:
        world = other if fresh else room
        for _ in range(2):  # what was saved must not change while it is used
            world.restore(state)
            assert world.time_s == pytest.approx(state.tick * PHYSICS_STEP_S)
            assert mixed_flight(world) == flight


def test_carried_into_another_room_it_begins_at_that_rooms_start_and_time_goes_on(room):
    room.reset(3)
    mixed_flight(room, 11)
    time_s, first = room.time_s, room.room
    room.carry(4)
    there = room.room
    assert there != first
    sensors = room.step(0.1, HOVER)
    assert sensors.time_s == pytest.approx(time_s + 0.1)
    start = room.scene.start.position_w_m
    assert np.linalg.norm(sensors.pose.position_w_m - start) < 0.02
    assert sensors.images_time_s is not None  # the camera keeps its rate
    room.carry(3)
    assert room.room == first
    with World(ROOM, seed=4) as other:
        assert other.room == there


def test_a_state_saved_in_another_room_continues_there_to_the_bit(room):
    room.reset(3)
    room.carry(4)
    mixed_flight(room, 11)
    state = room.save()
    flight = mixed_flight(room)
    room.reset(3)
    room.restore(state)
    assert mixed_flight(room) == flight


def test_a_state_saved_during_a_collision_continues_to_the_bit(hall):
    begin_hovering(hall)
    hall.place((5.5, 0.0, ALTITUDE_M), 0.0)
    while not hall.step(0.002, AHEAD).collision:
        pass
    state = hall.save()
    flight = [content(s) for s in fly(hall, 3.0, AHEAD)]
    hall.restore(state)
    assert [content(s) for s in fly(hall, 3.0, AHEAD)] == flight


@pytest.mark.parametrize("dt_s", [0.0, -0.1, 0.001, 0.0031, 1.5, float("nan")])
def test_steps_that_are_no_multiple_of_the_physics_step_are_refused(hall, dt_s):
    with pytest.raises(StepError, match=r"multiple of 0\.002 up to 1\.0 s"):
        hall.step(dt_s)


@pytest.mark.parametrize("command", [(0.0, 0.0), (0.0, 0.0, float("nan")), "ahead", [[0.0] * 3]])
def test_commands_that_are_not_three_finite_numbers_are_refused(hall, command):
    before = hall.time_s
    with pytest.raises(StepError, match="3 finite numbers"):
        hall.step(0.02, command)
    assert hall.time_s == before


def test_the_robot_file_makes_the_default_world():
    config = load_world_config(ROBOT_FILE)
    assert config == WorldConfig()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[rig]\n", r"no section \[body\]"),
        ("[body]\n[rig]\nwidth = 1\n", "missing"),
        ('[body]\nkind = "kite"\n[rig]\n', "quadrotor"),
        ("[body\n", "cannot read robot file"),
    ],
)
def test_a_wrong_robot_file_gets_one_clear_line(tmp_path, text, message):
    path = tmp_path / "robot.toml"
    path.write_text(text)
    with pytest.raises(InputError, match=message) as caught:
        load_world_config(path)
    assert "\n" not in str(caught.value)


def test_a_command_holds_for_a_step_that_is_longer_than_the_watchdog():
    with World(HALL, seed=0) as world:
        assert HALL.body.command_timeout_s < 0.1
        assert not world.step(0.1, AHEAD).hovering_on_watchdog
        assert world.step(0.1).hovering_on_watchdog
