"""Runs that are going on: found, asked how they do, stopped; nothing of the dead is believed."""

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
from io import StringIO
from itertools import groupby
from pathlib import Path

import msgspec
import pytest
import zmq
from rich.console import Console
from supervised import Going

from robot.cli import main
from robot.commands.top import picture
from robot.control import NodeControl, Vitals
from robot.executor import RunOptions, run_in_process
from robot.graph import load_graph
from robot.messages import DriverReport, EdgeTelemetry, Setpoint, StepRecord, Telemetry
from robot.process_load import ProcessLoad, resident_bytes
from robot.record import LogReader
from robot.run_control import (
    MAX_REQUEST_BYTES,
    Refused,
    RunClient,
    RunControlError,
    controllable,
)
from robot.run_registry import (
    NoRunError,
    RunEntry,
    RuntimeFolderError,
    find_run,
    registered,
    remove_stale,
    running,
    runtime_folder,
)
from robot.run_status import RunStatus, StatusBoard
from robot.supervisor import Supervisor

EDGE = "ticker.count -> relay.command"


@pytest.fixture
def runtime(monkeypatch):
    """A runtime folder of this test's own; short, as ipc paths must be."""
    base = Path(tempfile.mkdtemp(prefix="rt-"))
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(base))
    yield base / "reflexarc"
    shutil.rmtree(base)


@pytest.fixture
def board(tiny):
    options = RunOptions(seconds=None, seed=0, lockstep=False, run_dir=None)
    return StatusBoard(load_graph(str(tiny)), options)


@pytest.fixture
def client(runtime, board):
    """A client of a run's control socket, while that is served."""
    with controllable(board, "tiny", None):
        (entry,) = running()
        asker = RunClient(Path(entry.folder), timeout_s=60)
        yield asker
        asker.close()


def _telemetry(**fields):
    base = {
        "captured_ns": 0,
        "steps": 50,
        "rate_hz": 50.0,
        "step_ms_mean": 1.0,
        "step_ms_max": 3.0,
        "overruns": 0,
        "gauges": {},
        "inputs": {},
    }
    return Telemetry(**{**base, **fields})


def test_a_run_is_listed_while_it_lasts_in_folders_that_are_closed_to_others(runtime, tmp_path):
    assert running() == []
    with registered("tiny", tmp_path) as folder:
        (entry,) = running()
        assert (entry.graph, entry.pid, entry.run_dir) == ("tiny", os.getpid(), str(tmp_path))
        assert Path(entry.folder) == folder
        for closed in (folder, runtime):
            assert closed.stat().st_mode & 0o777 == 0o700
    assert running() == []
    assert list(runtime.iterdir()) == []


def test_what_a_killed_run_left_is_not_listed_and_is_removed_by_the_next(runtime):
    dead = subprocess.Popen([sys.executable, "-c", ""])
    dead.wait()
    whole, partial = runtime_folder() / f"{dead.pid}-aa", runtime_folder() / f"{dead.pid}-bb"
    for folder in (whole, partial):
        folder.mkdir()
    entry = RunEntry(graph="g", pid=dead.pid, started_ticks=1, run_dir=None, folder=str(whole))
    (whole / "run.json").write_bytes(msgspec.json.encode(entry))
    assert running() == []
    with registered("tiny", None) as mine:
        assert list(runtime.iterdir()) == [mine]


def test_a_process_that_took_over_the_number_of_a_dead_one_is_not_taken_for_it(runtime):
    folder = runtime_folder() / f"{os.getpid()}-aa"
    folder.mkdir()
    entry = RunEntry(graph="g", pid=os.getpid(), started_ticks=1, run_dir=None, folder=str(folder))
    (folder / "run.json").write_bytes(msgspec.json.encode(entry))
    assert running() == []
    remove_stale()
    assert not folder.exists()


def test_a_runtime_folder_that_others_may_enter_is_refused_with_how_to_mend_it(runtime):
    runtime.mkdir(mode=0o700)
    runtime.chmod(0o755)
    with pytest.raises(RuntimeFolderError, match="mode 0700"):
        runtime_folder()
    runtime.rmdir()
    runtime.symlink_to("/tmp")
    with pytest.raises(RuntimeFolderError, match="folder of your own"):
        runtime_folder()


