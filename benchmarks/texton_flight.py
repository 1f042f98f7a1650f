"""What textons learn from one flight: stereo teaches for 80 s and judges the 40 s after.

    python -m benchmarks.texton_flight [--seeds 1 2 3] [--learn-seconds 80] [--judge-seconds 40]
        [--log runs/x/log.mcap ...] [--flown FOLDER] [--out docs/results/texton_flight.json]

Each seed is another room and another flight of `room_sim`, in lockstep; the teacher's proximity and
the frames of the left camera are read from the log. The student remembers the first part, learns
at its end and chooses its threshold on it, each frame estimated without those around it. Then
everything is frozen, and the second part is estimated frame by frame: by the student with our
dictionary (learned from every tenth frame of the first part), by the same with the authors' two
dictionaries where their folder is given, and by a control that answers the mean of the first part.
"At equal TPR" takes, after the fact, the threshold that finds 95 % of the obstacles of the second
part with the fewest false alarms: what the estimate could do, not what the frozen threshold did.
"""

import argparse
import json
import math
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from benchmarks.results import write_result
from perception.approach_events import approach_events, rate_bounds
from perception.obstacle_rates import Counts, Definition, Judged, choose_threshold, count
from perception.quantities import FloatArray, GreyImage
from perception.student import KnnStudent, MovingAverage, smooth
from perception.texton_dictionary import learn_dictionary, load_dictionary
from perception.textons import TextonDictionary, TextonFeatures
from robot.executor import RunOptions, run_in_process
from robot.graph import load_graph
from robot.messages import ProximityReading, StereoFrame
from robot.record import LogReader

OBSTACLE_PX = 8
NS = 1_000_000_000


class Flight(NamedTuple):
    """Frames of the left camera and what the teacher made of the pairs."""

    frames: list[GreyImage]
    teacher_px: FloatArray  # (n,), unsmoothed
    learned: int  # frames of the first part


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2, 3], help="flights to make")
    parser.add_argument("--learn-seconds", type=float, default=80.0, help="of each flight")
    parser.add_argument("--judge-seconds", type=float, default=40.0, help="after those")
    parser.add_argument("--log", type=Path, nargs="+", help="logs of flights, instead of new ones")
    parser.add_argument("--flown", type=Path, help="folder of the authors' dictionaries")
    parser.add_argument("--out", type=Path, help="write the numbers as JSON here")
    args = parser.parse_args()
    rows = []
    for name, flight in flights(args):
        for student, dictionary in dictionaries(flight, args.flown):
            rows.append({"flight": name, "student": student, **judge(flight, dictionary)})
            print(json.dumps(rows[-1]), flush=True)
    summary = pooled(rows)
    for row in summary:
        print(json.dumps(row))
    if args.out:
        write_result(args.out, {"pooled": summary, "flights": rows})


def flights(args: argparse.Namespace) -> Iterator[tuple[str, Flight]]:
    """The given flights, or one new flight per seed."""
    for log in args.log or ():
        yield str(log), read_flight(log, args.learn_seconds, args.judge_seconds)
    if args.log:
        return
    seconds = args.learn_seconds + args.judge_seconds
    for seed in args.seeds:
        with tempfile.TemporaryDirectory() as folder:
            options = RunOptions(seconds, seed, lockstep=True, run_dir=Path(folder))
            run_in_process(load_graph("room_sim"), options, lambda _: None, lambda: False, print)
            flight = read_flight(Path(folder) / "log.mcap", args.learn_seconds, args.judge_seconds)
        yield f"room_sim seed {seed}", flight


def read_flight(log: Path, learn_s: float, judge_s: float) -> Flight:
    """Frames and readings of the same capture, in order of time, of both parts."""
    frames: dict[int, GreyImage] = {}
    teacher_px: dict[int, float] = {}
    for _, message, _ in LogReader(log).messages(StereoFrame, ProximityReading):
        if isinstance(message, StereoFrame):
            frames[message.captured_ns] = np.array(message.left)
        elif isinstance(message, ProximityReading):
            teacher_px[message.captured_ns] = message.proximity_px
    common_ns = sorted(frames.keys() & teacher_px.keys())
    end_ns = common_ns[0] + (learn_s + judge_s) * NS
    times_ns = [time_ns for time_ns in common_ns if time_ns < end_ns]
    learned = sum(time_ns < times_ns[0] + learn_s * NS for time_ns in times_ns)
    values = np.array([teacher_px[time_ns] for time_ns in times_ns], np.float32)
    return Flight([frames[time_ns] for time_ns in times_ns], values, learned)


