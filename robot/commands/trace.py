"""``reflexarc trace``: where the time of a frame went."""

import sys
from dataclasses import dataclass
from pathlib import Path

import msgspec
import rich.console
import tyro
from rich.table import Table

from perception.quantities import InputError
from robot.trace import Trace, trace_log
from robot.trace_picture import draw_trace


@dataclass(frozen=True)
class TraceRun:
    """Follow the frames of a recorded run from capture to the actuator: time per node, a picture.

    Example: reflexarc trace runs/20260101-120000-room_sim --to actuator.setpoint
    """

    run: tyro.conf.Positional[Path]
    """A run folder, or a log (.mcap)."""
    to: str | None = None
    """NODE.PORT where the way ends; default: the longest way that frames went."""
    out: Path | None = None
    """The picture; default: trace.png beside the log."""
    json: bool = False
    """Print JSON."""

    def __call__(self) -> int:
        """Reads the log, prints, draws."""
        log = self.run / "log.mcap" if self.run.is_dir() else self.run
        found = trace_log(log, self.to)
        picture = self.out or log.with_name("trace.png")
        try:
            draw_trace(found, picture)
        except OSError as error:
            raise InputError(
                f"{picture} cannot be written: {error.strerror}; give another --out"
            ) from error
        if self.json:
            sys.stdout.write(msgspec.json.encode(found).decode() + "\n")
        else:
            rich.console.Console(highlight=False, soft_wrap=True).print(table(found))
            sys.stdout.write(_remarks(found) + f"picture: {picture}\n")
        return 0


def table(trace: Trace) -> Table:
    """A row per hop; the last row is the whole way."""
    rows = Table(box=None, header_style="bold", padding=(0, 1))
    rows.add_column("ms from the row above", no_wrap=True)
    for heading in ("median frame", "worst frame", "p50", "p90", "p99", "max"):
        rows.add_column(heading, justify="right", no_wrap=True)
    rows.add_row("(capture)")
    for hop in trace.hops:
        frames = (hop.median_frame_ms, hop.worst_frame_ms)
        rows.add_row(f"{hop.node}.{hop.port}", *_cells(*frames, *hop.all_ms.values()))
    medians = sum(hop.median_frame_ms for hop in trace.hops)
    worst = sum(hop.worst_frame_ms for hop in trace.hops)
    rows.add_row("whole way", *_cells(medians, worst, *trace.total_ms.values()), style="bold")
    return rows


def _cells(*values: float) -> list[str]:
    return [f"{value:.2f}" for value in values]


def _remarks(trace: Trace) -> str:
    """What a reader of the table should know."""
    lines = [f"{trace.arrived} of {trace.frames} frames came to the end of the way"]
    if trace.total_ms["max"] == 0:
        lines.append("all times are 0: this was a lockstep run, record one with --clock wall")
    return "".join(f"{line}\n" for line in lines)
