"""``reflexarc replay``: runs nodes again from a log, and tells whether they did the same."""

import contextlib
import json
import sys
import traceback
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import tyro

from perception.quantities import InputError
from robot.commands.run import forget, interruptible, make_run_dir, write_resolved
from robot.config import USER_ERRORS
from robot.console import Console
from robot.executor import NodeError
from robot.record import LogFile, LogReader, LogWriter
from robot.recording import Recording, nodes_to_run, open_recording
from robot.replay import Replay as Pass
from robot.replay import ReplayResult

LOG = "log.mcap"


@dataclass(frozen=True)
class Replay:
    """Run nodes again from the step records of a log; worlds and devices are played from it.

    Example: reflexarc replay runs/a --verify --replace stereo
    """

    run: tyro.conf.Positional[Path]
    """A run folder, or the path of its log."""
    node: str | None = None
    """Run only this node again; without it all that touch neither world nor device."""
    replace: tuple[str, ...] = ()
    """Nodes to play from the log too, while the rest runs."""
    verify: bool = False
    """Compare bytes; the first message that differs ends the replay with exit code 1."""
    set: Annotated[
        tyro.conf.UseAppendAction[tuple[str, ...]], tyro.conf.arg(metavar="NODE.KEY=VALUE")
    ] = ()
    """Overrides a parameter of a node, to see what it would have done."""
    out: Path | None = None
    """The new run folder; default: runs/TIME-GRAPH-replay, or with --verify none."""
    json: bool = False
    """Print the outcome as JSON, and no progress."""

    def __call__(self) -> int:
        """Replays, writes the new log, tells the outcome."""
        if self.node is not None and self.replace:
            raise InputError("--node and --replace exclude each other: --node plays all others")
        path = log_of(self.run)
        recording = open_recording(path, self.set)
        nodes = nodes_to_run(recording.graph, self.node, self.replace)
        out, existed = None, self.out is not None and self.out.exists()
        if self.out is not None or not self.verify:
            out = make_run_dir(self.out, f"{recording.graph.name}-replay")
            write_resolved(out, recording.graph)
        console = Console(quiet=self.json)
        try:
            result, lost = self._replay(recording, nodes, out, console)
        except NodeError as error:
            return _tell_failure(error, console)
        except USER_ERRORS:
            if out is not None:
                forget(out, keep_folder=existed)
            raise
        return _conclude(recording, nodes, result, out, lost, self)

    def _replay(
        self, recording: Recording, nodes: frozenset[str], out: Path | None, console: Console
    ) -> tuple[ReplayResult, int]:
        """One pass over the log; the result, and how many messages the disk had no room for."""
        writer = None if out is None else _writer(out, recording, nodes)
        try:
            with (
                interruptible() as interrupted,
                console.progress("replay", LogReader(recording.path).seconds()) as progress,
                contextlib.redirect_stdout(sys.stderr),  # what nodes print is no result
            ):
                result = Pass(recording, nodes).run(
                    (lambda _: None) if writer is None else writer.write,
                    progress,
                    interrupted,
                    stop_at_difference=self.verify,
                )
        finally:
            if writer is not None:
                writer.close()
        return result, 0 if writer is None else writer.lost


def log_of(run: Path) -> Path:
    """The log of a run folder, or the path itself where it names a log."""
    return run / LOG if run.is_dir() else run


def _writer(out: Path, recording: Recording, nodes: frozenset[str]) -> LogWriter:
    """The log of the replay: it can be replayed like any other."""
    metadata = {
        "graph": recording.graph.resolved_json(),
        "seed": str(recording.seed),
        "clock": "lockstep" if recording.lockstep else "wall",
        "replayed": ", ".join(sorted(nodes)),
    }
    return LogWriter(LogFile(out / LOG), metadata)


def _tell_failure(error: NodeError, console: Console) -> int:
    """A node threw; its traceback, unless a user's input caused it."""
    cause = error.__cause__ or error
    if not isinstance(cause, USER_ERRORS):
        for line in "".join(traceback.format_exception(cause)).rstrip().splitlines():
            console.node_line(error.node, line)
    reason = " ".join(str(cause).split()) or "no reason given"
    sys.stderr.write(f"reflexarc: replay: node {error.node!r} failed: {reason}\n")
    return 1


def _conclude(
    recording: Recording,
    nodes: frozenset[str],
    result: ReplayResult,
    out: Path | None,
    lost: int,
    asked: Replay,
) -> int:
    """Tells the outcome; 1 if --verify was not satisfied or the new log is not whole."""
    identical = result.differing == 0 and result.compared > 0 and result.ended_by == "log"
    played = [name for name in recording.graph.nodes if name not in nodes]
    outcome = {
        "log": str(recording.path),
        "nodes": sorted(nodes),
        "played": played,
        "identical": identical,
        "ended_by": result.ended_by,
        "seconds": round(result.seconds, 6),
        "steps": result.steps,
        "compared": result.compared,
        "differing": result.differing,
        "unlogged": result.unlogged,
        "left_out": result.left_out,
        "first_difference": None if result.first is None else result.first._asdict(),
        "run_dir": None if out is None else str(out),
    }
    text = json.dumps(outcome) + "\n" if asked.json else "".join(_lines(outcome, result))
    sys.stdout.write(text)
    kept = out is None or _keep(out, outcome, lost)
    return 0 if kept and (identical or not asked.verify) else 1


def _keep(out: Path, outcome: dict[str, Any], lost: int) -> bool:
    """Writes the outcome beside the new log; whether the disk had room for both."""
    reason = f"{lost} messages did not fit on the disk" if lost else ""
    try:
        (out / "replay.json").write_text(json.dumps(outcome, indent=2) + "\n")
    except OSError as error:
        reason = reason or f"replay.json: {error.strerror}"
    if reason:
        sys.stderr.write(f"reflexarc: replay: {out}: {reason}; give --out on another disk\n")
    return not reason


def _lines(outcome: dict[str, Any], result: ReplayResult) -> Sequence[str]:
    """The outcome for a person."""
    ran = ", ".join(f"{name} ({steps} steps)" for name, steps in result.steps.items())
    lines = [
        f"ran again: {ran}; played from the log: {', '.join(outcome['played']) or 'none'}\n",
    ]
    lines.append(
        f"{result.compared} messages compared over {result.seconds:.1f} s, "
        f"{result.differing} differ (telemetry is the machine's own load and is not compared)\n"
    )
    if result.unlogged:
        lines.append(f"{result.unlogged} messages were not in the log to compare with\n")
    for name, steps in result.left_out.items():
        lines.append(f"the log ends before what the last {steps} steps of {name} took\n")
    if result.first is not None:
        lines.append(f"first difference: {result.first}\n")
    if result.ended_by == "interrupt":
        lines.append("stopped before its end\n")
    if outcome["run_dir"]:
        lines.append(f"run folder: {outcome['run_dir']}\n")
    return lines
