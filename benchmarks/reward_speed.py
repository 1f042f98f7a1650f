"""How long a reward takes to look at one image on one core, and how large its package is.

    python -m benchmarks.reward_speed --out docs/results/reward_speed.json

The network has its real size and no lesson: weights do not change the time. One look answers two
questions, an instruction and its opposite. Beside the time that passed stands the processor's,
which other programs on a busy machine hardly change.
"""

import argparse
import tempfile
import time
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from benchmarks.results import write_result
from perception.reward import Looks, LookSpec
from perception.reward_look import LookRule
from perception.reward_makers.embedded import EmbeddedMaker
from perception.reward_module import Config
from perception.reward_package import QUESTIONS, REWARD, RewardAbout, RewardEye

ROUNDS = 200
SPEC = LookSpec(("front", "wrist"), 100, 100, 384)
BAR_MS, BAR_MB, BAR_PARITY = 60.0, 25.0, 1e-4
TEXTS = ("put the lid on the pot", "take the lid off the pot")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path)
    out = parser.parse_args().out
    result = measured()
    for name, value in result.items():
        print(f"{name:<16} {value}")
    if out is not None:
        write_result(out, result)


def measured() -> dict[str, Any]:
    """Times per image, size and parity, beside what was asked."""
    with tempfile.TemporaryDirectory() as folder:
        eye = untaught(Path(folder) / "reward.onnx")
        size_mb = eye.package.path.stat().st_size / 1e6
    images = random_images(ROUNDS)
    questions = tuple(eye.asked(text).question for text in TEXTS)
    eye.log_odds(images[:5], "front", questions)  # warms up
    spent = []
    for image in images:
        began = time.perf_counter(), time.process_time()
        eye.log_odds(image[np.newaxis], "front", questions)
        spent.append((time.perf_counter() - began[0], time.process_time() - began[1]))
    wall_ms, cpu_ms = np.percentile(1000 * np.array(spent), [5, 50, 95], axis=0).T.round(2)
    return {
        "images": ROUNDS,
        "wall_ms": dict(zip(("p05", "median", "p95"), wall_ms.tolist(), strict=True)),
        "cpu_ms": dict(zip(("p05", "median", "p95"), cpu_ms.tolist(), strict=True)),
        "package_mb": round(size_mb, 2),
        "parity_worst": eye.package.manifest.extra["parity_worst"],
        "asked": {"ms": BAR_MS, "mb": BAR_MB, "parity": BAR_PARITY},
    }


def untaught(path: Path) -> RewardEye:
    """A reward of full size that was taught nothing."""
    vectors = np.eye(QUESTIONS, SPEC.vector, dtype=np.float32)
    row = np.arange(4)
    images, success = random_images(4), row % 2 * np.float32(1)
    looks = Looks(images, row % 2, TEXTS, vectors, row, row % 2, success, row)
    about = RewardAbout(
        spec=SPEC,
        encoder="none",
        instructions={text: v.tolist() for text, v in zip(TEXTS, vectors, strict=True)},
        opposites={},
        rule=LookRule(SPEC.views),
    )
    maker = EmbeddedMaker(SPEC, Config(), 0)
    return RewardEye(maker.export(path, looks, {REWARD: msgspec.to_builtins(about)}))


def random_images(count: int) -> Any:
    """(count, 100, 100, 3) uint8 noise."""
    rng = np.random.default_rng(0)
    return rng.integers(0, 256, (count, SPEC.height, SPEC.width, 3), np.uint8)


if __name__ == "__main__":
    main()