def test_a_run_is_found_by_number_graph_or_folder_and_only_if_it_is_the_only_one(runtime, tmp_path):
    with pytest.raises(NoRunError, match="no run is going on"):
        find_run(None)
    with registered("one", tmp_path):
        for which in (None, "one", str(os.getpid()), str(tmp_path)):
            assert find_run(which).graph == "one"
        with pytest.raises(NoRunError, match=rf"'two'.*{os.getpid()} \(one\)"):
            find_run("two")
        with registered("two", None):
            assert find_run("two").graph == "two"
            with pytest.raises(NoRunError, match="2 runs"):
                find_run(None)


def test_status_puts_both_ends_of_an_edge_side_by_side(client, board):
    before = client.status()
    assert before.nodes["relay"].telemetry is None
    assert before.edges[EDGE].sent is before.edges[EDGE].received is None
    board.progress(2.5)
    board.note("ticker", Vitals(_telemetry(sent={"count": 7}, cpu_share=0.2, memory_mb=30.0), ()))
    seen = EdgeTelemetry(received=5, dropped=1, rate_hz=4.0, age_ms_p99=9.0)
    board.note("relay", Vitals(_telemetry(edges={EDGE: seen}), ("it is cold",)))
    status = client.status()
    edge = status.edges[EDGE]
    assert (edge.policy, edge.sent, edge.received, edge.dropped) == ("latest", 7, 5, 1)
    assert (edge.rate_hz, edge.age_ms_p50, edge.age_ms_p99) == (4.0, None, 9.0)
    assert (status.run_seconds, status.pid, status.clock) == (2.5, os.getpid(), "wall")
    assert status.nodes["ticker"].telemetry.memory_mb == 30.0
    assert status.nodes["actuator"].expected_hz == 50
    assert status.alerts == ("relay: it is cold",)
    assert not status.stopping


def test_top_shows_the_newest_alerts_of_the_supervisor_beside_those_of_the_nodes(client, board):
    for n in range(20):
        board.alert(f"node 'relay': restart {n}; {EDGE}: sent {n}, taken 3")
    told = ("it is cold", "supervisor: node 'relay': restart 19; " + f"{EDGE}: sent 19, taken 3")
    board.note("ticker", Vitals(_telemetry(), told))
    status = client.status()
    assert status.alerts == ("ticker: it is cold",)
    screen = Console(width=200, file=StringIO())
    screen.print(picture(status))
    shown = [line.strip() for line in screen.file.getvalue().splitlines() if line.startswith("!")]
    assert shown == ["! ticker: it is cold"] + [
        f"! supervisor: node 'relay': restart {n}; {EDGE}: sent {n}, taken 3" for n in range(15, 20)
    ]


@pytest.mark.parametrize(
    "body", [b"", b"\xc1", msgspec.msgpack.encode({"type": "arm"}), msgspec.msgpack.encode([1])]
)
def test_what_is_no_request_is_refused_with_the_requests_there_are(body, client, board):
    reply = client.ask_bytes(body)
    assert isinstance(reply, Refused)
    assert "status, stop, demand" in reply.reason
    assert not board.stopping
    assert isinstance(client.status(), RunStatus)


def test_a_request_that_is_too_large_is_not_read_and_the_next_is_answered(client):
    hurried = RunClient(client._folder, timeout_s=0.2)
    with pytest.raises(RunControlError, match="no answer"):
        hurried.ask_bytes(bytes(MAX_REQUEST_BYTES + 1))
    hurried.close()
    assert isinstance(client.status(), RunStatus)


