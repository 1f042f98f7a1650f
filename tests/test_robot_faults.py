"""A graph whose processes are killed, stopped and robbed: the robot stops, the sums hold."""

import signal
import subprocess
import sys
from pathlib import Path

import psutil
import pytest
from supervised import Run

import robot.run_folder
import robot.supervisor
from robot.commands.run import _conclude
from robot.console import Console
from robot.counters import Counters
from robot.graph import load_graph
from robot.messages import Alert, Setpoint
from robot.record import LogReader
from robot.summary import summarise, summary_text

HERE = Path(__file__).parent


def _wall(graph, run_dir, *overrides):
    return Run(graph, run_dir, *overrides, seconds=None, lockstep=False)


def _runs_again(run, node):
    told = any("runs again" in text for text in run.result_so_far.alerts)
    return told and run.pulse(node).steps > 10


def _summary(run):
    return summarise(run.graph, run.options, run.result)


def _log(run_dir, kind):
    entries = LogReader(run_dir / "log.mcap").messages()
    return [e.message for e in entries if isinstance(e.message, kind)]


@pytest.mark.parametrize("victim", ["relay", "actuator", "recorder"])
def test_the_sum_holds_on_every_edge_of_a_node_that_is_killed(victim, tiny_processes, tmp_path):
    run = _wall(tiny_processes, tmp_path, "ticker.bulk=20")

    def kill(_):
        if run.pulse("actuator").steps >= 10 and not run.result_so_far.failures:
            run.kill(victim)

    run.go(kill)
    assert run.result.failures.keys() == {victim}
    summary = _summary(run)
    assert summary["accounting"] == {"holds": True, "unaccounted": {}}
    for edge, figures in summary["edges"].items():
        known = figures["received"] + figures["dropped"] + figures["lost_with_process"]
        assert figures["sent"] == known, edge
        assert figures["lost_with_process"] == 0 or victim in edge, edge
    assert summary["edges"]["ticker.count -> relay.command"]["sent"] > 0
    assert any(victim in text and "signal 9" in text for text in summary["alerts"])


def test_a_message_stolen_behind_the_back_of_both_ends_makes_the_sum_fail(
    tiny_processes, tmp_path, capsys
):
    """The thief renumbers what follows, so no gap shows, and corrects the end marker too."""
    script = Path(sys.executable)
    theft = (
        "import msgspec\n"
        "import robot.node_edges\n"
        "from robot.bus import EdgeReader\n"
        "from robot.messages import Command\n"
        "from robot.wire import decode, encode\n"
        "class Thief(EdgeReader):\n"
        "    def receive(self):\n"
        "        frames = super().receive()\n"
        "        if str(self.edge) != 'ticker.count -> relay.command':\n"
        "            return frames\n"
        "        if frames is None:\n"
        "            if self.sent is not None and not hasattr(self, 'lied'):\n"
        "                self.lied = True\n"
        "                self.sent -= 1\n"
        "            return None\n"
        "        message = decode(Command, frames)\n"
        "        if message.seq == 5:\n"
        "            return super().receive()\n"
        "        shift = message.seq > 5\n"
        "        return encode(msgspec.structs.replace(message, seq=message.seq - shift))\n"
        "robot.node_edges.EdgeReader = Thief\n"
    )
    script.write_text(script.read_text().replace("sys.exit(main())", theft + "sys.exit(main())"))
    run = Run(tiny_processes, tmp_path, "ticker.last=20", seconds=None, lockstep=False)
    run.go()
    summary = _summary(run)
    edge = "ticker.count -> relay.command"
    assert summary["accounting"] == {"holds": False, "unaccounted": {edge: 1}}
    said = f"messages of which nobody knows what became: {edge}: 1"
    assert f"ACCOUNTING FAILS: {said}" in summary_text(summary)
    console = Console(quiet=True)
    assert _conclude(run.graph, run.options, run.result, console, as_json=False) == 1
    assert f"reflexarc: run: ACCOUNTING FAILS: {said}" in capsys.readouterr().err


