"""The workbench: equal to the bit, whole when restored, and late when asked to be."""

import tomllib
from pathlib import Path

import numpy as np
import pytest

from perception.quantities import InputError
from sim.bench_delays import Delays
from sim.manipulation_tasks import MANIPULATION_TASKS, make_manipulation
from sim.workbench import Workbench, bench_config

ROBOT = tomllib.loads(
    (Path(__file__).parents[1] / "configs" / "robots" / "arm6.toml").read_text(encoding="utf-8")
)
LATE = Delays(action_s=0.04, action_jitter_s=0.04, observation_s=0.06, observation_jitter_s=0.04)


def make_bench(task="lid", delays=None):
    return Workbench(bench_config(ROBOT, make_manipulation(task), delays))


def commands(count, seed=0):
    rng = np.random.default_rng(seed)
    return rng.uniform((-0.25, -0.25, -0.25, 0.0), (0.25, 0.25, 0.25, 0.07), (count, 4))


def content(step):
    """Both scenes of a step, as bytes."""
    return [np.asarray(value).tobytes() for scene in step for value in scene]


@pytest.mark.parametrize("task", MANIPULATION_TASKS)
@pytest.mark.parametrize("delays", [None, LATE], ids=["prompt", "late"])
def test_equal_seeds_and_commands_give_equal_scenes_to_the_bit(task, delays):
    one, other = make_bench(task, delays), make_bench(task, delays)
    for bench in (one, other):
        bench.reset(99, 1)
        bench.step(commands(1)[0])  # another past: a reset forgets it
    assert content(one.reset(7, 0)) == content(other.reset(7, 0))
    for command in commands(12):
        assert content(one.step(command)) == content(other.step(command))
    assert content(one.reset(8, 0)) != content(one.reset(7, 0))


@pytest.mark.parametrize("task", MANIPULATION_TASKS)
@pytest.mark.parametrize("delays", [None, LATE], ids=["prompt", "late"])
def test_a_restored_moment_goes_on_as_it_did_to_the_bit(task, delays):
    bench = make_bench(task, delays)
    bench.reset(3, 0)
    for command in commands(6):
        here = bench.step(command)
    state = bench.save()
    went_on = [content(bench.step(command)) for command in commands(8, seed=1)]
    for restored in (bench, make_bench(task, delays)):
        assert content(restored.restore(state)) == content(here)
        again = [content(restored.step(command)) for command in commands(8, seed=1)]
        assert again == went_on


def test_drawn_things_lie_still_before_anything_moves():
    for task in MANIPULATION_TASKS:
        bench = make_bench(task)
        before = bench.reset(5, 1).truth
        after = bench.step((0.0, 0.0, 0.0, before.gripper_target_m)).truth
        assert after.position_m == pytest.approx(before.position_m, abs=2e-4), task


def test_an_observation_is_as_old_as_its_delay():
    prompt, late = make_bench(), make_bench(delays=Delays(observation_s=0.1))
    speeds = []
    for bench in (prompt, late):
        bench.reset(1)
        for _ in range(3):
            step = bench.step((0.0, 0.25, 0.0, 0.05))
        speeds.append(step)
    assert np.array_equal(speeds[0].truth.tool_position_m, speeds[1].truth.tool_position_m)
    assert np.array_equal(speeds[0].observed.tool_position_m, speeds[0].truth.tool_position_m)
    behind_m = speeds[1].truth.tool_position_m[1] - speeds[1].observed.tool_position_m[1]
    assert behind_m == pytest.approx(0.25 * 0.1, rel=0.1)


def test_a_command_arrives_as_late_as_its_delay():
    prompt, late = make_bench(), make_bench(delays=Delays(action_s=0.08))
    prompt_m, late_m = (
        bench.step((0.0, 0.25, 0.0, 0.05)).truth.tool_target_m[1] - start
        for bench in (prompt, late)
        for start in [bench.reset(1).truth.tool_target_m[1]]
    )
    # 10 ticks of 20 ms at 0.25 m/s, of which the late arm rests 4
    assert prompt_m == pytest.approx(0.05)
    assert late_m == pytest.approx(0.03)


def test_jitter_is_drawn_anew_and_repeats_with_the_seed():
    bench = make_bench(delays=Delays(action_jitter_s=0.16))
    moved = []
    for _ in range(2):
        start_m = bench.reset(4).truth.tool_target_m[1]
        to_and_fro = ((0.0, 0.25, 0.0, 0.05), (0.0, -0.25, 0.0, 0.05)) * 3
        places = [bench.step(command).truth.tool_target_m[1] for command in to_and_fro]
        moved.append(np.diff([start_m, *places]))
    assert np.array_equal(moved[0], moved[1])
    assert len(set(np.abs(moved[0]).round(4))) > 2


def test_the_arm_leaves_the_workspace_box_by_no_more_than_its_servos_lag_in_turns():
    bench = make_bench("drawer")
    bench.reset(0)
    tool, beyond_m = bench.config.arm.tool, 0.02
    for command in np.repeat(np.sign(commands(30)) * (0.25, 0.25, 0.25, 0.0), 4, axis=0):
        place_m = bench.step(command).truth.tool_position_m
        assert (place_m > np.array(tool.workspace_min_m) - beyond_m).all()
        assert (place_m < np.array(tool.workspace_max_m) + beyond_m).all()


@pytest.mark.parametrize("command", [(0, 0, 0), (0, 0, np.nan, 0), "up", None])
def test_a_command_that_is_none_is_refused(command):
    with pytest.raises(InputError, match="4 finite numbers"):
        make_bench().step(command)


def test_goals_and_delays_that_there_are_not_are_refused():
    with pytest.raises(InputError, match="goals 0 to 1"):
        make_bench().reset(0, goal=2)
    with pytest.raises(InputError, match=r"action delay and jitter add up to 0\.2 s"):
        make_bench(delays=Delays(action_s=0.15, action_jitter_s=0.05))
    with pytest.raises(InputError, match="0 or more"):
        Delays(observation_s=-0.1)


def test_a_robot_file_without_a_body_or_with_a_vehicle_is_refused():
    task = make_manipulation("lid")
    with pytest.raises(InputError, match=r"no section \[body\]"):
        bench_config({key: ROBOT[key] for key in ROBOT if key != "body"}, task)
    with pytest.raises(InputError, match="no arm is called 'quadrotor'; valid names: arm6"):
        bench_config({**ROBOT, "body": {"kind": "quadrotor"}}, task)
