"""Budgets: how a run is measured and judged; the runs themselves are in ``test_budgets.py``."""

import pytest

from perception.quantities import InputError
from robot.budget import (
    Budget,
    Measured,
    NodeBudget,
    NodeCost,
    StreamBudget,
    StreamFigures,
    compare,
    load_budget,
    measure,
    refuse_strangers,
)
from robot.config import list_configs
from robot.edges import Arrival
from robot.graph import load_graph
from robot.messages import Command, Telemetry
from robot.record import LogFile, LogWriter
from robot.wire import encode

MS = 1_000_000
COST = NodeCost(
    cpu_share=0.5, memory_mb=100.0, memory_growth_mb=2.0, latency_ms={"p50": 4.0, "p99": 9.0}
)
FIGURES = StreamFigures(rate_hz=10.0, jitter=0.2, age_ms={"p50": 5.0, "p99": 20.0})
MEASURED = Measured({"mind": COST, "eye": COST}, {"mind.wish": FIGURES})


@pytest.mark.parametrize("name", list_configs("budgets"))
def test_a_budget_that_we_ship_names_only_what_its_graph_has(name):
    budget = load_budget(name)
    refuse_strangers(budget, load_graph(budget.graph))
    assert budget.nodes.keys() == load_graph(budget.graph).nodes.keys()


@pytest.mark.parametrize(
    ("node", "line"),
    [
        (NodeBudget(cpu_share=0.4), "mind: CPU share 0.50 cores, budget 0.4 cores"),
        (NodeBudget(memory_mb=90), "mind: memory 100.00 MB, budget 90 MB"),
        (NodeBudget(memory_growth_mb=1), "mind: memory growth 2.00 MB, budget 1 MB"),
        (NodeBudget(latency_p50_ms=3), "mind: latency p50 4.00 ms, budget 3 ms"),
        (NodeBudget(latency_p99_ms=8.5), "mind: latency p99 9.00 ms, budget 8.5 ms"),
    ],
)
def test_a_node_that_costs_more_is_told_with_number_and_budget(node, line):
    assert list(compare(MEASURED, Budget("g", nodes={"mind": node}))) == [line]


@pytest.mark.parametrize(
    ("stream", "line"),
    [
        (StreamBudget(min_hz=11), "mind.wish: rate 10.00 Hz, budget at least 11 Hz"),
        (StreamBudget(max_hz=9), "mind.wish: rate 10.00 Hz, budget 9 Hz"),
        (StreamBudget(jitter=0.1), "mind.wish: jitter 0.20 of the mean interval, budget 0.1 of"),
        (StreamBudget(age_p50_ms=4), "mind.wish: age p50 5.00 ms, budget 4 ms"),
        (StreamBudget(age_p99_ms=19), "mind.wish: age p99 20.00 ms, budget 19 ms"),
    ],
)
def test_a_stream_that_strays_is_told_with_number_and_budget(stream, line):
    (told,) = compare(MEASURED, Budget("g", streams={"mind.wish": stream}))
    assert told.startswith(line)


def test_what_keeps_its_budget_is_not_told():
    node = NodeBudget(0.5, 100, 2, 4, 9)
    stream = StreamBudget(10, 10, 0.2, 5, 20)
    budget = Budget("g", cpu_share=1.0, nodes={"mind": node}, streams={"mind.wish": stream})
    assert list(compare(MEASURED, budget)) == []


def test_the_nodes_together_have_a_budget_too():
    (told,) = compare(MEASURED, Budget("g", cpu_share=0.9))
    assert told == "all nodes: CPU share 1.00 cores, budget 0.9 cores"


def test_what_was_never_heard_of_has_not_kept_its_budget():
    budget = Budget("g", nodes={"hand": NodeBudget()}, streams={"hand.deed": StreamBudget()})
    assert [line.split(":")[0] for line in compare(MEASURED, budget)] == ["hand", "hand.deed"]
    deaf = Measured({"mind": COST._replace(latency_ms=None)}, {})
    (told,) = compare(deaf, Budget("g", nodes={"mind": NodeBudget(latency_p50_ms=3)}))
    assert told.startswith("mind: latency p50: none was measured")


