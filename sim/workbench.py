"""THE simulation of manipulation: one arm at one table with the things of one task.

A step is one period of a policy, 0.2 s: the command arrives, the tool controller (the very code
that moves a real arm) turns it into servo targets every 20 ms, and physics runs in steps of 2 ms.
It is deterministic: equal seeds, goals and commands give equal scenes to the bit. `save` and
`restore` keep that promise from any moment on.
"""

import copy
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from firmware_bridge.tool_control import TICK_S, ArmDescription, ControlState, ToolController
from perception.quantities import InputError
from perception.tables import load_item
from sim.bench_delays import Delays
from sim.bench_things import add_bench
from sim.gl import mujoco
from sim.manipulation import FloatArray, Layout, Manipulation, Scene
from sim.robots import ARMS
from sim.robots.arm6 import Arm6, Arm6Body

PHYSICS_STEP_S = 0.002
STEP_S = 0.2  # a policy's period
TICKS = round(STEP_S / TICK_S)
STEPS_PER_TICK = round(TICK_S / PHYSICS_STEP_S)
SETTLE_S = 0.1  # things come to rest before an attempt begins
START_SPREAD_M = np.array([0.04, 0.06, 0.03])  # half of the box in which the tool begins
TRUE_STATE = mujoco.mjtState.mjSTATE_INTEGRATION  # full physics, inputs and solver warm start


class WorkbenchError(InputError):
    """A workbench that cannot be built, or a step that it cannot take."""


@dataclass(frozen=True)
class BenchConfig:
    """What is simulated."""

    task: Manipulation
    arm: ArmDescription  # chain, workspace and limits, of the robot file
    body: Arm6Body = field(default_factory=Arm6Body)
    delays: Delays = field(default_factory=Delays)


class Step(NamedTuple):
    """What one step gives."""

    observed: Scene  # as old as the delays say
    truth: Scene  # at the end of the step


class Posture(NamedTuple):
    """What an image of a moment is drawn from."""

    qpos: FloatArray
    mocap_m: FloatArray  # (M, 3)
    time_s: float


@dataclass
class _Running:
    """All that changes apart from physics; copied by `save`."""

    rng: np.random.Generator  # of the delays
    control: ControlState
    observed: Scene  # last
    seen: "Posture"  # of that moment


@dataclass(frozen=True)
class BenchState:
    """A moment of a workbench, whole: continuing from it repeats the original to the bit."""

    physics: FloatArray
    running: _Running


class Workbench:
    """An arm at a table; begin an attempt by `reset`."""

    def __init__(self, config: BenchConfig) -> None:
        """Builds the model and resets it to seed 0 and goal 0.

        Raises:
            InputError: delays that do not fit into a step, or an arm that cannot reach its home.
        """
        config.delays.check(STEP_S)
        self.config = config
        self.controller = ToolController(config.arm)
        self.model = _model_of(config)
        self.data = mujoco.MjData(self.model)
        self.arm = Arm6(self.model, config.arm.chain)
        self._things = _Things(self.model, config.task)
        self._home_rad = self.controller.home_rad()
        self._running: _Running
        self.reset(0)

    def reset(self, seed: int, goal: int = 0) -> Step:
        """Begins an attempt: things where the task draws them for a goal, the arm near its home.

        Raises:
            WorkbenchError: the task has no such goal.
        """
        task = self.config.task
        if not 0 <= goal < len(task.goals):
            raise WorkbenchError(f"goal {goal}: the task has goals 0 to {len(task.goals) - 1}")
        layout_seed, arm_seed, delay_seed = np.random.SeedSequence(seed).spawn(3)
        mujoco.mj_resetData(self.model, self.data)
        self._things.put(self.data, task.draw(goal, np.random.default_rng(layout_seed)))
        self._start_arm(np.random.default_rng(arm_seed))
        for _ in range(round(SETTLE_S / TICK_S)):
            self._tick()
        self._running = _Running(
            np.random.default_rng(delay_seed), self.controller.state, self.look(), self._posture()
        )
        return Step(self._running.observed, self._running.observed)

    def step(self, command: npt.ArrayLike) -> Step:
        """Lets 0.2 s pass.

        Args:
            command: (4,) tool velocity x, y, z in m/s in the base frame, gripper opening in m.

        Raises:
            WorkbenchError: not four finite numbers.
        """
        wanted = _checked(command)
        running, delays = self._running, self.config.delays
        arrival = delays.action_ticks(running.rng)
        seen = TICKS - 1 - delays.observation_ticks(running.rng)
        for tick in range(TICKS):
            if tick == arrival:
                self.controller.command(wanted)
            self._tick()
            if tick == seen:
                running.observed, running.seen = self.look(), self._posture()
        truth = running.observed if seen == TICKS - 1 else self.look()
        return Step(running.observed, truth)

    def look(self) -> Scene:
        """Where everything is now, to the bit of the state: nothing of it is left from a step."""
        mujoco.mj_kinematics(self.model, self.data)  # mj_step leaves the poses of before the step
        control = self.controller.state
        joints_rad = self.arm.joint_pos_rad(self.data)
        position_m, up, slide_m = self._things.read(self.data)
        return Scene(
            self.controller.locate(joints_rad),
            control.tool_target_m.copy(),
            self.arm.opening_m(self.data),
            float(control.followed[3]),
            position_m,
            up,
            slide_m,
        )

    @property
    def seen(self) -> Posture:
        """What the last observation's images are drawn from."""
        return self._running.seen

    def save(self) -> BenchState:
        """A copy of this moment."""
        physics = np.empty(mujoco.mj_stateSize(self.model, TRUE_STATE))
        mujoco.mj_getState(self.model, self.data, physics, TRUE_STATE)
        return BenchState(physics, copy.deepcopy(self._running))

    def restore(self, state: BenchState) -> Step:
        """Goes back to a saved moment, of a workbench with an equal config."""
        mujoco.mj_setState(self.model, self.data, state.physics, TRUE_STATE)
        self._running = copy.deepcopy(state.running)
        self.controller.state = self._running.control
        return Step(self._running.observed, self.look())

    def _start_arm(self, rng: np.random.Generator) -> None:
        """Puts the arm near its home, at rest."""
        opening_m = float(rng.uniform(0.5, 1.0)) * self.config.arm.limits.axes[3].maximum
        self.controller.reset(self._home_rad, opening_m)
        home_m = np.array(self.config.arm.tool.home_m)
        joints_rad = self.controller.solve_down(home_m + rng.uniform(-1, 1, 3) * START_SPREAD_M)
        self.controller.reset(joints_rad, opening_m)
        self.arm.place(self.data, joints_rad, opening_m)

    def _posture(self) -> Posture:
        return Posture(self.data.qpos.copy(), self.data.mocap_pos.copy(), self.data.time)

    def _tick(self) -> None:
        targets = self.controller.tick()
        self.arm.command(self.data, targets.joint_target_rad, targets.gripper_target_m)
        mujoco.mj_step(self.model, self.data, STEPS_PER_TICK)


