"""From tool velocity to joint targets: slew, box, ranges and speeds hold whatever is commanded."""

import copy
import tomllib
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from firmware_bridge.axis_limits import Limits
from firmware_bridge.errors import ArmTableError, CommandShapeError
from firmware_bridge.kinematics import POINTING_DOWN, Pose, pose_error
from firmware_bridge.limits import CommandLimiter
from firmware_bridge.robot_files import RobotFileError, read_robot_file
from firmware_bridge.tool_control import (
    MAX_LEAD_M,
    TICK_S,
    ArmDescription,
    Tool,
    ToolController,
)

ROBOT = tomllib.loads(
    (Path(__file__).parents[1] / "configs" / "robots" / "arm6.toml").read_text(encoding="utf-8")
)
ARM = ArmDescription.from_robot(ROBOT)


def started(arm=ARM, gripper_m=0.03, tick_s=TICK_S):
    controller = ToolController(arm, tick_s)
    controller.reset(controller.home_rad(), gripper_m)
    return controller


def with_slew(slew_per_s):
    axes = tuple(replace(axis, slew_per_s=slew_per_s) for axis in ARM.limits.axes)
    return ARM._replace(limits=Limits(axes, ARM.limits.max_command_age_s))


def rush(controller, ticks, seed=0):
    """Random commands, each for a tenth of a second; yields the state after each tick."""
    rng = np.random.default_rng(seed)
    for tick in range(ticks):
        if tick % 5 == 0:
            controller.command(rng.uniform(-1, 1, 4))  # mostly out of range
        yield controller.tick()


def test_the_ramp_of_the_module_in_centimetres():
    slow = with_slew(0.004)
    controller = started(slow, tick_s=1.0)
    start_m = controller.state.tool_target_m.copy()
    followed, moved = [], []
    for command in (0.01, None, None, 0.0, None):
        if command is not None:
            controller.command([0.0, command, 0.0, 0.03])
        controller.tick()
        followed.append(controller.state.followed[1])
        moved.append(controller.state.tool_target_m[1] - start_m[1])
    assert followed == pytest.approx([0.004, 0.008, 0.010, 0.006, 0.002])
    assert moved == pytest.approx([0.004, 0.012, 0.022, 0.028, 0.030])


def test_slew_is_that_of_the_limiter_that_guards_every_robot():
    arm = with_slew(0.7)
    controller = started(arm)
    limiter = CommandLimiter(arm.limits, start=[0.0, 0.0, 0.0, 0.03])
    limiter.follow(0)
    rng = np.random.default_rng(3)
    for tick in range(1, 60):
        now_ns = round(tick * TICK_S * 1e9)
        if tick % 6 == 1:
            command = rng.uniform(-0.5, 0.5, 4)
            controller.command(command)
            limited = limiter.apply(command, now_ns, now_ns)
        else:
            limited = limiter.follow(now_ns)
        controller.tick()
        assert controller.state.followed == pytest.approx(limited.values)


def test_the_target_never_leaves_the_box_nor_the_joints_their_ranges_and_speeds():
    controller = started()
    low, high = ARM.chain.ranges_rad
    before = controller.state.joint_target_rad.copy()
    for targets in rush(controller, 1500):
        place_m = controller.state.tool_target_m
        assert (place_m >= ARM.tool.workspace_min_m).all()
        assert (place_m <= ARM.tool.workspace_max_m).all()
        joints = targets.joint_target_rad
        assert (joints >= low).all()
        assert (joints <= high).all()
        speed = np.abs(joints - before) / TICK_S
        assert (speed <= ARM.chain.max_speeds_rad_s + 1e-9).all()
        assert 0.0 <= targets.gripper_target_m <= 0.07
        before = joints.copy()


def test_the_tool_is_where_it_is_wanted_and_points_down():
    controller = started()
    for targets in rush(controller, 500, seed=1):
        wanted = Pose(controller.state.tool_target_m, POINTING_DOWN)
        error = pose_error(wanted, ARM.chain.forward(targets.joint_target_rad))
        assert np.abs(error).max() < 1e-3


def test_a_target_out_of_reach_waits_for_the_joints():
    far = ARM._replace(tool=replace(ARM.tool, workspace_max_m=(2.0, 2.0, 2.0)))
    controller = started(far)
    for _ in range(500):
        controller.command([0.25, 0.0, 0.0, 0.03])
        joints = controller.tick().joint_target_rad
    reached_m = ARM.chain.forward(joints).position_m
    assert 0.42 < reached_m[0] < 0.55
    assert np.linalg.norm(controller.state.tool_target_m - reached_m) <= MAX_LEAD_M + 1e-9


@pytest.mark.parametrize("wrong", [np.nan, np.inf])
def test_a_command_that_is_not_finite_is_refused_whole(wrong):
    controller = started()
    controller.command([0.1, 0.0, 0.0, 0.02])
    controller.command([0.2, 0.0, wrong, 0.05])
    assert controller.state.wanted == pytest.approx([0.1, 0.0, 0.0, 0.02])


def test_a_command_of_another_shape_is_refused():
    with pytest.raises(CommandShapeError, match="x, y, z velocity and gripper"):
        started().command([0.1, 0.0, 0.0])


def test_stopping_brakes_the_tool_and_holds_what_is_held():
    controller = started()
    controller.command([0.2, 0.2, -0.2, 0.012])
    for _ in range(20):
        controller.tick()
    controller.stop()
    for _ in range(20):
        controller.tick()
    assert controller.state.followed == pytest.approx([0.0, 0.0, 0.0, 0.012])


def test_locating_is_forward_kinematics():
    controller = started()
    joints = controller.home_rad()
    assert controller.locate(joints) == pytest.approx(ARM.chain.forward(joints).position_m)
    assert controller.locate(joints) == pytest.approx(ARM.tool.home_m, abs=1e-5)


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        ({"home_m": [1.0, 0.0, 0.1]}, "home_m .* is outside"),
        ({"workspace_max_m": [0.1, 0.1, 0.1]}, "not below"),
        ({"offset_m": [0.1]}, "three finite numbers"),
        ({"colour": "red"}, "unknown key 'colour'"),
    ],
)
def test_a_tool_that_cannot_be_is_refused(change, fault):
    with pytest.raises(ArmTableError, match=fault):
        Tool.from_table({**ROBOT["tool"], **change})


def test_a_robot_that_is_no_arm_is_refused_naming_what_it_lacks():
    with pytest.raises(ArmTableError, match=r"needs the section \[joints\]"):
        ArmDescription.from_robot(read_robot_file("ardrone"))
    other = copy.deepcopy(ROBOT)
    other["limits"]["axes"][3]["unit"] = "rad"
    with pytest.raises(ArmTableError, match=r"axes in \(m/s, m/s, m/s, rad\)"):
        ArmDescription.from_robot(other)


def test_robot_files_are_found_by_name_and_faults_are_one_line(tmp_path, monkeypatch):
    assert read_robot_file("arm6") == ROBOT
    with pytest.raises(RobotFileError, match=r"no robot named 'arm7'; there are: .*arm6"):
        read_robot_file("arm7")
    (tmp_path / "configs" / "robots").mkdir(parents=True)
    (tmp_path / "configs" / "robots" / "mine.toml").write_text("a = = 1")
    monkeypatch.chdir(tmp_path)
    with pytest.raises(RobotFileError, match=r"mine\.toml: not valid TOML"):
        read_robot_file("mine")
