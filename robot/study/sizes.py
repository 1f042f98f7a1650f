"""The curve of speed against error: networks of several sizes, taught offline by one recording.

Each size learns from the same pairs, by the same small online updates as in flight, and is judged
after ever more of them on whole runs of frames that were left out, by the same teacher. Network,
matcher and teacher are timed in turn, so that whatever else the machine does hits them alike.
"""

import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2

from perception.calibration import calibration_hash
from perception.mono import MonoEye, MonoSpec
from perception.mono_labels import LabelledFrame, rows_of, split
from perception.mono_scores import constant_prediction, judged
from perception.quantities import StereoImages
from robot.commands.train.mono import described
from robot.stereo_pairs import Lesson, load_lesson, open_stereo_pairs
from robot.study.cells import Cell, Protocol
from robot.study.lessons import scores_of, teach, untaught
from robot.study.rows import Row

POINTS = (0, 50, 100, 200, 400, 800, 1200, 1600, 2400, 3200, 4800, 6400)  # updates judged after
ROUNDS = 100  # of the timing
TIMED_PAIRS = 20


def curves_of_sizes(
    run_dir: Path, cell: Cell, protocol: Protocol, go_on: Callable[[float], None]
) -> Row:
    """For each size: errors after updates, seconds spent, and time per frame.

    Args:
        run_dir: of a recorded flight.
        cell: of whose seed the networks are.
        protocol: sizes and updates.
        go_on: told how far it is; raises to end it.
    """
    return {
        "sizes": [
            _curve(run_dir, MonoSpec(width, height), protocol.curve_updates, cell.seed, go_on)
            for width, height in protocol.curve_sizes
        ]
    }


def _curve(
    run_dir: Path, spec: MonoSpec, updates: int, seed: int, go_on: Callable[[float], None]
) -> Row:
    lesson = load_lesson(run_dir, spec, go_on, both=True)
    learn, left_out = split(len(lesson.frames.image))
    held = rows_of(lesson.frames, left_out)
    learner = untaught(lesson, spec, learn, seed)
    blind = constant_prediction(lesson.frames, learn)
    points, spent_s = [], 0.0
    for point in [p for p in POINTS if p < updates] + [updates]:
        began_s = time.process_time()
        teach(learner, point, go_on)
        spent_s += time.process_time() - began_s
        scores = scores_of(learner, lesson, held)
        points.append({"updates": point, "cpu_s": round(spent_s, 1), **scores})
    return {
        "width": spec.width,
        "height": spec.height,
        "learned_from": len(learn),
        "left_out": len(left_out),
        "points": points,
        "constant": described(judged(lesson.view, held, [blind] * len(left_out))),
        **_times(run_dir, lesson, learner, held),
    }


def _times(run_dir: Path, lesson: Lesson, learner: Any, held: LabelledFrame) -> Row:
    """Medians in ms of the processor: the network, OpenCV's matcher, the teacher."""
    from robot.nodes.stereo import StereoNodeConfig, make_teacher

    source = open_stereo_pairs(run_dir)
    pairs = [pair for pair, _ in zip(source.pairs, range(TIMED_PAIRS), strict=False)]
    with tempfile.TemporaryDirectory(prefix="rx") as folder:
        package = learner.export(
            Path(folder) / "mono.onnx", held, calibration_hash=calibration_hash(lesson.rig)
        )
        eye = MonoEye(package, lesson.rig)
    teacher = make_teacher(source.rig, StereoNodeConfig())
    sgbm = cv2.StereoSGBM.create(numDisparities=32, blockSize=3, P1=72, P2=288, mode=2)
    calls: dict[str, Callable[[StereoImages], Any]] = {
        "network_ms": lambda pair: eye.infer(pair.left),
        "sgbm_ms": lambda pair: sgbm.compute(pair.left, pair.right),
        "teacher_ms": lambda pair: teacher.infer(pair),
    }
    spent: dict[str, list[float]] = {name: [] for name in calls}
    for number in range(ROUNDS):
        for name, call in calls.items():
            began_s = time.process_time()
            call(pairs[number % len(pairs)])
            spent[name].append(1000 * (time.process_time() - began_s))
    return {name: round(statistics.median(ms), 3) for name, ms in spent.items()}
