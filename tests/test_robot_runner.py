"""What the runner adds to a node: headers, counts, telemetry, alerts, ages."""

import pytest

from robot.clock import SECOND_NS
from robot.edges import Keep
from robot.executor import RunOptions, node_context
from robot.graph import load_graph
from robot.messages import Command, Setpoint
from robot.runner import NodeRunner
from robot.wire import decode, encode

MS = 1_000_000


class HandClock:
    """Stands where it was put."""

    def __init__(self):
        self.ns = 0

    def now_ns(self):
        return self.ns


@pytest.fixture
def clock():
    return HandClock()


@pytest.fixture
def make(tiny, clock):
    """Builds the runner of one node of the tiny graph."""

    def build(name, *overrides, lockstep=True):
        graph = load_graph(str(tiny), overrides)
        options = RunOptions(seconds=None, seed=1, lockstep=lockstep, run_dir=None)
        return NodeRunner(graph.nodes[name], graph, node_context(graph, name, options, clock))

    return build


def _read(runner, outgoing, *, steps=False):
    """What was sent: the step records, or all but them."""
    return [
        (port, decode(runner.spec.outputs[port].type, frames))
        for port, frames in outgoing
        if (port == "steps") is steps
    ]


def _edge(runner):
    (edge,) = runner.edges
    return edge


def _command(seq, captured_ns=0, *, valid=True):
    return encode(
        Command(captured_ns=captured_ns, seq=seq, sent_ns=0, valid=valid, values=(0.5, 0.0, 1.4))
    )


def test_messages_are_stamped_with_number_time_and_source(make, clock):
    runner = make("ticker", "ticker.bulk=2")
    clock.ns = 5
    first = _read(runner, runner.step(5))
    clock.ns = 25
    second = _read(runner, runner.step(25))
    counts = [m for port, m in first + second if port == "count"]
    assert [m.seq for m in counts] == [0, 1, 2, 3]
    assert [m.sent_ns for m in counts] == [5, 5, 25, 25]
    assert [m.captured_ns for m in counts] == [5, 5, 25, 25]
    assert {m.source for m in counts} == {"ticker"}
    hints = [m for port, m in first + second if port == "hint"]
    assert [m.seq for m in hints] == [0, 1]  # each port counts for itself
    assert runner.sent["count"] == 4


def test_the_time_of_capture_is_the_nodes_own(make, clock):
    runner = make("relay")
    runner.push(_edge(runner), _command(0, captured_ns=123))
    clock.ns = 1000
    ((_, command),) = _read(runner, runner.step(1000))
    assert (command.captured_ns, command.sent_ns) == (123, 1000)


def test_telemetry_comes_once_a_second(make, clock):
    runner = make("ticker")
    told = []
    for tick in range(151):
        clock.ns = tick * 20 * MS
        told += [m for port, m in _read(runner, runner.step(clock.ns)) if port == "telemetry"]
    assert [m.captured_ns for m in told] == [SECOND_NS, 2 * SECOND_NS, 3 * SECOND_NS]
    assert [m.steps for m in told] == [51, 101, 151]
    assert [m.rate_hz for m in told] == [51.0, 50.0, 50.0]
    assert told[0].step_ms_max >= told[0].step_ms_mean > 0


def test_telemetry_tells_of_each_input_of_known_rate(make, clock):
    runner = make("relay")
    runner.push(_edge(runner), _command(0, valid=False))
    clock.ns = SECOND_NS
    told = dict(_read(runner, runner.step(clock.ns)))["telemetry"]
    assert told.inputs == {"ticker.count -> relay.command": (False, True, False)}


def test_an_input_that_falls_silent_and_comes_back_is_told_once_each_with_edge_and_number(
    make, clock
):
    runner = make("relay", lockstep=False)
    runner.push(_edge(runner), _command(0))
    clock.ns = 199 * MS
    assert runner.watch(clock.ns) == []
    clock.ns = 200 * MS  # ten periods of 50 Hz
    ((port, alert),) = _read(runner, runner.watch(clock.ns))
    assert port == "alerts"
    assert alert.text == "ticker.count -> relay.command: silent for 0.20 s, expected 50 Hz"
    clock.ns = 300 * MS
    assert runner.watch(clock.ns) == []
    runner.push(_edge(runner), _command(1))
    ((_, back),) = _read(runner, runner.watch(clock.ns))
    assert back.text == "ticker.count -> relay.command: messages are back"
    assert runner.report().alerts == [alert.text, back.text]