def test_when_its_world_dies_the_robot_is_told_to_stop(tiny_processes, tmp_path):
    run = _wall(tiny_processes, tmp_path, "ticker.class=stoppable")

    def kill(_):
        if run.pulse("actuator").steps >= 10 and not run.result_so_far.failures:
            run.kill("ticker")

    run.go(kill)
    assert run.result.ended_by == "failure"
    setpoints = _log(tmp_path, Setpoint)
    assert "halted" not in setpoints[5].reasons
    assert "halted" in setpoints[-1].reasons
    assert setpoints[-1].values[:2] == (0.0, 0.0)
    alerts = [alert.text for alert in _log(tmp_path, Alert)]
    found = [text for text in alerts if text.startswith("supervisor: node 'ticker'")]
    assert "killed by signal 9" in found[0]
    assert "ticker.count -> relay.command: sent " in found[0]
    assert _summary(run)["accounting"]["holds"]


def test_a_simulated_robot_is_not_left_in_mid_flight_when_a_run_ends(tiny_processes, tmp_path):
    run = _wall(tiny_processes, tmp_path, "ticker.class=stoppable")
    run.go(should_stop=lambda: run.pulse("actuator").steps > 10)
    assert run.pulse("ticker").safe_since_ns >= run.pulse("actuator").safe_since_ns
    assert run.pulse("actuator").safe_since_ns > 0
    run.check_accounts()


def test_a_node_that_may_is_started_again_and_the_robot_moves_again(tiny_processes, tmp_path):
    rules = ("relay.supervision.restart=on-failure", "relay.supervision.backoff_s=0.1")
    run = _wall(tiny_processes, tmp_path, *rules)
    seen = []

    def kill(_):
        if run.pulse("actuator").steps >= 10 and not seen:
            seen.append(run.supervisor._counters.read_edges())
            run.kill("relay")

    def moves_again():
        return _runs_again(run, "relay") and not run.pulse("actuator").safe_since_ns

    run.go(kill, moves_again)
    assert (run.result.failures, run.result.restarts) == ({}, {"relay": 1})
    assert run.result.reports.keys() == run.graph.nodes.keys()
    run.check_accounts()
    summary = _summary(run)
    before = dict(zip(map(str, run.graph.edges), seen[0], strict=True))
    command = "relay.command -> actuator.command"
    assert summary["edges"][command]["sent"] > before[command].sent  # it goes on counting
    assert run.result.reports["relay"].sent["command"] == summary["edges"][command]["sent"]
    texts = [text for text in summary["alerts"] if text.startswith("supervisor: node 'relay'")]
    assert "starts again in 0.1 s" in texts[0]
    assert "runs again, restart 1" in texts[1]
    status = run.board.status()
    assert [f"supervisor: {text}" for text in status.supervisor_alerts] == texts
    assert not any("supervisor: " in text for text in status.alerts)  # each is told once


@pytest.mark.parametrize(
    ("victim", "sleeper", "edge", "bulk", "pile"),
    [
        ("relay", "relay", "ticker.count -> relay.command", 1, 12),
        ("ticker", "recorder", "ticker.count -> recorder.log", 150, 6000),  # more than is held
    ],
)
def test_what_was_under_way_to_or_from_a_process_that_was_replaced_is_lost_with_it(
    victim, sleeper, edge, bulk, pile, tiny_processes, tmp_path
):
    """The reader stands still, so that messages pile up on the edge before the kill."""
    rules = [f"{victim}.supervision.{rule}" for rule in ("restart=always", "backoff_s=0.1")]
    run = _wall(tiny_processes, tmp_path, *rules, f"ticker.bulk={bulk}")
    (cells,) = (cells for e, cells in run.supervisor._cells.items() if str(e) == edge)
    done = []

    def disturb(_):
        under_way = cells.sent - cells.read().next_seq
        if not done and run.pulse("actuator").steps >= 10:
            run.kill(sleeper, signal.SIGSTOP)
            done.append("asleep")
        elif done == ["asleep"] and under_way >= pile:
            run.kill(victim)
            done.append("killed")
        elif done == ["asleep", "killed"] and _runs_again(run, victim):
            run.kill(sleeper, signal.SIGCONT)
            done.append("awake")

    run.go(disturb, lambda: "awake" in done and not run.pulse("actuator").safe_since_ns)
    summary = _summary(run)
    assert (run.result.failures, run.result.restarts) == ({}, {victim: 1})
    assert summary["accounting"] == {"holds": True, "unaccounted": {}}
    assert summary["edges"][edge]["lost_with_process"] >= 4
    text = summary_text(summary)
    assert "messages were lost with a process that died" in text
    for other, figures in summary["edges"].items():
        assert figures["lost_with_process"] == 0 or victim in other, other


