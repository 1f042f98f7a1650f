"""Figures for Prometheus, scraped over the network as Prometheus does."""

import socket
import urllib.request

import pytest

from robot.control import Vitals
from robot.executor import RunOptions
from robot.graph import load_graph
from robot.messages import EdgeTelemetry, Telemetry
from robot.metrics import EDGE_METRICS, NODE_METRICS, MetricsError, serve_metrics
from robot.run_status import StatusBoard

EDGE = "ticker.count -> relay.command"


@pytest.fixture
def board(tiny):
    options = RunOptions(seconds=None, seed=0, lockstep=False, run_dir=None)
    return StatusBoard(load_graph(str(tiny)), options)


def _telemetry():
    return Telemetry(
        captured_ns=0,
        steps=50,
        rate_hz=49.5,
        step_ms_mean=1.0,
        step_ms_max=3.0,
        step_ms_p99=2.0,
        overruns=4,
        gauges={},
        inputs={},
        cpu_share=0.25,
        memory_mb=30.0,
        sent={"count": 7},
        edges={EDGE: EdgeTelemetry(received=5, dropped=1, rate_hz=5.0, age_ms_p99=9.0)},
    )


def _scrape(port):
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics") as answer:
        return answer.read().decode()


def test_a_scrape_gives_each_node_and_edge_its_figures_in_base_units(board):
    with serve_metrics(board, 0) as port:
        assert 'reflexarc_node_steps_total{node="relay"}' not in _scrape(port)  # nothing known yet
        for node in ("ticker", "relay"):
            board.note(node, Vitals(_telemetry(), ()))
        board.progress(12.5)
        lines = _scrape(port).splitlines()
    for line in (
        'reflexarc_run_seconds_total{graph="tiny"} 12.5',
        'reflexarc_node_steps_total{node="relay"} 50.0',
        'reflexarc_node_rate_hz{node="relay"} 49.5',
        'reflexarc_node_step_seconds_p99{node="relay"} 0.002',
        'reflexarc_node_overruns_total{node="relay"} 4.0',
        'reflexarc_node_cpu_share{node="relay"} 0.25',
        'reflexarc_node_memory_bytes{node="relay"} 3e+07',
        f'reflexarc_edge_sent_total{{edge="{EDGE}"}} 7.0',
        f'reflexarc_edge_received_total{{edge="{EDGE}"}} 5.0',
        f'reflexarc_edge_dropped_total{{edge="{EDGE}"}} 1.0',
        f'reflexarc_edge_age_seconds_p99{{edge="{EDGE}"}} 0.009',
    ):
        assert line in lines


def test_every_metric_is_explained(board):
    with serve_metrics(board, 0) as port:
        text = _scrape(port)
    for metric in (*NODE_METRICS, *EDGE_METRICS):
        assert f"# HELP {metric.name}{'_total' if metric.counts else ''} {metric.help}" in text


def test_metrics_are_served_on_loopback_only_and_end_with_the_run(board):
    with serve_metrics(board, 0) as port:
        for other in ("127.0.0.2", "::1"):
            family = socket.AF_INET6 if ":" in other else socket.AF_INET
            with socket.socket(family) as client:
                assert client.connect_ex((other, port)) != 0
    with socket.socket() as client:
        assert client.connect_ex(("127.0.0.1", port)) != 0


def test_a_port_that_is_taken_is_one_line_that_names_it(board):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with (
            pytest.raises(MetricsError, match=f"--metrics {port}: .*in use"),
            serve_metrics(board, port),
        ):
            pass
    with pytest.raises(MetricsError, match="99999"), serve_metrics(board, 99999):
        pass


def test_without_a_port_nothing_is_served(board):
    with serve_metrics(board, None) as port:
        assert port is None
