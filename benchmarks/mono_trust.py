r"""Whether the trust in the mono network knows when it is wrong: AUROC, risk against coverage.

A network that `reflexarc train mono` taught in one room looks at frames of that room which it did
not learn from, at rooms it never saw, and at corrupted frames. A frame is bad when its median
abs_rel against stereo exceeds 25 %. The trust is fitted to half of the runs of frames left out of
the learning room, to the same corrupted by three corruptions, and to one other room; it is judged
on the other half, on all other rooms, and on corruptions it was not fitted to as well.

    reflexarc train mono runs/f201 --out mono.onnx --updates 2500
    python -m benchmarks.mono_trust mono.onnx --learned runs/f201 --fitted runs/f202 \
        --rooms runs/f203 runs/f204
"""

import argparse
import json
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from benchmarks.results import write_result
from perception.corruption import Side, make_corruption
from perception.fitting import Fit
from perception.geometry import Rectifier
from perception.mono import MonoEye, open_mono
from perception.mono_labels import Labeller, split
from perception.mono_trust import (
    BAD_ABS_REL,
    JudgedFrame,
    MonoTrust,
    auroc,
    calibration_error,
    fit_trust,
    median_abs_rel,
    risk_coverage,
)
from perception.quantities import StereoImages
from robot.stereo_pairs import open_stereo_pairs

FITTED_TO = ("blur", "noise", "covered")
ALL = ("blur", "noise", "dark", "fog", "covered", "black")
SEVERITIES = (2.0, 4.0)
COVERAGES = (0.5, 0.7, 0.9, 1.0)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("package", type=Path)
    parser.add_argument("--learned", type=Path, required=True, help="recording it learned from")
    parser.add_argument("--fitted", type=Path, required=True, help="another room, to fit to")
    parser.add_argument("--rooms", type=Path, nargs="+", required=True, help="rooms to judge on")
    parser.add_argument("--every", type=int, default=5, help="take every n-th frame of a room")
    parser.add_argument("--out", type=Path, help="write the numbers as JSON here")
    args = parser.parse_args()
    cv2.setNumThreads(1)
    viewer = Viewer(args.package, args.learned)
    pairs = list(open_stereo_pairs(args.learned).pairs)
    learned, left_out = split(len(pairs))
    seen = [viewer.predict(pairs[i].left) for i in learned[:: args.every]]
    runs = np.cumsum(np.diff(left_out, prepend=left_out[0]) > 1)  # (n,), number of the run
    halves = [[pairs[i] for i in left_out[runs % 2 == half]] for half in (0, 1)]
    fitted = [viewer.judge(pair) for pair in halves[0]]
    fitted += corrupted(viewer, halves[0], FITTED_TO, args.every)
    fitted += [viewer.judge(p) for p in list(open_stereo_pairs(args.fitted).pairs)[:: args.every]]
    digest = viewer.eye.package.sha256
    trust = MonoTrust(fit_trust(seen, fitted, digest))
    groups = {
        "learning room": [viewer.judge(pair) for pair in halves[1]],
        "new rooms": [
            viewer.judge(pair)
            for room in args.rooms
            for pair in list(open_stereo_pairs(room).pairs)[:: args.every]
        ],
        "corruptions": corrupted(viewer, halves[1], ALL, args.every),
    }
    table = {name: score(trust, frames) for name, frames in groups.items()}
    table["half, quarter, quarter"] = score(trust, mixed(groups))
    for name, row in table.items():
        print(json.dumps({"frames of": name, **row}))
    if args.out:
        write_result(args.out, {"weights": trust.model.weights, "groups": table})


class Viewer:
    """Network and teacher of one rig."""

    def __init__(self, package: Path, data: Path) -> None:
        rig = open_stereo_pairs(data).rig
        self.eye: MonoEye = open_mono(package, rig)
        self._labeller = Labeller(rig, self.eye.spec)
        self._rectifier = Rectifier(rig)
        self._fit = Fit(self._rectifier.view, self.eye.spec.width, self.eye.spec.height)

    def predict(self, left: Any) -> tuple[Any, Any]:
        """What the network was shown and what it said."""
        return self._fit.image(self._rectifier.rectify_left(left)), self.eye.infer(left)

    def judge(self, pair: StereoImages, shown: Any = None) -> JudgedFrame:
        """Its error; the teacher sees the pair, the network what is shown instead of the left."""
        image, mono = self.predict(pair.left if shown is None else shown)
        label = self._labeller.label(pair)
        return JudgedFrame(image, mono, median_abs_rel(mono, label.target_per_m, label.weight))


def corrupted(
    viewer: Viewer, pairs: list[StereoImages], names: tuple[str, ...], every: int
) -> list[JudgedFrame]:
    """Every n-th pair with each corruption of the left eye, at two severities where it has any."""
    frames = []
    for number, name in enumerate(names):
        for severity in SEVERITIES:
            options = {"severity": severity} if name not in ("covered", "black") else {}
            corruption = make_corruption(name, options, np.random.default_rng(number))
            for pair in pairs[::every]:
                shown = corruption.corrupt(pair, Side.LEFT).left
                frames.append(viewer.judge(pair, shown))
    return frames


def mixed(groups: dict[str, list[JudgedFrame]]) -> list[JudgedFrame]:
    """Half learning room, a quarter new rooms, a quarter corruptions, as many as there are."""
    rng = np.random.default_rng(0)
    parts = dict(zip(groups, (2, 1, 1), strict=True))
    unit = min(len(frames) // parts[name] for name, frames in groups.items())
    chosen = []
    for name, frames in groups.items():
        rows = rng.choice(len(frames), unit * parts[name], replace=False)
        chosen += [frames[row] for row in rows]
    return chosen


def score(trust: MonoTrust, frames: list[JudgedFrame]) -> dict[str, Any]:
    """All figures of one group."""
    known = [frame for frame in frames if not np.isnan(frame.abs_rel)]
    said = [trust.judge(frame.image, frame.mono) for frame in known]
    error = np.array([frame.abs_rel for frame in known])
    doubt = np.array([each.bad_probability for each in said])
    bad = error > BAD_ABS_REL
    curve = risk_coverage(error, doubt)
    kept = [max(round(part * len(error)) - 1, 0) for part in COVERAGES]
    single = {
        f"auroc_{name}": _rounded(auroc(np.array([getattr(each, name) for each in said]), bad))
        for name in ("expected_error", "mahalanobis", "neighbours")
    }
    return {
        "frames": len(error),
        "bad": int(bad.sum()),
        "median_abs_rel": _rounded(float(np.median(error))),
        "auroc": _rounded(auroc(doubt, bad)),
        **single,
        "calibration_error": _rounded(calibration_error(doubt, bad)),
        "said_bad": _rounded(float(doubt.mean())),
        "risk_at_coverage": {
            str(part): _rounded(float(curve.risk[row]))
            for part, row in zip(COVERAGES, kept, strict=True)
        },
    }


def _rounded(value: float) -> float | None:
    return None if np.isnan(value) else round(value, 3)


if __name__ == "__main__":
    main()