def test_a_recorder_that_is_started_again_writes_over_nothing(tiny_processes, tmp_path):
    rules = ("recorder.supervision.restart=always", "recorder.supervision.backoff_s=0.1")
    run = _wall(tiny_processes, tmp_path, *rules)

    def kill(_):
        if run.pulse("recorder").steps >= 10 and not run.result_so_far.restarts:
            run.kill("recorder")

    again = tmp_path / "log-2.mcap"
    run.go(kill, lambda: _runs_again(run, "recorder"))
    assert (run.result.failures, run.result.restarts) == ({}, {"recorder": 1})
    assert list(LogReader(again).messages())
    run.check_accounts()


def test_a_node_that_dies_too_often_ends_the_run(tiny_processes, tmp_path):
    rules = ("restart=always", "backoff_s=0.05", "limit=1")
    run = _wall(tiny_processes, tmp_path, *(f"relay.supervision.{rule}" for rule in rules))

    def kill(_):
        if run.pulse("relay").steps >= 5 and run.supervisor._processes["relay"].poll() is None:
            run.kill("relay")

    run.go(kill)
    assert run.result.restarts == {"relay": 1}
    assert run.result.failures == {"relay": "its process was killed by signal 9 without a word"}


def test_control_goes_on_while_the_recorder_stands_still_and_its_log_is_whole(
    tiny_processes, tmp_path
):
    run = _wall(tiny_processes, tmp_path, "ticker.bulk=150")
    stopped_at = []

    def stop(_):
        if run.pulse("recorder").steps >= 3 and not stopped_at:
            run.kill("recorder", signal.SIGSTOP)
            stopped_at.append(run.pulse("actuator").steps)

    def flew_on():
        """Long enough that more is under way than sockets and kernel hold together."""
        (edge,) = (e for e in run.supervisor._cells if str(e) == "ticker.count -> recorder.log")
        cells = run.supervisor._cells[edge]
        flew = bool(stopped_at) and run.pulse("actuator").steps >= stopped_at[0] + 60
        return flew and cells.sent - cells.read().next_seq > 6000

    def wake(_):
        """Once all others have reported: they hold on to what they could not hand over yet."""
        others = run.supervisor._processes.keys() - {"recorder"}
        if others <= run.supervisor._result.reports.keys():
            run.kill("recorder", signal.SIGCONT)

    run.go(stop, flew_on, while_ending=wake)
    assert (run.result.ended_by, run.result.failures) == ("interrupt", {})
    run.check_accounts()
    assert _summary(run)["edges"]["ticker.count -> recorder.log"]["dropped"] > 0
    reader = LogReader(tmp_path / "log.mcap")
    assert list(reader.messages())
    assert not reader.truncated


