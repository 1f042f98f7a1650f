"""The page of the fault matrix, made from its rows alone."""

import json
import statistics
from pathlib import Path
from typing import Any

BAR_MS = 150.0
BOARDS = ("python", "native", "qemu")
TITLES = {
    "python": "board in Python",
    "native": "firmware compiled here",
    "qemu": "firmware on the emulated chip",
}
AT_REST = {
    ("sensor", "stuck"): "the joint stands still, and what the sensor says is true",
    ("sensor", "slow"): "nothing changes that could come late",
    ("actuator", "off"): "no load moves the joint away",
    ("actuator", "stuck"): "the last setpoint is still the right one",
    ("actuator", "slow"): "nothing changes that could come late",
    ("actuator", "delayed"): "nothing changes that could come late",
    ("actuator", "intermittent"): "no load moves the joint away",
}
"""Why a fault cannot be seen in a robot that stands still; each is seen once it is told to move."""

INTRO = """# Faults of sensors, actuators, link and host

How long it takes from the first observable deviation until the robot is safe, in ms of the
controller's clock: the worst of the runs, in brackets their median. At most 150 is asked.

The robot has two joints (0.05 s of lag) at 1 rad/s, a host at 50 commands a second, and the
defaults of the driver: a watchdog of 100 ms, sensors that count as lost or stuck after 50 ms, and
50 ms that a joint may be off by more than its `max_following`, here 0.12 rad. The reaction is to
hold; a robot whose sensor cannot be believed goes limp instead.

* Sensors and actuators: the first observable deviation is the first drive packet (one every 5 ms)
  that is not answered as by a healthy robot: no answer, or a joint more than 1 % of its range
  beside that of a shadow which gets the same drives.
* Link and host: it is the moment when a command is due and does not arrive as sent, 20 ms after the
  last good one; a good one in between begins the count anew.
* Safe: the controller has left ACTIVE for a latched stop, and from here on there is no torque, or
  all setpoints stand still. What shows the stop is telemetry, so up to 10 ms are its own.

A fault is one of PX4's words ([failure injection](https://docs.px4.io/main/en/debug/failure_injection.html));
what each does stands in `firmware_bridge/emulators/faults.py`. "Killed" is a host process on a
pseudo-terminal that gets SIGKILL. What it stops for is what the controller can know: an actuator
that is off looks to it like a sensor that is stuck.
"""

FAR = """The commands reach the driver as they are: it is the controller that ramps. Speeds are
measured at the plant, from one drive to the next."""


def write_page(rows: Path, page: Path) -> None:
    """Makes the page of what has been measured."""
    found = {path.stem: json.loads(path.read_text()) for path in sorted(rows.glob("*.json"))}
    lines = [INTRO]
    for motion, title in (("moving", "In motion"), ("still", "Standing still")):
        lines += [f"## {title}", "", *_table(found, motion), ""]
    lines += _others(found)
    page.write_text("\n".join(lines) + "\n")


def _table(found: dict[str, Any], motion: str) -> list[str]:
    boards = [board for board in BOARDS if any(name.startswith(board) for name in found)]
    heads = " | ".join(TITLES[board] for board in boards)
    lines = [
        f"| part | fault | stops for | no torque | {heads} |",
        "|---" * (4 + len(boards)) + "|",
    ]
    kinds = [name.split("_", 1)[1] for name in found if name.endswith(f"_{motion}")]
    for kind in dict.fromkeys(kinds):
        place, word, _ = kind.split("_")
        runs = [found[f"{b}_{kind}"]["runs"] for b in boards if f"{b}_{kind}" in found]
        every = [run for some in runs for run in some]
        reasons = sorted({run["reason"].replace("_", " ") for run in every if run["reason"]})
        if not reasons:
            reasons = [f"({AT_REST[place, word]})"]
        limp = sum(run["limp_ms"] is not None for run in every)
        torque = {0: "", len(every): "yes"}.get(limp, f"{limp} of {len(every)}")
        cells = [_cell(found.get(f"{board}_{kind}")) for board in boards]
        lines.append(
            f"| {place} | {word} | {', '.join(reasons)} | {torque} | {' | '.join(cells)} |"
        )
    return lines


def _cell(row: dict[str, Any] | None) -> str:
    if row is None:
        return ""
    runs = row["runs"]
    if all(run["seen_ms"] is None and run["safe_ms"] is None for run in runs):
        return "not detectable"
    missed = [run for run in runs if run["safe_ms"] is None or run["seen_ms"] is None]
    if missed:
        return f"**missed in {len(missed)} of {len(runs)}**"
    times = [max(run["safe_ms"] - run["seen_ms"], 0.0) for run in runs]
    worst = f"{max(times):.0f}" if max(times) <= BAR_MS else f"**{max(times):.0f}**"
    return f"{worst} ({statistics.median(times):.0f})"


def _others(found: dict[str, Any]) -> list[str]:
    lines = ["## A first command 1 rad away", "", FAR, ""]
    for board in BOARDS:
        row = found.get(f"{board}_first_command")
        if row:
            lines.append(
                f"* {TITLES[board]}: peak speed of the joint {row['peak_rad_s']:.4f} rad/s; "
                f"the ramp is set to {row['ramp_rad_s']} rad/s."
            )
    lines += ["", "## Without a fault", ""]
    for board in BOARDS:
        row = found.get(f"{board}_quiet")
        if row:
            stops = ", ".join(row["stops"]) or "no stop"
            lines.append(f"* {TITLES[board]}: {row['seconds']:.0f} s in motion, {stops}.")
    counts = [len(row["runs"]) for row in found.values() if "runs" in row]
    disturbed = sum(row.get("disturbed", 0) for row in found.values())
    commits = sorted({row["commit"] for row in found.values()})
    machine = next(iter(found.values()))["hardware"]
    python = f"Python {machine['python']}"
    return [
        *lines,
        "",
        f"{min(counts)} to {max(counts)} runs per cell. {disturbed} more were made again, because",
        "the machine had kept the bench from running for more than 12 ms of real time.",
        "",
        f"Measured at commit {', '.join(commits)}",
        f"on {machine['processor']}, {machine['cores']} cores with other work, {python}.",
        "",
        "    python -m benchmarks.fault_matrix",
    ]
