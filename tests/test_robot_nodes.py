"""Every node class: its declarations, and its step by hand with made-up messages."""

import dataclasses
import errno
import pkgutil
from operator import attrgetter

import msgspec
import numpy as np
import pytest

from perception.quantities import InputError
from robot.clock import VirtualClock
from robot.config import load_robot, to_config
from robot.edges import Arrival
from robot.messages import (
    MESSAGES,
    Alert,
    Command,
    DepthMap,
    Message,
    ProximityReading,
    RigCalibration,
    Setpoint,
    StereoFrame,
)
from robot.node import Inputs, NodeContext, Role
from robot.nodes import NODES
from robot.nodes.actuator import ActuatorNode
from robot.nodes.camera import CameraConfig, CameraNode
from robot.nodes.policy import PolicyNode, PolicyNodeConfig
from robot.nodes.recorder import RecorderConfig, RecorderNode
from robot.nodes.simulator import SimulatorConfig, SimulatorNode
from robot.nodes.stereo import StereoNode, StereoNodeConfig, calibration_of, rig_of
from robot.record import LogReader
from robot.wire import encode
from sim.stereo_camera import CameraConfig as SimulatedCamera

MS = 1_000_000
NOTHING = Inputs({}, {})


@pytest.fixture
def context():
    return NodeContext(
        name="node", robot=load_robot("ardrone"), seed=3, clock=VirtualClock(), rate_hz=10.0
    )


def _inputs(port, *messages):
    arrivals = [Arrival(f"writer/{port}", message, encode(message)) for message in messages]
    return Inputs({port: arrivals}, {})


classes = pytest.mark.parametrize("name", NODES)


@classes
def test_the_ports_of_a_node_carry_messages_of_the_table(name):
    node_class = pkgutil.resolve_name(NODES[name])
    types = {row.type for row in MESSAGES.values()}
    assert {port.type for port in node_class.inputs.values()} <= {*types, Message}
    assert {port.type for port in node_class.outputs.values()} <= types
    assert isinstance(node_class.role, Role)
    assert node_class.inputs or node_class.role is Role.SOURCE


@classes
def test_the_config_of_a_node_is_frozen_and_has_defaults(name):
    node_class = pkgutil.resolve_name(NODES[name])
    assert dataclasses.is_dataclass(node_class.Config)
    assert node_class.Config.__dataclass_params__.frozen
    config = node_class.Config()
    for output in node_class.outputs.values():
        if output.rate_key is not None:
            assert attrgetter(output.rate_key)(config) > 0


@classes
def test_only_a_simulator_carries_the_truth(name):
    outputs = pkgutil.resolve_name(NODES[name]).outputs.values()
    assert name in ("simulator", "workbench") or not any(output.truth for output in outputs)


def test_inputs_give_messages_oldest_first_and_nothing_where_nothing_came():
    first, second = (Alert(captured_ns=n, text="") for n in (1, 2))
    inputs = _inputs("log", first, second)
    assert inputs.all("log") == [first, second]
    assert inputs.newest("log") is second
    assert inputs.newest("other") is None
    assert inputs.all("other") == []
    assert inputs.alive("log")
    assert not Inputs({}, {"log": False}).alive("log")


def test_each_node_has_chance_of_its_own_and_the_same_for_the_same_seed(context):
    other = dataclasses.replace(context, name="other")
    reseeded = dataclasses.replace(context, seed=4)
    draws = [c.rng().random() for c in (context, context, other, reseeded)]
    assert draws[0] == draws[1]
    assert len(set(draws)) == 3


# camera


@pytest.fixture
def camera(context, asl_room):
    return CameraNode(CameraConfig(path=str(asl_room)), context)


def test_a_camera_gives_its_calibration_once_and_then_each_pair_when_it_was_taken(camera):
    start_ns = 7_000
    sent = []
    for tick in range(40):
        now_ns = start_ns + tick * 7 * MS
        sent += [(now_ns, port, message) for port, message in camera.step(now_ns, NOTHING)]
        if camera.finished:
            break
    assert [port for _, port, _ in sent] == ["calibration", *["frame"] * 6]
    assert [m.captured_ns for _, port, m in sent] == [
        start_ns, *(start_ns + k * 50 * MS for k in range(6))
    ]  # fmt: skip
    assert all(now_ns >= m.captured_ns for now_ns, _, m in sent)
    assert camera.finished
    frames = [m for _, port, m in sent if port == "frame"]
    assert frames[0].left.shape == (96, 128)
    assert not np.array_equal(frames[0].left, frames[-1].left)


