"""The graph behind an emulated board: what flies, what stops it, and that nothing is left of it."""

import os
import signal

import psutil
import pytest
from supervised import Going

from firmware_bridge.emulators import boards
from firmware_bridge.errors import BridgeInputError
from perception.quantities import InputError
from robot.cli import main
from robot.graph import load_graph
from robot.messages import DriverReport, FlightState, Setpoint
from robot.node import NodeContext
from robot.nodes.actuator import ActuatorConfig, ActuatorNode
from robot.nodes.plant import PlantConfig, PlantNode
from robot.record import LogReader
from robot.summary import summarise, summary_text
from robot.validation import validate

SECOND_NS = 1_000_000_000
WATCHDOG_S = 0.1  # of configs/robots/ardrone_hil.toml


@pytest.fixture
def hil(tiny_processes):
    """Path of a graph with a vehicle of a few lines behind the board in Python."""
    return tiny_processes.with_name("tiny_hil.toml")


@pytest.fixture
def fly(hil, tmp_path, monkeypatch, tmp_path_factory):
    """Starts the graph in a runtime folder of its own, and ends it; with ``arm`` it flies."""
    runtime = tmp_path_factory.mktemp("r")
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(runtime))
    started = []

    def fly(*overrides, arm=True):
        going = Going(hil, tmp_path, *overrides)
        started.append(going)
        while arm and main(["arm"]) != 0:
            assert going._thread.is_alive()
        if arm:
            going.until(
                lambda told: "plant" in told and told["plant"].telemetry.sent["setpoint"] > 9
            )
        return going

    yield fly
    for going in started:
        going.end()


def _flies(told):
    return "plant" in told and told["plant"].telemetry.sent["setpoint"] > 9


def _pid(going):
    going.until(lambda told: "plant" in told)
    return round(going.vitals["plant"].telemetry.gauges["board_pid"])


def _log(run_dir, topic, kind):
    return [m for t, m, _ in LogReader(run_dir / "log.mcap").messages(kind) if t == topic]


def test_commands_fly_through_the_board_until_an_e_stop_and_nothing_is_left(fly, tmp_path, capsys):
    going = fly()
    board = _pid(going)
    assert psutil.pid_exists(board)
    assert main(["estop"]) == 0
    result = going.end()
    assert (result.failures, result.ended_by) == ({}, "interrupt")
    said = [line for node, line in going.said if node == "actuator"]
    assert said[-1].startswith("the robot is e-stop, it was active")
    summary = summarise(going.graph, going.options, result)
    assert "actuator: the robot was in e-stop at the end; see its alerts" in summary_text(summary)
    assert not psutil.pid_exists(board)
    setpoints = _log(tmp_path, "plant/setpoint", Setpoint)
    assert max(s.values[0] for s in setpoints) == pytest.approx(0.5)
    assert all(s.values[2] == pytest.approx(1.4, abs=0.01) for s in setpoints)  # never a leap
    flown = [s.velocity_b_m_s[0] for s in _log(tmp_path, "glider/state", FlightState)]
    assert max(flown) > 0.4
    reports = _log(tmp_path, "actuator/driver", DriverReport)
    assert [r.mode for r in reports[:1]] == ["disarmed"]
    stopped_ns = next(r.captured_ns for r in reports if r.mode == "estop")
    assert setpoints[-1].captured_ns < stopped_ns + 0.05 * SECOND_NS


def test_a_killed_actuator_leaves_a_board_that_stops_the_robot(fly, tmp_path):
    going = fly()
    board = _pid(going)
    os.kill(going.supervisor._processes["actuator"].pid, signal.SIGKILL)
    result = going.await_end()
    assert list(result.failures) == ["actuator"]
    assert not psutil.pid_exists(board)
    last_told_ns = _log(tmp_path, "actuator/setpoint", Setpoint)[-1].sent_ns
    setpoints = _log(tmp_path, "plant/setpoint", Setpoint)
    assert setpoints[-1].values[:2] == (0.0, 0.0)
    moving = [s for s in setpoints if s.values[0] > 0]
    braking_s = 0.5 / 4.0  # m/s over the slew of the axis
    assert moving[-1].captured_ns - last_told_ns < (WATCHDOG_S + braking_s + 0.1) * SECOND_NS


def test_a_killed_board_is_told_in_one_line_and_the_vehicle_hovers(fly, tmp_path):
    going = fly()
    os.kill(_pid(going), signal.SIGKILL)
    result = going.await_end()
    assert result.failures == {"plant": "the emulated board (python) was killed by SIGKILL"}
    told = [line for node, line in going.said if node == "plant"]
    assert told == []  # no traceback
    assert _log(tmp_path, "glider/state", FlightState)[-1].on_watchdog


def test_a_robot_whose_sensors_are_silent_is_not_armed(fly, capsys):
    going = fly('plant.faults=["sensor:off"]', arm=False)
    _pid(going)
    assert main(["arm"]) == 1
    assert "refused: sensor lost" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("parameters", "says"),
    [
        ({"board": "arduino"}, "valid boards are auto, qemu, python"),
        ({"faults": ("sensor:melted",)}, "no such word; there are off, stuck"),
        ({"port": "../board"}, "must be a plain name"),
    ],
)
def test_what_no_plant_can_be_is_refused_before_anything_starts(parameters, says):
    with pytest.raises((InputError, BridgeInputError), match=says):
        PlantConfig(**parameters)


def test_an_axis_that_the_vehicle_does_not_sense_is_refused(hil, monkeypatch):
    monkeypatch.setattr("robot.nodes.plant.SENSED", {"altitude": lambda state: state.altitude_m})
    graph = load_graph(str(hil))
    context = NodeContext("plant", graph.robot, 0, None)
    with pytest.raises(InputError, match="senses nothing of the axis 'forward_speed'; it does"):
        PlantNode(PlantConfig(), context)


def test_hardware_is_never_armed_by_a_graph(hil):
    graph = load_graph(str(hil))
    link = {**graph.robot.tables["link"], "port": "/dev/ttyACM0"}
    graph.robot.tables["link"] = link
    context = NodeContext("actuator", graph.robot, 0, None)
    with pytest.raises(InputError, match=r"hardware never arms itself: .*reflexarc arm"):
        ActuatorNode(ActuatorConfig(arms_itself=True), context)


def test_room_hil_runs_by_wall_clock_and_shows_nobody_who_acts_the_truth():
    graph = load_graph("room_hil")
    validate(graph)
    assert not graph.makes_lockstep
    assert graph.nodes["actuator"].config.arms_itself
    with pytest.raises(InputError, match="run with --clock wall"):
        validate(graph, lockstep=True)


@pytest.mark.skipif(
    bool(boards.missing()), reason="; ".join(boards.missing()) or "all is installed"
)
def test_qemu_flies_the_same_graph_with_the_firmware_itself(fly, tmp_path):
    going = fly("plant.board=qemu")
    board = _pid(going)
    assert psutil.Process(board).name().startswith("qemu")
    os.kill(board, signal.SIGKILL)
    result = going.await_end()
    assert result.failures == {"plant": "the emulated board (qemu) was killed by SIGKILL"}
    setpoints = _log(tmp_path, "plant/setpoint", Setpoint)
    assert max(s.values[0] for s in setpoints) == pytest.approx(0.5)
    assert not psutil.pid_exists(board)