def test_an_acting_node_that_stands_still_stops_the_robot_until_it_moves(tiny_processes, tmp_path):
    run = _wall(tiny_processes, tmp_path)
    told = []

    def stop_and_go_on(_):
        safe = run.pulse("actuator").safe_since_ns
        if not told and run.pulse("relay").steps >= 10 and not safe:
            run.kill("relay", signal.SIGSTOP)
            told.append("stopped")
        elif told == ["stopped"] and safe and run.supervisor._health.safe_stop.unfit:
            run.kill("relay", signal.SIGCONT)
            told.append("waked")
        elif told == ["stopped", "waked"] and not safe:
            told.append("moves")

    run.go(stop_and_go_on, lambda: told == ["stopped", "waked", "moves"])
    assert run.result.failures == {}
    first, last = (a for a in run.result.alerts if "relay" in a.split(":")[0])
    assert "no sign of life for 0." in first
    assert "relay.command -> actuator.command: sent " in first
    assert "is back" in last
    halted = ["halted" in setpoint.reasons for setpoint in _log(tmp_path, Setpoint)]
    assert False in halted[halted.index(True) :]  # it was told to stop, and moved again


def test_a_node_that_hangs_before_its_first_message_is_killed_and_named(tiny_processes, tmp_path):
    rules = ("relay.supervision.hang_timeout_s=0.5", "ticker.bulk=0")  # nothing ever reaches it
    run = _wall(tiny_processes, tmp_path, *rules)
    run.go(lambda _: run.kill("relay", signal.SIGSTOP))
    assert run.result.failures.keys() == {"relay"}
    assert "hangs: no sign of life for 0." in run.result.failures["relay"]
    assert run.pulse("relay").steps == 0
    assert _summary(run)["accounting"]["holds"]


def test_a_node_that_is_not_ready_in_its_time_ends_the_run(tiny_processes, tmp_path):
    run = Run(tiny_processes, tmp_path, "relay.supervision.start_timeout_s=0.001")
    run.go()
    assert run.result.failures == {"relay": "not ready after 0.001 s"}


def test_nothing_is_left_of_a_run_whose_supervisor_is_killed(tiny_processes, tmp_path, monkeypatch):
    for module in (robot.run_folder, robot.supervisor):
        monkeypatch.setattr(module, "runs_root", lambda: tmp_path)
    script = (
        "import sys\n"
        f"sys.path[:0] = [{str(HERE)!r}, {str(HERE.parent)!r}]\n"
        "from pathlib import Path\n"
        "import robot.run_folder, robot.supervisor, tiny_nodes\n"
        "from robot.nodes import NODES\n"
        "from supervised import Run\n"
        "NODES.update(tiny_nodes.TINY)\n"
        f"here = Path({str(tmp_path)!r})\n"
        "robot.run_folder.runs_root = robot.supervisor.runs_root = lambda: here\n"
        f"sys.executable = {sys.executable!r}\n"
        f"run = Run({str(tiny_processes)!r}, here, 'ticker.class=stoppable', seconds=None,\n"
        "    lockstep=False)\n"
        "run.go(lambda _: run.pulse('actuator').steps > 10 and print('flies', flush=True))\n"
    )
    python = Path(sys.executable).read_text().partition("\n")[0].removeprefix("#!")
    supervisor = subprocess.Popen([python, "-c", script], stdout=subprocess.PIPE)
    assert supervisor.stdout.readline() == b"flies\n"
    workers = psutil.Process(supervisor.pid).children(recursive=True)
    assert len(workers) >= 4
    (folder,) = tmp_path.glob("reflexarc-*")
    graph = load_graph(str(tiny_processes))
    counters = Counters(folder, len(graph.edges), list(graph.nodes))
    supervisor.kill()
    supervisor.wait()
    supervisor.stdout.close()
    _, alive = psutil.wait_procs(workers, timeout=30)
    assert not alive
    assert counters.nodes["actuator"].read().safe_since_ns > 0
    assert counters.nodes["ticker"].read().safe_since_ns > 0
    reader = LogReader(tmp_path / "log.mcap")
    assert list(reader.messages())
    assert not reader.truncated
    following = Run(tiny_processes, None)
    assert following.lines("supervisor") == [
        f"removed {folder}, left behind by a run whose supervisor was killed"
    ]
    assert not folder.exists()
    following.go(should_stop=lambda: True)