def test_the_calibration_of_a_camera_is_that_of_its_folder(camera):
    _, calibration = camera.step(0, NOTHING)[0]
    rig = rig_of(calibration)
    assert rig.baseline_m == pytest.approx(0.06)
    assert (rig.left.width, rig.left.height) == (128, 96)
    assert rig_of(calibration_of(rig, 0)) == rig


@pytest.mark.parametrize(
    ("path", "fragments"),
    [
        ("", ["node 'node'", "path is empty", "--set node.path=FOLDER"]),
        ("/nowhere/mav0", ["/nowhere/mav0", "cam0/data.csv"]),
    ],
)
def test_a_camera_without_a_folder_says_what_to_give(path, fragments, context):
    with pytest.raises(InputError) as refusal:
        CameraNode(CameraConfig(path=path), context)
    assert all(fragment in str(refusal.value) for fragment in fragments)


def test_a_recording_without_calibration_needs_one(context, asl_room, tmp_path):
    for side in ("cam0", "cam1"):
        (tmp_path / side).mkdir()
        (tmp_path / side / "data.csv").write_text((asl_room / side / "data.csv").read_text())
        (tmp_path / side / "data").symlink_to(asl_room / side / "data")
    with pytest.raises(InputError, match=r"no calibration.*--set node\.calibration=rig\.toml"):
        CameraNode(CameraConfig(path=str(tmp_path)), context)
    config = CameraConfig(path=str(tmp_path), calibration=str(asl_room))
    assert CameraNode(config, context).step(0, NOTHING)[0][0] == "calibration"


# stereo


@pytest.fixture
def stereo(context):
    """With the quickest matcher, and no rig to warm up with."""
    robot = dataclasses.replace(context.robot, tables={})
    config = StereoNodeConfig(matcher="bm")
    return StereoNode(config, dataclasses.replace(context, robot=robot))


def test_stereo_waits_for_the_calibration(stereo, camera):
    emissions = camera.step(0, NOTHING)
    calibration, frame = (message for _, message in emissions)
    assert stereo.step(0, _inputs("frame", frame)) == []
    assert stereo.step(0, _inputs("calibration", calibration)) == []
    assert [port for port, _ in stereo.step(0, _inputs("frame", frame))] == ["proximity", "depth"]


def test_stereo_sees_the_room_and_keeps_the_stamp_of_the_frame(stereo, camera):
    (_, calibration), (_, frame) = camera.step(5, NOTHING)
    stereo.step(5, _inputs("calibration", calibration))
    doubtful = StereoFrame(captured_ns=5, left=frame.left, right=frame.right, valid=False)
    (_, near), (_, depth) = stereo.step(9 * MS, _inputs("frame", doubtful))
    assert isinstance(depth, DepthMap)
    assert isinstance(near, ProximityReading)
    assert depth.captured_ns == near.captured_ns == 5
    assert not depth.valid
    assert not near.valid
    assert np.isfinite(depth.depth_m).mean() > 0.3
    assert 1.0 < np.nanmedian(depth.depth_m) < 4.0  # it looks at a wall across a 5 m room
    encode(depth)
    encode(near)


def test_stereo_answers_every_frame(stereo, camera):
    (_, calibration), (_, frame) = camera.step(0, NOTHING)
    stereo.step(0, _inputs("calibration", calibration))
    assert len(stereo.step(0, _inputs("frame", frame, frame, frame))) == 6


def test_a_wrong_matcher_is_refused_before_the_first_frame(context):
    with pytest.raises(InputError, match="sgbm"):
        StereoNode(StereoNodeConfig(matcher="eyes"), context)


# policy


def _reading(captured_ns=0, *, near=False, valid=True):
    """A reading in the open, or right before a wall."""
    return ProximityReading(
        captured_ns=captured_ns,
        valid=valid,
        proximity_px=60.0 if near else 1.0,
        sectors_per_m=np.full(8, 10.0 if near else 0.1, np.float32),
        sector_valid=np.ones(8, np.float32),
        corridor_m=0.1 if near else float("inf"),
        corridor_seen=1.0,
    )


def _fly(node, readings):
    return [dict(node.step(0, _inputs("proximity", reading)))["command"] for reading in readings]