def test_a_lossless_reader_that_is_late_is_told_with_edge_number_and_time(tiny, make):
    runner = make("relay")
    edges = load_graph(str(tiny)).edges_from("relay")
    runner.sent["command"] = 8
    told = _read(runner, runner.alert_late([e for e in edges if e.output == "command"][:1]))
    ((port, alert),) = told
    assert port == "alerts"
    assert "relay.command -> actuator.command: message 7 was not taken" in alert.text
    assert runner.alert_late([e for e in edges if e.output == "alerts"]) == []  # no avalanche


def test_the_zero_of_liveness_is_the_start_of_the_run(make, clock):
    runner = make("relay")
    clock.ns = 10 * SECOND_NS  # the others were slow to come up
    runner.start(clock.ns)
    assert runner.watch(clock.ns + 199 * MS) == []
    assert runner.watch(clock.ns + 200 * MS) != []


@pytest.mark.parametrize(("lockstep", "ages"), [(False, [40.0, 30.0]), (True, None)])
def test_ages_are_measured_by_wall_clock_only(lockstep, ages, make, clock):
    runner = make("relay", lockstep=lockstep)
    edge = _edge(runner)
    assert edge.policy.keep is Keep.LATEST
    for seq in range(2):
        runner.push(edge, _command(seq, captured_ns=seq * 10 * MS))
        clock.ns = 40 * MS
        runner.step(clock.ns)
    assert runner.report().ages_ms == ({} if ages is None else {str(edge): ages})


def test_lockstep_keeps_what_a_latest_edge_drops_by_wall_clock(make):
    for lockstep, received in ((True, 3), (False, 1)):
        runner = make("relay", lockstep=lockstep)
        for seq in range(3):
            runner.push(_edge(runner), _command(seq))
        runner.step(0)
        runner.close_edge(_edge(runner), 3)
        report = runner.report()
        assert report.received == {"ticker.count -> relay.command": received}
        assert report.dropped == {"ticker.count -> relay.command": 3 - received}


def test_a_step_sees_no_further_than_it_may(make):
    runner = make("relay")
    edge = _edge(runner)
    for seq in range(3):
        runner.push(edge, _command(seq))
    assert runner.newest_seq(edge) == 2
    assert len(_read(runner, runner.step(0, {edge: 1}))) == 2
    assert len(_read(runner, runner.step(0, {edge: 2}))) == 1


def test_a_shared_input_is_read_in_the_order_of_sending(make):
    runner = make("recorder")
    edges = {str(edge): edge for edge in runner.edges}
    late = edges["relay.command -> recorder.log"]
    early = edges["ticker.count -> recorder.log"]
    seen = []
    runner.node.step = lambda _, inputs: seen.extend(inputs.arrivals("log")) or []
    runner.push(late, encode(Command(captured_ns=0, seq=0, sent_ns=9, source="relay", values=())))
    for seq in range(2):
        command = Command(captured_ns=0, seq=seq, sent_ns=9 - seq, source="ticker", values=())
        runner.push(early, encode(command))
    runner.step(0)
    order = [(a.message.sent_ns, a.message.source, a.message.seq) for a in seen]
    assert order == [(8, "ticker", 1), (9, "relay", 0), (9, "ticker", 0)]


def test_a_report_tells_steps_at_own_deadlines_from_steps_that_were_woken(make, clock):
    runner = make("actuator")
    for tick in range(10):
        clock.ns = tick * 20 * MS
        runner.step(clock.ns)
        runner.step(clock.ns, woken=True)
    report = runner.report()
    assert (report.steps, report.woken, report.rate_hz) == (20, 10, 50.0)
    assert report.sent["setpoint"] == 20
    assert report.gauges["limited_sent"] == 20
    assert report.step_ms_p99 >= report.step_ms_p50 > 0


def test_a_node_that_never_stepped_reports_zeros(make):
    report = make("relay").report()
    assert (report.steps, report.step_ms_p50, report.rate_hz) == (0, 0.0, 0.0)


def test_a_delayed_input_is_decoded_like_any_other(make):
    runner = make("ticker")
    setpoint = Setpoint(captured_ns=0, seq=0, sent_ns=0, values=(0.0, 0.4, 1.4))
    runner.push(_edge(runner), encode(setpoint))
    count = dict(_read(runner, runner.step(0)))["count"]
    assert count.values[1] == pytest.approx(0.3)


