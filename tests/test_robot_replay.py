"""Replay: the same bytes again, and the first message named that is not."""

import contextlib
import errno
import io
import json
import re
import shutil
from pathlib import Path

import msgspec
import numpy as np
import pytest
import tiny_nodes
from hypothesis import given, settings
from hypothesis import strategies as st
from mcap.reader import make_reader
from mcap.writer import CompressionType, Writer
from message_samples import messages

from perception.quantities import InputError
from robot.cli import main
from robot.edges import Arrival
from robot.executor import NodeError, RunOptions, node_context, run_in_process
from robot.graph import load_graph
from robot.messages import Alert, Command, Setpoint, StepRecord
from robot.nodes import NODES
from robot.record import LogError, LogFile, LogReader, LogWriter
from robot.recording import nodes_to_run, open_recording
from robot.replay import Replay
from robot.runner import NodeRunner
from robot.supervisor import Supervisor
from robot.wire import decode, encode

MS = 1_000_000
TICKS = ("ticker.last=15",)  # a run of so many steps, however busy the machine is
HERE = Path(__file__).parent


def _nothing(*_):
    return False


def _record(graph, run_dir, seconds=0.3, *, lockstep=True, in_process=True, overrides=()):
    """Runs a graph; gives the path of its log."""
    run_dir.mkdir()
    options = RunOptions(seconds, 7, lockstep, run_dir)
    loaded = load_graph(str(graph), overrides)
    if in_process:
        result = run_in_process(loaded, options, _nothing, _nothing, _nothing)
    else:
        result = Supervisor(loaded, overrides, options, _nothing).run(_nothing, _nothing)
    assert not result.failures
    return run_dir / "log.mcap"


def _replay(log, *overrides, node=None, replace=(), stop=True, sent=None, should_stop=_nothing):
    """Replays a log; ``sent`` collects what comes out."""
    recording = open_recording(log, overrides)
    write = _nothing if sent is None else sent.append
    return Replay(recording, nodes_to_run(recording.graph, node, replace)).run(
        write, _nothing, should_stop, stop_at_difference=stop
    )


def _rewrite(log, out, change):
    """A log of what ``change`` makes of each message: a message, or None to leave it out."""
    reader = LogReader(log)
    writer = LogWriter(LogFile(out), dict(reader.metadata()))
    for entry in reader.messages():
        message = change(entry)
        if message is not None:
            writer.write(Arrival(entry.topic, message, encode(message)))
    writer.close()
    return out


@pytest.fixture(scope="module")
def recorded(tmp_path_factory):
    """Folder of three logs, recorded once: the tiny graph by both clocks, and one that sees."""
    folder = tmp_path_factory.mktemp("recorded")
    with pytest.MonkeyPatch.context() as patch:
        for name, target in tiny_nodes.TINY.items():
            patch.setitem(NODES, name, target)
        tiny = HERE / "graphs" / "tiny.toml"
        _record(tiny, folder / "wall", None, lockstep=False, overrides=TICKS)
        _record(tiny, folder / "lockstep")
    overrides = (f"camera.path={HERE / 'data' / 'asl_room' / 'mav0'}", "stereo.matcher=bm")
    graph = HERE / "graphs" / "folder_policy.toml"
    _record(graph, folder / "seeing", None, lockstep=False, overrides=overrides)
    return folder


@pytest.fixture
def wall_log(tiny, recorded, tmp_path):
    return shutil.copytree(recorded / "wall", tmp_path / "wall") / "log.mcap"


@pytest.fixture
def lockstep_log(tiny, recorded, tmp_path):
    return shutil.copytree(recorded / "lockstep", tmp_path / "lockstep") / "log.mcap"


@pytest.fixture
def seeing_log(recorded, tmp_path):
    """Recorded frames, stereo, pilot and driver, by wall clock."""
    return shutil.copytree(recorded / "seeing", tmp_path / "seeing") / "log.mcap"


@pytest.mark.parametrize("lockstep", [True, False])
def test_every_message_of_a_replay_has_the_bytes_of_the_log(lockstep, tiny, tmp_path):
    log = _record(tiny, tmp_path / "run", None, lockstep=lockstep, overrides=TICKS)
    sent = []
    result = _replay(log, sent=sent)
    assert (result.first, result.differing, result.unlogged, result.left_out) == (None, 0, 0, {})
    assert result.ended_by == "log"
    logged = {(e.topic, e.message.seq): e.message for e in LogReader(log).messages()}
    assert {(a.topic, a.message.seq) for a in sent} == logged.keys()
    again = [a for a in sent if a.message.source in ("relay", "actuator")]
    compared = [a for a in again if not a.topic.startswith("telemetry/")]
    assert result.compared == len(compared) > 20
    assert all(encode(a.message) == encode(logged[a.topic, a.message.seq]) for a in compared)


