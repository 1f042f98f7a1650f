"""What a run amounted to, as one JSON object: the flight from its log, the rest from its nodes."""

import contextlib
import platform
from collections.abc import Sequence
from typing import Any

import numpy as np

from firmware_bridge.safety_words import Mode
from robot.accounting import EdgeAccount, settle, unaccounted
from robot.executor import RunOptions, RunResult
from robot.flight import Flight, read_flights
from robot.graph import Edge, Graph
from robot.node import NodeReport, Role
from robot.record import LogError
from robot.wishes import MODE_GAUGE, words


def summarise(graph: Graph, options: RunOptions, result: RunResult) -> dict[str, Any]:
    """The content of ``summary.json``; flight figures are null where there was no flight."""
    accounts = settle(graph, result)
    lost_unseen = unaccounted(accounts)
    return {
        "graph": graph.name,
        "robot": graph.robot.name,
        "clock": "lockstep" if options.lockstep else "wall",
        "seed": options.seed,
        "ended_by": result.ended_by,
        "failures": result.failures,
        **_flight_figures(options),
        "sim_seconds": round(result.run_seconds, 6) if graph.time_owner else None,
        "wall_seconds": round(result.wall_seconds, 3),
        "latency": None if options.lockstep else _latency(graph, result.reports),
        "nodes": {name: _node_figures(report) for name, report in result.reports.items()},
        "restarts": result.restarts,
        "edges": {str(edge): _edge_figures(edge, account) for edge, account in accounts.items()},
        "accounting": {"holds": not lost_unseen, "unaccounted": lost_unseen},
        "alerts": _alerts(result),
        "host": f"{platform.machine()}, Python {platform.python_version()}",
    }


def summary_text(summary: dict[str, Any]) -> str:
    """The few lines a person wants at the end of a run."""
    lines = []
    if summary["distance_m"] is not None:
        lines.append(
            f"flew {summary['distance_m']:.1f} m, {summary['collisions']} collisions, "
            f"{summary['put_backs']} put-backs, visited {summary['cells_visited']} of "
            f"{summary['cells_free']} free cells"
        )
    ran = summary["sim_seconds"]
    if ran is not None and summary["wall_seconds"]:
        pace = ran / summary["wall_seconds"]
        lines.append(f"{ran:g} s in {summary['wall_seconds']:.1f} s ({pace:.1f}x real time)")
    latency = summary["latency"]
    if latency and latency["capture_to_command_ms"]:
        shown = latency["capture_to_command_ms"]
        lines.append(f"capture to command: p50 {shown['p50']:.1f} ms, p99 {shown['p99']:.1f} ms")
    edges = summary["edges"].values()
    sent = sum(edge["sent"] or 0 for edge in edges)
    overtaken, dropped = (
        sum(edge["dropped"] or 0 for edge in edges if (edge["policy"] == "latest") is latest)
        for latest in (True, False)
    )
    lines.append(
        f"{sent} messages over {len(edges)} edges: {dropped} dropped, "
        f"{overtaken} overtaken by a newer one where only the latest counts"
    )
    if lost := sum(edge["lost_with_process"] for edge in edges):
        lines.append(f"{lost} messages were lost with a process that died")
    if not summary["accounting"]["holds"]:
        lines.append(accounting_fault(summary))
    lost = sum(node["gauges"].get("log_lost", 0) for node in summary["nodes"].values())
    if lost:
        lines.append(
            f"{lost:g} messages could not be recorded; flight figures are of the recorded part only"
        )
    for name, node in summary["nodes"].items():
        mode = Mode(round(node["gauges"].get(MODE_GAUGE, Mode.ACTIVE)))
        if not mode.is_engaged:
            lines.append(f"{name}: the robot was in {words(mode)} at the end; see its alerts")
    if summary["ended_by"] == "interrupt":
        lines.append("stopped before its time")
    return "".join(f"{line}\n" for line in lines)


def _flight_figures(options: RunOptions) -> dict[str, Any]:
    """Figures of the flight in the run's log."""
    flights: list[Flight] = []
    if options.run_dir is not None and (options.run_dir / "log.mcap").is_file():
        with contextlib.suppress(LogError):  # an empty log: nothing flew
            flights = read_flights(options.run_dir / "log.mcap")
    if not flights:
        keys = ("collisions", "put_backs", "distance_m", "cells_visited", "cells_free")
        return dict.fromkeys(keys)
    coverages = [flight.coverage for flight in flights]
    return {
        "collisions": sum(len(flight.collisions) for flight in flights),
        "put_backs": sum(len(flight.put_backs) for flight in flights),
        "distance_m": round(sum(flight.distance_m for flight in flights), 3),
        "cells_visited": sum(coverage.visited for coverage in coverages),
        "cells_free": sum(coverage.free for coverage in coverages),
    }


def _latency(graph: Graph, reports: dict[str, NodeReport]) -> dict[str, Any]:
    """Age of data where they were used; drawing, which no robot does, is told apart."""
    to_command = [
        age
        for name, report in reports.items()
        if graph.nodes[name].node_class.role is Role.ACTUATOR
        for ages in report.ages_ms.values()
        for age in ages
    ]
    render = [r.gauges["render_ms_mean"] for r in reports.values() if "render_ms_mean" in r.gauges]
    return {
        "capture_to_command_ms": percentiles(to_command),
        "rendering_ms_mean": round(render[0], 3) if render else None,
        "age_at_reader_ms": {
            edge: percentiles(ages)
            for report in reports.values()
            for edge, ages in report.ages_ms.items()
        },
    }


def percentiles(values: Sequence[float]) -> dict[str, float] | None:
    """How values spread; None without values."""
    if not values:
        return None
    p50, p99 = np.percentile(values, [50, 99])
    return {
        "n": len(values),
        "p50": round(float(p50), 3),
        "p99": round(float(p99), 3),
        "max": round(max(values), 3),
    }


def _node_figures(report: NodeReport) -> dict[str, Any]:
    return {
        "steps": report.steps,
        "woken": report.woken,
        "rate_hz": round(report.rate_hz, 3),
        "step_ms_p50": round(report.step_ms_p50, 3),
        "step_ms_p99": round(report.step_ms_p99, 3),
        "overruns": report.overruns,
        "gauges": {key: round(value, 3) for key, value in report.gauges.items()},
    }


def _alerts(result: RunResult) -> list[str]:
    """What the supervisor found, then each node; what a node said in its name is not repeated."""
    found = [f"supervisor: {text}" for text in result.alerts]
    said = [(n, text) for n, report in result.reports.items() for text in report.alerts]
    return found + [f"{node}: {text}" for node, text in said if text not in found]


def _edge_figures(edge: Edge, account: EdgeAccount) -> dict[str, Any]:
    """What became of the messages of one edge."""
    return {"policy": edge.policy.keep.value, **account._asdict()}


def accounting_fault(summary: dict[str, Any]) -> str:
    """The line that says which sums fail, for a summary whose accounting does not hold."""
    missing = summary["accounting"]["unaccounted"]
    shown = ", ".join(f"{edge}: {count}" for edge, count in missing.items())
    return f"ACCOUNTING FAILS: messages of which nobody knows what became: {shown}"
