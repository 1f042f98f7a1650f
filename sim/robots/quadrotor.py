"""A quadrotor of AR.Drone size: four rotors, a soft hull and drag, flown by its own autopilot.

Nothing moves it but the rotors, the air, gravity and what it touches. The command is [forward speed
m/s, yaw rate rad/s, altitude m]; the autopilot turns it into thrusts from the on-board sensors
alone.

Rotors seen from above, x forward, y left; + turns counter-clockwise when the rotor's reaction does:

    0 front left  (+)   1 front right (-)
    3 rear left   (-)   2 rear right  (+)
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

import numpy as np

from perception.quantities import InputError
from sim.autopilot import Airframe, Autopilot, AutopilotConfig, AutopilotState
from sim.flight_estimator import GRAVITY_M_S2
from sim.gl import mujoco
from sim.onboard_sensors import OnboardSensors, Reading, SensorConfig, SensorState, Vector

ROTOR_SIGNS = ((1, 1, 1), (1, -1, -1), (-1, -1, 1), (-1, 1, -1))  # x, y, yaw reaction of each rotor
HULL_GROUP = 3  # geoms that touch; drawn by no camera, the lens sits inside the hull


class BodyError(InputError):
    """The [body] section of a robot file is wrong."""


@dataclass(frozen=True)
class QuadrotorBody:
    """Facts about the vehicle, the [body] section of a robot file.

    The defaults are a vehicle of the size and mass of an AR.Drone 2.0 with its indoor hull. They
    are our estimates, not measurements of one: replace them by those of your own vehicle.
    """

    mass_kg: float = 0.42  # with battery and indoor hull
    inertia_kg_m2: tuple[float, float, float] = (2.24e-3, 2.99e-3, 4.80e-3)  # about x, y, z
    hull_half_width_m: float = 0.26  # half of the indoor hull, over the rotor rings
    hull_half_height_m: float = 0.05  # thickness of the rings and the fuselage, halved
    rotor_offset_m: float = 0.126  # of each rotor axis along x and y: 0.357 m between opposite axes
    thrust_to_weight: float = 2.1  # all rotors at full thrust over the weight
    rotor_lag_s: float = 0.03  # first-order lag from commanded to real thrust, our estimate
    yaw_torque_per_thrust_m: float = 0.03  # reaction torque of a rotor over its thrust
    drag_n_s_m: float = 0.10  # linear drag of rotors and hull, our estimate
    drag_n_s2_m2: float = 0.05  # quadratic drag of the hull, our estimate: Cd 1.2, 0.07 m2
    rotation_drag_nm_s: float = 1.0e-3  # the rotors resist turning, our estimate
    camera_forward_m: float = 0.20  # the lenses in front of the centre; 6 cm behind the hull's rim
    command_timeout_s: float = 0.07  # s without a command until it hovers in place: three at 50 Hz

    def __post_init__(self) -> None:
        """Refuses values that no vehicle has."""
        for field in fields(self):
            value = getattr(self, field.name)
            if not (np.isfinite(value).all() and np.greater(value, 0).all()):
                raise BodyError(f"[body] {field.name} = {value}: give positive, finite numbers")

    @classmethod
    def from_table(cls, table: Mapping[str, Any]) -> "QuadrotorBody":
        """The [body] section of a robot file; keys left out keep the AR.Drone's values.

        Raises:
            BodyError: an unknown key, or a value that is not a positive number.
        """
        valid = [field.name for field in fields(cls)]
        if unknown := sorted(set(table) - set(valid)):
            raise BodyError(f"[body] unknown {', '.join(unknown)}; valid keys: {', '.join(valid)}")
        values: Any = {key: _number_or_numbers(key, value) for key, value in table.items()}
        return cls(**values)

    def make(self, control_period_s: float) -> "Quadrotor":
        """A vehicle with this body."""
        return Quadrotor(self, control_period_s)

    @property
    def airframe(self) -> Airframe:
        """What the autopilot is told about this body."""
        return Airframe(
            self.mass_kg,
            self.inertia_kg_m2,
            self.rotor_offset_m,
            self.yaw_torque_per_thrust_m,
            self.max_thrust_n,
            self.drag_n_s_m,
        )

    @property
    def hover_thrust_n(self) -> float:
        """Thrust of each rotor that carries the vehicle."""
        return self.mass_kg * GRAVITY_M_S2 / 4

    @property
    def max_thrust_n(self) -> float:
        """Most thrust that each rotor gives."""
        return self.hover_thrust_n * self.thrust_to_weight


class Quadrotor:
    """The vehicle in a simulation: sensors, autopilot, rotors and drag of one MuJoCo body."""

    def __init__(self, body: QuadrotorBody, control_period_s: float) -> None:
        """Put it into a model by `add_to`, then let it fly by `start`."""
        config = AutopilotConfig(command_timeout_s=body.command_timeout_s)
        self.body = body
        self.sensors = OnboardSensors(SensorConfig(), control_period_s)
        self.autopilot = Autopilot(config, body.airframe, control_period_s)

    @property
    def state(self) -> tuple[SensorState, AutopilotState]:
        """All that changes in flight, apart from MuJoCo's own state."""
        return self.sensors.state, self.autopilot.state

    @state.setter
    def state(self, state: tuple[SensorState, AutopilotState]) -> None:
        self.sensors.state, self.autopilot.state = state

    @property
    def latest(self) -> Reading:
        """The newest value of each on-board sensor."""
        return self.sensors.state.latest

    @property
    def hovers_on_watchdog(self) -> bool:
        """Whether it holds its place because commands stopped coming."""
        return self.autopilot.hovers_on_watchdog

    def add_to(self, spec: Any) -> Any:
        """Adds body, hull, rotors and sensors; returns the body, for cameras to be mounted on."""
        vehicle = spec.worldbody.add_body(name="vehicle")
        vehicle.add_freejoint()
        vehicle.explicitinertial = True
        vehicle.mass = self.body.mass_kg
        vehicle.inertia = self.body.inertia_kg_m2
        _add_hull(vehicle, self.body)
        _add_rotors(spec, vehicle, self.body)
        _add_sensors(spec, vehicle)
        return vehicle

    @property
    def camera_b_m(self) -> Vector:
        """Where a camera sits, body frame."""
        return self.body.camera_forward_m, 0.0, 0.0

    def command(self, forward_speed_m_s: float, yaw_rate_rad_s: float, altitude_m: float) -> None:
        """Takes a new command."""
        self.autopilot.command(forward_speed_m_s, yaw_rate_rad_s, altitude_m)

    def start(
        self, position_w_m: Vector, yaw_rad: float, rng: np.random.Generator, data: Any
    ) -> None:
        """Begins a flight at a place; the generator draws the sensors' biases and noise."""
        self.sensors.reset(rng, position_w_m[2])
        self.place(position_w_m, yaw_rad, data)

    def place(self, position_w_m: Vector, yaw_rad: float, data: Any) -> None:
        """Puts it in the air level and at rest, rotors at hovering thrust, holding its altitude."""
        data.qpos[:] = (*position_w_m, math.cos(yaw_rad / 2), 0.0, 0.0, math.sin(yaw_rad / 2))
        data.qvel[:] = 0.0
        data.qacc_warmstart[:] = 0.0
        data.ctrl[:] = data.act[:] = self.body.hover_thrust_n
        self.autopilot.start(position_w_m[2])

    def apply_drag(self, data: Any) -> None:
        """Sets the force of the (still) air on the body, from its present velocity."""
        vx, vy, vz, wx, wy, wz = data.qvel.tolist()  # v in the room frame, w in the body frame
        speed = math.sqrt(vx * vx + vy * vy + vz * vz)
        drag = -(self.body.drag_n_s_m + self.body.drag_n_s2_m2 * speed)
        spin = -self.body.rotation_drag_nm_s
        data.qfrc_applied[:] = (drag * vx, drag * vy, drag * vz, spin * wx, spin * wy, spin * wz)

    def control(self, data: Any) -> None:
        """Reads the on-board sensors and sets the rotor thrusts: one tick of the autopilot."""
        data.ctrl[:] = self.autopilot.update(self.sensors.read(data.sensordata.tolist()))