def test_a_policy_answers_each_reading_with_its_stamp(context):
    node = PolicyNode(PolicyNodeConfig(), context)
    (command,) = _fly(node, [_reading(123)])
    assert command.captured_ns == 123
    assert len(command.values) == 3
    assert node.step(0, NOTHING) == []


def test_a_policy_stands_still_on_a_reading_that_is_not_trusted_and_keeps_its_altitude(context):
    node = PolicyNode(PolicyNodeConfig(), context)
    *_, ahead = _fly(node, [_reading() for _ in range(5)])
    sent = node.step(0, _inputs("proximity", _reading(valid=False)))
    assert [port for port, _ in sent] == ["command"]  # nothing to learn from
    assert sent[0][1].values == (0.0, 0.0, ahead.values[2])
    assert sent[0][1].valid  # to stop is sound, whatever was seen
    assert ahead.values[0] > 0
    assert _fly(node, [_reading() for _ in range(5)])[-1].values[0] > 0


def test_the_reflex_flies_on_in_the_open_and_not_into_a_wall(context):
    node = PolicyNode(PolicyNodeConfig(), context)
    *_, ahead = _fly(node, [_reading() for _ in range(5)])
    assert ahead.values[0] > 0
    before_wall = _fly(node, [_reading(near=True) for _ in range(10)])
    assert any(c.values[0] == 0 and c.values[1] != 0 for c in before_wall)  # it stops and turns


def test_a_blind_policy_does_as_in_the_open_whatever_comes(context):
    seeing = PolicyNode(PolicyNodeConfig(), context)
    blind = PolicyNode(PolicyNodeConfig(blind=True), context)
    walls = [_reading(near=True) for _ in range(12)]
    in_the_open = _fly(seeing, [_reading() for _ in walls])
    assert [c.values for c in _fly(blind, walls)] == [c.values for c in in_the_open]
    assert in_the_open[-1].values[0] > 0


def test_a_policy_records_what_it_saw_and_chose_before_noise(context):
    quiet, noisy = (PolicyNode(PolicyNodeConfig(noise=noise), context) for noise in (0.0, 0.1))
    first, second = (dict(n.step(0, _inputs("proximity", _reading(7)))) for n in (quiet, noisy))
    seen = first["observation"]
    assert seen.captured_ns == 7
    np.testing.assert_allclose(first["command"].values, seen.action, rtol=1e-6)
    np.testing.assert_array_equal(second["observation"].action, seen.action)
    assert not np.allclose(second["command"].values, seen.action)
    np.testing.assert_allclose(seen.sectors_per_m, np.full((3, 8), 0.1))
    next_seen = dict(noisy.step(0, _inputs("proximity", _reading())))["observation"]
    np.testing.assert_allclose(next_seen.previous_command, second["command"].values, rtol=1e-6)


def test_a_policy_that_there_is_not_is_refused_listing_those_there_are(context):
    with pytest.raises(InputError, match=r"constant, .*reflex"):
        PolicyNode(PolicyNodeConfig(policy="genius"), context)


# actuator


@pytest.fixture
def actuator(context):
    return ActuatorNode(ActuatorNode.Config(), context)


def _act(actuator, now_ms, values=None, captured_ms=None):
    """One step, with or without a new command; gives the setpoint."""
    inputs = NOTHING
    if values is not None:
        captured_ns = (now_ms if captured_ms is None else captured_ms) * MS
        inputs = _inputs("command", Command(captured_ns=captured_ns, values=values))
    ((port, setpoint),) = actuator.step(now_ms * MS, inputs)
    assert port == "setpoint"
    return setpoint


def test_an_actuator_follows_a_command_as_fast_as_the_limits_allow(actuator):
    speeds = [_act(actuator, 0, (0.2, 0.0, 1.4)).values[0]]
    speeds += [_act(actuator, 20 * n).values[0] for n in range(1, 5)]
    assert speeds == pytest.approx([0.0, 0.08, 0.16, 0.2, 0.2])  # 4 m/s² over 20 ms


def test_an_actuator_stops_when_the_data_behind_its_command_are_too_old(actuator):
    for tick in range(12):
        _act(actuator, 20 * tick, (0.2, 0.3, 1.4) if tick == 0 else None)
    assert _act(actuator, 240).values == pytest.approx((0.2, 0.3, 1.4), abs=0.2)
    assert "stale" not in _act(actuator, 250).reasons
    for tick in range(13, 30):
        last = _act(actuator, 20 * tick)
    assert "stale" in last.reasons
    assert last.values[:2] == (0.0, 0.0)  # it stops
    assert last.values[2] == pytest.approx(1.4)  # and holds its altitude


