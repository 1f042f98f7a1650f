"""Texton proximity of one frame: numba kernels against their NumPy references, on one core.

    python -m benchmarks.texton_speed [--out docs/results/texton_speed.json]

A frame is a feature (484 patches against 20 textons) and the mean of its 5 nearest neighbours in a
full memory of 4,500 pairs, at 128 x 96 px. Kernel and reference take turns, so that a slow moment
of the machine hits both; they take the same frames: the Middlebury motorcycle shrunk to 128 x 96,
with fresh camera noise of 2 grey levels each round. A round is 10 kernel calls and 1 reference
call; the ratio is that of the times per frame within a round.
"""

import argparse
from functools import partial
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import skimage.data

from benchmarks.results import write_result
from benchmarks.sad_speed import KERNEL_CALLS, ROUNDS, SIZE, noisy, spread, time_of
from perception.neighbours import CAPACITY, NEIGHBOURS, NearestNeighbours, Pairs, nearest_reference
from perception.texton_dictionary import learn_dictionary
from perception.textons import TextonFeatures, count_votes_reference, feature_of_votes


def main() -> None:
    parser = argparse.ArgumentParser(description=str(__doc__).splitlines()[0])
    parser.add_argument("--out", type=Path, help="write the numbers as JSON here")
    out = parser.parse_args().out
    feature_s, neighbours_s, reference_s = measure()
    kernel_s = feature_s + neighbours_s
    numbers = {
        "kernel_frames_per_s": spread(1 / kernel_s),
        "kernel_feature_us": spread(1e6 * feature_s),
        "kernel_neighbours_us": spread(1e6 * neighbours_s),
        "reference_frames_per_s": spread(1 / reference_s),
        "ratio": spread(reference_s / kernel_s),
    }
    print(f"{SIZE[0]} x {SIZE[1]} px, one core      median   p05 .. p95")
    for name, values in numbers.items():
        print(f"{name:26} {values['median']:8.1f}   {values['p05']:.1f} .. {values['p95']:.1f}")
    if out:
        write_result(out, {**numbers, "pairs": CAPACITY, "rounds": ROUNDS})


def measure() -> list[np.ndarray[Any, Any]]:
    """Seconds per frame of both kernels and of the references together, (ROUNDS,) each."""
    rng = np.random.default_rng(0)
    colour = skimage.data.stereo_motorcycle()[0]
    grey = cv2.cvtColor(colour, cv2.COLOR_RGB2GRAY)
    small = cv2.resize(grey, SIZE, interpolation=cv2.INTER_AREA)
    dictionary = learn_dictionary([noisy(small, rng) for _ in range(10)], rng)
    features = TextonFeatures(dictionary, *SIZE)
    known = memory_of(features, small, rng)
    columns = np.ascontiguousarray(known.pairs.features.T)

    def reference(image: Any) -> float:
        feature = feature_of_votes(count_votes_reference(image, dictionary))
        found = nearest_reference(columns, feature, NEIGHBOURS)
        return float(known.pairs.teacher_px[found].mean())

    seconds = []
    for round_index in range(ROUNDS + 1):
        image = noisy(small, rng)
        feature = features.measure(image)
        feature_s = time_of(partial(features.measure, image), KERNEL_CALLS)
        neighbours_s = time_of(partial(known.predict, feature), KERNEL_CALLS)
        reference_s = time_of(partial(reference, image), 1)
        if round_index:  # the first round compiles
            seconds.append((feature_s, neighbours_s, reference_s))
    return list(np.array(seconds).T)


def memory_of(features: TextonFeatures, image: Any, rng: np.random.Generator) -> NearestNeighbours:
    """A full memory of shifted views of the image."""
    shifts = rng.integers(0, (image.shape[0], image.shape[1]), (CAPACITY, 2))
    seen = [features.measure(np.roll(image, tuple(shift), axis=(0, 1))) for shift in shifts]
    return NearestNeighbours(Pairs(np.stack(seen), rng.random(CAPACITY).astype(np.float32)))


if __name__ == "__main__":
    main()