def _add_hull(vehicle: Any, body: QuadrotorBody) -> None:
    """Four rotor rings and a fuselage, soft and slightly elastic like the foam of the real hull."""
    foam = {
        "group": HULL_GROUP,
        "solref": (0.03, 0.35),  # 30 ms, damping ratio 0.35: it bounces off a little
        "friction": (0.4, 0.005, 0.0001),
        "contype": 1,
        "conaffinity": 0,  # the room touches the vehicle, the vehicle's parts not each other
    }
    radius = body.hull_half_width_m - body.rotor_offset_m
    for sign_x, sign_y, _ in ROTOR_SIGNS:
        vehicle.add_geom(
            type=mujoco.mjtGeom.mjGEOM_CYLINDER,
            size=(radius, body.hull_half_height_m / 2, 0),
            pos=(sign_x * body.rotor_offset_m, sign_y * body.rotor_offset_m, 0),
            **foam,
        )
    length = 0.9 * body.hull_half_width_m
    vehicle.add_geom(
        type=mujoco.mjtGeom.mjGEOM_BOX, size=(length, 0.06, body.hull_half_height_m), **foam
    )


def _add_rotors(spec: Any, vehicle: Any, body: QuadrotorBody) -> None:
    for index, (sign_x, sign_y, spin) in enumerate(ROTOR_SIGNS):
        name = f"rotor {index}"
        vehicle.add_site(
            name=name, pos=(sign_x * body.rotor_offset_m, sign_y * body.rotor_offset_m, 0)
        )
        rotor = spec.add_actuator(name=name, target=name, trntype=mujoco.mjtTrn.mjTRN_SITE)
        rotor.gear = (0, 0, 1, 0, 0, spin * body.yaw_torque_per_thrust_m)
        rotor.dyntype = mujoco.mjtDyn.mjDYN_FILTEREXACT
        rotor.dynprm[0] = body.rotor_lag_s
        rotor.ctrllimited = True
        rotor.ctrlrange = (0.0, body.max_thrust_n)


def _add_sensors(spec: Any, vehicle: Any) -> None:
    """What `OnboardSensors.read` expects, in its order."""
    vehicle.add_site(name="imu")
    for kind in ("GYRO", "ACCELEROMETER", "VELOCIMETER", "FRAMEPOS"):
        spec.add_sensor(
            type=getattr(mujoco.mjtSensor, f"mjSENS_{kind}"),
            objtype=mujoco.mjtObj.mjOBJ_SITE,
            objname="imu",
        )


def _number_or_numbers(key: str, value: Any) -> float | tuple[float, ...]:
    wanted = 3 if key == "inertia_kg_m2" else 1
    numbers = value if isinstance(value, list | tuple) else [value]
    if len(numbers) != wanted or not all(type(number) in (int, float) for number in numbers):
        raise BodyError(f"[body] {key} = {value!r}; needed: {wanted} number{'s' * (wanted > 1)}")
    return tuple(map(float, numbers)) if wanted > 1 else float(numbers[0])
