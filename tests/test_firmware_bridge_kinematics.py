"""The arm's geometry: by hand, by finite differences, by MuJoCo and by the library mink."""

import copy
import tomllib
from pathlib import Path

import mink
import mujoco
import numpy as np
import pytest

from firmware_bridge.errors import ArmTableError
from firmware_bridge.kinematics import (
    POINTING_DOWN,
    Pose,
    SerialChain,
    UnreachableError,
    pose_error,
    rotation_about,
)
from firmware_bridge.kinematics_kernels import damped_step, locate
from firmware_bridge.tool_control import ArmDescription
from sim.manipulation_tasks import make_manipulation
from sim.workbench import Workbench, bench_config

ROBOT = tomllib.loads(
    (Path(__file__).parents[1] / "configs" / "robots" / "arm6.toml").read_text(encoding="utf-8")
)
ARM = ArmDescription.from_robot(ROBOT)
CHAIN = ARM.chain
SOME_RAD = np.array([0.3, 0.5, -0.4, 0.7, 0.9, -0.2])


def random_joints(count, seed=0):
    low, high = CHAIN.ranges_rad
    return np.random.default_rng(seed).uniform(low, high, (count, len(low)))


def elbow_chain():
    """Two links of 1 m in a plane, as one draws them on paper."""
    rows = [
        {
            "name": name,
            "offset_m": [x_m, 0, 0],
            "axis": [0, 0, 2],
            "minimum_rad": -1.0,
            "maximum_rad": 1.0,
            "max_speed_rad_s": 1.0,
        }
        for name, x_m in (("shoulder", 0), ("elbow", 1))
    ]
    return SerialChain.from_tables({"servo_lag_s": 0.1, "chain": rows}, (1.0, 0.0, 0.0))


def test_at_zero_the_arm_reaches_as_far_as_its_offsets_add_up():
    pose = CHAIN.forward(np.zeros(6))
    # ahead 0.10 + 0.15 + 0.06 + 0.10, up 0.06 + 0.05 + 0.25
    assert pose.position_m == pytest.approx([0.41, 0.0, 0.36])
    assert pose.rotation == pytest.approx(np.eye(3))


def test_a_planar_elbow_is_where_paper_says():
    pose = elbow_chain().forward([np.pi / 6, np.pi / 6])
    assert pose.position_m == pytest.approx([np.sqrt(3) / 2 + 0.5, 0.5 + np.sqrt(3) / 2, 0.0])


def test_the_waist_turns_everything_about_the_upright():
    straight = CHAIN.forward(SOME_RAD)
    turned = CHAIN.forward(SOME_RAD + np.array([np.pi / 2, 0, 0, 0, 0, 0]))
    quarter = rotation_about(np.array([0.0, 0.0, 1.0]), np.pi / 2)
    assert turned.position_m == pytest.approx(quarter @ straight.position_m)
    assert turned.rotation == pytest.approx(quarter @ straight.rotation)


def test_the_jacobian_is_how_the_pose_changes():
    jacobian, small = CHAIN.jacobian(SOME_RAD), 1e-6
    for i, nudge in enumerate(small * np.eye(6)):
        change = pose_error(CHAIN.forward(SOME_RAD + nudge), CHAIN.forward(SOME_RAD - nudge))
        assert jacobian[:, i] == pytest.approx(change / (2 * small), abs=1e-6)


@pytest.mark.parametrize("joints", random_joints(5))
def test_the_kernels_do_what_numpy_does(joints):
    jacobian = np.empty((6, 6))
    position_m, rotation = locate(*CHAIN.geometry, joints, jacobian)
    assert position_m == pytest.approx(CHAIN.forward(joints).position_m)
    assert rotation == pytest.approx(CHAIN.forward(joints).rotation)
    assert jacobian == pytest.approx(CHAIN.jacobian(joints))
    for error in (np.full(6, 0.01), np.array([1.0, -2.0, 0.5, 1.0, 0.3, -2.0])):
        step = damped_step(jacobian, error, joints, CHAIN.ranges_rad, 0.01)
        assert step == pytest.approx(CHAIN.damped_step(joints, error), abs=1e-9)


@pytest.mark.parametrize("joints", random_joints(5, seed=1))
def test_a_step_stays_within_the_joints_ranges_and_no_error_asks_for_none(joints):
    step = CHAIN.damped_step(joints, np.array([2.0, 1.0, -1.0, 3.0, 0.0, 1.0]))
    low, high = CHAIN.ranges_rad
    assert (joints + step >= low - 1e-12).all()
    assert (joints + step <= high + 1e-12).all()
    assert CHAIN.damped_step(joints, np.zeros(6)) == pytest.approx(0.0)


