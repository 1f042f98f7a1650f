"""``reflexarc top``: how a run that is going on is doing."""

import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import msgspec
import rich.console
import tyro
from rich.console import Group
from rich.live import Live
from rich.table import Table
from rich.text import Text

from firmware_bridge.safety_words import Mode
from robot.run_control import RunClient, RunControlError
from robot.run_registry import RunEntry, find_run
from robot.run_status import EdgeStatus, NodeStatus, RunStatus
from robot.wishes import MODE_GAUGE, words

PERIOD_S = 1.0  # nodes speak once a second
SHOWN_ALERTS = 5  # of the nodes, and as many of the supervisor
MISSING = "-"


@dataclass(frozen=True)
class Top:
    """Watch a run: rates, ages, drops, CPU and memory of each node; Ctrl-C leaves, the run goes on.

    Example: reflexarc top room_sim --once
    """

    run: tyro.conf.Positional[str | None] = None
    """The run's process number, graph or run folder; without it the only one that is going on."""
    once: bool = False
    """Print once and end."""
    json: bool = False
    """Print JSON, one object per second, or one in all with --once."""

    def __call__(self) -> int:
        """Shows the run until it ends or somebody leaves."""
        entry = find_run(self.run)
        client = RunClient(Path(entry.folder))
        try:
            return self._show(entry, client)
        except KeyboardInterrupt:
            return 0
        finally:
            client.close()

    def _show(self, entry: RunEntry, client: RunClient) -> int:
        if self.once:
            self._print(client.status())
        elif self.json:
            for status in _statuses(entry, client):
                self._print(status)
                sys.stdout.flush()
        else:
            self._live(entry, client)
        return 0

    def _print(self, status: RunStatus) -> None:
        if self.json:
            sys.stdout.write(msgspec.json.encode(status).decode() + "\n")
        else:
            rich.console.Console(highlight=False).print(picture(status))

    def _live(self, entry: RunEntry, client: RunClient) -> None:
        """Redraws the tables each second."""
        with Live(auto_refresh=False) as live:
            for status in _statuses(entry, client):
                live.update(picture(status), refresh=True)
        sys.stdout.write("the run has ended\n")


def _statuses(entry: RunEntry, client: RunClient) -> Iterator[RunStatus]:
    """The run's status each second, until the run has ended."""
    due_s = time.monotonic()
    while _goes_on(entry):
        try:
            status = client.status()
        except RunControlError:
            if _goes_on(entry):
                raise
            return
        yield status
        due_s += PERIOD_S
        time.sleep(max(0.0, due_s - time.monotonic()))


def _goes_on(entry: RunEntry) -> bool:
    return entry.alive and Path(entry.folder).exists()


def picture(status: RunStatus) -> Group:
    """The run as tables."""
    where = f", {status.run_dir}" if status.run_dir else ""
    stopping = ", stopping" if status.stopping else ""
    title = (
        f"{status.graph} (process {status.pid}, {status.clock} clock{where}): "
        f"{status.run_seconds:.1f} s{stopping}"
    )
    modes = [Text(line, style="bold") for line in _modes(status)]
    said = [Text(f"! {text}", style="yellow") for text in status.alerts[-SHOWN_ALERTS:]]
    found = [
        Text(f"! supervisor: {text}", style="red")
        for text in status.supervisor_alerts[-SHOWN_ALERTS:]
    ]
    return Group(Text(title, style="bold"), *modes, _nodes(status), _edges(status), *said, *found)


def _modes(status: RunStatus) -> list[str]:
    """A line per node that has a driver: in which mode that is."""
    told = {name: node.telemetry.gauges for name, node in status.nodes.items() if node.telemetry}
    return [
        f"{name}: {words(Mode(round(gauges[MODE_GAUGE])))}"
        for name, gauges in told.items()
        if MODE_GAUGE in gauges
    ]


def _nodes(status: RunStatus) -> Table:
    table = Table("node", box=None, header_style="bold", padding=(0, 1))
    for heading in ("Hz", "of", "step p99", "max ms", "late", "CPU %", "MB", "heard s"):
        table.add_column(heading, justify="right", no_wrap=True)
    for name, node in status.nodes.items():
        table.add_row(name, *_node_cells(node), style=_style(node))
    return table


def _node_cells(node: NodeStatus) -> list[str]:
    told = node.telemetry
    if told is None:
        return [MISSING, _number(node.expected_hz), *[MISSING] * 6]
    return [
        _number(told.rate_hz),
        _number(node.expected_hz),
        _number(told.step_ms_p99, 2),
        _number(told.step_ms_max, 2),
        str(told.overruns),
        _number(None if told.cpu_share is None else told.cpu_share * 100, 0),
        _number(told.memory_mb, 0),
        _number(node.heard_s),
    ]


def _style(node: NodeStatus) -> str | None:
    """Red for a node of which nothing was heard for three seconds."""
    return "red" if node.heard_s is not None and node.heard_s > 3 * PERIOD_S else None


def _edges(status: RunStatus) -> Table:
    """A row per input: the many edges into one recorder are summed up."""
    table = Table(box=None, header_style="bold", padding=(0, 1))
    table.add_column("edge", overflow="fold")
    for heading in ("Hz", "age p50", "p99", "max ms", "sent", "received", "dropped"):
        table.add_column(heading, justify="right", no_wrap=True)
    by_input: dict[str, dict[str, EdgeStatus]] = {}
    for name, edge in status.edges.items():
        by_input.setdefault(name.partition(" -> ")[2], {})[name] = edge
    for input_, edges in by_input.items():
        name = next(iter(edges)) if len(edges) == 1 else f"{len(edges)} outputs -> {input_}"
        policies = {edge.policy for edge in edges.values()}
        dropped = _sum([edge.dropped for edge in edges.values()])
        lossy = dropped and not all(policy.startswith("latest") for policy in policies)
        table.add_row(
            name,
            _number(_sum([edge.rate_hz for edge in edges.values()])),
            _number(_worst([edge.age_ms_p50 for edge in edges.values()])),
            _number(_worst([edge.age_ms_p99 for edge in edges.values()])),
            _number(_worst([edge.age_ms_max for edge in edges.values()])),
            _number(_sum([edge.sent for edge in edges.values()]), 0),
            _number(_sum([edge.received for edge in edges.values()]), 0),
            _number(dropped, 0),
            style="yellow" if lossy else None,
        )
    return table


def _sum(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return sum(known) if known else None


def _worst(values: Sequence[float | None]) -> float | None:
    return max((value for value in values if value is not None), default=None)


def _number(value: float | None, digits: int = 1) -> str:
    return MISSING if value is None else f"{value:.{digits}f}"
