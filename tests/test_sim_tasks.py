import itertools

import numpy as np
import pytest

from perception.tables import load_item
from sim.gl import mujoco
from sim.tasks import TASKS
from sim.tasks.room import FLIGHT_BAND_M, RoomError, RoomTask, draw_map, is_connected
from sim.textures import TEXTURES

SEEDS = range(200)


def draw(seed, **options):
    task = RoomTask(**options)
    return task, draw_map(task, np.random.default_rng(seed))


@pytest.fixture(scope="module")
def rooms():
    """200 rooms with every number of obstacles there can be up to 6."""
    return [draw(seed, obstacles=seed % 7) for seed in SEEDS]


@pytest.mark.parametrize("name", TASKS)
def test_each_task_draws_a_scene_that_mujoco_compiles(name):
    scene = load_item(TASKS, "task", name)().draw(np.random.default_rng(0))
    spec = mujoco.MjSpec()
    scene.add_to(spec)
    model = spec.compile()
    named = {model.geom(i).name for i in range(model.ngeom)}
    assert {obstacle.name for obstacle in scene.map.obstacles} <= named
    x, y, z = scene.start.position_w_m
    assert scene.map.clearance_m(np.array([x, y]), z) >= 0.8


@pytest.mark.parametrize("name", TASKS)
def test_each_task_draws_equal_scenes_from_equal_seeds_only(name):
    task = load_item(TASKS, "task", name)()
    first, again, other = (task.draw(np.random.default_rng(seed)) for seed in (1, 1, 2))
    assert first == again
    assert first != other


@pytest.mark.parametrize("name", TASKS)
def test_each_task_rewards_progress_and_punishes_mishaps(name):
    task = load_item(TASKS, "task", name)()
    assert task.reward(0.1, False, False) > task.reward(0.0, False, False)
    assert task.reward(0.1, True, False) < task.reward(0.1, False, False)
    assert task.reward(0.1, False, True) < task.reward(0.1, False, False)


def test_rooms_hold_the_number_of_obstacles_asked_for(rooms):
    assert all(len(room.obstacles) == task.obstacles for task, room in rooms)


def test_obstacles_are_wide_and_high_at_flight_altitude(rooms):
    low, high = FLIGHT_BAND_M
    assert high - low >= 0.6 - 1e-9
    for obstacle in itertools.chain.from_iterable(room.obstacles for _, room in rooms):
        assert 2 * min(obstacle.half_size_m[:2]) >= 0.4
        assert obstacle.bottom_m <= low
        assert obstacle.top_m >= high


def test_obstacles_stand_on_the_floor_or_hang_from_the_ceiling(rooms):
    for obstacle in itertools.chain.from_iterable(room.obstacles for _, room in rooms):
        on_floor, at_ceiling = obstacle.bottom_m == 0, np.isclose(obstacle.top_m, 3.0)
        assert (on_floor, at_ceiling) == {
            "pillar": (True, True),
            "box": (True, False),
            "hanging": (False, True),
        }[obstacle.kind]


def test_every_kind_and_shape_occurs(rooms):
    drawn = {(o.kind, o.shape) for _, room in rooms for o in room.obstacles}
    assert len(drawn) == 6


def test_obstacles_are_inside_the_room_and_keep_the_gap_to_each_other(rooms):
    for task, room in rooms:
        for obstacle in room.obstacles:
            assert (np.abs(obstacle.outline_w_m()) <= 2.5 + 1e-9).all()
        for one, other in itertools.combinations(room.obstacles, 2):
            assert one.distance_m(other.outline_w_m()).min() >= task.gap_m - 1e-9


def test_obstacles_touch_a_wall_or_leave_a_passage(rooms):
    for task, room in rooms:
        for obstacle in room.obstacles:
            to_walls = 2.5 - np.abs(obstacle.outline_w_m()).max()
            assert to_walls < 0.01 or to_walls >= task.wall_gap_m - 1e-9


def test_no_room_has_a_pocket(rooms):
    assert all(is_connected(room) for _, room in rooms)


def test_rooms_crowded_with_broad_obstacles_have_no_pocket_either():
    crowded = {"width_m": (1.0, 1.6), "gap_m": 0.05, "wall_gap_m": 0.05, "start_clearance_m": 0.4}
    for seed in range(20):
        assert is_connected(draw(seed, obstacles=4, **crowded)[1])


def test_a_bar_across_the_room_makes_a_pocket():
    _, room = draw(0, obstacles=1)
    bar = room.obstacles[0].__class__("bar", "box", "box", (0, 0, 1.5), (2.5, 0.1, 1.5), 0.0)
    assert not is_connected(room.__class__(room.size_m, (bar,)))


def test_thin_obstacles_are_thin():
    for seed in range(20):
        _, room = draw(seed, thin_obstacles=True)
        widths = [2 * half for o in room.obstacles for half in o.half_size_m[:2]]
        assert all(0.05 <= width <= 0.15 for width in widths)


def test_eight_obstacles_fit():
    assert len(draw(3, obstacles=8)[1].obstacles) == 8


@pytest.mark.parametrize("obstacles", [-1, 9])
def test_too_many_obstacles_are_refused(obstacles):
    with pytest.raises(RoomError, match="0 to 8"):
        RoomTask(obstacles=obstacles)


def test_an_impossible_room_is_refused_with_what_to_change():
    with pytest.raises(RoomError, match="fewer obstacles, a larger room or smaller gaps"):
        draw(0, obstacles=3, gap_m=9.0)


def test_plain_surfaces_are_a_minority_and_never_two_walls():
    plain, total = 0, 0
    for seed in range(60):
        look = RoomTask().draw(np.random.default_rng(seed)).look
        walls = [TEXTURES[wall.family].plain for wall in look.walls]
        surfaces = walls + [TEXTURES[s.family].plain for s in look.obstacles]
        plain, total = plain + sum(surfaces), total + len(surfaces)
        assert sum(walls) <= 1
    assert 0.03 < plain / total < 0.2