def test_a_wall_clock_log_of_one_process_per_node_replays_too(tiny_processes, tmp_path):
    log = _record(
        tiny_processes, tmp_path / "run", None, lockstep=False, in_process=False, overrides=TICKS
    )
    result = _replay(log)
    assert (result.first, result.left_out) == (None, {})
    assert result.steps.keys() == {"relay", "actuator"}
    assert result.compared > 10


def test_stereo_pilot_and_driver_replay_from_recorded_frames(seeing_log):
    result = _replay(seeing_log)
    assert result.first is None
    assert result.steps.keys() == {"stereo", "policy", "actuator"}
    assert all(steps > 1 for steps in result.steps.values())


def test_worlds_and_devices_are_never_run_again(wall_log, monkeypatch):
    def forbidden(*_):
        raise AssertionError("a source was run")

    monkeypatch.setattr(tiny_nodes.Ticker, "__init__", forbidden)
    assert _replay(wall_log).first is None
    with pytest.raises(InputError, match=r"'ticker'.*only ever played back.*relay, actuator"):
        _replay(wall_log, node="ticker")


def test_an_actuator_with_real_hardware_is_played_back(wall_log, monkeypatch):
    recording = open_recording(wall_log)
    link = {**recording.graph.robot.tables["link"], "driver": "servo"}
    monkeypatch.setitem(recording.graph.robot.tables, "link", link)
    assert nodes_to_run(recording.graph, None, ()) == {"relay"}


def test_one_changed_constant_is_found_at_the_nodes_first_message(seeing_log):
    result = _replay(seeing_log, "policy.options.altitude_m=1.25")
    first = result.first
    assert (result.ended_by, first.topic, first.seq) == ("difference", "policy/command", 0)
    assert first.field == "values"
    assert "1.25" in first.replayed
    assert "1.25" not in first.logged


def test_one_changed_number_in_the_code_is_found_in_that_node(wall_log, monkeypatch):
    step = tiny_nodes.Relay.step

    def other(self, now_ns, inputs):
        said = step(self, now_ns, inputs)
        return [
            (p, Command(captured_ns=m.captured_ns, values=(0.0, *m.values[1:]))) for p, m in said
        ]

    monkeypatch.setattr(tiny_nodes.Relay, "step", other)
    first = _replay(wall_log).first
    assert (first.topic, first.seq, first.field) == ("relay/command", 0, "values")


