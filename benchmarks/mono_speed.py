"""How long depth takes on one core: the network, OpenCV's matcher, the teacher, one update.

    python -m benchmarks.mono_speed --out docs/results/mono_speed.json

All are measured in turn, round after round, so that whatever else the machine does hits them alike.
Beside the time that passed stands the processor's, which other programs on a busy machine hardly
change.
"""

import argparse
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch

from benchmarks.results import write_result
from perception.calibration import calibration_hash, ideal_rig
from perception.mono import MonoEye, MonoSpec
from perception.mono_labels import Labeller, stacked
from perception.mono_training import Config, MonoLearner
from perception.quantities import StereoImages

ROUNDS = 100
BAR_MS = {"network": 1.9, "update": 100.0}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path)
    out = parser.parse_args().out
    torch.set_num_threads(1)
    cv2.setNumThreads(1)
    result = measure()
    for name, row in result.items():
        wall_ms, cpu_ms = row["wall_ms"]["median"], row["cpu_ms"]["median"]
        print(f"{name:<12} {wall_ms:8.3f} ms   of the processor {cpu_ms:8.3f} ms")
    if out is not None:
        write_result(out, result)


def measure() -> dict[str, Any]:
    result: dict[str, Any] = {}
    for name, ms in timed(candidates()).items():
        p05, median, p95 = np.percentile(np.array(ms), [5, 50, 95], axis=0).round(3)  # (2,) each
        for column, clock in enumerate(("wall_ms", "cpu_ms")):
            spread = {"p05": p05[column], "median": median[column], "p95": p95[column]}
            result.setdefault(name, {})[clock] = {k: float(v) for k, v in spread.items()}
        if name in BAR_MS:
            result[name]["bar_ms"] = BAR_MS[name]
    return result


def candidates() -> dict[str, Callable[[], Any]]:
    rig, spec = ideal_rig(128, 96, 58.0, 0.06), MonoSpec()
    labeller = Labeller(rig, spec)
    pairs = textured_pairs(8)
    frames = stacked([labeller.label(pair) for pair in pairs])
    learner = MonoLearner(spec, labeller.view, Config(), seed=0)
    for pair in pairs:
        learner.observe(labeller.label(pair))
    with tempfile.TemporaryDirectory() as folder:
        package = learner.export(
            Path(folder) / "mono.onnx", frames, calibration_hash=calibration_hash(rig)
        )
    eye = MonoEye(package, rig)
    left, right = pairs[0]
    sgbm = cv2.StereoSGBM.create(numDisparities=32, blockSize=3, P1=72, P2=288, mode=2)
    return {
        "network": lambda: eye.infer(left),
        "sgbm": lambda: sgbm.compute(left, right),
        "teacher": lambda: labeller.teacher.infer(pairs[0]),
        "proximity": lambda: eye.proximity(eye.infer(left)),
        "label": lambda: labeller.label(pairs[0]),
        "update": lambda: learner.update(learner.sample()),
    }


def textured_pairs(count: int) -> list[StereoImages]:
    rng = np.random.default_rng(0)
    noise = rng.integers(0, 255, (count, 96, 133)).astype(np.uint8)
    smooth = [cv2.GaussianBlur(image, (3, 3), 1) for image in noise]
    return [
        StereoImages(
            np.ascontiguousarray(image[:, :128], np.uint8),
            np.ascontiguousarray(image[:, 5:], np.uint8),
        )
        for image in smooth
    ]


def timed(calls: dict[str, Callable[[], Any]]) -> dict[str, list[tuple[float, float]]]:
    """Milliseconds by the wall and of the processor, per call and round; the first warms up."""
    times: dict[str, list[tuple[float, float]]] = {name: [] for name in calls}
    for _ in range(ROUNDS + 1):
        for name, call in calls.items():
            wall_s, cpu_s = time.perf_counter(), time.process_time()
            call()
            spent_s = (time.perf_counter() - wall_s, time.process_time() - cpu_s)
            times[name].append((1000 * spent_s[0], 1000 * spent_s[1]))
    return {name: ms[1:] for name, ms in times.items()}


if __name__ == "__main__":
    main()