def dictionaries(
    flight: Flight, flown: Path | None
) -> Iterator[tuple[str, TextonDictionary | None]]:
    """Name and dictionary of each student; None is the control without eyes."""
    yield (
        "our dictionary",
        learn_dictionary(flight.frames[: flight.learned : 10], np.random.default_rng(0)),
    )
    for room in ("cubicle", "flightarena") if flown else ():
        files = (f"{flown}/{kind}_{room}.dat" for kind in ("intensity", "gradient"))
        yield f"the authors', {room}", load_dictionary(*files)
    yield "control: the mean", None


def judge(flight: Flight, dictionary: TextonDictionary | None) -> dict[str, Any]:
    """Learns on the first part and judges on the second."""
    learned, estimate_px = estimate(flight, dictionary)
    later = Judged(estimate_px, smoothed_teacher(flight)[flight.learned :])
    threshold = choose_threshold(learned, OBSTACLE_PX)
    threshold_px = threshold.estimate_px if threshold else math.nan
    counts = count(later, threshold_px, OBSTACLE_PX)
    equal = choose_threshold(later, OBSTACLE_PX)
    events = approach_events(later.teacher_px > OBSTACLE_PX, later.estimate_px > threshold_px)
    return {
        "threshold_px": threshold_px,
        "learned_fpr": rounded(threshold.rates.false_alarm) if threshold else None,
        **rates(counts),
        "flown_tpr": rounded(Definition.FLOWN.rates(counts).positive),
        "flown_fpr": rounded(Definition.FLOWN.rates(counts).false_alarm),
        "mean_abs_error_px": rounded(
            float(np.nanmean(np.abs(later.estimate_px - later.teacher_px)))
        ),
        "fpr_at_equal_tpr": rounded(equal.rates.false_alarm) if equal else None,
        "counts": counts._asdict(),
        "approaches": events._asdict(),
    }


def estimate(flight: Flight, dictionary: TextonDictionary | None) -> tuple[Judged, FloatArray]:
    """What is known of the first part, each frame left out, and the estimates of the second."""
    smoothed_px, part = smoothed_teacher(flight), flight.learned
    if dictionary is None:
        mean_px = np.nanmean(smoothed_px[:part])
        constant = np.full(len(smoothed_px), mean_px, np.float32)
        return Judged(constant[:part], smoothed_px[:part]), constant[part:]
    height, width = flight.frames[0].shape
    features = TextonFeatures(dictionary, width, height)
    seen = [features.measure(frame) for frame in flight.frames]
    student = KnnStudent()
    for feature, teacher_px in zip(seen[:part], smoothed_px, strict=False):
        if not math.isnan(teacher_px):
            student.remember(feature, float(teacher_px))
    learned = student.relearn()
    raw_px = np.array([student.predict(feature) for feature in seen[part - 3 :]], np.float32)
    return learned, smooth(raw_px)[3:]


def smoothed_teacher(flight: Flight) -> FloatArray:
    """The teacher through the filter that the student's estimate passes, (n,)."""
    average = MovingAverage(4)
    return np.array([average.step(float(px)) for px in flight.teacher_px], np.float32)


def pooled(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Frames and approaches of all flights together, per student, with bounds over approaches."""
    table = []
    for student in dict.fromkeys(row["student"] for row in rows):
        own = [row for row in rows if row["student"] == student]
        counts = Counts(*(sum(row["counts"][name] for row in own) for name in Counts._fields))
        found, missed = (sum(row["approaches"][n] for row in own) for n in ("found", "missed"))
        bounds = rate_bounds(found, found + missed)
        table.append(
            {
                "student": student,
                **rates(counts),
                "approaches_found": f"{found} of {found + missed}",
                "approaches_found_95": [round(bound, 3) for bound in bounds],
                "false_alarm_runs": sum(row["approaches"]["false_alarms"] for row in own),
            }
        )
    return table


def rates(counts: Counts) -> dict[str, float | None]:
    """The true ones."""
    return {
        "tpr": rounded(counts.positive_rate),
        "fpr": rounded(counts.false_alarm_rate),
    }


def rounded(value: float) -> float | None:
    """Three places; None for NaN, which JSON does not have."""
    return None if math.isnan(value) else round(value, 3)


if __name__ == "__main__":
    main()
