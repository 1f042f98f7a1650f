"""Gymnasium environments of manipulation: `import sim.arm_env`, then make "reflexarc/Lid-v0".

A thin shell over `sim.workbench.Workbench`: named float32 tensors with units out, commands in, and
a reward. Physics goes on whatever the goal; `info["achieved"]` says which goals are reached now.

Observation: the tensors of `sim.bench_observation`; with `images=True` also `front` and `wrist`,
(100, 100, 3) uint8.

Action: float64 (4,): tool velocity x, y, z in m/s and gripper opening in m, within the limits of
the robot file, five times a second. Reward: 0 when the goal is achieved, -1 otherwise.
"""

from typing import Any, NamedTuple

import gymnasium
import numpy as np
import numpy.typing as npt

from firmware_bridge.robot_files import read_robot_file
from perception.goal import Goal
from perception.model_package import TensorSpec
from sim.arm_cameras import SIDE_PX, VIEWS, BenchCameras, Look, LookConfig
from sim.bench_delays import Delays
from sim.bench_observation import LARGEST_M, tensors_of, values_of
from sim.manipulation import BoolArray, Manipulation, Scene
from sim.manipulation_tasks import MANIPULATION_TASKS, make_manipulation
from sim.workbench import STEP_S, BenchState, Step, Workbench, bench_config

Observation = dict[str, npt.NDArray[Any]]


class EnvState(NamedTuple):
    """A moment of an environment, whole."""

    bench: BenchState
    goal: int
    look: Look
    chance: dict[str, Any]  # of the generator that draws the next attempts


class ArmEnv(gymnasium.Env[Observation, npt.NDArray[np.float64]]):
    """One workbench as a Gymnasium environment."""

    metadata = {"render_modes": ["rgb_array"], "render_fps": round(1 / STEP_S)}

    def __init__(
        self,
        task: str = "lid",
        goal: int = 0,
        end_on_success: bool = True,
        images: bool = False,
        delays: Delays | None = None,
        look: LookConfig | str | None = None,
        robot: str = "arm6",
        render_mode: str | None = None,
        **task_options: Any,
    ) -> None:
        """Builds bench and spaces; the first `reset` draws where things lie.

        Args:
            task: row of MANIPULATION_TASKS.
            goal: which of the task's goals is rewarded, until `reset` names another.
            end_on_success: whether reaching it terminates the attempt.
            images: whether `front` and `wrist` are observed.
            delays: of commands and observations; none by default.
            look: lighting, textures and cameras of the images, and how they vary; a text stands
                for that row of SHIFTS.
            robot: name of a file in configs/robots.
            render_mode: "rgb_array" lets `render` return the front camera's image.
            task_options: fields of the task.

        Raises:
            InputError: an unknown task, option or goal, or delays that do not fit into a step.
        """
        self.task: Manipulation = make_manipulation(task, task_options)
        config = bench_config(read_robot_file(robot), self.task, delays)
        self.bench = Workbench(config)
        self.limits = config.arm.limits
        self.rate_hz = 1 / STEP_S
        self.goals: tuple[Goal, ...] = self.task.goals
        self.episode_steps = self.task.episode_steps
        self.goal = goal
        self.end_on_success = end_on_success
        self.render_mode = render_mode
        look = LookConfig(shift=look) if isinstance(look, str) else look or LookConfig()
        self._cameras = BenchCameras(self.bench.model, look)
        self._images = images
        self._state = tensors_of(self.task)
        self.tensors = self._state + (_images_of() if images else ())
        self.observation_space: Any = gymnasium.spaces.Dict({t.name: _box(t) for t in self.tensors})
        low, high = np.array([[axis.minimum, axis.maximum] for axis in self.limits.axes]).T
        self.action_space = gymnasium.spaces.Box(low, high, dtype=np.float64)

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Observation, dict[str, Any]]:
        """Begins an attempt; `options={"goal": i}` at goal i from here on.

        Forward goals begin with things not done, backward goals with things done.
        """
        super().reset(seed=seed)
        self.goal = int((options or {}).get("goal", self.goal))
        bench_seed, look_seed = self.np_random.integers(2**31, size=2)
        step = self.bench.reset(int(bench_seed), self.goal)
        if self._images or self.render_mode is not None:
            self._cameras.vary(np.random.default_rng(look_seed))
        return self._observe(step.observed), self._info(self.task.achieved(step.truth), step.truth)

    def step(
        self, action: npt.NDArray[np.float64]
    ) -> tuple[Observation, float, bool, bool, dict[str, Any]]:
        """Lets 0.2 s pass."""
        step: Step = self.bench.step(action)
        achieved = self.task.achieved(step.truth)
        success = bool(achieved[self.goal])
        observation, info = self._observe(step.observed), self._info(achieved, step.truth)
        return observation, float(success) - 1.0, success and self.end_on_success, False, info

    def save(self) -> EnvState:
        """A copy of this moment."""
        chance = dict(self.np_random.bit_generator.state)
        return EnvState(self.bench.save(), self.goal, self._cameras.look, chance)

    def restore(self, state: EnvState) -> Observation:
        """Goes back to a saved moment, of an environment made alike; what was observed then."""
        self.goal = state.goal
        self.np_random.bit_generator.state = state.chance
        self._cameras.apply(state.look)
        return self._observe(self.bench.restore(state.bench).observed)

    def render(self) -> npt.NDArray[np.uint8] | None:
        """The front camera's image, (100, 100, 3) uint8, or None without a render mode."""
        if self.render_mode is None:
            return None
        return self._cameras.draw(self.bench.seen, VIEWS[0])

    def close(self) -> None:
        """Frees OpenGL."""
        self._cameras.close()

    def _observe(self, scene: Scene) -> Observation:
        observation: Observation = {**values_of(scene, self._state)}
        if self._images:
            observation |= {view: self._cameras.draw(self.bench.seen, view) for view in VIEWS}
        return observation

    def _info(self, achieved: BoolArray, truth: Scene) -> dict[str, Any]:
        """Truth, for rewards and evaluation only."""
        return {
            "achieved": achieved,
            "irreversible": self.task.irreversible(truth),
            "goal": self.goal,
        }


def register() -> None:
    """Registers each task as `reflexarc/<Name>-v0`; called when this module is imported."""
    for name in MANIPULATION_TASKS:
        if env_id(name) not in gymnasium.registry:
            gymnasium.register(
                env_id(name),
                entry_point="sim.arm_env:ArmEnv",
                max_episode_steps=make_manipulation(name).episode_steps,
                kwargs={"task": name},
            )


def env_id(task: str) -> str:
    """The Gymnasium id of a row of MANIPULATION_TASKS: bin_vase is reflexarc/BinVase-v0."""
    return f"reflexarc/{task.title().replace('_', '')}-v0"


def _images_of() -> tuple[TensorSpec, ...]:
    return tuple(TensorSpec(view, (SIDE_PX, SIDE_PX, 3), "uint8", "1") for view in VIEWS)


def _box(tensor: TensorSpec) -> gymnasium.spaces.Box:
    shape = tuple(size for size in tensor.shape if size is not None)
    if tensor.dtype == "uint8":
        return gymnasium.spaces.Box(0, 255, shape, np.uint8)
    return gymnasium.spaces.Box(-LARGEST_M, LARGEST_M, shape, np.float32)


register()
