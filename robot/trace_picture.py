"""A picture of a trace: the median and the worst frame as two waterfalls on one time axis."""

from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from robot.pictures import GREY, INK, PALE, write_png
from robot.trace import Trace

WIDTH_PX, LEFT_PX, RIGHT_PX, ROW_PX, TOP_PX = 1100, 260, 110, 34, 50
MEDIAN, WORST = (190, 140, 60), (60, 90, 220)  # BGR
STEPS_MS = (0.01, 0.02, 0.05)  # tick distances, and these times powers of ten


def draw_trace(trace: Trace, path: Path) -> Path:
    """Writes the picture; returns its path."""
    frames = (
        ("median frame", [hop.median_frame_ms for hop in trace.hops], MEDIAN),
        ("worst frame (p99)", [hop.worst_frame_ms for hop in trace.hops], WORST),
    )
    rows = len(trace.hops)
    end_ms = max(max(sum(steps) for _, steps, _ in frames), 1e-3)
    block_px = TOP_PX + rows * ROW_PX
    image = np.full((2 * block_px + TOP_PX, WIDTH_PX, 3), 255, np.uint8)
    _axis(image, end_ms, bottom_px=2 * block_px)
    for block, (title, steps_ms, colour) in enumerate(frames):
        top_px = block * block_px + TOP_PX
        _write(image, f"{title}: {sum(steps_ms):.1f} ms", (10, top_px - 14), 0.6)
        at_ms = 0.0
        for row, (hop, took_ms) in enumerate(zip(trace.hops, steps_ms, strict=True)):
            y = top_px + row * ROW_PX
            _write(image, f"{hop.node}.{hop.port}", (24, y + 22), 0.5)
            left, right = (_x(ms, end_ms) for ms in (at_ms, at_ms + took_ms))
            cv2.rectangle(image, (left, y + 5), (max(right, left + 1), y + 27), colour, -1)
            _write(image, f"{took_ms:.1f} ms", (right + 6, y + 22), 0.45)
            at_ms += took_ms
    return write_png(path, image)


def _x(ms: float, end_ms: float) -> int:
    return LEFT_PX + round((WIDTH_PX - LEFT_PX - RIGHT_PX) * ms / end_ms)


def _axis(image: NDArray[np.uint8], end_ms: float, bottom_px: int) -> None:
    """Vertical lines at round times since capture."""
    step_ms = next(
        base * 10**power
        for power in range(9)
        for base in STEPS_MS
        if end_ms <= base * 10**power * 8
    )
    for tick in range(int(end_ms / step_ms) + 1):
        x = _x(tick * step_ms, end_ms)
        cv2.line(image, (x, TOP_PX), (x, bottom_px), PALE, 1)
        _write(image, f"{tick * step_ms:g}", (x - 8, bottom_px + 20), 0.45, GREY)
    _write(image, "ms since capture", (LEFT_PX, bottom_px + 42), 0.5)


def _write(
    image: NDArray[np.uint8],
    text: str,
    at: tuple[int, int],
    scale: float,
    colour: tuple[int, int, int] = INK,
) -> None:
    cv2.putText(image, text, at, cv2.FONT_HERSHEY_SIMPLEX, scale, colour, 1, cv2.LINE_AA)
