"""Paper and board with something on it: posters, wallpaper, book spines, boxes."""

import cv2
import numpy as np

from sim.canvas import Canvas, Image, fractal_noise, grain, joint, lay_tiles, tone
from sim.textures.woodwork import wood_grain


def posters(rng: np.random.Generator, canvas: Canvas) -> Image:
    """A painted wall with posters, pictures and notices on it."""
    wall = tone(rng, 0.55, 0.8) + 0.03 * fractal_noise(rng, canvas, 1.0) + grain(rng, canvas, 0.012)
    rows, columns = wall.shape
    wanted = max(2, round(1.8 * canvas.height_m * canvas.width_m))
    for _ in range(wanted):
        height, width = (round(canvas.px_per_m * float(rng.uniform(0.3, 0.95))) for _ in range(2))
        height, width = min(height, rows - 2), min(width, columns - 2)
        top, left = rng.integers(rows - height), rng.integers(columns - width)
        wall[top : top + height, left : left + width] = _poster(rng, height, width, canvas.px_per_m)
    return wall


def _poster(rng: np.random.Generator, height: int, width: int, px_per_m: float) -> Image:
    """One poster: a picture, a block of text lines or large shapes, in a frame."""
    canvas = Canvas(height / px_per_m, width / px_per_m, px_per_m)
    sheet = np.full((height, width), tone(rng, 0.1, 0.9), np.float32)
    kind = rng.integers(3)
    if kind == 0:
        sheet += 0.3 * fractal_noise(rng, canvas, 0.35, octaves=6, decay=0.7)[:height, :width]
    elif kind == 1:
        ink = tone(rng, 0.05, 0.25) if sheet[0, 0] > 0.5 else tone(rng, 0.75, 0.95)
        for top in range(6, height - 6, max(4, round(0.05 * px_per_m))):
            _print_line(rng, sheet, top, max(2, round(0.02 * px_per_m)), ink)
    else:
        for _ in range(7):
            centre = (int(rng.integers(width)), int(rng.integers(height)))
            radius = int(rng.integers(3, max(4, min(height, width) // 3)))
            if rng.random() < 0.5:
                cv2.circle(sheet, centre, radius, float(tone(rng, 0.05, 0.95)), -1)
            else:
                corner = (centre[0] + radius, centre[1] + radius // 2 + 2)
                cv2.rectangle(sheet, centre, corner, float(tone(rng, 0.05, 0.95)), -1)
    cv2.rectangle(sheet, (0, 0), (width - 1, height - 1), float(tone(rng, 0.05, 0.95)), 2)
    return sheet


def _print_line(
    rng: np.random.Generator, sheet: Image, top: int, thickness: int, ink: np.float32
) -> None:
    """Words as dashes of random length."""
    column = 6
    while column < sheet.shape[1] - 10:
        length = int(rng.integers(4, 18))
        sheet[top : top + thickness, column : min(column + length, sheet.shape[1] - 6)] = ink
        column += length + int(rng.integers(3, 7))


def wallpaper(rng: np.random.Generator, canvas: Canvas) -> Image:
    """Striped paper with a row of ornaments in each second stripe, a little uneven."""
    down, right = canvas.grid_m()
    width = np.float32(rng.uniform(0.1, 0.25))
    position = right / width + np.float32(rng.random())
    stripe = np.floor(position).astype(int)
    tones = np.array([tone(rng, 0.3, 0.55), tone(rng, 0.55, 0.8)])
    paper = np.broadcast_to(tones[stripe % 2], canvas.shape).astype(np.float32)
    across = (position - stripe - 0.5) * width
    along = (down + 0.31 * width * stripe) % (1.5 * width) - 0.75 * width
    angle, radius = np.arctan2(along, across), np.hypot(along, across)
    petals = int(rng.integers(3, 8))
    ornament = radius < width * (0.28 + 0.13 * np.cos(petals * angle))
    paper = np.where(ornament & (stripe % 2 == 0), tone(rng, 0.1, 0.9), paper)
    pin_lines = np.abs(position - np.round(position)) * width < 0.006
    return np.where(pin_lines, paper - 0.15, paper) + 0.025 * fractal_noise(rng, canvas, 0.8)


def natural(rng: np.random.Generator, canvas: Canvas) -> Image:
    """1/f noise, the spectrum of natural scenes: a photo wallpaper of foliage or rock."""
    rows, columns = canvas.shape
    frequency = np.hypot(np.fft.fftfreq(rows)[:, None], np.fft.rfftfreq(columns)[None, :])
    frequency[0, 0] = np.inf
    spectrum = np.fft.rfft2(rng.standard_normal((rows, columns))) / frequency
    spectrum[frequency < 1.0 / max(rows, columns)] = 0
    image = np.fft.irfft2(spectrum, s=(rows, columns))
    return (tone(rng, 0.4, 0.6) + 0.17 * image / image.std()).astype(np.float32)


def book_shelf(rng: np.random.Generator, canvas: Canvas) -> Image:
    """Rows of books, their spines of random breadth, height and tone, some with a label."""
    rows, columns = canvas.shape
    image = np.full((rows, columns), 0.08, np.float32)  # the dark behind the books
    board = max(2, round(0.025 * canvas.px_per_m))
    top = 0
    while top < rows:
        pitch = round(canvas.px_per_m * float(rng.uniform(0.26, 0.36)))
        _fill_shelf(rng, image, top, min(top + pitch - board, rows), canvas.px_per_m)
        image[top + pitch - board : top + pitch] = 0.5
        top += pitch
    return image + 0.02 * fractal_noise(rng, canvas, 0.3) + grain(rng, canvas, 0.01)


def _fill_shelf(
    rng: np.random.Generator, image: Image, top: int, bottom: int, px_per_m: float
) -> None:
    column = 0
    while column < image.shape[1]:
        width = max(2, round(px_per_m * float(rng.uniform(0.02, 0.065))))
        if rng.random() < 0.08:  # a gap
            column += 2 * width
            continue
        head = top + round((bottom - top) * float(rng.uniform(0.05, 0.4)))
        spine = tone(rng, 0.12, 0.9)
        image[head:bottom, column : column + width - 1] = spine
        if rng.random() < 0.6:
            label = head + round((bottom - head) * float(rng.uniform(0.1, 0.5)))
            image[label : label + 4, column : column + width - 1] = 1 - spine
        column += width


def cardboard(rng: np.random.Generator, canvas: Canvas) -> Image:
    """Stacked boxes with tape, printed marks and labels."""
    tiling = lay_tiles(rng, canvas, (0.38, 0.5), "random")
    per_box = tone(rng, 0.42, 0.55) + 0.06 * rng.standard_normal(tiling.pieces).astype(np.float32)
    face = per_box[tiling.piece] + 0.02 * wood_grain(rng, canvas, "down") + grain(rng, canvas, 0.01)
    face -= 0.35 * joint(tiling.edge_m, 0.01, canvas)
    rows, columns = face.shape
    for _ in range(round(7 * canvas.height_m * canvas.width_m) + 1):
        height, width = (
            max(3, round(canvas.px_per_m * float(rng.uniform(0.04, 0.16)))) for _ in range(2)
        )
        top, left = (
            int(rng.integers(max(1, rows - height))),
            int(rng.integers(max(1, columns - width))),
        )
        face[top : top + height, left : left + width] = tone(rng, 0.1, 0.9)
        if rng.random() < 0.6:
            for line in range(top + 2, top + height - 1, 3):
                face[line, left + 1 : left + max(2, int(width * rng.uniform(0.4, 0.95)))] = 0.15
    return face
