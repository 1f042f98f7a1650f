r"""Whether the trust in the mono network knows when it is wrong: AUROC, risk against coverage.

A network that `reflexarc train mono` taught in one room looks at frames of that room which it did
not learn from, at rooms it never saw, and at corrupted frames, in the order they were flown, so
that parallax has its say. A frame is bad when its median abs_rel against stereo exceeds 25 %. The
trust is fitted to half of the runs of frames left out of the learning room, to the same corrupted
by three corruptions, and to other rooms; it is judged on the other half, on all further rooms, and
on corruptions it was not fitted to as well. `--usual` judges by the calibration that robots fly
with, whatever this network is.

    reflexarc train mono runs/f1 --out mono.onnx --updates 2000
    python -m benchmarks.mono_trust mono.onnx --learned runs/f1 --fitted runs/f202 runs/f203 \
        --rooms runs/f204 runs/f205
"""

import argparse
import json
from pathlib import Path
from typing import Any, NamedTuple

import cv2
import msgspec
import numpy as np

from benchmarks.results import write_result
from perception.corruption import Side, make_corruption
from perception.ego_motion import EgoMotion, Motion
from perception.mono import MonoEye, open_mono
from perception.mono_labels import Labeller, split
from perception.mono_trust import (
    BAD_ABS_REL,
    USUAL,
    JudgedFrame,
    MonoTrust,
    fit_calibration,
    median_abs_rel,
    scores_of,
)
from perception.motion_check import MotionCheck
from perception.quantities import StereoImages
from perception.risk import auroc, calibration_error, risk_coverage
from perception.trust_space import learned_space
from robot.messages import FlightState, StereoFrame
from robot.record import LogReader
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
    parser.add_argument("--fitted", type=Path, nargs="+", required=True, help="rooms to fit to")
    parser.add_argument("--rooms", type=Path, nargs="+", required=True, help="rooms to judge on")
    parser.add_argument("--every", type=int, default=5, help="judge every n-th frame")
    parser.add_argument("--usual", action="store_true", help="judge by the usual calibration")
    parser.add_argument("--out", type=Path, help="write the numbers as JSON here")
    args = parser.parse_args()
    cv2.setNumThreads(1)
    viewer = Viewer(args.package, args.learned, args.every)
    home = read_moments(args.learned)
    learned, left_out = split(len(home))
    seen = [viewer.predict(home[i].pair.left) for i in learned[:: args.every]]
    runs = np.cumsum(np.diff(left_out, prepend=left_out[0]) > 1)  # (n,), number of the run
    halves = [[home[i] for i in left_out[runs % 2 == half]] for half in (0, 1)]
    space = learned_space(seen)
    calibration = None
    if not args.usual:
        fitted = [*viewer.judge(halves[0]), *corrupted(viewer, halves[0], FITTED_TO)]
        for room in args.fitted:
            fitted += viewer.judge(read_moments(room))
        fitted = [frame for frame in fitted if not np.isnan(frame.abs_rel)]
        bad = np.array([frame.abs_rel > BAD_ABS_REL for frame in fitted])
        calibration = fit_calibration(scores_of(space, fitted), bad)
    trust = MonoTrust(space, calibration)
    groups = {
        "learning room": viewer.judge(halves[1]),
        "new rooms": [f for room in args.rooms for f in viewer.judge(read_moments(room))],
        "corruptions": corrupted(viewer, halves[1], ALL),
    }
    table = {name: score(trust, frames) for name, frames in groups.items()}
    table["half, quarter, quarter"] = score(trust, mixed(groups))
    for name, row in table.items():
        print(json.dumps({"frames of": name, **row}))
    if args.out:
        fitted_to = msgspec.to_builtins(calibration or USUAL)
        write_result(args.out, {"calibration": fitted_to, "groups": table})


class Moment(NamedTuple):
    """A frame of a log."""

    pair: StereoImages
    moved: Motion | None  # of the body since the frame before


def read_moments(run: Path) -> list[Moment]:
    """The frames of a run folder in order."""
    ego = EgoMotion()
    found = []
    for _, message, _ in LogReader(run / "log.mcap").messages(StereoFrame, FlightState):
        if isinstance(message, FlightState):
            ego.sense(message.captured_ns, message.gyro_rad_s, message.velocity_b_m_s)
        else:
            pair = StereoImages(np.array(message.left), np.array(message.right))
            found.append(Moment(pair, ego.since_last(message.captured_ns)))
    return found


class Viewer:
    """Network, teacher and motion of one rig; every n-th frame is judged."""

    def __init__(self, package: Path, data: Path, every: int) -> None:
        rig = open_stereo_pairs(data).rig
        self.eye: MonoEye = open_mono(package, rig)
        self._labeller = Labeller(rig, self.eye.spec)
        self._every = every

    def predict(self, left: Any) -> tuple[Any, Any]:
        """What the network was shown and what it said."""
        return self.eye.fitted(left), self.eye.infer(left)

    def judge(self, moments: list[Moment], shown: list[Any] | None = None) -> list[JudgedFrame]:
        """Its errors; the teacher sees the pairs, the network what is shown instead of the left."""
        check = MotionCheck(self.eye.view)
        frames = []
        for number, moment in enumerate(moments):
            left = moment.pair.left if shown is None else shown[number]
            check.see(self.eye.fitted(left), moment.moved)
            if number % self._every == 0:
                image, mono = self.predict(left)
                label = self._labeller.label(moment.pair)
                error = median_abs_rel(mono, label.target_per_m, label.weight)
                motion = check.error(mono.inverse_depth_per_m)
                frames.append(JudgedFrame(image, mono, error, motion))
        return frames


def corrupted(viewer: Viewer, moments: list[Moment], names: tuple[str, ...]) -> list[JudgedFrame]:
    """The frames with each corruption of the left eye, at two severities where it has any."""
    frames = []
    for number, name in enumerate(names):
        for severity in SEVERITIES:
            options = {"severity": severity} if name not in ("covered", "black") else {}
            corruption = make_corruption(name, options, np.random.default_rng(number))
            shown = [corruption.corrupt(moment.pair, Side.LEFT).left for moment in moments]
            frames += viewer.judge(moments, shown)
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
    said = [trust.judge(frame.image, frame.mono, frame.motion) for frame in known]
    error = np.array([frame.abs_rel for frame in known])
    doubt = np.array([each.bad_probability for each in said])
    bad = error > BAD_ABS_REL
    curve = risk_coverage(error, doubt)
    kept = [max(round(part * len(error)) - 1, 0) for part in COVERAGES]
    single = {}
    for name in ("expected_error", "mahalanobis", "neighbours", "motion"):
        values = np.array([getattr(each, name) for each in said])
        heard = ~np.isnan(values)
        single[f"auroc_{name}"] = _rounded(auroc(values[heard], bad[heard]))
    moving = np.array([not np.isnan(each.motion) for each in said])
    return {
        "frames": len(error),
        "bad": int(bad.sum()),
        "median_abs_rel": _rounded(float(np.median(error))),
        "auroc": _rounded(auroc(doubt, bad)),
        **single,
        "motion_tells": _rounded(float(moving.mean())),
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
