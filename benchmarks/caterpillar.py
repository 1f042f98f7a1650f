"""The caterpillar: 17 nodes, a process each, and how old a message is at each of its feet.

    python -m benchmarks.caterpillar [--seconds 30] [--rate 100] [--out FILE.json]

The graph is that of ``copper-project/benchmarks``: one source, a chain of eight nodes that pass the
message on, and a sink at each of them, so 16 edges. Ours are Python processes under the supervisor,
over the ordinary bus; a message's age counts from its making until the sink's step has ended.
"""

import argparse
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.results import write_result
from robot.executor import RunOptions
from robot.graph import load_graph
from robot.messages import Command
from robot.node import Emission, Input, Inputs, NoConfig, Node, Output, Role
from robot.nodes import NODES
from robot.supervisor import Supervisor
from robot.validation import validate

SEGMENTS = 8
CLASSES = {name: f"benchmarks.caterpillar:{name.title()}" for name in ("head", "segment", "foot")}
ROOT = Path(__file__).parents[1]


class Head(Node[NoConfig]):
    """Makes a message per period."""

    outputs = {"out": Output(Command)}
    role = Role.SOURCE

    def step(self, now_ns: int, inputs: Inputs) -> list[Emission]:
        """One message."""
        del now_ns, inputs
        return [("out", Command(captured_ns=self.context.clock.now_ns(), values=(0.0, 0.0, 1.0)))]


class Segment(Node[NoConfig]):
    """Passes the message on as it is."""

    inputs = {"in": Input(Command)}
    outputs = {"out": Output(Command)}

    def step(self, now_ns: int, inputs: Inputs) -> list[Emission]:
        """What came in goes out."""
        del now_ns
        return [
            ("out", Command(captured_ns=message.captured_ns, values=message.values))
            for message in inputs.all("in")
        ]


class Foot(Node[NoConfig]):
    """Takes the message."""

    inputs = {"in": Input(Command)}
    role = Role.WATCHING

    def step(self, now_ns: int, inputs: Inputs) -> list[Emission]:
        """Nothing but to have it."""
        del now_ns, inputs
        return []


@dataclass(frozen=True)
class Ages:
    """Of one foot."""

    median_us: float
    p99_us: float
    p999_us: float
    messages: int


def main() -> None:
    parser = argparse.ArgumentParser(description=str(__doc__).splitlines()[0])
    parser.add_argument("--seconds", type=float, default=30.0)
    parser.add_argument("--rate", type=float, default=100.0, help="messages per second")
    parser.add_argument("--out", type=Path, help="write JSON here, and a table beside it")
    arguments = parser.parse_args()
    print(f"takes about {arguments.seconds / 60 + 0.5:.1f} min", flush=True)
    with tempfile.TemporaryDirectory() as folder:
        feet, lost = crawl(Path(folder), arguments.seconds, arguments.rate)
    table = table_of(feet, lost)
    print(table)
    if arguments.out:
        numbers = {f"foot_{i}": vars(ages) for i, ages in enumerate(feet, 1)}
        write_result(arguments.out, {"rate_hz": arguments.rate, "lost": lost, **numbers})
        arguments.out.with_suffix(".table.md").write_text(table + "\n")


def crawl(folder: Path, seconds: float, rate_hz: float) -> tuple[list[Ages], int]:
    """Runs the graph; the ages at its feet from first to last, and how much was lost in all."""
    NODES.update(CLASSES)
    sys.executable = str(interpreter(folder))
    path = folder / "caterpillar.toml"
    path.write_text(graph_text(rate_hz))
    graph = load_graph(str(path))
    validate(graph, lockstep=False)
    options = RunOptions(seconds, seed=0, lockstep=False, run_dir=None)
    result = Supervisor(graph, (), options, show).run(lambda _: None, lambda: False)
    if result.failures:
        raise SystemExit(f"the caterpillar fell: {result.failures}")
    feet = [
        spread(result.reports[f"foot{i}"].ages_ms[f"segment{i}.out -> foot{i}.in"])
        for i in range(1, SEGMENTS + 1)
    ]
    return feet, sum(sum(report.dropped.values()) for report in result.reports.values())


def interpreter(folder: Path) -> Path:
    """A Python whose nodes' processes know the classes of this file."""
    path = folder / "python-with-caterpillar"
    path.write_text(
        f"#!{sys.executable}\n"
        "import sys\n"
        f"sys.path.insert(0, {str(ROOT)!r})\n"
        "from robot.nodes import NODES\n"
        "from robot.worker import main\n"
        f"NODES.update({CLASSES!r})\n"
        "sys.exit(main())\n"
    )
    path.chmod(0o700)
    return path


def graph_text(rate_hz: float) -> str:
    """The graph as TOML."""
    lines = ['robot = "ardrone"', f'[nodes.head]\nclass = "head"\nrate_hz = {rate_hz}']
    edges = ["[edges]"]
    before = "head"
    for i in range(1, SEGMENTS + 1):
        lines += [f'[nodes.segment{i}]\nclass = "segment"', f'[nodes.foot{i}]\nclass = "foot"']
        edges.append(f'"{before}.out -> segment{i}.in" = "queue(64)"')
        edges.append(f'"segment{i}.out -> foot{i}.in" = "queue(64)"')
        before = f"segment{i}"
    return "\n".join(lines + edges) + "\n"


def show(node: str, line: str) -> None:
    print(f"{node}: {line}")


def spread(ages_ms: list[float]) -> Ages:
    p50, p99, p999 = np.percentile(ages_ms, [50, 99, 99.9]) * 1000
    return Ages(round(p50, 1), round(p99, 1), round(p999, 1), len(ages_ms))


def table_of(feet: list[Ages], lost: int) -> str:
    """Ages by foot, the last line telling what a hop costs."""
    rows: list[Any] = [
        "| foot | median us | p99 us | p99.9 us | messages |",
        "|---|---|---|---|---|",
    ]
    rows += [
        f"| {i} | {a.median_us:.0f} | {a.p99_us:.0f} | {a.p999_us:.0f} | {a.messages} |"
        for i, a in enumerate(feet, 1)
    ]
    hop_us = (feet[-1].median_us - feet[0].median_us) / (SEGMENTS - 1)
    return "\n".join([*rows, "", f"A hop costs {hop_us:.0f} us in the median; {lost} lost."])


if __name__ == "__main__":
    main()