class _Things:
    """The task's objects and slides in a model."""

    def __init__(self, model: Any, task: Manipulation) -> None:
        self._bodies = np.array([model.body(name).id for name in task.objects])
        self._slides = np.array([model.joint(name).qposadr[0] for name in task.slides], int)
        self._put: list[tuple[str, Any]] = []
        for body in self._bodies:
            mocap, joint = int(model.body_mocapid[body]), int(model.body_jntadr[body])
            if mocap >= 0:
                self._put.append(("mocap", mocap))
            elif joint >= 0 and model.jnt_type[joint] == mujoco.mjtJoint.mjJNT_FREE:
                self._put.append(("qpos", (model.jnt_qposadr[joint], 3)))
            elif model.body_jntnum[body] == 2:  # slides along x and y
                self._put.append(("qpos", (model.jnt_qposadr[joint], 2)))
            else:
                self._put.append(("rides", None))  # on a slide of `slides`

    def put(self, data: Any, layout: Layout) -> None:
        """Puts everything where a layout says, upright and at rest."""
        for (kind, where), position_m in zip(self._put, layout.position_m, strict=True):
            if kind == "mocap":
                data.mocap_pos[where] = position_m
            elif kind == "qpos":
                address, size = where
                data.qpos[address : address + size] = position_m[:size]
        data.qpos[self._slides] = layout.slide_m

    def read(self, data: Any) -> tuple[FloatArray, FloatArray, FloatArray]:
        """Positions (K, 3), own z axes (K, 3), slides (S,)."""
        turned = data.xmat[self._bodies]  # (K, 9) rows of the rotation
        return data.xpos[self._bodies], turned[:, 2::3], data.qpos[self._slides]


def bench_config(
    robot: Mapping[str, Any], task: Manipulation, delays: Delays | None = None
) -> BenchConfig:
    """A workbench for a robot, given the content of its TOML file.

    Raises:
        InputError: a section is missing or wrong.
    """
    if "body" not in robot:
        raise WorkbenchError("the robot file has no section [body]; add it to simulate")
    body = dict(robot["body"])
    body_class = load_item(ARMS, "arm", str(body.pop("kind", None)))
    arm = ArmDescription.from_robot(robot)
    return BenchConfig(task, arm, body_class.from_table(body), delays or Delays())


def _model_of(config: BenchConfig) -> Any:
    spec = mujoco.MjSpec()
    spec.compiler.degree = False
    spec.option.timestep = PHYSICS_STEP_S
    # Damping is small against inertia at 2 ms, so that no implicit step is worth its time (18 %).
    spec.option.integrator = mujoco.mjtIntegrator.mjINT_EULER
    spec.option.disableflags |= mujoco.mjtDisableBit.mjDSBL_EULERDAMP
    spec.option.jacobian = mujoco.mjtJacobian.mjJAC_DENSE
    spec.option.cone = mujoco.mjtCone.mjCONE_ELLIPTIC
    spec.option.impratio = 30.0  # friction stiffer than contact: what is held creeps 0.1 mm/s
    spec.visual.quality.offsamples = 0
    spec.visual.map.znear = 0.01
    add_bench(spec)
    config.body.add_to(spec, config.arm)
    config.task.add_to(spec)
    return spec.compile()


def _checked(command: npt.ArrayLike) -> FloatArray:
    try:
        values = np.asarray(command, np.float64)
    except (TypeError, ValueError):
        values = np.empty(0)
    if values.shape != (4,) or not np.isfinite(values).all():
        raise WorkbenchError(
            f"command {command!r}: needed are 4 finite numbers, tool velocity x, y, z in m/s "
            "and gripper opening in m"
        )
    return values