@pytest.mark.parametrize("in_process", [True, False])
def test_a_run_tells_of_each_node_and_ends_in_order_when_asked(
    in_process, runtime, tiny_processes, tmp_path
):
    graph = load_graph(str(tiny_processes))
    options = RunOptions(seconds=None, seed=0, lockstep=True, run_dir=tmp_path)
    board = StatusBoard(graph, options)
    results = []
    with controllable(board, graph.name, tmp_path) as control:

        def stop():
            return control.stop_asked

        def run():
            if in_process:
                result = run_in_process(
                    graph, options, board.progress, stop, lambda *_: None, board.note
                )
            else:
                supervisor = Supervisor(graph, (), options, lambda *_: None, board.note)
                result = supervisor.run(board.progress, stop)
            results.append(result)

        thread = threading.Thread(target=run)
        thread.start()
        asker = RunClient(Path(find_run("tiny").folder), timeout_s=60)
        status = asker.status()
        while not all(node.telemetry for node in status.nodes.values()):
            assert thread.is_alive()
            status = asker.status()
        asker.stop()
        asker.close()
        thread.join()
    (result,) = results
    assert (result.ended_by, result.failures) == ("interrupt", {})
    assert status.run_seconds > 0
    assert status.edges[EDGE].sent > 0
    assert status.edges[EDGE].received > 0
    for node in status.nodes.values():
        alone = not in_process
        assert (node.telemetry.memory_mb is not None) == alone
        assert (node.telemetry.cpu_share is not None) == alone
    assert picture(status)


def test_top_without_a_run_says_so_in_one_line(runtime, capsys):
    for verb in ("top", "stop"):
        assert main([verb]) == 2
        out, err = capsys.readouterr()
        assert out == ""
        assert err == f"reflexarc: {verb}: no run is going on; start one with reflexarc run GRAPH\n"


def test_top_prints_the_status_as_json_and_as_tables(client, board, capsys):
    board.note("ticker", Vitals(_telemetry(sent={"count": 7}), ()))
    assert main(["top", "--once", "--json"]) == 0
    status = msgspec.json.decode(capsys.readouterr().out, type=RunStatus)
    assert status.nodes["ticker"].telemetry.sent == {"count": 7}
    assert main(["top", "--once"]) == 0
    shown = capsys.readouterr().out
    assert all(name in shown for name in board.status().nodes)


def test_stop_asks_the_run_to_end(client, board, capsys):
    assert main(["stop", "tiny"]) == 0
    assert f"tiny (process {os.getpid()}) is stopping" in capsys.readouterr().out
    assert board.stopping


def _top_process():
    """``reflexarc top`` in a process of its own, once it has printed the first status."""
    command = [sys.executable, "-m", "robot.cli", "top", "--json"]
    top = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert msgspec.json.decode(top.stdout.readline(), type=RunStatus).graph == "tiny"
    return top


def test_ctrl_c_leaves_top_cleanly_and_the_run_goes_on(client):
    top = _top_process()
    top.send_signal(signal.SIGINT)
    assert top.communicate()[1] == ""
    assert top.returncode == 0
    assert not client.status().stopping


def test_top_ends_with_its_run(runtime, board):
    with controllable(board, "tiny", None):
        top = _top_process()
    assert top.communicate()[1] == ""
    assert top.returncode == 0


def test_a_node_never_waits_for_a_supervisor_that_does_not_listen():
    context = zmq.Context()
    control = NodeControl(context, Path("/nowhere"), "relay")
    vitals = Vitals(_telemetry(), ())
    while control.offer(vitals):
        pass
    assert not control.offer(vitals)
    control.socket.close(linger=0)
    context.term()


def test_load_counts_the_work_and_the_memory_of_this_process():
    load = ProcessLoad()
    before = resident_bytes()
    block = bytearray(b"\x01") * 200_000_000  # too much for memory that was freed before
    measured = load.measure()
    assert measured.memory_mb * 1e6 >= before + 0.9 * len(block)
    assert 0 < measured.cpu_share < os.cpu_count() + 1


def _setpoints(run_dir):
    return [m for _, m, _ in LogReader(run_dir / "log.mcap").messages(Setpoint)]