def test_a_command_that_comes_late_counts_from_when_its_data_were_taken(actuator):
    assert "stale" in _act(actuator, 1000, (0.2, 0.0, 1.4), captured_ms=749).reasons
    assert "stale" not in _act(actuator, 1010, (0.2, 0.0, 1.4), captured_ms=760).reasons


@pytest.mark.parametrize("odd", [np.nan, np.inf, -np.inf])
def test_a_command_that_is_not_finite_is_refused_and_the_last_one_followed(odd, actuator):
    for tick in range(5):
        _act(actuator, 20 * tick, (0.2, 0.0, 1.4))
    setpoint = _act(actuator, 100, (0.2, odd, 1.4))
    assert setpoint.reasons == ("non_finite",)
    assert setpoint.values == pytest.approx((0.2, 0.0, 1.4), abs=0.1)
    assert actuator.gauges()["limited_non_finite"] == 1


def test_commands_that_are_not_valid_are_refused_until_the_robot_stops(actuator):
    for tick in range(5):
        _act(actuator, 20 * tick, (0.2, 0.0, 1.4))
    doubtful = Command(captured_ns=0, values=(0.8, 1.0, 1.4), valid=False)
    reasons, speeds = [], []
    for tick in range(5, 30):
        stamped = msgspec.structs.replace(doubtful, captured_ns=20 * tick * MS)
        ((_, setpoint),) = actuator.step(20 * tick * MS, _inputs("command", stamped))
        reasons.append(setpoint.reasons)
        speeds.append(setpoint.values[0])
    assert reasons[0] == ("invalid",)
    assert max(speeds) == pytest.approx(0.2)
    assert "stale" in reasons[-1]
    assert speeds[-1] == 0.0


def test_an_actuator_that_is_told_to_halt_stops_at_its_next_step_whatever_comes(actuator):
    for now_ms in (0, 100, 200, 300):
        moving = _act(actuator, now_ms, (0.8, 0.0, 1.4))
    assert moving.values[0] == pytest.approx(0.8)
    assert not actuator.safe
    actuator.halt(on=True)
    halted = _act(actuator, 320, (0.8, 0.0, 1.4))
    assert (halted.values[0], halted.reasons) == (0.0, ("halted",))
    assert actuator.safe
    actuator.halt(on=False)
    assert _act(actuator, 340, (0.8, 0.0, 1.4)).values[0] > 0
    assert not actuator.safe


def test_an_actuator_whose_commands_ended_is_safe_once_it_has_slowed_down(actuator):
    for now_ms in (0, 100, 200, 300):
        _act(actuator, now_ms, (0.8, 0.0, 1.4))
    _act(actuator, 540)
    slowing = _act(actuator, 560)
    assert ("stale" in slowing.reasons, actuator.safe) == (True, False)
    for now_ms in (760, 960):
        _act(actuator, now_ms)
    assert actuator.safe


@pytest.fixture
def simulator():
    """A room without furniture or cameras, stepped at 50 Hz."""
    context = NodeContext("s", load_robot("ardrone"), seed=0, clock=VirtualClock(), rate_hz=50.0)
    config = SimulatorConfig(options={"obstacles": 0}, camera=SimulatedCamera(rate_hz=0))
    node = SimulatorNode(config, context)
    yield node
    node.close()


def test_a_vehicle_is_carried_at_its_second_and_the_new_room_is_told(simulator):
    context = simulator.context
    carries = ({"at_s": 0.04, "to_seed": 7}, {"at_s": 0.08, "to_seed": 0})
    table = {"options": {"obstacles": 2}, "camera": {"rate_hz": 0}, "carries": carries}
    node = SimulatorNode(to_config("simulator", table, SimulatorConfig), context)
    told, places = {}, []
    for tick in range(6):
        said = dict(node.step(20 * tick * MS, NOTHING))
        places.append(said["pose"].position_w)
        assert said["pose"].captured_ns == 20 * tick * MS
        if "room" in said:
            told[tick] = said["room"].obstacles
    node.close()
    assert list(told) == [0, 3, 5]
    assert told[0] == told[5] != told[3]
    jumps_m = np.linalg.norm(np.diff(places, axis=0), axis=1)
    assert (jumps_m > 0.1).tolist() == [False, False, True, False, True]


