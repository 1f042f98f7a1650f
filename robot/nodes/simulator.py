"""The simulated robot in its world: a shell over ``sim.world``.

It stands where camera and vehicle stand on the real robot: frames and the vehicle's own sensing go
out, setpoints come in. What only a simulator knows goes out on ``truth/`` topics.
"""

from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from perception.quantities import InputError
from perception.tables import load_item
from robot.clock import SECOND_NS
from robot.config import to_config
from robot.messages import (
    CollisionEvent,
    FlightState,
    Obstacle,
    PutBackEvent,
    RigCalibration,
    RoomDescription,
    Setpoint,
    StereoFrame,
    TruePose,
)
from robot.node import Emission, Input, Inputs, Node, NodeContext, Output, Role
from robot.nodes.actuator import stops
from robot.nodes.stereo import calibration_of
from sim.stereo_camera import CameraConfig
from sim.task import Task
from sim.tasks import TASKS

if TYPE_CHECKING:
    from sim.world import Sensors


@dataclass(frozen=True)
class Carry:
    """Somebody carries the vehicle into another room, where it goes on at that room's start."""

    at_s: float  # s of simulated time
    to_seed: int  # of the room; the run's own seed is the room that it began in

    def __post_init__(self) -> None:
        if not (0 < self.at_s < float("inf") and self.to_seed >= 0):
            raise InputError(
                f"carried at second {self.at_s:g} to seed {self.to_seed}; "
                "at_s must be above 0 and to_seed at least 0"
            )


@dataclass(frozen=True)
class SimulatorConfig:
    """Parameters of a simulator."""

    task: str = "room"  # a row of sim.tasks
    options: dict[str, Any] = field(default_factory=dict)  # of that task
    camera: CameraConfig = field(default_factory=CameraConfig)
    carries: tuple[Carry, ...] = ()  # in the order of their times

    def __post_init__(self) -> None:
        """Refuses a task or option that does not exist, before anything starts."""
        self.make_task()
        times_s = [carry.at_s for carry in self.carries]
        if times_s != sorted(set(times_s)):
            raise InputError(
                f"carries at seconds {times_s}: each must be later than the one before"
            )

    def make_task(self) -> Task:
        """The task with its options."""
        return to_config(f"task {self.task!r}", self.options, load_item(TASKS, "task", self.task))


class SimulatorNode(Node[SimulatorConfig]):
    """One world, stepped once per period of the node."""

    inputs = {"setpoint": Input(Setpoint, required=False, wakes=False)}
    outputs = {
        "calibration": Output(RigCalibration, steady=False),
        "frame": Output(StereoFrame, rate_key="camera.rate_hz"),
        "state": Output(FlightState),
        "pose": Output(TruePose, truth=True),
        "room": Output(RoomDescription, steady=False, truth=True),
        "collision": Output(CollisionEvent, steady=False, truth=True),
        "put_back": Output(PutBackEvent, steady=False, truth=True),
    }
    role = Role.SOURCE
    owns_time = True
    period_step_s = 0.002  # of the physics
    restartable = False
    Config = SimulatorConfig

    def __init__(self, config: SimulatorConfig, context: NodeContext) -> None:
        super().__init__(config, context)
        from sim.world import World, world_config

        self._world = World(
            world_config(context.robot.tables, config.make_task(), config.camera), context.seed
        )
        assert context.rate_hz is not None  # noqa: S101 - validated
        self._dt_s = 1.0 / context.rate_hz
        self._carries = deque(config.carries)
        self._begun = False
        self.safe = True
        self._render_s = 0.0
        self._rendered = 0

    def step(self, now_ns: int, inputs: Inputs) -> list[Emission]:
        """The world's first moment, then one period more at each step."""
        emissions: list[Emission] = []
        if self._begun:
            emissions += self._carry(now_ns)
            setpoint = inputs.newest("setpoint")
            sensors = self._world.step(self._dt_s, None if setpoint is None else setpoint.values)
            if setpoint is not None:
                self.safe = stops(setpoint.reasons)
            self.safe = self.safe or sensors.hovering_on_watchdog
        else:
            self._begun = True
            sensors = self._world.reset()
            emissions += [
                ("calibration", calibration_of(self._world.rig, now_ns)),
                self._room(now_ns),
            ]
        if sensors.images is not None:
            self._render_s += sensors.render_s
            self._rendered += 1
            frame_ns = self._read_out_ns(now_ns, sensors.time_s, sensors.images_time_s)
            frame = StereoFrame(captured_ns=frame_ns, **sensors.images._asdict())
            emissions.append(("frame", frame))
        return emissions + _states(sensors, now_ns) + _events(sensors, now_ns)

    def gauges(self) -> dict[str, float]:
        """What drawing costs; it is the simulator's own time, no part of the robot's latency."""
        return {"render_ms_mean": 1000 * self._render_s / max(self._rendered, 1)}

    def close(self) -> None:
        """Frees OpenGL."""
        self._world.close()

    def _carry(self, now_ns: int) -> list[Emission]:
        """Into another room, when it is time."""
        if not self._carries or self._world.time_s < self._carries[0].at_s - 1e-9:
            return []
        self._world.carry(self._carries.popleft().to_seed)
        return [self._room(now_ns)]

    def _room(self, now_ns: int) -> Emission:
        """The room, said whenever it is another one; for evaluation."""
        room = self._world.room
        description = RoomDescription(
            captured_ns=now_ns,
            size_m=room.size_m,
            obstacles=tuple(Obstacle(**vars(obstacle)) for obstacle in room.obstacles),
            altitude_m=self._world.scene.start.position_w_m[2],
        )
        return ("room", description)

    def _read_out_ns(self, now_ns: int, time_s: float, images_time_s: float | None) -> int:
        """When a camera would have finished reading out: in real time, when drawing has ended."""
        if not self.context.lockstep:
            return self.context.clock.now_ns()
        behind_s = time_s - (time_s if images_time_s is None else images_time_s)
        return now_ns - round(behind_s * SECOND_NS)


def _states(sensors: "Sensors", now_ns: int) -> list[Emission]:
    """The vehicle's own sensing, and the truth behind it."""
    pose = sensors.pose
    state = FlightState(
        captured_ns=now_ns,
        gyro_rad_s=tuple(sensors.imu.gyro_rad_s.tolist()),
        accel_m_s2=tuple(sensors.imu.accel_m_s2.tolist()),
        altitude_m=float(sensors.altitude_m),
        velocity_b_m_s=tuple(sensors.velocity_b_m_s.tolist()),
        on_watchdog=sensors.hovering_on_watchdog,
    )
    truth = TruePose(
        captured_ns=now_ns,
        position_w=tuple(pose.position_w_m.tolist()),
        quaternion_wxyz=tuple(pose.quaternion_wxyz.tolist()),
        velocity_w=tuple(pose.velocity_w_m_s.tolist()),
    )
    return [("state", state), ("pose", truth)]


def _events(sensors: "Sensors", now_ns: int) -> list[Emission]:
    """Collisions and put-backs of this step."""
    emissions: list[Emission] = []
    if (hit := sensors.collision) is not None:
        event = CollisionEvent(captured_ns=now_ns, position_w=hit.position_w_m, other=hit.what)
        emissions.append(("collision", event))
    if (back := sensors.put_back) is not None:
        emissions.append(
            (
                "put_back",
                PutBackEvent(
                    captured_ns=now_ns,
                    from_w=back.from_w_m,
                    to_w=back.to_w_m,
                    reason=back.reason,
                ),
            )
        )
    return emissions
