"""How much of a real scene the stereo matchers see, and how much of it is wrong.

    python -m benchmarks.stereo_motorcycle [--out docs/results/stereo_motorcycle.json]

Middlebury 2014 "Motorcycle" at quarter size (741 x 500, inside the scikit-image wheel), with
structured-light truth. Over the pixels with finite truth:

* density: the part that is matched;
* bad-2.0, bad-1.0: the part of the matched ones whose disparity is off by more than 2 or 1 px.

Each matcher has two rows. "matched" counts every pixel with a disparity (it passed the left-right
check); "trusted" only those with a confidence of 0.5 and more, which alone become metres. All run
with a range of 64 px; the truth goes up to 60. For the sparse matcher, whose paper has a range of
16 px on 128 x 96 images, this is far from home: it is here to be compared, not to shine.
"""

import argparse
import platform
import time
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt
import skimage.data

from benchmarks.results import write_result
from perception.matcher import make_matcher
from perception.matchers import MATCHERS
from perception.quantities import StereoImages

NUM_DISPARITIES = 64  # px
REPEATS = 5  # the time is the fastest of these


def main() -> None:
    parser = argparse.ArgumentParser(description=str(__doc__).splitlines()[0])
    parser.add_argument("--out", type=Path, help="write the numbers as JSON here")
    out = parser.parse_args().out
    cv2.setNumThreads(1)
    left, right, truth_px = skimage.data.stereo_motorcycle()
    images = StereoImages(*(cv2.cvtColor(image, cv2.COLOR_RGB2GRAY) for image in (left, right)))
    rows = [row for name in MATCHERS for row in measure(name, images, truth_px)]
    print_table(rows)
    if out:
        write_result(out, {"num_disparities_px": NUM_DISPARITIES, "rows": rows})


def measure(
    name: str, images: StereoImages, truth_px: npt.NDArray[np.float32]
) -> list[dict[str, str | float]]:
    """The two rows of one matcher."""
    matcher = make_matcher(name, {"num_disparities": NUM_DISPARITIES})
    found = matcher.match(images)  # the first call compiles
    seconds = []
    for _ in range(REPEATS):
        start = time.perf_counter()
        matcher.match(images)
        seconds.append(time.perf_counter() - start)
    counted = {
        "matched": ~np.isnan(found.disparity_px),
        "trusted": found.confidence >= 0.5,
    }
    known = np.isfinite(truth_px)
    rows = []
    for label, chosen in counted.items():
        error_px = np.abs(found.disparity_px - truth_px)[known & chosen]
        rows.append(
            {
                "matcher": name,
                "pixels": label,
                "density": round(error_px.size / int(known.sum()), 4),
                "bad_2_percent": round(100 * float(np.mean(error_px > 2)), 2),
                "bad_1_percent": round(100 * float(np.mean(error_px > 1)), 2),
                "mean_error_px": round(float(error_px.mean()), 3),
                "ms_per_pair": round(1e3 * min(seconds), 1),
            }
        )
    return rows


def print_table(rows: list[dict[str, str | float]]) -> None:
    print(f"OpenCV {cv2.__version__}, one thread, {platform.machine()}")
    print("matcher  pixels   density  bad-2.0  bad-1.0  mean error  per pair")
    for row in rows:
        print(
            f"{row['matcher']:8} {row['pixels']:8} {row['density']:7.3f}"
            f"  {row['bad_2_percent']:5.2f} %  {row['bad_1_percent']:5.2f} %"
            f"  {row['mean_error_px']:7.2f} px  {row['ms_per_pair']:5.0f} ms"
        )


if __name__ == "__main__":
    main()
