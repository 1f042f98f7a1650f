"""The sparse SAD matcher: numba kernel against its NumPy reference, on one core.

    python -m benchmarks.sad_speed [--out docs/results/sad_speed.json]

Both match the same pairs at 128 x 96 px with the paper's settings (5 x 5, range 0..15), in turns,
so that a slow moment of the machine hits both. The pairs are the Middlebury motorcycle shrunk to
128 x 96 (disparities up to 10 px) with fresh camera noise of 2 grey levels each round. A round is
10 kernel calls and 1 reference call; the ratio is that of the times per pair within a round.
"""

import argparse
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import skimage.data

from benchmarks.results import write_result
from perception.matchers.sad import Config, match_kernel, match_reference
from perception.quantities import GreyImage, StereoImages

SIZE = (128, 96)  # px
ROUNDS = 40
KERNEL_CALLS = 10  # per round
NOISE = 2.0  # grey levels


def main() -> None:
    parser = argparse.ArgumentParser(description=str(__doc__).splitlines()[0])
    parser.add_argument("--out", type=Path, help="write the numbers as JSON here")
    out = parser.parse_args().out
    kernel_s, reference_s = measure(Config())
    ratio = reference_s / kernel_s  # (ROUNDS,)
    numbers = {
        "kernel_frames_per_s": spread(1 / kernel_s),
        "reference_frames_per_s": spread(1 / reference_s),
        "ratio": spread(ratio),
        "rounds": ROUNDS,
    }
    print(f"{SIZE[0]} x {SIZE[1]} px, one core      median   p05 .. p95")
    for name in ("kernel_frames_per_s", "reference_frames_per_s", "ratio"):
        values = numbers[name]
        print(f"{name:26} {values['median']:8.1f}   {values['p05']:.1f} .. {values['p95']:.1f}")
    if out:
        write_result(out, numbers)


def measure(config: Config) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]:
    """Seconds per pair of kernel and reference, (ROUNDS,) each."""
    rng = np.random.default_rng(0)
    small = [
        cv2.resize(cv2.cvtColor(image, cv2.COLOR_RGB2GRAY), SIZE, interpolation=cv2.INTER_AREA)
        for image in skimage.data.stereo_motorcycle()[:2]
    ]
    options = (config.num_disparities, config.min_gradient, config.min_uniqueness_percent)
    seconds = []
    for round_index in range(ROUNDS + 1):
        left, right = (noisy(image, rng) for image in small)
        kernel_s = time_of(partial(match_kernel, left, right, *options), KERNEL_CALLS)
        reference_s = time_of(partial(match_reference, StereoImages(left, right), config), 1)
        if round_index:  # the first round compiles
            seconds.append((kernel_s, reference_s))
    kernel_s, reference_s = np.array(seconds).T
    return kernel_s, reference_s


def noisy(image: Any, rng: np.random.Generator) -> GreyImage:
    noise = rng.normal(0, NOISE, image.shape)
    return np.clip(np.rint(image + noise), 0, 255).astype(np.uint8)


def time_of(call: Callable[[], object], calls: int) -> float:
    """Seconds per call."""
    start = time.perf_counter()
    for _ in range(calls):
        call()
    return (time.perf_counter() - start) / calls


def spread(values: np.ndarray[Any, Any]) -> dict[str, float]:
    quantiles = np.quantile(values, [0.5, 0.05, 0.95])
    return {
        name: round(float(q), 1)
        for name, q in zip(("median", "p05", "p95"), quantiles, strict=True)
    }


if __name__ == "__main__":
    main()
