"""An hour of flight by wall clock: does a node's memory grow, does a rate fall, what does it write?

A graph flies as its users start it, a process per node, the recorder on. Every ten seconds the
run's control socket is asked what ``reflexarc top`` shows; each answer is on disk at once, so that
an interrupted run can still be judged as far as it went.

Memory is each node's resident set as it reports it itself. It holds all that a leak could be in,
shared rings included, and unlike the proportional set size it does not move when another process
begins or ceases to share a page. Growth is the median of the last five minutes against the median
of the first five after the warm-up; a flight too short for that is judged by quarters. A rate is
steps by the node's own count and clock, minute by minute, against its nominal one.

    python -m benchmarks.flight_hour
    python -m benchmarks.flight_hour --seconds 40 --out runs/flight_trial.json
    python -m benchmarks.flight_hour --judge docs/results/flight_hour.json
"""

import argparse
import json
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from benchmarks.results import commit, hardware
from perception.quantities import InputError
from robot.run_control import RunClient, RunControlError
from robot.run_registry import running

SAMPLE_S = 10.0
SPAN_S = 300.0  # warm-up, and each of the two spans that are compared
MINUTE_S = 60.0
MAX_GROWTH, MIN_RATE = 0.02, 0.98  # asked
START_S, END_S = 120.0, 600.0  # how long a run may take to begin, and to end
COLOURS = ("#2a6fb0", "#c8501e", "#3d8b40", "#7a4fa3", "#555555", "#b8860b", "#008b8b", "#a0306a")


class FlightError(InputError):
    """The flight could not be watched."""


class Sample(msgspec.Struct, frozen=True):
    """One look at the run, or at one of its nodes where a dict is keyed by node."""

    at_s: float
    """Since the run began."""
    run_bytes: int
    """Size of the run folder."""
    alerts: int
    memory_mb: dict[str, float]
    """Resident, 10^6 bytes."""
    steps: dict[str, int]
    told_ns: dict[str, int]
    """When the node counted its steps, by the run's clock."""


class Watched(msgspec.Struct):
    """All that is known of one flight; what the JSON file holds."""

    command: str
    commit: str | None
    hardware: dict[str, Any]
    graph: str
    seconds: float
    """Asked for."""
    nominal_hz: dict[str, float | None]
    samples: list[Sample]
    exit_code: int | None = None
    """None: the flight was interrupted."""
    unaccounted: dict[str, int] | None = None
    """Edges whose sum of messages fails, by the run's own summary."""


class Verdict(NamedTuple):
    """One node against what is asked."""

    node: str
    first_mb: float
    last_mb: float
    nominal_hz: float | None
    least_hz: float | None
    """Of the slowest minute; None where no rate is nominal or no minute was seen."""

    @property
    def growth(self) -> float:
        """Of memory, as a share."""
        return self.last_mb / self.first_mb - 1

    @property
    def kept(self) -> bool:
        """Whether both stay within what is asked."""
        slow = (
            self.nominal_hz is not None
            and self.least_hz is not None
            and self.least_hz < MIN_RATE * self.nominal_hz
        )
        return self.growth <= MAX_GROWTH and not slow


