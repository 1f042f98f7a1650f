"""THE simulation: one vehicle in one scene, stepped by commands; all else is a shell over it.

It is deterministic: the seed fixes scene, textures, light and all noise, so equal seeds and equal
commands give equal sensors to the bit, images included. `save` and `restore` keep that promise
from any moment on.
"""

import copy
import math
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from perception.calibration import StereoRig, ideal_rig, rig_from_table
from perception.quantities import InputError, StereoImages
from perception.tables import load_item
from sim.gl import mujoco
from sim.mishaps import Collision, MishapConfig, Mishaps, PutBack
from sim.onboard_sensors import Vector
from sim.robots import ROBOTS
from sim.robots.quadrotor import QuadrotorBody
from sim.room_map import FloatArray, RoomMap
from sim.stereo_camera import CameraConfig, Capture, StereoCamera
from sim.task import Scene, Task
from sim.tasks.room import RoomTask
from sim.vehicle import Body

PHYSICS_STEP_S = 0.002
CONTROL_TICKS = 2  # physics steps per control period: 250 Hz, the AR.Drone runs at 200 Hz
LINK_TICKS = 10  # physics steps between two arrivals of a command that lasts longer: 50 Hz
MAX_STEP_S = 1.0  # a longer step could hold two collisions and report but one
TRUE_STATE = mujoco.mjtState.mjSTATE_INTEGRATION  # full physics, inputs and solver warm start


class WorldError(InputError):
    """A world that cannot be built."""


class StepError(InputError):
    """A step that the simulation cannot take."""


@dataclass(frozen=True)
class WorldConfig:
    """What is simulated."""

    task: Task = field(default_factory=RoomTask)  # the scene and what counts in it
    camera: CameraConfig = field(default_factory=CameraConfig)
    body: Body = field(default_factory=QuadrotorBody)
    rig: StereoRig = field(default_factory=lambda: ideal_rig(128, 96, 58.0, 0.06))
    mishaps: MishapConfig = field(default_factory=MishapConfig)


class Imu(NamedTuple):
    """Inertial measurement in the body frame (x forward, y left, z up)."""

    gyro_rad_s: FloatArray  # (3,)
    accel_m_s2: FloatArray  # (3,) specific force, +9.81 along z at rest


class TruePose(NamedTuple):
    """Where the vehicle really is; for evaluation only."""

    position_w_m: FloatArray  # (3,)
    quaternion_wxyz: FloatArray  # (4,) body to room
    velocity_w_m_s: FloatArray  # (3,)

    @property
    def yaw_rad(self) -> float:
        """Heading about +z, 0 along +x."""
        w, x, y, z = self.quaternion_wxyz.tolist()
        return math.atan2(2 * (w * z + x * y), 1 - 2 * (y * y + z * z))


class Sensors(NamedTuple):
    """What one step gives: the vehicle's measurements, then the truth."""

    time_s: float  # simulated, at the end of the step
    imu: Imu  # noisy, newest
    altitude_m: float  # noisy sonar, above the floor, newest
    velocity_b_m_s: FloatArray  # (3,) noisy and late optical flow, body frame, newest
    images: StereoImages | None  # when a pair was due in this step
    images_time_s: float | None  # simulated time at which they were taken
    render_s: float  # wall seconds spent drawing; 0 without images
    pose: TruePose
    collision: Collision | None  # that began in this step
    put_back: PutBack | None  # that happened in this step
    hovering_on_watchdog: bool  # no command for too long: it holds its place


@dataclass(frozen=True)
class WorldState:
    """A moment of a simulation, whole: continuing from it repeats the original to the bit."""

    seed: int  # of the noise
    scene_seed: int
    tick: int
    physics: FloatArray
    parts: tuple[Any, ...]  # copies of what each part of the world changes while it runs