@pytest.mark.parametrize("in_process", [True, False])
def test_an_e_stop_ends_all_motion_until_it_is_reset(
    in_process, runtime, tiny_processes, tmp_path, capsys
):
    going = Going(tiny_processes, tmp_path, in_process=in_process)
    told = []
    try:
        for command in ("estop", "arm", "disarm", "arm --reset", "disarm", "arm", "estop --json"):
            code = main(command.split())
            out, err = capsys.readouterr()  # a run in this process writes to it as well
            said = [line for line in out.splitlines(True) if not line.startswith("the robot is")]
            told.append((code, "".join(said), err))
    finally:
        result = going.end()
    assert (result.ended_by, result.failures) == ("interrupt", {})
    run = f"tiny (process {os.getpid()}): actuator:"
    latched = "an e-stop is latched; when it is safe to go on: reflexarc arm --reset"
    outlasts = "it is stopped by an e-stop, which outlasts a disarming"
    assert told[:6] == [
        (0, f"{run} e-stop, until: reflexarc arm --reset\n", ""),
        (1, "", f"reflexarc: arm: {run} {latched}\n"),
        (1, "", f"reflexarc: disarm: {run} {outlasts}\n"),
        (0, f"{run} armed\n", ""),
        (0, f"{run} disarmed\n", ""),
        (0, f"{run} armed\n", ""),
    ]
    (answer,) = msgspec.json.decode(told[6][1])
    assert (answer["done"], answer["mode"], answer["node"]) == (True, "estop", "actuator")
    assert _setpoints(tmp_path)[-1].values[:2] == (0.0, 0.0)
    log = LogReader(tmp_path / "log.mcap")
    modes = [message.mode for _, message, _ in log.messages(DriverReport)]
    assert [mode for mode, _ in groupby(modes)] == [
        "estop",
        "active",
        "disarmed",
        "active",
        "estop",
    ]


def test_an_e_stop_does_not_wait_for_a_busy_supervisor(runtime, tiny_processes, tmp_path, capsys):
    hold = threading.Event()
    going = Going(tiny_processes, tmp_path, hold=hold)
    try:
        code = main(["estop"])
        assert not hold.is_set()
    finally:
        hold.set()
        going.end()
    assert (code, capsys.readouterr().err) == (0, "")


def test_a_run_with_a_demand_in_it_replays_to_the_byte(runtime, tiny_processes, tmp_path, capsys):
    going = Going(tiny_processes, tmp_path)
    for command in ("disarm", "arm", "estop"):
        assert main([command]) == 0
    going.end()
    assert any(
        record.asked == ("estop",)
        for _, record, _ in LogReader(tmp_path / "log.mcap").messages(StepRecord)
    )
    capsys.readouterr()
    assert main(["replay", str(tmp_path), "--verify"]) == 0, capsys.readouterr().out


def test_an_actuator_that_was_killed_comes_up_stopped_if_an_e_stop_is_in_force(
    runtime, tiny_processes, tmp_path, capsys
):
    text = tiny_processes.read_text().replace(
        "[nodes.recorder]",
        '[nodes.actuator.supervision]\nrestart = "on-failure"\n\n[nodes.recorder]',
    )
    (tmp_path / "run").mkdir()
    graph = tmp_path / "restarting.toml"
    graph.write_text(text)
    going = Going(graph, tmp_path / "run")
    try:
        assert main(["estop"]) == 0
        os.kill(going.supervisor._processes["actuator"].pid, signal.SIGKILL)
        assert going.restarted.wait(60)
        assert main(["arm"]) == 1
    finally:
        going.end()
    assert "e-stop is latched" in capsys.readouterr().err
    assert _setpoints(tmp_path / "run")[-1].values[:2] == (0.0, 0.0)


@pytest.mark.parametrize("verb", ["arm", "disarm", "estop"])
def test_what_cannot_be_demanded_is_told_in_one_line(verb, runtime, board, capsys):
    assert main([verb]) == 2
    assert capsys.readouterr().err.startswith(f"reflexarc: {verb}: no run is going on")
    board.actuators = ()
    with controllable(board, "tiny", None):
        assert main([verb]) == 1
    err = capsys.readouterr().err
    assert "no node of this run has a driver" in err
    assert err.count("\n") == 1


def test_top_shows_in_which_mode_a_driver_is(client, board):
    board.note("actuator", Vitals(_telemetry(gauges={"driver_mode": 5.0}), ()))
    screen = Console(width=200, file=StringIO())
    screen.print(picture(client.status()))
    assert "actuator: e-stop" in screen.file.getvalue()
