"""The simulated arm is the one of the robot file: ranges, lag, and a grip that holds."""

import tomllib
from pathlib import Path

import numpy as np
import pytest

from perception.quantities import InputError
from perception.tables import load_item
from sim.gl import mujoco
from sim.manipulation_tasks import make_manipulation
from sim.robots import ARMS
from sim.robots.arm6 import FINGERS, Arm6Body
from sim.workbench import Workbench, bench_config

ROBOT = tomllib.loads(
    (Path(__file__).parents[1] / "configs" / "robots" / "arm6.toml").read_text(encoding="utf-8")
)


def make_bench(task="place", **options):
    return Workbench(bench_config(ROBOT, make_manipulation(task, options)))


@pytest.fixture(scope="module")
def bench():
    return make_bench()


def test_ranges_in_the_model_are_those_of_the_robot_file(bench):
    model = bench.model
    for row in ROBOT["joints"]["chain"]:
        wanted = [row["minimum_rad"], row["maximum_rad"]]
        assert model.joint(row["name"]).range == pytest.approx(wanted)
        assert model.actuator(row["name"]).ctrlrange == pytest.approx(wanted)
        assert model.jnt_limited[model.joint(row["name"]).id]
    opening = ROBOT["limits"]["axes"][3]
    for finger in FINGERS:
        assert model.joint(finger).range * 2 == pytest.approx(
            [opening["minimum"], opening["maximum"]]
        )


def test_links_and_lag_are_those_of_the_robot_file(bench):
    model, body = bench.model, ROBOT["body"]
    names = [row["name"] for row in ROBOT["joints"]["chain"][:-1]] + ["hand"]
    masses = [model.body(name).mass[0] for name in names]
    assert masses == pytest.approx(body["link_mass_kg"])
    lags_s = (
        model.actuator_dynprm[: model.nu, 0]
        - model.actuator_biasprm[: model.nu, 2] / (model.actuator_gainprm[: model.nu, 0])
    )
    assert lags_s == pytest.approx(ROBOT["joints"]["servo_lag_s"])


@pytest.mark.parametrize("kind", ARMS)
def test_the_file_of_every_arm_gives_its_body(kind):
    table = dict(ROBOT["body"])
    assert table.pop("kind") == kind
    assert load_item(ARMS, "arm", kind).from_table(table) == Arm6Body()


def test_a_joint_follows_its_target_with_a_lag_of_130_ms(bench):
    bench.reset(0)
    start = bench.arm.joint_pos_rad(bench.data)
    target = start + np.array([0.1, 0, 0, 0, 0, 0])
    moved = []
    for _ in range(300):
        bench.arm.command(bench.data, target, 0.05)
        mujoco.mj_step(bench.model, bench.data)
        moved.append((bench.arm.joint_pos_rad(bench.data)[0] - start[0]) / 0.1)
    until_63_s = 0.002 * (1 + int(np.argmax(np.array(moved) > 1 - np.exp(-1))))
    assert until_63_s == pytest.approx(0.13, abs=0.01)
    assert max(moved) < 1.02
    assert moved[-1] == pytest.approx(1.0, abs=0.03)


def test_it_sags_by_millimetres_not_centimetres(bench):
    for seed in range(3):
        scene = bench.reset(seed).truth
        for _ in range(5):
            scene = bench.step((0.0, 0.0, 0.0, 0.05)).truth
        assert np.linalg.norm(scene.tool_position_m - scene.tool_target_m) < 0.004


@pytest.mark.parametrize("mass_kg", [0.05, 0.2])
def test_what_it_grips_does_not_slip_out(mass_kg):
    bench = make_bench(pot_mass_kg=mass_kg)
    scene = bench.reset(2).truth
    knob_m = scene.position_m[0] + [0.0, 0.0, 0.065]
    for opening_m, steps, z_m in ((0.06, 8, 0.05), (0.06, 4, 0.0), (0.01, 4, 0.0), (0.01, 5, 0.1)):
        for _ in range(steps):
            to_m = knob_m + np.array([0.0, 0.0, z_m]) - scene.tool_target_m
            scene = bench.step((*np.clip(5 * to_m, -0.25, 0.25), opening_m)).truth
    assert scene.position_m[0, 2] > 0.08
    held_m = scene.position_m[0] - scene.tool_position_m
    for speed in (0.25, -0.25) * 8:  # 3.2 s of shaking
        scene = bench.step((speed, speed, 0.0, 0.01)).truth
    for _ in range(3):
        scene = bench.step((0.0, 0.0, 0.0, 0.01)).truth
    slipped_m = np.linalg.norm(scene.position_m[0] - scene.tool_position_m - held_m)
    assert slipped_m < 0.0015
    assert scene.up[0, 2] > 0.99


@pytest.mark.parametrize(
    ("table", "fault"),
    [
        ({"colour": 1}, "unknown colour; valid keys: link_mass_kg"),
        ({"finger_mass_kg": -1.0}, "give 1 positive numbers"),
        ({"finger_mass_kg": "light"}, "finite numbers"),
        ({"link_mass_kg": [1.0, 2.0]}, "give 6 positive numbers"),
        ({"armature_kg_m2": [float("nan")] * 6}, "finite numbers"),
    ],
)
def test_a_body_that_cannot_be_is_refused(table, fault):
    with pytest.raises(InputError, match=fault):
        Arm6Body.from_table(table)


def test_an_arm_of_other_joints_is_refused():
    other = {**ROBOT, "joints": {**ROBOT["joints"], "chain": ROBOT["joints"]["chain"][:5]}}
    with pytest.raises(InputError, match=r"arm6 has 6 joints, \[\[joints.chain\]\] 5"):
        Workbench(bench_config(other, make_manipulation("lid")))