class World:
    """A vehicle in a scene.

    Draw a new scene by `reset(seed)`. Use it in a `with` block, or call `close`, to free OpenGL.
    """

    def __init__(self, config: WorldConfig, seed: int = 0) -> None:
        """Draws the scene of this seed and puts the vehicle at its start."""
        self.config = config
        self.camera = StereoCamera(config.camera, config.rig)
        self.vehicle = config.body.make(CONTROL_TICKS * PHYSICS_STEP_S)
        self.mishaps = Mishaps(config.mishaps)
        self._built_seed: int | None = None
        self.reset(seed)

    @property
    def seed(self) -> int:
        """What scene and noise were drawn from; the scene only until it is carried elsewhere."""
        return self._seed

    @property
    def rig(self) -> StereoRig:
        """Geometry of the camera pair."""
        return self.config.rig

    @property
    def room(self) -> RoomMap:
        """Plan of the scene."""
        return self.scene.map

    @property
    def time_s(self) -> float:
        """Simulated time since the reset."""
        return self._tick * PHYSICS_STEP_S

    def reset(self, seed: int | None = None) -> Sensors:
        """Begins again: the same flight for None, another scene for another seed.

        Returns:
            Sensors at time 0, with the first images.
        """
        self._seed = self.seed if seed is None else int(seed)
        _, sensor_seed, camera_seed = np.random.SeedSequence(self._seed).spawn(3)
        self._enter_scene(self._seed)
        mujoco.mj_resetData(self.model, self.data)
        start = self.scene.start
        self._tick = 0
        rng = np.random.default_rng(sensor_seed)
        self.vehicle.start(start.position_w_m, start.yaw_rad, rng, self.data)
        self.camera.reset(np.random.default_rng(camera_seed))
        self.mishaps.start(0.0, (*start.position_w_m, start.yaw_rad))
        return self._sense(self._take_images_if_due())

    def step(self, dt_s: float, command: npt.ArrayLike | None = None) -> Sensors:
        """Lets `dt_s` pass.

        Args:
            dt_s: simulated seconds, a multiple of 2 ms, at most 1 s.
            command: [forward speed m/s, yaw rate rad/s, altitude m] that arrives at the beginning
                of the step, and again every 20 ms as a robot's link repeats what it was told; None
                when none arrives. The vehicle follows the last one until its own
                watchdog lets it hover.

        Raises:
            StepError: a step that is no multiple of 2 ms, or a command that is not three finite
                numbers.
        """
        ticks = _ticks_in(dt_s)
        wanted = None if command is None else _checked_command(command)
        self.camera.skip_until((self._tick + ticks) * PHYSICS_STEP_S)
        capture = collision = put_back = None
        for tick in range(ticks):
            if wanted is not None and tick % LINK_TICKS == 0:
                self.vehicle.command(*wanted)
            began, rescued = self._advance()
            collision, put_back = began or collision, rescued or put_back
            capture = self._take_images_if_due() or capture
        return self._sense(capture, collision, put_back)

    def place(self, position_w_m: Vector, yaw_rad: float) -> None:
        """Sets the vehicle down elsewhere, level and at rest in the air, as if it began there."""
        self.vehicle.place(position_w_m, yaw_rad, self.data)
        self.mishaps.start(self.time_s, (*position_w_m, yaw_rad))

    def carry(self, seed: int) -> None:
        """Carries the vehicle into the scene of another seed, to the start pose of that scene.

        Time, sensors' noise, exposure and the vehicle's last command go on; only the place changes.
        """
        self._enter_scene(seed)
        self.place(self.scene.start.position_w_m, self.scene.start.yaw_rad)

    def push(
        self, impulse_w_n_s: npt.ArrayLike, angular_impulse_b_n_m_s: npt.ArrayLike = (0.0, 0.0, 0.0)
    ) -> None:
        """Knocks the vehicle: an impulse in the room frame, a twist in the body frame."""
        body = self.config.body
        self.data.qvel[:3] += np.asarray(impulse_w_n_s) / body.mass_kg
        self.data.qvel[3:] += np.asarray(angular_impulse_b_n_m_s) / body.inertia_kg_m2

    def save(self) -> WorldState:
        """A copy of this moment."""
        physics = np.empty(mujoco.mj_stateSize(self.model, TRUE_STATE))
        mujoco.mj_getState(self.model, self.data, physics, TRUE_STATE)
        assert self._built_seed is not None  # noqa: S101 - __init__ enters a scene
        parts = copy.deepcopy(self._parts())
        return WorldState(self._seed, self._built_seed, self._tick, physics, parts)

    def restore(self, state: WorldState) -> None:
        """Goes back to a saved moment, of a world with an equal config."""
        self._enter_scene(state.scene_seed)
        self._seed, self._tick = state.seed, state.tick
        mujoco.mj_setState(self.model, self.data, state.physics, TRUE_STATE)
        parts = copy.deepcopy(state.parts)
        self.vehicle.state, self.camera.state, self.mishaps.state = parts

    def close(self) -> None:
        """Frees OpenGL; a later image opens it again."""
        self.camera.close()

    def __enter__(self) -> "World":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _parts(self) -> tuple[Any, ...]:
        return self.vehicle.state, self.camera.state, self.mishaps.state

    def _enter_scene(self, seed: int) -> None:
        """Builds the scene of a seed, unless it stands."""
        if self._built_seed != seed:
            scene_seed = np.random.SeedSequence(seed).spawn(3)[0]
            self._build(self.config.task.draw(np.random.default_rng(scene_seed)))
            self._built_seed = seed

    def _build(self, scene: Scene) -> None:
        spec = mujoco.MjSpec()
        spec.option.timestep = PHYSICS_STEP_S
        spec.visual.map.znear = 0.003  # times the room's size: 2 cm, the hull's rim is at 6 cm
        spec.visual.quality.offsamples = 0
        spec.visual.global_.offwidth = self.rig.left.width
        spec.visual.global_.offheight = self.rig.left.height
        scene.add_to(spec)
        self.camera.add_to(self.vehicle.add_to(spec), self.vehicle.camera_b_m)
        self.scene = scene
        self.model = spec.compile()
        self.data = mujoco.MjData(self.model)

    def _advance(self) -> tuple[Collision | None, PutBack | None]:
        """One physics step, and what went wrong in it."""
        data = self.data
        self.vehicle.apply_drag(data)
        mujoco.mj_step(self.model, data)
        self._tick += 1
        collision = self._note_contact() if data.ncon else None
        put_back = self._rescue()
        if self._tick % CONTROL_TICKS == 0:
            self.vehicle.control(data)
        return collision, put_back

    def _note_contact(self) -> Collision | None:
        if not self.mishaps.note_contact(self.time_s):
            return None
        geoms = self.data.contact.geom[0]  # (2,) one is the hull, which has no name
        what = next(filter(None, (self.model.geom(int(g)).name for g in geoms)))
        x, y, z = self.data.qpos[:3].tolist()
        return Collision(self.time_s, (x, y, z), what)

    def _rescue(self) -> PutBack | None:
        x, y, z, w, qx, qy, qz = self.data.qpos.tolist()
        length, width, height = self.room.size_m
        inside = abs(x) < length / 2 and abs(y) < width / 2 and 0 < z < height
        up = 1 - 2 * (qx * qx + qy * qy)
        reason = self.mishaps.find_trouble(self.time_s, self.data.ncon > 0, up, inside)
        if reason is None:
            yaw = math.atan2(2 * (w * qz + qx * qy), 1 - 2 * (qy * qy + qz * qz))
            self.mishaps.remember(self.time_s, (x, y, z, yaw))
            return None
        to_x, to_y, to_z, yaw = self.mishaps.put_back(self.time_s)
        self.vehicle.place((to_x, to_y, to_z), yaw, self.data)
        return PutBack(self.time_s, (x, y, z), (to_x, to_y, to_z), reason)

    def _take_images_if_due(self) -> Capture | None:
        if self.camera.next_due_s() > self.time_s + 1e-9:
            return None
        mujoco.mj_kinematics(self.model, self.data)  # mj_step leaves the poses of before the step
        mujoco.mj_camlight(self.model, self.data)
        return self.camera.capture(self.model, self.data, self.time_s)

    def _sense(
        self,
        capture: Capture | None,
        collision: Collision | None = None,
        put_back: PutBack | None = None,
    ) -> Sensors:
        reading = self.vehicle.latest
        qpos, qvel = self.data.qpos.copy(), self.data.qvel.copy()
        return Sensors(
            time_s=self.time_s,
            imu=Imu(np.array(reading.gyro_rad_s), np.array(reading.accel_m_s2)),
            altitude_m=reading.altitude_m,
            velocity_b_m_s=np.array(reading.velocity_b_m_s),
            images=capture.images if capture else None,
            images_time_s=capture.time_s if capture else None,
            render_s=capture.render_s if capture else 0.0,
            pose=TruePose(qpos[:3], qpos[3:], qvel[:3]),
            collision=collision,
            put_back=put_back,
            hovering_on_watchdog=self.vehicle.hovers_on_watchdog,
        )


