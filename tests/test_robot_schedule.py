"""Lockstep, as pure logic: who steps when, and what each step may see."""

import pytest

from robot.graph import load_graph
from robot.schedule import LockstepSchedule


class Drive:
    """Steps a schedule by hand; each node sends what ``sends`` says it does, per step."""

    def __init__(self, graph, sends):
        self.schedule = LockstepSchedule(graph)
        self.sends = sends
        self.sent = {name: dict.fromkeys(node.outputs, 0) for name, node in graph.nodes.items()}

    def done(self, name):
        for port, count in self.sends.get(name, {}).items():
            self.sent[name][port] += count
        self.schedule.done(name, self.sent[name])

    def tick(self):
        """One tick; returns the steps in order as (name, {edge text: newest visible seq})."""
        self.schedule.begin()
        steps = []
        while ready := self.schedule.ready():
            for name, visible in ready:
                steps.append((name, {str(edge): seq for edge, seq in visible.items()}))
                self.done(name)
        assert self.schedule.complete
        return steps

    def names(self):
        return [name for name, _ in self.tick()]


@pytest.fixture
def graph(tiny):
    return load_graph(str(tiny))


SENDS = {"ticker": {"count": 1, "hint": 1}, "relay": {"command": 1}, "actuator": {"setpoint": 1}}


def test_a_node_steps_after_all_its_writers(graph):
    drive = Drive(graph, SENDS)
    for _ in range(3):
        assert drive.names() == ["ticker", "relay", "actuator", "recorder"]


def test_time_moves_by_the_period_of_its_owner(graph):
    drive = Drive(graph, SENDS)
    stamps = []
    for _ in range(4):
        drive.tick()
        stamps.append(drive.schedule.now_ns)
    assert stamps == [0, 20_000_000, 40_000_000, 60_000_000]


def test_a_message_is_seen_in_its_own_tick_and_over_a_delayed_edge_one_tick_later(graph):
    drive = Drive(graph, SENDS)
    for tick in range(4):
        seen = dict(drive.tick())
        assert seen["relay"] == {"ticker.count -> relay.command": tick}
        assert seen["ticker"] == {"actuator.setpoint -> ticker.setpoint": tick - 1}


def test_a_delayed_edge_holds_back_what_was_sent_earlier_in_the_same_tick(tiny, tmp_path):
    path = tmp_path / "late.toml"
    late = '"ticker.count -> recorder.log" = "queue(9), delayed"\n"relay.command -> recorder.log"'
    path.write_text(tiny.read_text().replace('"* -> recorder.log"', late))
    drive = Drive(load_graph(str(path)), SENDS)
    for tick in range(3):
        assert dict(drive.tick())["recorder"] == {
            "ticker.count -> recorder.log": tick - 1,
            "relay.command -> recorder.log": tick,
        }


def test_a_node_without_a_rate_steps_only_when_a_message_wakes_it(graph):
    drive = Drive(graph, {"actuator": {"setpoint": 1}})
    assert drive.names() == ["ticker", "actuator", "recorder"]
    drive.sends = SENDS
    assert "relay" in drive.names()
    drive.sends = {}
    assert "relay" not in drive.names()


def test_a_slow_node_steps_on_its_own_ticks_and_when_woken(tiny):
    graph = load_graph(str(tiny), ["ticker.rate_hz=100"])
    drive = Drive(graph, {"ticker": {"count": 1}})
    stepped = ["actuator" in drive.names() for _ in range(5)]
    assert stepped == [True, False, True, False, True]
    drive.sends = SENDS
    stepped = ["actuator" in drive.names() for _ in range(4)]
    assert stepped == [True] * 4


def test_a_message_on_an_input_that_does_not_wake_waits_for_the_next_period(tiny):
    graph = load_graph(str(tiny), ["ticker.rate_hz=100", "actuator.rate_hz=100"])
    drive = Drive(graph, {})
    drive.schedule._period_ticks["ticker"] = 2
    drive.sends = {"actuator": {"setpoint": 1}}
    steps = [dict(drive.tick()) for _ in range(4)]
    assert ["ticker" in step for step in steps] == [True, False, True, False]
    assert steps[2]["ticker"] == {"actuator.setpoint -> ticker.setpoint": 1}


def test_messages_that_piled_up_are_seen_at_once(tiny):
    graph = load_graph(str(tiny))
    drive = Drive(graph, {"ticker": {"count": 3}})
    assert dict(drive.tick())["relay"] == {"ticker.count -> relay.command": 2}
    assert dict(drive.tick())["relay"] == {"ticker.count -> relay.command": 5}


def test_nodes_that_do_not_depend_on_each_other_step_at_the_same_time(tiny, tmp_path):
    two = '[nodes.second]\nclass = "relay"\n[edges]\n"ticker.count -> second.command" = "latest"\n'
    path = tmp_path / "two.toml"
    path.write_text(tiny.read_text().replace("[edges]\n", two))
    drive = Drive(load_graph(str(path)), SENDS)
    drive.schedule.begin()
    assert [name for name, _ in drive.schedule.ready()] == ["ticker"]
    assert drive.schedule.ready() == []  # all others wait for it
    drive.done("ticker")
    assert [name for name, _ in drive.schedule.ready()] == ["relay", "second"]
    drive.done("second")
    assert drive.schedule.ready() == []  # the actuator waits for the first relay only
    drive.done("relay")
    assert [name for name, _ in drive.schedule.ready()] == ["actuator"]
    assert not drive.schedule.complete


def test_the_order_of_answers_does_not_change_who_sees_what(tiny, tmp_path):
    two = '[nodes.second]\nclass = "relay"\n[edges]\n"ticker.count -> second.command" = "latest"\n'
    path = tmp_path / "two.toml"
    path.write_text(tiny.read_text().replace("[edges]\n", two))
    graph = load_graph(str(path))
    sends = {**SENDS, "second": {"command": 2}}

    def run(order):
        drive = Drive(graph, sends)
        seen = []
        for _ in range(3):
            drive.schedule.begin()
            while ready := drive.schedule.ready():
                seen += [(n, {str(e): seq for e, seq in v.items()}) for n, v in ready]
                for name, _ in order(ready):
                    drive.done(name)
        return seen

    assert run(list) == run(lambda ready: reversed(list(ready)))


def test_a_tick_cannot_begin_before_the_last_one_is_complete(graph):
    schedule = LockstepSchedule(graph)
    assert schedule.complete
    schedule.begin()
    assert not schedule.complete
    schedule.ready()
    with pytest.raises(RuntimeError, match="ticker"):
        schedule.begin()
