import math
import tomllib
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from perception.tables import load_item
from sim.autopilot import Autopilot, AutopilotConfig, mix_rotors
from sim.flight_estimator import (
    GRAVITY_M_S2,
    EstimatorConfig,
    FlightEstimator,
    to_heading_frame,
)
from sim.gl import mujoco
from sim.onboard_sensors import AT_REST, OnboardSensors, SensorConfig
from sim.robots import ROBOTS
from sim.robots.quadrotor import ROTOR_SIGNS, BodyError, QuadrotorBody

BODY = QuadrotorBody()
PERIOD_S = 0.004
ROBOT_FILE = Path(__file__).parents[1] / "configs" / "robots" / "ardrone.toml"


def moments(thrusts, body=BODY):
    """Lift and torques (x, y, z) that rotor thrusts give."""
    arm, drag = body.rotor_offset_m, body.yaw_torque_per_thrust_m
    x, y, spin = np.array(ROTOR_SIGNS).T
    return np.sum(thrusts), arm * y @ thrusts, -arm * x @ thrusts, drag * spin @ thrusts


@pytest.mark.parametrize("name", ROBOTS)
def test_each_robot_makes_a_vehicle_that_hovers_in_a_bare_world(name):
    body = load_item(ROBOTS, "robot", name)()
    spec = mujoco.MjSpec()
    vehicle = body.make(PERIOD_S)
    vehicle.add_to(spec)
    spec.option.timestep = PERIOD_S
    model = spec.compile()
    data = mujoco.MjData(model)
    vehicle.start((0.0, 0.0, 1.4), 0.5, np.random.default_rng(0), data)
    for _ in range(250):
        vehicle.apply_drag(data)
        mujoco.mj_step(model, data)
        vehicle.control(data)
    assert data.qpos[:3] == pytest.approx([0.0, 0.0, 1.4], abs=0.05)
    assert model.body("vehicle").mass == pytest.approx(body.mass_kg)


def test_small_torques_and_the_lift_come_out_of_the_mixer_as_asked():
    wanted = (BODY.mass_kg * GRAVITY_M_S2, 0.02, -0.03, 0.004)
    assert moments(mix_rotors(wanted[0], wanted[1:], BODY.airframe)) == pytest.approx(wanted)


@given(st.floats(-50, 50), st.tuples(*[st.floats(-5, 5)] * 3))
def test_the_mixer_never_asks_more_of_a_rotor_than_it_has(lift, torques):
    thrusts = mix_rotors(lift, torques, BODY.airframe)
    assert min(thrusts) >= -1e-9
    assert max(thrusts) <= BODY.max_thrust_n + 1e-9


def test_yaw_gives_way_first_when_rotors_saturate():
    thrusts = mix_rotors(BODY.mass_kg * GRAVITY_M_S2, (0.2, 0.2, 1.0), BODY.airframe)
    calm = mix_rotors(BODY.mass_kg * GRAVITY_M_S2, (0.2, 0.2, 0.0), BODY.airframe)
    assert moments(thrusts)[1:3] == pytest.approx(moments(calm)[1:3])


@given(*[st.floats(-1.2, 1.2)] * 2, st.tuples(*[st.floats(-10, 10)] * 3))
def test_turning_to_the_heading_frame_keeps_lengths(roll, pitch, vector):
    assert math.hypot(*to_heading_frame(vector, roll, pitch)) == pytest.approx(math.hypot(*vector))


def test_nose_down_points_the_thrust_ahead():
    forward, left, _ = to_heading_frame((0.0, 0.0, 1.0), 0.0, 0.2)
    assert forward == pytest.approx(math.sin(0.2))
    assert left == 0.0


def level_autopilot(**config):
    autopilot = Autopilot(AutopilotConfig(**config), BODY.airframe, PERIOD_S)
    autopilot.start(1.4)
    return autopilot


def test_at_rest_all_rotors_give_hovering_thrust():
    thrusts = level_autopilot().update(AT_REST._replace(altitude_m=1.4))
    assert thrusts == pytest.approx([BODY.hover_thrust_n] * 4, rel=0.02)


def test_attitude_is_learned_from_the_accelerometer():
    estimator = FlightEstimator(EstimatorConfig(attitude_trust_s=0.5), PERIOD_S)
    # Nose down by 0.3: up, and with it the specific force at rest, leans towards the tail.
    tilted = (-GRAVITY_M_S2 * math.sin(0.3), 0.0, GRAVITY_M_S2 * math.cos(0.3))
    for _ in range(1500):
        estimator.update(AT_REST._replace(accel_m_s2=tilted, velocity_is_new=True))
    assert estimator.estimate.pitch_rad == pytest.approx(0.3, abs=0.01)
    assert estimator.estimate.roll_rad == pytest.approx(0.0, abs=1e-6)