def test_telemetry_counts_each_edge_since_the_start_and_its_ages_of_the_last_second(make, clock):
    runner = make("relay", lockstep=False)
    edge = _edge(runner)
    told = []
    for second in (0, 1):
        clock.ns = second * SECOND_NS + 10 * MS
        for seq in (3 * second, 3 * second + 1):  # the third is lost
            runner.push(edge, _command(seq, captured_ns=clock.ns - (seq + 1) * MS))
            runner.step(clock.ns)
        clock.ns = (second + 1) * SECOND_NS
        told += [m for port, m in _read(runner, runner.watch(clock.ns)) if port == "telemetry"]
    first, second = (t.edges["ticker.count -> relay.command"] for t in told)
    assert (first.received, first.dropped, second.received, second.dropped) == (2, 0, 4, 1)
    assert (first.age_ms_p50, first.age_ms_max) == (1.0, 2.0)
    assert (second.age_ms_p50, second.age_ms_p99, second.age_ms_max) == (4.0, 5.0, 5.0)
    assert first.rate_hz == second.rate_hz == 2.0
    assert (told[1].sent["command"], told[1].sent["telemetry"]) == (4, 1)
    assert told[1].cpu_share is told[1].memory_mb is None  # a process of several nodes


def test_a_node_that_nothing_wakes_still_tells_how_it_does(make, clock):
    runner = make("relay", lockstep=False)
    assert runner.vitals() is None
    clock.ns = SECOND_NS
    (told,) = [m for port, m in _read(runner, runner.watch(clock.ns)) if port == "telemetry"]
    assert (told.steps, told.rate_hz, told.step_ms_max) == (0, 0.0, 0.0)
    assert runner.vitals().telemetry.captured_ns == told.captured_ns
    assert runner.vitals().alerts == tuple(runner.report().alerts)


def test_in_lockstep_an_input_is_heard_when_it_was_sent_however_early_it_came(make, clock):
    runner = make("relay")
    sent = Command(captured_ns=0, seq=0, sent_ns=100 * MS, source="ticker", values=(0.5, 0.0, 1.4))
    runner.push(_edge(runner), encode(sent))  # at 0
    clock.ns = 120 * MS
    runner.step(clock.ns)
    assert runner.watch(299 * MS) == []
    assert runner.watch(300 * MS) != []


def test_a_step_record_holds_what_the_step_read_and_sent(make, clock):
    runner = make("relay", lockstep=False)
    clock.ns = 30 * MS
    runner.push(_edge(runner), _command(4))
    clock.ns = 50 * MS
    ((_, record),) = _read(runner, runner.step(40 * MS, woken=True), steps=True)
    edge = "ticker.count -> relay.command"
    assert (record.captured_ns, record.sent_ns, record.start_ns) == (40 * MS, 50 * MS, 0)
    assert (record.stepped, record.woken, record.told) == (True, True, ())
    assert (record.took, record.heard_ns) == ({edge: (4, 4)}, {edge: 30 * MS})
    assert record.sent == {"command": (0, 0)}
    assert record.clock_after_ns == (10 * MS,)  # the stamp of the one message


def test_seqs_that_a_step_took_are_kept_as_ranges(make):
    runner = make("relay")
    for seq in (0, 1, 2, 5, 6, 9):
        runner.push(_edge(runner), _command(seq))
    ((_, record),) = _read(runner, runner.step(0), steps=True)
    assert record.took == {"ticker.count -> relay.command": (0, 2, 5, 6, 9, 9)}


def test_what_only_the_transport_knows_is_told_in_the_record(tiny, make):
    runner = make("relay")
    late = [e for e in load_graph(str(tiny)).edges_from("relay") if e.output == "command"][:1]
    outgoing = runner.alert_late(late)
    ((_, alert),) = _read(runner, outgoing)
    ((_, record),) = _read(runner, outgoing, steps=True)
    assert (record.stepped, record.told) == (False, (alert.text,))


def test_nobody_reads_the_steps_so_none_are_recorded(tiny, clock, tmp_path):
    text = tiny.read_text().replace('"* -> recorder.log" = "queue(512)"', "")
    path = tmp_path / "silent.toml"
    path.write_text(text.replace('[nodes.recorder]\nclass = "recorder"\n', ""))
    graph = load_graph(str(path))
    options = RunOptions(seconds=None, seed=1, lockstep=True, run_dir=None)
    runner = NodeRunner(graph.nodes["relay"], graph, node_context(graph, "relay", options, clock))
    assert [port for port, _ in runner.step(0)] == []
    assert runner.sent["steps"] == 0
