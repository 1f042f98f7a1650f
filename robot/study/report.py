"""The page and the plots of the study, made from its rows; what they mean is said by hand.

The folder of the rows may hold a `reading.md`: why a figure is as it is, and what is to be tried
next. It stands on the page behind the bars, so that a new page does not lose it.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from robot.study import markdown
from robot.study.bars import ORGANISATION, STUDENT, bars_of, verdict
from robot.study.cells import ALONE, FAULTY, FLIGHT
from robot.study.figures import (
    Flown,
    Results,
    fpr,
    part_flown,
    results_of,
    tpr,
)
from robot.study.judge import MONO
from robot.study.plots import name_of, plots_of
from robot.study.rows import Row
from robot.study.tables import (
    bias,
    corruptions,
    effect,
    many_rooms,
    new_rooms,
    rate,
    sizes,
    students,
)

READING = "reading.md"  # in the folder of the rows
COMMAND = "reflexarc study pssl --students network textons --seeds 0-9 --jobs 2"
HEAD = """# Stereo teaches mono

The study of `reflexarc study pssl`. The page is made from the rows beside it, one per cell:

    {command}
    reflexarc study pssl --report     # this page and its plots anew, from the rows alone

A life is {learn:g} s of learning in one room, {alone:g} s in the same room with stereo unplugged,
then stereo is plugged in again and the robot is carried into a room never seen, for {new:g} s.
In the second part nothing is remembered, nothing is learned and no threshold moves; {frozen}.
A stereo pilot flies {stereo:g} s of the same room for comparison, with the same pilot and monitor.

**What is counted.** The judge sees the run without being heard: true depth from the room's plan at
64 x 48 pixels of every frame, the true path and contacts. "Obstacle" is a corridor shorter than
1 m, in frames; where stereo is cut off, the judge asks the same teacher about the clean pair. A
frame belongs to the mono pilot also while stereo overrides it. Errors are on the pixels that the
teacher trusts, from 0.3 to 10 m. A collision ends no flight: contacts within a second are one
collision, a vehicle that hangs for two seconds is put back to where it was two seconds before its
trouble, and the flight goes on. A collision within a second of mono's control is mono's.

**Intervals** are of 95 %, over seeds (bootstrap of pooled sums); where events are counted the exact
one (Garwood, Clopper-Pearson) is taken if it is wider. With one seed there is none.

"""


def write_report(folder: Path, rows: Sequence[Row]) -> Path:
    """Writes page and plots; returns the page, which lies beside the folder of the rows."""
    results = results_of(rows)
    page = folder.with_suffix(".md")
    plots = plots_of(results)
    folder.mkdir(parents=True, exist_ok=True)
    for name, svg in plots.items():
        (folder / f"{name}.svg").write_text(svg)
    reading = folder / READING
    said = reading.read_text(encoding="utf-8") if reading.is_file() else ""
    pictures = [f"{folder.name}/{name}.svg" for name in plots]
    page.write_text(report(results, rows, pictures, said))
    return page


def report(results: Results, rows: Sequence[Row], plots: Sequence[str], reading: str = "") -> str:
    """The whole page as Markdown; `reading` is what somebody wrote of it."""
    parts = [
        _head(results, rows),
        _bars(results),
        reading and f"{reading.strip()}\n\n",
        students(results),
        bias(results),
        effect(results),
        new_rooms(results),
        many_rooms(results),
        corruptions(results),
        sizes(results),
        "".join(f"![{Path(plot).stem}]({plot})\n\n" for plot in plots),
        _origin(rows),
    ]
    return "".join(part for part in parts if part)


def brief(row: Row) -> dict[str, Any]:
    """A row in a few words, for a progress line and for `--json`."""
    outcome = {key: row[key] for key in ("cell", "kind", "seed", "sim_seconds", "wall_seconds")}
    if row["kind"] == "rooms":
        return {**outcome, "says": f"abs_rel {row['unseen']['abs_rel']} in rooms never seen"}
    if row["kind"] == "curve":
        largest = max(row["sizes"], key=lambda size: size["width"])
        return {
            **outcome,
            "says": f"abs_rel {largest['points'][-1]['abs_rel']} against the teacher",
        }
    (flown,) = _flown_of(results_of([row]))
    phase = {"life": ALONE, "stereo": FLIGHT, "corruption": FAULTY}[row["kind"]]
    tally = flown.tally(phase)
    says = f"{tally.collisions} collisions in {tally.distance_m:.0f} m"
    if row["kind"] == "life":
        alone = part_flown([flown], ALONE, MONO).value
        says += (
            f" without stereo (mono flew {100 * alone:.0f} %), "
            f"TPR {rate(tpr([flown], ALONE, MONO))} FPR {rate(fpr([flown], ALONE, MONO))}"
        )
    return {**outcome, "says": says}


def _flown_of(results: Results) -> list[Flown]:
    groups = [*results.lives.values(), *results.stereo.values(), *results.corrupted.values()]
    return [flown for group in groups for flown in group]


def _head(results: Results, rows: Sequence[Row]) -> str:
    protocol = rows[0]["protocol"]
    lives = [life for group in results.lives.values() for life in group]
    thawed = [life.row["cell"] for life in lives if not life.row["frozen"]]
    frozen = "checked in every life"
    if thawed:
        frozen = f"**which did not hold in {', '.join(thawed)}**"
    return HEAD.format(
        command=COMMAND,
        learn=protocol["learn_s"],
        alone=protocol["alone_s"],
        new=protocol["new_room_s"],
        stereo=protocol["stereo_s"],
        frozen=frozen,
    )


def _bars(results: Results) -> str:
    bars = bars_of(results)
    met, missed, unmeasured = (sum(b.met is each for b in bars) for each in (True, False, None))
    seeds = len(results.lives.get((STUDENT, ORGANISATION), []))
    lines = [(bar.asked, bar.measured, verdict(bar)) for bar in bars]
    return (
        f"## What was asked\n\nStudent {STUDENT}, {name_of(ORGANISATION)}, seeds: {seeds}; new "
        f"room and monitor: the product. {met} of {len(bars)} bars are met, {missed} are not, "
        f"{unmeasured} are not measured.\n\n"
        + markdown.table([("asked", "measured", "met"), *lines])
        + "\n"
    )


def _origin(rows: Sequence[Row]) -> str:
    commits = sorted({str(row["commit"]) for row in rows})
    machines = sorted({_machine(row["hardware"]) for row in rows})
    hours = sum(row["wall_seconds"] for row in rows) / 3600
    mixed = [kind for kind, found in _configurations(rows).items() if len(found) > 1]
    text = (
        f"{len(rows)} rows, {hours:.1f} h of one core, at commit {', '.join(commits)} on "
        f"{'; '.join(machines)}.\n"
    )
    if mixed:
        text += f"\n**Rows of several protocols are mixed: {', '.join(mixed)}.**\n"
    return text


def _configurations(rows: Sequence[Row]) -> dict[str, set[str]]:
    found: dict[str, set[str]] = {}
    for row in rows:
        found.setdefault(row["kind"], set()).add(repr(sorted(row["protocol"].items())))
    return found


def _machine(hardware: dict[str, Any]) -> str:
    return f"{hardware['processor']}, {hardware['cores']} cores, Python {hardware['python']}"