@pytest.mark.parametrize(
    ("count", "logged", "replayed"), [(0, "sent", "not sent"), (2, "not sent", "sent")]
)
def test_a_message_too_few_or_too_many_is_a_difference(
    count, logged, replayed, wall_log, monkeypatch
):
    step = tiny_nodes.Relay.step
    monkeypatch.setattr(
        tiny_nodes.Relay, "step", lambda self, now, seen: step(self, now, seen) * count
    )
    first = _replay(wall_log).first
    assert (first.topic, first.seq) == ("relay/command", count // 2)
    assert (first.field, first.logged, first.replayed) == ("message", logged, replayed)
    whole = _replay(wall_log, stop=False)  # whatever differs, it comes to the end
    assert whole.ended_by == "log"
    assert whole.left_out == {}


def test_a_difference_in_an_array_is_named_by_its_index(seeing_log, tmp_path):
    def change(entry):
        if entry.topic != "stereo/depth" or entry.message.seq != 2:
            return entry.message
        depth_m = entry.message.depth_m.copy()
        depth_m[5, 60] = 99.0
        fields = {name: getattr(entry.message, name) for name in entry.message.__struct_fields__}
        return type(entry.message)(**{**fields, "depth_m": depth_m})

    result = _replay(_rewrite(seeing_log, tmp_path / "changed.mcap", change))
    assert (result.first.topic, result.first.seq) == ("stereo/depth", 2)
    assert (result.first.field, result.first.logged) == ("depth_m[5, 60]", "99.0")


def test_what_a_node_reads_from_the_clock_comes_from_the_record(tiny, tmp_path, monkeypatch):
    def step(self, now_ns, inputs):
        times = [self.context.clock.now_ns() - now_ns for _ in range(3)]
        assert times == sorted(times)
        return [("command", Command(captured_ns=now_ns, values=tuple(map(float, times))))]

    monkeypatch.setattr(tiny_nodes.Relay, "step", step)
    log = _record(tiny, tmp_path / "run", None, lockstep=False, overrides=TICKS)
    assert _replay(log, node="relay").first is None
    commands = [m for t, m, _ in LogReader(log).messages(Command) if t == "relay/command"]
    assert any(max(m.values) > 0 for m in commands)


def test_a_replaced_node_is_played_and_the_rest_runs(seeing_log, monkeypatch):
    def forbidden(*_):
        raise AssertionError("stereo was run")

    monkeypatch.setattr("robot.nodes.stereo.StereoNode.__init__", forbidden)
    result = _replay(seeing_log, replace=["stereo"])
    assert result.first is None
    assert result.steps.keys() == {"policy", "actuator"}


def test_what_one_node_changes_reaches_the_next_unless_that_is_played(wall_log, monkeypatch):
    def still(self, now_ns, inputs):
        return [
            ("command", Command(captured_ns=m.captured_ns, values=(0.0, 0.0, 1.4)))
            for m in inputs.all("command")
        ]

    monkeypatch.setattr(tiny_nodes.Relay, "step", still)
    sent = []
    _replay(wall_log, stop=False, sent=sent)
    setpoints = [a.message for a in sent if isinstance(a.message, Setpoint)]
    assert {m.values[0] for m in setpoints} == {0.0}
    sent.clear()
    _replay(wall_log, node="relay", stop=False, sent=sent)
    setpoints = [a.message for a in sent if isinstance(a.message, Setpoint)]
    assert max(m.values[0] for m in setpoints) > 0.0


class HandClock:
    """Stands where it was put."""

    ns = 0

    def now_ns(self):
        self.ns += 1
        return self.ns


def test_silence_and_late_readers_replay_and_so_does_a_node_that_began_anew(tiny, tmp_path):
    clock = HandClock()
    clock.ns = 5_000 * MS
    graph = load_graph(str(tiny))
    options = RunOptions(None, 1, False, None)
    metadata = {"graph": graph.resolved_json(), "seed": "1", "clock": "wall"}
    log = LogWriter(LogFile(tmp_path / "log.mcap"), metadata)

    def make(sent=None):
        runner = NodeRunner(
            graph.nodes["relay"], graph, node_context(graph, "relay", options, clock)
        )
        runner.sent.update(sent or {})
        runner.start(clock.ns)
        return runner

    def write(outgoing):
        for port, frames in outgoing:
            message = decode(runner.spec.outputs[port].type, frames)
            log.write(Arrival(graph.topic("relay", port), message, frames))

    def hear(seq):
        command = Command(captured_ns=0, seq=seq, sent_ns=clock.ns, source="ticker", values=(0.5,))
        log.write(Arrival("ticker/count", command, encode(command)))
        runner.push(runner.edges[0], encode(command))

    runner = make()
    hear(0)
    write(runner.step(clock.now_ns(), woken=True))
    clock.ns += 250 * MS
    write(runner.watch(clock.now_ns()))  # silent
    hear(1)
    write(runner.watch(clock.now_ns()))  # back, though nothing was taken yet
    late = [edge for edge in graph.edges_from("relay") if edge.output == "command"]
    write(runner.alert_late(late[:1]))
    write(runner.step(clock.now_ns()))
    clock.ns += 900 * MS
    write(runner.step(clock.now_ns()))  # silent again, and telemetry is due
    runner = make(runner.sent)
    hear(2)
    write(runner.step(clock.now_ns()))
    log.close()

    texts = [m.text for _, m, _ in LogReader(tmp_path / "log.mcap").messages(Alert)]
    assert ["silent" in t or "back" in t or "not taken" in t for t in texts] == [True] * 4
    result = _replay(tmp_path / "log.mcap", node="relay")
    assert result.first is None
    assert (result.steps, result.left_out) == ({"relay": 7}, {})
    assert result.compared == 7 + 4 + 3  # records, alerts, commands


def test_a_step_record_tells_what_the_step_took_and_sent(wall_log):
    records = [m for _, m, _ in LogReader(wall_log).messages(StepRecord) if m.source == "relay"]
    edge = "ticker.count -> relay.command"
    assert [m.seq for m in records] == list(range(len(records)))
    taken = [r.took[edge] for r in records if edge in r.took]
    assert taken == [(n, n) for n in range(len(taken))]
    assert all(r.sent["command"] == (r.seq, r.seq) for r in records)
    assert all(r.captured_ns <= r.captured_ns + min(r.clock_after_ns) for r in records)
    size = np.mean([len(encode(record)[0]) for record in records])
    assert size < 400  # bytes


def test_a_replay_can_be_interrupted(wall_log):
    asked = []
    result = _replay(wall_log, should_stop=lambda: asked.append(1) or len(asked) == 30)
    assert result.ended_by == "interrupt"
    assert result.first is None


def test_a_node_that_throws_is_named(wall_log):
    with pytest.raises(NodeError, match="'relay'"):
        _replay(wall_log, "relay.throw_at=3")


def test_what_a_node_sent_in_the_step_that_it_died_in_is_played(wall_log, tmp_path):
    def die(entry):
        message = entry.message
        if entry.topic != "steps/relay" or message.seq < 5:
            return message
        if message.seq == 5:
            return None  # died with the process; its command is in the log and was taken
        return msgspec.structs.replace(message, start_ns=message.start_ns + 1)

    log = _rewrite(wall_log, tmp_path / "died.mcap", die)
    sent = []
    result = _replay(log, sent=sent)
    assert (result.first, result.left_out, result.unlogged) == (None, {}, 0)
    assert result.compared == _replay(wall_log).compared - 2  # that command and its record
    commands = [a.message.seq for a in sent if a.topic == "relay/command"]
    assert commands == list(range(len(commands)))

    def lose(entry):
        lost = entry.topic == "relay/command" and entry.message.seq == 5
        return None if lost else entry.message

    with pytest.raises(LogError, match="lacks relay/command seq 5, which node 'actuator' took"):
        _replay(_rewrite(log, tmp_path / "lost.mcap", lose))


# logs that cannot be replayed, or not all of them


@pytest.mark.parametrize(
    ("change", "fragment"),
    [
        ({"took": {"ticker.count -> relay.command": (3, 1)}}, "no sound range"),
        ({"took": {"ticker.count -> relay.command": (0, 2**60)}}, "no sound range"),
        ({"took": {"ticker.count -> relay.command": (1,)}}, "no sound range"),
        ({"took": {"nobody.count -> relay.command": (1, 1)}}, "which its graph does not have"),
        ({"sent": {"nothing": (1, 1)}}, "which its node does not have"),
        ({"sent": {"command": (2**60, 2**60)}}, "jumps from seq"),
    ],
)
def test_a_step_record_that_makes_no_sense_is_refused(change, fragment, wall_log, tmp_path):
    def spoil(entry):
        if entry.topic == "steps/relay" and entry.message.seq == 5:
            return msgspec.structs.replace(entry.message, **change)
        return entry.message

    with pytest.raises(LogError, match=fragment):
        _replay(_rewrite(wall_log, tmp_path / "spoilt.mcap", spoil))


def _without(topic, *seqs):
    """What the recorder did not get."""

    def lose(entry):
        is_lost = entry.topic == topic and entry.message.seq in seqs
        return None if is_lost else entry.message

    return lose


def test_a_message_that_the_recorder_lost_is_named(wall_log, tmp_path):
    gap = _rewrite(wall_log, tmp_path / "gap.mcap", _without("ticker/count", 4))
    with pytest.raises(LogError, match="lacks ticker/count seq 4, which node 'relay' took"):
        _replay(gap)


def test_a_step_record_that_the_recorder_lost_is_named(wall_log, tmp_path):
    gap = _rewrite(wall_log, tmp_path / "gap.mcap", _without("steps/relay", 4))
    with pytest.raises(LogError, match="lacks step record 4 of node 'relay'"):
        _replay(gap)


def test_a_lost_message_of_a_node_that_runs_again_is_counted_and_no_difference(wall_log, tmp_path):
    gap = _rewrite(wall_log, tmp_path / "gap.mcap", _without("relay/command", 3, 4))
    result = _replay(gap)
    assert (result.first, result.unlogged) == (None, 2)


def test_steps_whose_input_comes_behind_the_end_are_left_out_and_counted(wall_log, tmp_path):
    def lose(entry):
        lost = entry.topic == "ticker/count" and entry.message.seq >= 8
        return None if lost else entry.message

    result = _replay(_rewrite(wall_log, tmp_path / "end.mcap", lose))
    assert result.first is None
    assert result.left_out["relay"] > 0
    assert result.steps["relay"] >= 8


def test_a_topic_that_nobody_recorded_is_named(wall_log, tmp_path):
    def lose(entry):
        return None if entry.topic == "ticker/count" else entry.message

    with pytest.raises(LogError, match=r"ticker/count, which node 'relay' read, was not recorded"):
        _replay(_rewrite(wall_log, tmp_path / "none.mcap", lose))


def test_a_log_without_step_records_says_what_is_missing(wall_log, tmp_path):
    def lose(entry):
        return None if entry.topic.startswith("steps/") else entry.message

    with pytest.raises(LogError, match="no step records of relay, actuator"):
        _replay(_rewrite(wall_log, tmp_path / "none.mcap", lose))


def test_a_node_whose_steps_were_not_recorded_can_be_played(capsys):
    log = HERE / "golden" / "wall.mcap"  # records neither frames nor the steps of stereo
    with pytest.raises(LogError, match=r"no step records of stereo; .*--replace stereo"):
        _replay(log)
    assert _replay(log, replace=["stereo"]).first is None


@pytest.fixture(scope="module")
def half_a_second(tmp_path_factory):
    """The beginning of the lockstep golden log."""
    out = tmp_path_factory.mktemp("half") / "log.mcap"
    return _rewrite(
        HERE / "golden" / "lockstep.mcap",
        out,
        lambda entry: entry.message if entry.message.sent_ns < 500 * MS else None,
    )


@settings(max_examples=20)
@given(
    seq=st.integers(0, 4),
    names=st.sets(st.sampled_from(sorted(StepRecord.__struct_fields__)), max_size=3),
    made_up=messages(StepRecord),
)
def test_any_step_record_is_replayed_or_refused(
    seq, names, made_up, half_a_second, tmp_path_factory
):
    def spoil(entry):
        if entry.topic != "steps/policy" or entry.message.seq != seq:
            return entry.message
        changes = {name: getattr(made_up, name) for name in names}
        return msgspec.structs.replace(entry.message, **changes)

    log = _rewrite(half_a_second, tmp_path_factory.getbasetemp() / "any.mcap", spoil)
    try:
        result = _replay(log, replace=["stereo"], stop=False)
    except (LogError, NodeError) as error:
        assert str(error)  # noqa: PT017 - either is right
    else:
        assert result.ended_by == "log"


# the command


@pytest.fixture
def call(capsys):
    """Runs a command line; gives exit code, standard output, standard error."""

    def run(*arguments):
        code = main([str(argument) for argument in arguments])
        out, err = capsys.readouterr()
        return code, out, err

    return run


def test_verify_writes_nothing_and_tells_that_all_is_equal(wall_log, call, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    code, out, _ = call("replay", wall_log.parent, "--verify")
    assert code == 0
    assert "0 differ" in out
    assert [path.name for path in tmp_path.iterdir() if path.is_dir()] == ["wall"]


def test_verify_exits_with_1_and_names_the_first_difference(seeing_log, call):
    code, out, _ = call("replay", seeing_log, "--verify", "--set", "policy.options.altitude_m=1.25")
    assert code == 1
    assert re.search(
        r"first difference: policy/command seq 0 at \d\.\d{3} s differs in values", out
    )


def test_a_replay_leaves_a_run_folder_whose_log_replays(lockstep_log, call, tmp_path):
    out_dir = tmp_path / "again"
    code, out, _ = call("replay", lockstep_log.parent, "--out", out_dir, "--json")
    assert code == 0
    outcome = json.loads(out)
    assert outcome["identical"] is True
    assert outcome == json.loads((out_dir / "replay.json").read_text())
    assert json.loads((out_dir / "resolved.json").read_text())["graph"] == "tiny"
    assert call("replay", out_dir, "--verify")[0] == 0
    first, again = (
        {(e.topic, e.message.seq): e.record for e in LogReader(path / "log.mcap").messages()}
        for path in (lockstep_log.parent, out_dir)
    )
    assert {k: v for k, v in first.items() if not k[0].startswith("telemetry/")} == {
        k: v for k, v in again.items() if not k[0].startswith("telemetry/")
    }


def test_a_node_that_throws_ends_the_replay_with_1(wall_log, call, tmp_path):
    code, _, err = call("replay", wall_log, "--set", "relay.throw_at=3", "--out", tmp_path / "out")
    assert code == 1
    assert err.splitlines()[-1] == "reflexarc: replay: node 'relay' failed: boom, said the relay"


def test_a_replay_that_was_stopped_early_proves_nothing(wall_log, call, monkeypatch):
    stopped = contextlib.nullcontext(lambda: True)
    monkeypatch.setattr("robot.commands.replay.interruptible", lambda: stopped)
    code, out, _ = call("replay", wall_log, "--verify")
    assert code == 1
    assert "stopped before its end" in out


def test_a_disk_without_room_for_the_new_log_is_told(wall_log, call, tmp_path, monkeypatch):
    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("robot.record.LogFile.write", full)
    code, _, err = call("replay", wall_log, "--out", tmp_path / "out")
    assert code == 1
    assert "messages did not fit on the disk" in err.splitlines()[-1]


def _other_format(log):
    writer = LogWriter(LogFile(log), {"format": "99", "graph": "{}"})
    writer.close()


def _foreign(log):
    with log.open("wb") as stream:
        writer = Writer(stream, compression=CompressionType.LZ4)
        writer.start()
        channel = writer.register_channel("a", "json", 0)
        writer.add_message(channel, 0, b"{}", 0)
        writer.finish()


def _cut(log):
    log.write_bytes(log.read_bytes()[:-5])


def _damage(log):
    content = bytearray(log.read_bytes())
    chunks = make_reader(io.BytesIO(content)).get_summary().chunk_indexes
    middle = chunks[len(chunks) // 2]  # what lies between chunks, no reader needs
    content[middle.chunk_start_offset + middle.chunk_length // 2] ^= 0xFF
    log.write_bytes(content)


@pytest.mark.parametrize(
    ("spoil", "fragment"),
    [
        (_other_format, "is a log of format 99, this version reads format 1"),
        (_foreign, "does not tell the graph of its run"),
        (_cut, "is cut short; mend it with: reflexarc recover"),
        (_damage, "is damaged; mend it with: reflexarc recover"),
        (lambda log: log.write_bytes(b"no log"), "is not an MCAP log"),
        (lambda log: log.write_bytes(b""), "is not an MCAP log"),
        (Path.unlink, "there is no such log"),
    ],
)
def test_a_log_that_is_none_gives_one_line_and_exit_code_2(spoil, fragment, wall_log, call):
    out_dir = wall_log.parent / "replayed"
    spoil(wall_log)
    code, out, err = call("replay", wall_log.parent, "--out", out_dir)
    assert (code, out) == (2, "")
    (line,) = err.splitlines()
    assert fragment in line
    assert not out_dir.exists()


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("graph", "{"),
        ("graph", "[" * 100_000),
        ("graph", '{"robot": {}}'),
        ("graph", '{"robot": {"link": 1}, "nodes": {}, "edges": {}}'),
        ("graph", '{"robot": {}, "nodes": {"a": 1}, "edges": {}}'),
        ("graph", '{"robot": {}, "nodes": {}, "edges": {"a": "latest"}}'),
        ("seed", "-1"),
        ("clock", "sundial"),
    ],
)
def test_metadata_that_make_no_sense_are_refused(key, value, wall_log, tmp_path):
    path = tmp_path / "log.mcap"
    writer = LogWriter(LogFile(path), {**LogReader(wall_log).metadata(), key: value})
    writer.close()
    with pytest.raises(InputError, match=re.escape(str(path))):
        open_recording(path)


@pytest.mark.parametrize(
    ("arguments", "fragment"),
    [
        (["--node", "pilot"], "no node 'pilot' in this log; nodes: ticker, relay"),
        (["--node", "recorder"], "only ever played back"),
        (["--replace", "relay", "actuator"], "no node is left to run again"),
        (["--replace", "pilot"], "no node 'pilot'"),
        (["--node", "relay", "--replace", "actuator"], "exclude each other"),
        (["--set", "relay.nothing=1"], "unknown key 'nothing'"),
    ],
)
def test_a_wrong_option_gives_one_line_and_exit_code_2(arguments, fragment, wall_log, call):
    code, out, err = call("replay", wall_log, "--verify", *arguments)
    assert (code, out) == (2, "")
    (line,) = err.splitlines()
    assert fragment in line