@pytest.mark.parametrize(
    "carries",
    [[{"at_s": 0.0, "to_seed": 1}], [{"at_s": 5, "to_seed": 1}, {"at_s": 5, "to_seed": 2}]],
)
def test_carries_out_of_order_or_before_the_start_are_refused(carries):
    with pytest.raises(InputError, match=r"at_s must be above 0|later than the one before"):
        to_config("simulator", {"carries": carries}, SimulatorConfig)


def _setpoint(*reasons):
    return _inputs("setpoint", Setpoint(captured_ns=0, values=(0.5, 0.0, 1.4), reasons=reasons))


def test_a_plant_without_setpoints_is_safe_on_its_own_watchdog_within_100_ms(simulator):
    simulator.step(0, NOTHING)
    simulator.step(20 * MS, _setpoint())
    assert not simulator.safe
    silent = 0
    while not simulator.safe:
        simulator.step((40 + 20 * silent) * MS, NOTHING)
        silent += 1
    assert 2 <= silent <= 4  # one late setpoint is no loss; with the wait for its step, 100 ms


def test_a_plant_is_safe_once_a_stop_has_reached_it(simulator):
    simulator.step(0, NOTHING)
    for reasons, safe in [((), False), (("halted",), True), (("slew",), False)]:
        simulator.step(20 * MS, _setpoint(*reasons))
        assert simulator.safe is safe
    simulator.step(40 * MS, _setpoint("slew", "stale"))
    assert not simulator.safe  # it still slows down
    simulator.step(60 * MS, _setpoint("stale"))
    assert simulator.safe


def test_an_actuator_stops_the_robot_when_it_is_closed(actuator):
    for tick in range(5):
        _act(actuator, 20 * tick, (0.2, 0.3, 1.4))
    actuator.close()
    state = actuator._driver.read(100 * MS)
    assert state.stopped
    assert state.values[:2].tolist() == [0.0, 0.0]


# recorder


def test_a_recorder_writes_what_comes_in(context, tmp_path):
    node = RecorderNode(RecorderConfig(), dataclasses.replace(context, run_dir=tmp_path))
    command = Command(captured_ns=1, seq=0, sent_ns=2, source="policy", values=(1.0,))
    assert node.step(0, _inputs("log", command)) == []
    node.close()
    ((topic, read, _),) = LogReader(tmp_path / "log.mcap").messages()
    assert (topic, read) == ("writer/log", command)
    assert node.gauges() == {"log_messages": 1, "log_lost": 0}


def test_what_came_in_a_second_ago_is_on_disk_also_in_the_middle_of_a_chunk(context, tmp_path):
    node = RecorderNode(RecorderConfig(), dataclasses.replace(context, run_dir=tmp_path))
    for tick in range(200):
        now_ns = tick * 20 * MS
        alert = Alert(captured_ns=now_ns, seq=tick, sent_ns=now_ns, text="")
        node.step(now_ns, _inputs("log", alert))
        if now_ns >= 1000 * MS:
            on_disk = [m.sent_ns for _, m, _ in LogReader(tmp_path / "log.mcap").messages()]
            assert on_disk[-1] > now_ns - 1000 * MS
    node.close()


def test_a_recorder_without_a_run_folder_does_nothing(context):
    node = RecorderNode(RecorderConfig(), context)
    assert node.step(0, _inputs("log", Alert(captured_ns=0, text=""))) == []
    assert node.gauges() == {}
    node.close()


def test_a_recorder_says_once_that_the_disk_is_full_and_lets_the_run_go_on(
    context, tmp_path, capsys
):
    node = RecorderNode(RecorderConfig(), dataclasses.replace(context, run_dir=tmp_path))

    def full(data):
        raise OSError(errno.ENOSPC, "No space left on device")

    node._writer._stream.write = full
    alerts = []
    for seq in range(5):
        alert = Alert(captured_ns=0, seq=seq, sent_ns=0, text="x")
        alerts += node.step(0, _inputs("log", alert))
    node.close()
    ((port, said),) = alerts
    assert port == "alerts"
    assert "No space left on device" in said.text
    assert "--out" in said.text
    assert capsys.readouterr().out.count("recording stopped") == 1
    gauges = node.gauges()
    assert (gauges["log_messages"], gauges["log_lost"]) == (0, 5)


def test_a_calibration_survives_its_message(context):
    rig = context.robot.rig
    message = calibration_of(rig, 9)
    assert isinstance(message, RigCalibration)
    assert message.captured_ns == 9
    assert rig_of(message) == rig