@pytest.mark.parametrize(
    ("text", "fragments"),
    [
        ('graph = "room_sim"\nseconds = 5\nwarm_up_s = 5', ["warm_up_s", "less than seconds"]),
        ('graph = "room_sim"\n[nodes.stereo]\ncpu = 1', ["nodes.stereo", "'cpu'", "cpu_share"]),
        ('graph = "room_sim"\n[nodes]\nstereo = 1', ["nodes", "[nodes.NAME]"]),
        ('graph = "room_sim"\nsecond = 3', ["'second'", "seconds"]),
        ("seconds = 3", ["graph"]),
    ],
)
def test_a_wrong_budget_is_one_line_with_the_choices(text, fragments, tmp_path):
    path = tmp_path / "budget.toml"
    path.write_text(text)
    with pytest.raises(InputError) as error:
        load_budget(str(path))
    assert all(fragment in str(error.value) for fragment in fragments)
    assert "\n" not in str(error.value)


def test_a_budget_for_what_the_graph_does_not_have_is_refused():
    graph = load_graph("room_sim")
    with pytest.raises(InputError, match=r"'stere'.*did you mean 'stereo'"):
        refuse_strangers(Budget("room_sim", nodes={"stere": NodeBudget()}), graph)
    with pytest.raises(InputError, match=r"stereo\.proximity"):
        refuse_strangers(Budget("room_sim", streams={"stereo.depths": StreamBudget()}), graph)


GRAPH_JSON = '{"graph": "two", "edges": {"eye.frame -> mind.frame": "latest"}}'


def _write(path, rows):
    """A log of (topic, message) rows."""
    writer = LogWriter(LogFile(path), {"graph": GRAPH_JSON})
    for topic, message in rows:
        writer.write(Arrival(topic, message, encode(message)))
    writer.close()


def _frame(source, seq, captured_ms, sent_ms):
    return Command(
        captured_ns=round(captured_ms * MS),
        sent_ns=round(sent_ms * MS),
        seq=seq,
        source=source,
        values=(),
    )


def _load(source, sent_ms, cpu_share, memory_mb):
    return Telemetry(
        captured_ns=sent_ms * MS,
        sent_ns=sent_ms * MS,
        seq=0,
        source=source,
        steps=1,
        rate_hz=1.0,
        step_ms_mean=1.0,
        step_ms_max=1.0,
        overruns=0,
        gauges={},
        inputs={},
        cpu_share=cpu_share,
        memory_mb=memory_mb,
    )


def test_a_log_is_measured_without_its_warm_up_and_without_what_the_recorder_lost(tmp_path):
    frames = [_frame("eye", n, 100 * n, 100 * n + 2) for n in range(41) if n != 30]
    took_ms = {n: 10 if n < 40 else 30 for n in range(41)}
    made = [_frame("mind", n, 100 * n, 100 * n + 2 + took_ms[n]) for n in range(20, 41)]
    load = [_load("mind", 1000 * s, 0.1 * s, 50.0 + s) for s in range(5)]
    _write(
        tmp_path / "log.mcap",
        [
            *(("eye/frame", message) for message in frames),
            *(("mind/wish", message) for message in made),
            *(("telemetry/mind", message) for message in load),
        ],
    )
    heard = [_load("mind", 3000, 9.0, 9.0), _load("log", 1000, 9.0, 9.0), _load("log", 2000, 1, 8)]
    measured = measure(tmp_path / "log.mcap", 2.0, heard)
    assert measured.nodes["log"] == NodeCost(1.0, 8.0, 0.0, None)  # a recorder is not in its log
    mind = measured.nodes["mind"]
    assert mind.cpu_share == pytest.approx(0.3)  # of seconds 2, 3 and 4
    assert (mind.memory_mb, mind.memory_growth_mb) == (54.0, 2.0)
    assert mind.latency_ms == {"p50": 10.0, "p90": 10.0, "p99": 30.0, "max": 30.0}
    eye = measured.streams["eye.frame"]
    assert eye.rate_hz == pytest.approx(10.0)
    assert eye.jitter == pytest.approx(0.0)
    assert eye.age_ms["max"] == 2.0
    assert measured.streams["mind.wish"].age_ms["p50"] == 12.0