def test_attitude_follows_the_gyro_at_once():
    estimator = FlightEstimator(EstimatorConfig(), PERIOD_S)
    for _ in range(25):
        estimator.update(AT_REST._replace(gyro_rad_s=(2.0, 0.0, 0.0)))
    assert estimator.estimate.roll_rad == pytest.approx(0.2, abs=0.01)


def test_speed_and_altitude_are_pulled_to_flow_and_sonar():
    estimator = FlightEstimator(EstimatorConfig(), PERIOD_S)
    reading = AT_REST._replace(
        velocity_b_m_s=(0.4, -0.2, 0.0), altitude_m=1.2, velocity_is_new=True, altitude_is_new=True
    )
    for _ in range(2000):
        estimate = estimator.update(reading)
    assert (estimate.forward_m_s, estimate.left_m_s) == pytest.approx((0.4, -0.2), abs=0.02)
    assert estimate.altitude_m == pytest.approx(1.2, abs=0.01)


def test_rotors_stop_when_it_lies_on_its_side_and_stay_so_until_started():
    autopilot = level_autopilot()
    autopilot.state.estimate.up = (0.0, 1.0, 0.0)
    assert autopilot.update(AT_REST) == (0.0, 0.0, 0.0, 0.0)
    autopilot.state.estimate.up = (0.0, 0.0, 1.0)
    assert autopilot.update(AT_REST) == (0.0, 0.0, 0.0, 0.0)
    autopilot.start(1.4)
    assert min(autopilot.update(AT_REST)) > 0


def test_the_watchdog_counts_from_the_last_command():
    autopilot = level_autopilot(command_timeout_s=0.1)
    assert autopilot.hovers_on_watchdog
    autopilot.command(0.5, 0.0, 1.4)
    for _ in range(25):
        assert not autopilot.hovers_on_watchdog
        autopilot.update(AT_REST)
    autopilot.update(AT_REST)
    assert autopilot.hovers_on_watchdog
    assert autopilot.state.forward_speed == 0.0


def test_commands_are_clipped_to_the_limits():
    autopilot = level_autopilot()
    autopilot.command(9.0, -9.0, 99.0)
    config, state = autopilot.config, autopilot.state
    assert state.forward_speed == config.max_speed_m_s
    assert state.yaw_rate == -config.max_yaw_rate_rad_s
    assert state.altitude == config.altitude_range_m[1]


def test_sensor_noise_has_the_stated_size_and_no_mean():
    config = SensorConfig()
    sensors = OnboardSensors(config, PERIOD_S)
    sensors.reset(np.random.default_rng(0), 1.4)
    exact = [0.0] * 3 + [0.0, 0.0, 9.81] + [0.5, 0.0, 0.0] + [0.0, 0.0, 1.4]
    readings = [sensors.read(exact) for _ in range(4000)]
    gyro = np.array([r.gyro_rad_s for r in readings])
    sonar = np.array([r.altitude_m for r in readings if r.altitude_is_new])
    assert gyro.std(axis=0) == pytest.approx(config.gyro_noise_rad_s, rel=0.1)
    assert np.abs(gyro.mean(axis=0)).max() < 4 * config.gyro_bias_rad_s
    assert sonar.mean() == pytest.approx(1.4, abs=0.002)
    assert len(sonar) == 4000 * PERIOD_S * config.sonar_hz


def test_optical_flow_is_late_by_its_lag():
    config = SensorConfig(
        flow_noise_m_s=0.0, flow_bias_m_s=0.0, flow_scale_error=0.0, flow_hz=50.0, flow_lag_s=0.04
    )
    sensors = OnboardSensors(config, PERIOD_S)
    sensors.reset(np.random.default_rng(0), 1.4)
    # Speed equals time: a sample delivered at t must hold what was at t - 0.04 s.
    for tick in range(100):
        speed = tick * PERIOD_S
        reading = sensors.read([0.0] * 6 + [speed, 0.0, 0.0] + [0.0] * 3)
        if reading.velocity_is_new:
            assert reading.velocity_b_m_s[0] == pytest.approx(speed - 0.04)


def test_the_robot_file_describes_this_body():
    table = tomllib.loads(ROBOT_FILE.read_text())["body"]
    assert table.pop("kind") in ROBOTS
    assert QuadrotorBody.from_table(table) == BODY


@pytest.mark.parametrize(
    ("table", "message"),
    [
        ({"mas_kg": 1.0}, "unknown mas_kg; valid keys: mass_kg, "),
        ({"mass_kg": -1.0}, "mass_kg = -1.0"),
        ({"mass_kg": float("nan")}, "mass_kg = nan"),
        ({"mass_kg": "heavy"}, "mass_kg = 'heavy'"),
        ({"mass_kg": True}, "mass_kg = True"),
        ({"inertia_kg_m2": [1.0, 2.0]}, "3 numbers"),
    ],
)
def test_a_wrong_body_gets_one_clear_line(table, message):
    with pytest.raises(BodyError, match=message) as caught:
        QuadrotorBody.from_table(table)
    assert "\n" not in str(caught.value)