def main(argv: Sequence[str] | None = None) -> int:
    """Flies, or reads what was flown; writes table and picture; 1 where it was not kept to."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--graph", default="room_sim")
    parser.add_argument("--seconds", type=float, default=3600.0)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--every", type=float, default=SAMPLE_S, help="seconds between two looks")
    parser.add_argument("--out", type=Path, default=Path("docs/results/flight_hour.json"))
    parser.add_argument("--judge", type=Path, metavar="JSON", help="do not fly; judge this again")
    args = parser.parse_args(argv)
    path = args.judge or args.out
    try:
        if args.judge is None:
            print(f"takes about {args.seconds / 60 + 0.5:.1f} min", flush=True)
            signal.signal(signal.SIGTERM, signal.default_int_handler)  # ends the flight too
            fly(args.graph, args.seconds, args.seed, args.every, path)
        watched = msgspec.json.decode(path.read_bytes(), type=Watched)
        verdicts = judge(watched)
    except InputError as error:
        print(error, file=sys.stderr)
        return error.exit_code
    text = table(watched, verdicts, path.with_suffix(".svg").name)
    path.with_suffix(".md").write_text(text)
    path.with_suffix(".svg").write_text(picture(watched))
    print(text)
    return 0 if good(watched, verdicts) else 1


def fly(graph: str, seconds: float, seed: int, every_s: float, path: Path) -> None:
    """Flies and keeps what is seen; an interrupt ends the flight in order.

    Raises:
        FlightError: the run does not begin, or does not end.
    """
    with tempfile.TemporaryDirectory(prefix="rx") as folder:
        run_dir, log = Path(folder) / "run", Path(folder) / "output"
        command = [
            *(sys.executable, "-m", "robot.cli", "run", graph, "--clock", "wall"),
            *("--seconds", str(seconds), "--seed", str(seed), "--out", str(run_dir)),
        ]
        watched = Watched(
            f"python -m benchmarks.flight_hour --graph {graph} --seconds {seconds:g} --seed {seed}",
            *(commit(), hardware(), graph, seconds, {}, []),
        )
        with log.open("wb") as output:
            process = subprocess.Popen(command, stdout=output, stderr=output)
        try:
            watch(process, run_dir, watched, every_s, path)
            watched.exit_code = process.wait(END_S)
        except KeyboardInterrupt:
            print("stopped; what was seen is kept", file=sys.stderr)
        except (RunControlError, FlightError, subprocess.TimeoutExpired) as error:
            said = log.read_text(errors="replace")[-2000:]
            raise FlightError(f"{error}; the run said:\n{said}") from error
        finally:
            end(process)
            summary = run_dir / "summary.json"
            if summary.is_file():
                watched.unaccounted = json.loads(summary.read_text())["accounting"]["unaccounted"]
            keep(watched, path)


def watch(
    process: subprocess.Popen[bytes], run_dir: Path, watched: Watched, every_s: float, path: Path
) -> None:
    """Looks at the run until it ends."""
    client = RunClient(control_folder(process))
    began_s = time.monotonic()
    try:
        for number in range(1, 1_000_000):
            wait_until(process, began_s + number * every_s)
            try:
                status = client.status()
            except RunControlError:
                process.wait(
                    END_S
                )  # it has ended while it was asked; else it hangs, and that is told
                return
            told = {n: s.telemetry for n, s in status.nodes.items() if s.telemetry is not None}
            watched.nominal_hz = {name: s.expected_hz for name, s in status.nodes.items()}
            watched.samples.append(
                Sample(
                    at_s=round(status.run_seconds, 3),
                    run_bytes=sum(f.stat().st_size for f in run_dir.rglob("*") if f.is_file()),
                    alerts=len(status.alerts),
                    memory_mb={name: round(t.memory_mb or 0.0, 3) for name, t in told.items()},
                    steps={name: t.steps for name, t in told.items()},
                    told_ns={name: t.captured_ns for name, t in told.items()},
                )
            )
            keep(watched, path)
    finally:
        client.close()


def control_folder(process: subprocess.Popen[bytes]) -> Path:
    """Where the run listens, once it does.

    Raises:
        FlightError: it ended before, or needs too long.
    """
    deadline = time.monotonic() + START_S
    while time.monotonic() < deadline and process.poll() is None:
        for entry in running():
            if entry.pid == process.pid:
                return Path(entry.folder)
        time.sleep(0.1)
    raise FlightError("the run did not begin")


def wait_until(process: subprocess.Popen[bytes], at_s: float) -> None:
    """Until a moment of the monotonic clock, or the run's end."""
    try:
        process.wait(max(0.0, at_s - time.monotonic()))
    except subprocess.TimeoutExpired:
        return