def test_what_a_joint_at_its_end_cannot_do_the_others_take_up():
    chain = elbow_chain()
    joints = np.array([0.0, 1.0])  # the elbow is at its end: only the shoulder moves on
    step = chain.damped_step(joints, np.array([-0.4, 0.1, 0, 0, 0, 0.5]), damping=1e-4)
    shoulder = chain.jacobian(joints)[:, 0]
    alone = shoulder @ [-0.4, 0.1, 0, 0, 0, 0.5] / (shoulder @ shoulder)
    assert step == pytest.approx([alone, 0.0], abs=1e-4)


def test_solving_finds_every_corner_of_the_workspace():
    tool = ARM.tool
    for x_m in (tool.workspace_min_m[0], tool.workspace_max_m[0]):
        for y_m in (tool.workspace_min_m[1], tool.workspace_max_m[1]):
            for z_m in (tool.workspace_min_m[2], tool.workspace_max_m[2]):
                target = Pose(np.array([x_m, y_m, z_m]), POINTING_DOWN)
                joints = CHAIN.solve(target, np.full(6, 0.3))
                assert np.abs(pose_error(target, CHAIN.forward(joints))).max() < 1e-5


def test_what_is_out_of_reach_is_said_to_be():
    with pytest.raises(UnreachableError, match=r"cannot bring its tool to \[1\. "):
        CHAIN.solve(Pose(np.array([1.0, 0.0, 0.1]), POINTING_DOWN), SOME_RAD)


@pytest.fixture(scope="module")
def bench():
    return Workbench(bench_config(ROBOT, make_manipulation("drawer")))


@pytest.mark.parametrize("joints", random_joints(5, seed=2))
def test_mujoco_sees_the_tool_where_we_do(bench, joints):
    data = mujoco.MjData(bench.model)
    bench.arm.place(data, joints, 0.0)
    mujoco.mj_kinematics(bench.model, data)
    hand = data.body("hand")
    rotation = hand.xmat.reshape(3, 3)
    pose = CHAIN.forward(joints)
    assert hand.xpos + rotation @ ARM.tool.offset_m == pytest.approx(pose.position_m, abs=1e-9)
    assert rotation == pytest.approx(pose.rotation, abs=1e-9)


@pytest.mark.parametrize("place_m", [(0.2, 0.1, 0.05), (0.35, -0.15, 0.02), (0.28, 0.0, 0.18)])
def test_mink_solves_to_the_same_joints(bench, place_m):
    """With six joints, a pose of the hand and one bend of the elbow there is one solution."""
    start = bench.controller.home_rad()
    ours = CHAIN.solve(Pose(np.array(place_m), POINTING_DOWN), start)
    hand_m = np.array(place_m) - POINTING_DOWN @ ARM.tool.offset_m
    data = mujoco.MjData(bench.model)
    bench.arm.place(data, start, 0.0)
    configuration = mink.Configuration(bench.model, q=data.qpos.copy())
    task = mink.FrameTask("hand", "body", position_cost=1.0, orientation_cost=1.0)
    hand = np.eye(4)
    hand[:3, :3], hand[:3, 3] = POINTING_DOWN, hand_m
    task.set_target(mink.SE3.from_matrix(hand))
    for _ in range(100):
        velocity = mink.solve_ik(configuration, [task], dt=0.1, solver="daqp")
        configuration.integrate_inplace(velocity, 0.1)
    addresses = [bench.model.joint(name).qposadr[0] for name in CHAIN.names]
    assert configuration.q[addresses] == pytest.approx(ours, abs=1e-3)


def broken(change):
    table = copy.deepcopy(ROBOT["joints"])
    change(table)
    return table


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        (lambda t: t.update(lag=1), "unknown key 'lag'"),
        (lambda t: t.pop("chain"), "lacks the key 'chain'"),
        (lambda t: t.update(chain=[]), r"write \[\[joints.chain\]\]"),
        (lambda t: t.update(servo_lag_s=0), "servo_lag_s"),
        (lambda t: t.update(servo_lag_s=float("nan")), "finite number"),
        (lambda t: t["chain"].append(3), "must be a table"),
        (lambda t: t["chain"][1].update(name="waist"), "twice"),
        (lambda t: t["chain"][1].update(name=""), "name"),
        (lambda t: t["chain"][1].update(axis=[0, 0, 0]), "direction"),
        (lambda t: t["chain"][1].update(axis="up"), "three finite numbers"),
        (lambda t: t["chain"][1].update(minimum_rad=2.0), "not below maximum_rad"),
        (lambda t: t["chain"][1].update(max_speed_rad_s=-1), "must be > 0"),
        (lambda t: t["chain"][1].pop("offset_m"), "lacks the key 'offset_m'"),
    ],
)
def test_a_table_that_describes_no_arm_is_refused(change, fault):
    with pytest.raises(ArmTableError, match=fault) as refusal:
        SerialChain.from_tables(broken(change), ARM.tool.offset_m)
    assert "\n" not in str(refusal.value)