def load_world_config(
    path: Path | str, task: Task | None = None, camera: CameraConfig | None = None
) -> WorldConfig:
    """A world for the robot of a TOML file, see `world_config`."""
    try:
        robot = tomllib.loads(Path(path).read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise WorldError(f"cannot read robot file {path}: {error}") from error
    return world_config(robot, task, camera)


def world_config(
    robot: Mapping[str, Any], task: Task | None = None, camera: CameraConfig | None = None
) -> WorldConfig:
    """A world for a robot, given the content of its TOML file.

    Raises:
        InputError: [body] or [rig] are missing or wrong.
    """
    if missing := [name for name in ("body", "rig") if name not in robot]:
        raise WorldError(
            f"the robot file has no section [{'], ['.join(missing)}]; add it to simulate"
        )
    body = dict(robot["body"])
    body_class = load_item(ROBOTS, "robot", body.pop("kind", "quadrotor"))
    return WorldConfig(
        task=task or RoomTask(),
        camera=camera or CameraConfig(),
        body=body_class.from_table(body),
        rig=rig_from_table(robot["rig"]),
    )


def _ticks_in(dt_s: float) -> int:
    ticks = round(dt_s / PHYSICS_STEP_S) if math.isfinite(dt_s) else 0
    if ticks < 1 or dt_s > MAX_STEP_S or abs(ticks * PHYSICS_STEP_S - dt_s) > 1e-9:
        raise StepError(
            f"dt_s = {dt_s}: needed is a multiple of {PHYSICS_STEP_S} up to {MAX_STEP_S} s"
        )
    return ticks


def _checked_command(command: npt.ArrayLike) -> list[float]:
    try:
        values = np.asarray(command, np.float64)
    except (TypeError, ValueError):
        values = np.empty(0)
    if values.shape != (3,) or not np.isfinite(values).all():
        raise StepError(
            f"command {command!r}: needed are 3 finite numbers, forward speed, yaw rate, altitude"
        )
    return values.tolist()