def end(process: subprocess.Popen[bytes]) -> None:
    """Ends a run that still goes on: in order, then by force."""
    if process.poll() is not None:
        return
    process.send_signal(signal.SIGINT)
    try:
        process.wait(END_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def keep(watched: Watched, path: Path) -> None:
    """Writes the file anew; a reader sees all of it or the one before."""
    path.parent.mkdir(parents=True, exist_ok=True)
    new = path.with_suffix(".new")
    new.write_bytes(msgspec.json.encode(watched) + b"\n")
    new.rename(path)


def judge(watched: Watched) -> list[Verdict]:
    """Each node against what is asked.

    Raises:
        FlightError: there are too few samples to compare.
    """
    samples = watched.samples
    if len(samples) < 4:
        raise FlightError(f"{len(samples)} samples; at least 4 are needed: fly longer")
    first, last = spans(samples)
    verdicts = []
    for node, nominal_hz in watched.nominal_hz.items():
        rates = rates_hz(samples, node)
        verdicts.append(
            Verdict(
                node,
                statistics.median(s.memory_mb[node] for s in first if node in s.memory_mb),
                statistics.median(s.memory_mb[node] for s in last if node in s.memory_mb),
                nominal_hz,
                min(rates) if nominal_hz is not None and rates else None,
            )
        )
    return verdicts


def spans(samples: list[Sample]) -> tuple[list[Sample], list[Sample]]:
    """The samples of the first span after the warm-up, and those of the last one."""
    end_s = samples[-1].at_s
    span_s = min(SPAN_S, end_s / 4)
    first = [s for s in samples if span_s < s.at_s <= 2 * span_s]
    return first or samples[1:2], [s for s in samples if s.at_s > end_s - span_s]


def rates_hz(samples: list[Sample], node: str) -> list[float]:
    """Steps per second of one node in each full minute, or in all where there is no full one."""
    seen = [(s.told_ns[node], s.steps[node]) for s in samples if node in s.steps]
    rates = []
    (began_ns, began) = seen[0]
    for at_ns, steps in seen[1:]:
        if at_ns == began_ns:  # it has told nothing new
            continue
        seconds = (at_ns - began_ns) / 1e9
        if seconds >= MINUTE_S or (not rates and (at_ns, steps) == seen[-1]):
            rates.append((steps - began) / seconds)
            began_ns, began = at_ns, steps
    return rates


def good(watched: Watched, verdicts: list[Verdict]) -> bool:
    """Whether the whole flight kept to what is asked."""
    whole = watched.exit_code == 0 and watched.unaccounted == {}
    return whole and all(verdict.kept for verdict in verdicts)


def table(watched: Watched, verdicts: list[Verdict], picture_name: str) -> str:
    """The verdicts as Markdown."""
    flown_s, machine = watched.samples[-1].at_s, watched.hardware
    span_s = min(SPAN_S, flown_s / 4)
    rows = [
        f"| {v.node} | {v.first_mb:.1f} | {v.last_mb:.1f} | {v.growth:+.2%} | {_hz(v.nominal_hz)} "
        f"| {_hz(v.least_hz)} | {'yes' if v.kept else 'NO'} |"
        for v in verdicts
    ]
    first, last = watched.samples[0], watched.samples[-1]
    speed = (last.run_bytes - first.run_bytes) / max(last.at_s - first.at_s, 1e-9)
    ended = (
        "was not seen to end" if watched.exit_code is None else f"ended with {watched.exit_code}"
    )
    head = (
        f"`{watched.graph}` by wall clock for {flown_s:.0f} of {watched.seconds:g} s, one process "
        f"per node, recorder on, {len(watched.samples)} samples. Memory is resident MB (10^6 "
        f"bytes), shared pages included: the median of the first {span_s:.0f} s after as long a "
        f"warm-up, and that of the last {span_s:.0f} s. The rate is that of the slowest minute. "
        f"Asked: growth at most {MAX_GROWTH:.0%}, no minute below {MIN_RATE:.0%} of the nominal "
        "rate."
    )
    foot = (
        f"The run {ended}; alerts shown at the end: {last.alerts}; edges whose sum of messages "
        f"fails: {_sums(watched.unaccounted)}. The run folder held {last.run_bytes / 1e6:.0f} MB "
        f"at the last sample, growing by {speed / 1e6:.2f} MB/s: {speed * 3600 / 1e9:.1f} GB an "
        "hour."
    )
    where = (
        f"Measured at commit {watched.commit} on {machine['processor']}, {machine['cores']} cores, "
        f"Python {machine['python']}."
    )
    lines = [
        "# An hour of flight",
        "",
        head,
        "",
        "| node | memory first | last | growth | nominal Hz | slowest minute Hz | kept |",
        "|---|---|---|---|---|---|---|",
        *rows,
        "",
        foot,
        "",
        f"![Memory per node over time]({picture_name})",
        "",
        where,
        "",
        f"    {watched.command}",
        "",
    ]
    return "\n".join(lines)


def _hz(rate_hz: float | None) -> str:
    return "-" if rate_hz is None else f"{rate_hz:.2f}"


def _sums(unaccounted: dict[str, int] | None) -> str:
    if unaccounted is None:
        return "not known"
    return ", ".join(unaccounted) or "none"


def picture(watched: Watched) -> str:
    """Memory of each node, relative to its first sample after the warm-up, as SVG."""
    width, height, left, top = 900, 360, 60, 20
    first, _ = spans(watched.samples)
    end_s = watched.samples[-1].at_s
    lines = {
        node: [
            (s.at_s, s.memory_mb[node] / base - 1) for s in watched.samples if node in s.memory_mb
        ]
        for node in watched.nominal_hz
        if (base := statistics.median(s.memory_mb[node] for s in first if node in s.memory_mb))
    }
    reach = max([0.03, *(abs(share) for points in lines.values() for _, share in points)])

    def x(at_s: float) -> float:
        return left + (width - left - 150) * at_s / end_s

    def y(share: float) -> float:
        return top + (height - top - 40) * (reach - share) / (2 * reach)

    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}">',
        "<style>text { font: 12px sans-serif }</style>",
        f'<rect width="{width}" height="{height}" fill="white"/>',
    ]
    for share in (-reach, 0.0, MAX_GROWTH, reach):
        dash = ' stroke-dasharray="4 4"' if share == MAX_GROWTH else ""
        parts.append(
            f'<path d="M{x(0):.1f} {y(share):.1f}H{x(end_s):.1f}" stroke="#bbb"{dash}/>'
            f'<text x="8" y="{y(share) + 4:.1f}">{share:+.1%}</text>'
        )
    for number, (node, points) in enumerate(lines.items()):
        colour = COLOURS[number % len(COLOURS)]
        way = " ".join(f"{x(at_s):.1f},{y(share):.1f}" for at_s, share in points)
        parts.append(
            f'<polyline points="{way}" fill="none" stroke="{colour}" stroke-width="1.5"/>'
            f'<text x="{width - 140}" y="{top + 16 + 18 * number}" fill="{colour}">{node}</text>'
        )
    parts.append(
        f'<text x="{left}" y="{height - 12}">memory against the first span after the warm-up; '
        f"0 to {end_s / 60:.1f} min; dashed: what is asked</text></svg>\n"
    )
    return "\n".join(parts)


if __name__ == "__main__":
    sys.exit(main())
