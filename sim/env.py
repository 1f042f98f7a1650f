"""Gymnasium environments over the worlds: `import sim.env`, then make "reflexarc/Room-v0".

A thin shell: it holds the newest images, turns commands into arrays and counts a reward. Whatever
happens in it happens in `sim.world.World`.

Observation: `left`, `right` uint8 (H, W) grey; `altitude_m` (1,), `velocity_b_m_s` (3,) and
`gyro_rad_s` (3,), float32, noisy, body frame. Action: [forward speed m/s, yaw rate rad/s, altitude
m] float32 (3,), the vehicle's own units and limits, so that what is learned here flies there; wrap
it in `gymnasium.wrappers.RescaleAction(env, -1, 1)` for a learner that wants it normalised. Reward:
the task's, once per step (for the room: metres flown ahead, less a metre for a collision and two
for a put-back). An episode is cut after 120 s; a collision ends it only with `end_on_collision`,
because the robots here learn without resets.
"""

from dataclasses import replace
from typing import Any

import gymnasium
import numpy as np
import numpy.typing as npt

from perception.tables import config_from_options, load_item
from sim.stereo_camera import CameraError
from sim.tasks import TASKS
from sim.world import Sensors, TruePose, World, WorldConfig

STEP_S = 0.1  # one action per camera image at 10 Hz
EPISODE_STEPS = 1200
# forward speed, yaw rate, altitude: the [limits] of configs/robots/ardrone.toml
ACTION_LOW = np.array([0.0, -2.0, 0.5], np.float32)
ACTION_HIGH = np.array([1.0, 2.0, 2.3], np.float32)
MAX_SPEED_M_S, MAX_TURN_RAD_S, MAX_ALTITUDE_M = 10.0, 35.0, 10.0  # sensors saturate there

Observation = dict[str, npt.NDArray[Any]]


class WorldEnv(gymnasium.Env[Observation, npt.NDArray[np.float32]]):
    """One world as a Gymnasium environment."""

    metadata = {"render_modes": ["rgb_array"], "render_fps": round(1 / STEP_S)}

    def __init__(
        self,
        task: str = "room",
        config: WorldConfig | None = None,
        end_on_collision: bool = False,
        render_mode: str | None = None,
        **task_options: Any,
    ) -> None:
        """Builds the spaces; the first `reset` draws the scene.

        Args:
            task: row of `sim.tasks.TASKS`.
            config: camera, body and rig; its task is replaced.
            end_on_collision: whether the first collision terminates the episode.
            render_mode: "rgb_array" lets `render` return the left image.
            task_options: fields of the task, such as `obstacles=6`.

        Raises:
            InputError: an unknown task or option, or a camera that takes no images.
        """
        chosen = config_from_options(load_item(TASKS, "task", task), task_options, f"task {task}")
        self.config = replace(config or WorldConfig(), task=chosen)
        if self.config.camera.rate_hz <= 0:
            raise CameraError("an environment needs images: give a camera rate_hz above 0")
        self.end_on_collision = end_on_collision
        self.render_mode = render_mode
        self.world: World | None = None
        lens = self.config.rig.left
        self.action_space = gymnasium.spaces.Box(ACTION_LOW, ACTION_HIGH)
        self.observation_space: Any = gymnasium.spaces.Dict(
            {
                "left": gymnasium.spaces.Box(0, 255, (lens.height, lens.width), np.uint8),
                "right": gymnasium.spaces.Box(0, 255, (lens.height, lens.width), np.uint8),
                "altitude_m": gymnasium.spaces.Box(-MAX_ALTITUDE_M, MAX_ALTITUDE_M, (1,)),
                "velocity_b_m_s": gymnasium.spaces.Box(-MAX_SPEED_M_S, MAX_SPEED_M_S, (3,)),
                "gyro_rad_s": gymnasium.spaces.Box(-MAX_TURN_RAD_S, MAX_TURN_RAD_S, (3,)),
            }
        )

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Observation, dict[str, Any]]:
        """Draws a new scene; `options={"world_seed": n}` gives that of `World(config, n)`."""
        super().reset(seed=seed)
        world_seed = int((options or {}).get("world_seed", self.np_random.integers(2**31)))
        if self.world is None:
            self.world = World(self.config, world_seed)
        sensors = self.world.reset(world_seed)
        self._images, self._pose = sensors.images, sensors.pose
        return self._observe(sensors), _info(sensors)

    def step(
        self, action: npt.NDArray[np.float32]
    ) -> tuple[Observation, float, bool, bool, dict[str, Any]]:
        """Flies one tenth of a second."""
        assert self.world is not None, "call reset before step"  # noqa: S101  a programming error
        sensors = self.world.step(STEP_S, np.asarray(action, np.float64))
        self._images = sensors.images or self._images
        reward = self.config.task.reward(
            _forward_m(self._pose, sensors),
            sensors.collision is not None,
            sensors.put_back is not None,
        )
        self._pose = sensors.pose
        terminated = self.end_on_collision and sensors.collision is not None
        return self._observe(sensors), float(reward), terminated, False, _info(sensors)

    def render(self) -> npt.NDArray[np.uint8] | None:
        """The newest left image as RGB, (H, W, 3) uint8, or None without a render mode."""
        if self.render_mode is None or self._images is None:
            return None
        return np.repeat(self._images.left[..., None], 3, axis=2)

    def close(self) -> None:
        """Frees OpenGL."""
        if self.world is not None:
            self.world.close()

    def _observe(self, sensors: Sensors) -> Observation:
        assert self._images is not None  # noqa: S101  there is one at time 0
        return {
            "left": self._images.left,
            "right": self._images.right,
            "altitude_m": _clipped([sensors.altitude_m], MAX_ALTITUDE_M),
            "velocity_b_m_s": _clipped(sensors.velocity_b_m_s, MAX_SPEED_M_S),
            "gyro_rad_s": _clipped(sensors.imu.gyro_rad_s, MAX_TURN_RAD_S),
        }


def register() -> None:
    """Registers each row of TASKS as `reflexarc/<Name>-v0`; called when this module is imported."""
    for task in TASKS:
        env_id = f"reflexarc/{task.title()}-v0"
        if env_id not in gymnasium.registry:
            gymnasium.register(
                env_id,
                entry_point="sim.env:WorldEnv",
                max_episode_steps=EPISODE_STEPS,
                kwargs={"task": task},
            )


def _forward_m(before: TruePose, after: Sensors) -> float:
    """Metres flown along the nose; a put-back is no flight."""
    if after.put_back is not None:
        return 0.0
    moved = after.pose.position_w_m - before.position_w_m
    return float(np.cos(before.yaw_rad) * moved[0] + np.sin(before.yaw_rad) * moved[1])


def _info(sensors: Sensors) -> dict[str, Any]:
    """Truth, for evaluation only."""
    return {
        "time_s": sensors.time_s,
        "position_w_m": sensors.pose.position_w_m,
        "collided": sensors.collision is not None,
        "put_back": sensors.put_back is not None,
    }


def _clipped(values: npt.ArrayLike, limit: float) -> npt.NDArray[np.float32]:
    return np.clip(np.asarray(values, np.float32), -limit, limit)


register()
