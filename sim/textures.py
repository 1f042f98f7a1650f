"""Surfaces of a room: bricks, planks, carpet, book shelves and others, drawn from a generator.

Photographs would be truer but would weigh megabytes, need licences and be the same few every time.
Here every wall is a new one. Sizes are physical, so a brick is 21 cm long wherever it is seen.

A family is a function of (generator, canvas) that returns the albedo, float32 (H, W) in 0..1, row 0
at the top. `plain` families are nearly without texture: a matcher finds nothing on them.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

import cv2
import numpy as np
import numpy.typing as npt

from perception.tables import ChoiceError

Image = npt.NDArray[np.floating[Any]]  # (H, W)
Place = Literal["wall", "floor", "ceiling", "obstacle"]
EVERYWHERE: frozenset[Place] = frozenset({"wall", "floor", "ceiling", "obstacle"})


@dataclass(frozen=True)
class Canvas:
    """The piece of surface to be painted."""

    height_m: float
    width_m: float
    px_per_m: float

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns in px."""
        rows, columns = (max(4, round(m * self.px_per_m)) for m in (self.height_m, self.width_m))
        return rows, columns

    def grid_m(self) -> tuple[Image, Image]:
        """How far down (H, 1) and how far right (1, W) each texel's centre is, in metres."""
        down, right = (
            ((np.arange(n, dtype=np.float32) + 0.5) / np.float32(self.px_per_m)) for n in self.shape
        )
        return down[:, None], right[None, :]


Family = Callable[[np.random.Generator, Canvas], Image]


class Texture(NamedTuple):
    """A row of TEXTURES."""

    draw: Family
    places: frozenset[Place]  # where such a surface is found
    plain: bool = False


def draw_texture(family: str, rng: np.random.Generator, canvas: Canvas) -> Image:
    """Albedo (H, W) float32, within 0.02..0.98.

    Raises:
        ChoiceError: there is no such family.
    """
    if family not in TEXTURES:
        raise ChoiceError(f"no texture family {family!r}; valid: {', '.join(sorted(TEXTURES))}")
    return np.clip(TEXTURES[family].draw(rng, canvas), 0.02, 0.98).astype(np.float32)


def smooth_noise(rng: np.random.Generator, canvas: Canvas, cell_m: tuple[float, float]) -> Image:
    """Blurred random blobs of a size (down, right), standard deviation about 1."""
    rows, columns = (
        int(np.ceil(extent / cell)) + 3
        for extent, cell in zip((canvas.height_m, canvas.width_m), cell_m, strict=True)
    )
    coarse = rng.standard_normal((rows, columns)).astype(np.float32)
    down, right = canvas.grid_m()
    shape = canvas.shape
    map_x = np.ascontiguousarray(np.broadcast_to(right / np.float32(cell_m[1]) + 0.5, shape))
    map_y = np.ascontiguousarray(np.broadcast_to(down / np.float32(cell_m[0]) + 0.5, shape))
    return 1.3 * cv2.remap(coarse, map_x, map_y, cv2.INTER_CUBIC, borderMode=cv2.BORDER_REFLECT)


def fractal_noise(
    rng: np.random.Generator,
    canvas: Canvas,
    largest_m: float = 1.0,
    octaves: int = 6,
    decay: float = 0.6,
) -> Image:
    """Blobs of every size from `largest_m` down, each octave `decay` as strong; deviation 1."""
    total = np.zeros(canvas.shape, np.float32)
    power = 0.0
    for octave in range(octaves):
        cell_m = max(largest_m / 2**octave, 1.5 / canvas.px_per_m)
        total += decay**octave * smooth_noise(rng, canvas, (cell_m, cell_m))
        power += decay ** (2 * octave)
    return total / np.float32(np.sqrt(power))


def grain(rng: np.random.Generator, canvas: Canvas, strength: float) -> Image:
    """Independent fine noise on each texel."""
    return strength * rng.standard_normal(canvas.shape, dtype=np.float32)


def tone(rng: np.random.Generator, low: float, high: float) -> np.float32:
    """One grey level."""
    return np.float32(rng.uniform(low, high))


class Tiling(NamedTuple):
    """A surface laid with rectangular pieces, texel by texel."""

    piece: npt.NDArray[np.int64]  # (H, W) number of the piece
    edge_m: Image  # (H, W) distance to the nearest edge of the piece
    pieces: int


def lay_tiles(
    rng: np.random.Generator, canvas: Canvas, tile_m: tuple[float, float], stagger: str
) -> Tiling:
    """Lays tiles (height, width) in rows, shifted by `stagger`: "none", "half" or "random"."""
    down, right = canvas.grid_m()
    height, width = tile_m
    row_position = (down + np.float32(rng.uniform(0, height))) / np.float32(height)
    row = np.floor(row_position).astype(np.int64)
    rows = int(row.max()) + 1
    shift = {
        "none": np.zeros(rows),
        "half": 0.5 * (np.arange(rows) % 2),
        "random": rng.random(rows),
    }[stagger].astype(np.float32)
    position = (right + np.float32(rng.uniform(0, width))) / np.float32(width) + shift[row]
    column = np.floor(position).astype(np.int64)
    columns = int(column.max()) + 1
    to_row_edge = np.minimum(row_position - row, 1 - (row_position - row)) * np.float32(height)
    to_column_edge = np.minimum(position - column, 1 - (position - column)) * np.float32(width)
    edge = np.minimum(np.broadcast_to(to_row_edge, canvas.shape), to_column_edge)
    return Tiling(row * columns + column, edge.astype(np.float32), rows * columns)


def joint(edge_m: Image, width_m: float, canvas: Canvas) -> Image:
    """1 in the joints between pieces, 0 on them, blurred over a texel."""
    return np.clip(0.5 + (width_m / 2 - edge_m) * np.float32(canvas.px_per_m), 0, 1)


def bricks(rng: np.random.Generator, canvas: Canvas) -> Image:
    """Fair-faced brickwork, 21 x 6.5 cm, with light or dark mortar."""
    tiling = lay_tiles(rng, canvas, (0.077, 0.222), "half")
    base = tone(rng, 0.3, 0.5)
    per_brick = base + 0.09 * rng.standard_normal(tiling.pieces).astype(np.float32)
    face = per_brick[tiling.piece] + 0.05 * fractal_noise(rng, canvas, 0.12)
    face -= 0.08 * np.exp(-tiling.edge_m / 0.008)  # the arris is rounded
    mortar = (base + np.float32(rng.choice([-0.2, 0.3]))) + 0.04 * fractal_noise(rng, canvas, 0.05)
    in_joint = joint(tiling.edge_m + 0.002 * fractal_noise(rng, canvas, 0.05), 0.012, canvas)
    weathering = 1.0 + 0.12 * fractal_noise(rng, canvas, 1.5, octaves=3)
    return (face + (mortar - face) * in_joint) * weathering


def wood_grain(rng: np.random.Generator, canvas: Canvas, along: Literal["right", "down"]) -> Image:
    """Streaks along one direction, deviation about 1."""
    long, short = (1.2, 0.25), (0.025, 0.008)
    total = np.zeros(canvas.shape, np.float32)
    for length, breadth, strength in ((*long[:1], short[0], 1.0), (long[1], short[1], 0.7)):
        cell = (breadth, length) if along == "right" else (length, breadth)
        total += np.float32(strength) * smooth_noise(rng, canvas, cell)
    return total


def planks(rng: np.random.Generator, canvas: Canvas) -> Image:
    """Floor boards of staggered lengths, each with its own tone and grain."""
    tiling = lay_tiles(rng, canvas, (float(rng.uniform(0.09, 0.16)), 1.2), "random")
    per_board = tone(rng, 0.35, 0.6) + 0.08 * rng.standard_normal(tiling.pieces).astype(np.float32)
    strength = 0.04 * (1 + 0.6 * rng.random(tiling.pieces).astype(np.float32))[tiling.piece]
    face = per_board[tiling.piece] + strength * wood_grain(rng, canvas, "right")
    knots = np.maximum(smooth_noise(rng, canvas, (0.05, 0.07)) - 2.6, 0)
    return (face - 0.25 * knots) * (1 - 0.75 * joint(tiling.edge_m, 0.005, canvas))


def panelling(rng: np.random.Generator, canvas: Canvas) -> Image:
    """Upright boards on a wall or a wooden cupboard."""
    tiling = lay_tiles(rng, canvas, (10.0, float(rng.uniform(0.1, 0.2))), "none")
    per_board = tone(rng, 0.3, 0.65) + 0.07 * rng.standard_normal(tiling.pieces).astype(np.float32)
    face = per_board[tiling.piece] + 0.055 * wood_grain(rng, canvas, "down")
    knots = np.maximum(smooth_noise(rng, canvas, (0.08, 0.05)) - 2.4, 0)
    return (face - 0.3 * knots) * (1 - 0.6 * joint(tiling.edge_m, 0.008, canvas))


def plaster(rng: np.random.Generator, canvas: Canvas) -> Image:
    """Rough-cast: bumps of a few centimetres lit from one side, stains and some cracks."""
    bumps = fractal_noise(rng, canvas, 0.08, octaves=4, decay=0.75)
    relief = cv2.Sobel(bumps, cv2.CV_32F, 1, 1, ksize=3)
    stains = fractal_noise(rng, canvas, 1.2, octaves=3)
    crack = np.exp(-np.abs(fractal_noise(rng, canvas, 0.9, octaves=5, decay=0.55)) / 0.012)
    sparse = fractal_noise(rng, canvas, 1.5, octaves=2) > 0.6
    base = tone(rng, 0.55, 0.75)
    return (
        base
        + 0.05 * bumps
        + 0.05 * relief / (relief.std() + 1e-6)
        + 0.05 * stains
        - 0.2 * crack * sparse
    )


def carpet(rng: np.random.Generator, canvas: Canvas) -> Image:
    """Mottled pile with a woven border pattern of lozenges."""
    down, right = canvas.grid_m()
    size = np.float32(rng.uniform(0.25, 0.5))
    lozenge = np.abs((down / size) % 1 - 0.5) + np.abs((right / size) % 1 - 0.5)
    rings = np.sin(lozenge * np.float32(rng.choice([2, 3, 4]) * 2 * np.pi))
    pile = fractal_noise(rng, canvas, 0.06, octaves=3, decay=0.9)
    wear = fractal_noise(rng, canvas, 1.0, octaves=3)
    contrast = tone(rng, 0.04, 0.12)
    return tone(rng, 0.25, 0.5) + contrast * np.sign(rings) + 0.06 * pile + 0.05 * wear


def rug_flecks(rng: np.random.Generator, canvas: Canvas) -> Image:
    """Speckled office carpet or terrazzo: chips of all tones on a ground."""
    ground = tone(rng, 0.3, 0.6) + 0.03 * fractal_noise(rng, canvas, 0.5)
    for size_m, threshold in ((0.05, 1.5), (0.03, 1.6), (0.018, 1.5)):
        chips = smooth_noise(rng, canvas, (size_m, size_m)) > threshold
        shade = 0.22 * smooth_noise(rng, canvas, (2 * size_m, 2 * size_m))
        ground = np.where(chips, ground + shade + np.float32(rng.choice([-0.12, 0.12])), ground)
    return ground + grain(rng, canvas, 0.015)


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


def natural(rng: np.random.Generator, canvas: Canvas) -> Image:
    """1/f noise, the spectrum of natural scenes: a photo wallpaper of foliage or rock."""
    rows, columns = canvas.shape
    frequency = np.hypot(np.fft.fftfreq(rows)[:, None], np.fft.rfftfreq(columns)[None, :])
    frequency[0, 0] = np.inf
    spectrum = np.fft.rfft2(rng.standard_normal((rows, columns))) / frequency
    spectrum[frequency < 1.0 / max(rows, columns)] = 0
    image = np.fft.irfft2(spectrum, s=(rows, columns))
    return (tone(rng, 0.4, 0.6) + 0.17 * image / image.std()).astype(np.float32)


def tiles(rng: np.random.Generator, canvas: Canvas) -> Image:
    """Ceramic tiles: glazed tones, some patterned, grout between."""
    side = float(rng.choice([0.15, 0.2, 0.3]))
    tiling = lay_tiles(rng, canvas, (side, side), "none")
    base = tone(rng, 0.4, 0.75)
    per_tile = base + 0.06 * rng.standard_normal(tiling.pieces).astype(np.float32)
    per_tile -= np.where(rng.random(tiling.pieces) < 0.15, np.float32(0.3), np.float32(0))
    face = per_tile[tiling.piece] + 0.03 * fractal_noise(rng, canvas, 0.15)
    face += 0.08 * np.sin(tiling.edge_m * np.float32(2 * np.pi / (side / 4))) * (rng.random() < 0.5)
    return face + (base - 0.3 - face) * joint(tiling.edge_m, 0.008, canvas)


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


def concrete(rng: np.random.Generator, canvas: Canvas) -> Image:
    """Cast concrete: clouds, pores, joints of the shuttering and the holes of its ties."""
    tiling = lay_tiles(rng, canvas, (1.25, 1.0), "none")
    clouds = 0.06 * fractal_noise(rng, canvas, 0.8, octaves=6, decay=0.65)
    pores = (smooth_noise(rng, canvas, (0.022, 0.022)) > 2.3) * np.float32(0.2)
    per_board = 0.04 * rng.standard_normal(tiling.pieces).astype(np.float32)
    face = (
        tone(rng, 0.42, 0.62) + per_board[tiling.piece] + clouds - pores + grain(rng, canvas, 0.015)
    )
    streaks = 0.04 * smooth_noise(rng, canvas, (1.5, 0.06))
    return face + streaks - 0.2 * joint(tiling.edge_m, 0.012, canvas)


def marble(rng: np.random.Generator, canvas: Canvas) -> Image:
    """Veins of a turbulent sheet, in slabs."""
    tiling = lay_tiles(rng, canvas, (0.6, 0.6), "none")
    turbulence = fractal_noise(rng, canvas, 0.8, octaves=6, decay=0.6)
    veins = np.exp(-np.abs(turbulence) / 0.06) + 0.6 * np.exp(-np.abs(turbulence - 0.8) / 0.04)
    clouds = fractal_noise(rng, canvas, 0.4, octaves=5)
    light = rng.random() < 0.6
    base, ink = (tone(rng, 0.65, 0.8), -0.35) if light else (tone(rng, 0.15, 0.3), 0.45)
    return (
        base + np.float32(ink) * veins + 0.05 * clouds - 0.15 * joint(tiling.edge_m, 0.005, canvas)
    )


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


def fabric(rng: np.random.Generator, canvas: Canvas) -> Image:
    """Checked cloth of a curtain or a cover, with folds."""
    down, right = canvas.grid_m()
    pitch = np.float32(rng.uniform(0.15, 0.3))
    folds = smooth_noise(rng, canvas, (2.5, 0.09))
    warped = right + 0.012 * folds
    bands = [(0.0, 0.4), (0.55, 0.63), (0.8, 0.86)]
    warp = sum(
        (((warped / pitch) % 1 > a) & ((warped / pitch) % 1 < b)).astype(np.float32)
        for a, b in bands
    )
    weft = sum(
        (((down / pitch) % 1 > a) & ((down / pitch) % 1 < b)).astype(np.float32) for a, b in bands
    )
    depth = tone(rng, 0.1, 0.22) * np.float32(rng.choice([-1, 1]))
    cloth = tone(rng, 0.4, 0.6) + depth * (warp + weft - 0.9)
    return cloth + 0.05 * folds + grain(rng, canvas, 0.02)


def field_stone(rng: np.random.Generator, canvas: Canvas) -> Image:
    """A wall of rounded stones in mortar: cells of the nearest of scattered points."""
    pitch = float(rng.uniform(0.14, 0.24))
    rows, columns = (int(np.ceil(m / pitch)) + 3 for m in (canvas.height_m, canvas.width_m))
    jitter = rng.uniform(-0.35, 0.35, (2, rows, columns)).astype(np.float32)
    shade = tone(rng, 0.35, 0.55) + 0.1 * rng.standard_normal((rows, columns)).astype(np.float32)
    down, right = canvas.grid_m()
    wobble = 0.12 * fractal_noise(rng, canvas, 0.12, octaves=3)
    y, x = down / np.float32(pitch) + 1 + wobble, right / np.float32(pitch) + 1 - wobble
    row, column = np.floor(y).astype(int), np.floor(x).astype(int)
    first = np.full(canvas.shape, np.inf, np.float32)
    second, tones = first.copy(), first.copy()
    for step_row, step_column in np.ndindex(3, 3):
        r, c = (
            np.clip(row + step_row - 1, 0, rows - 1),
            np.clip(column + step_column - 1, 0, columns - 1),
        )
        distance = np.hypot(y - r - 0.5 - jitter[0, r, c], x - c - 0.5 - jitter[1, r, c])
        nearer = distance < first
        second = np.where(nearer, first, np.minimum(second, distance))
        tones = np.where(nearer, shade[r, c], tones)
        first = np.where(nearer, distance, first)
    to_edge = second - first
    stone = tones + 0.06 * fractal_noise(rng, canvas, 0.1) + 0.1 * np.minimum(to_edge, 0.4)
    return np.where(
        to_edge < 0.12, tone(rng, 0.6, 0.75) + 0.05 * fractal_noise(rng, canvas, 0.05), stone
    )


def ceiling_panels(rng: np.random.Generator, canvas: Canvas) -> Image:
    """Acoustic panels of 60 cm with worm holes, in a grid of rails."""
    tiling = lay_tiles(rng, canvas, (0.6, 0.6), "none")
    holes = np.exp(-np.abs(fractal_noise(rng, canvas, 0.07, octaves=3)) / 0.1)
    sparse = smooth_noise(rng, canvas, (0.05, 0.05)) > 0.3
    per_panel = 0.02 * rng.standard_normal(tiling.pieces).astype(np.float32)
    face = tone(rng, 0.65, 0.8) + per_panel[tiling.piece] - 0.25 * holes * sparse
    return face - 0.15 * joint(tiling.edge_m, 0.03, canvas) + 0.02 * fractal_noise(rng, canvas, 1.0)


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


def paint(rng: np.random.Generator, canvas: Canvas) -> Image:
    """Plain emulsion paint: one tone, the shadow of the roller's path."""
    return (
        tone(rng, 0.5, 0.8)
        + 0.006 * fractal_noise(rng, canvas, 1.5, octaves=2)
        + grain(rng, canvas, 0.003)
    )


def whiteboard(rng: np.random.Generator, canvas: Canvas) -> Image:
    """A painted wall with a white board on it, wiped but for some ghosts of writing."""
    wall = paint(rng, canvas)
    board = Canvas(min(canvas.height_m, 1.3), min(0.8 * canvas.width_m, 3.0), canvas.px_per_m)
    ghosts = np.exp(-np.abs(fractal_noise(rng, board, 0.3, octaves=3)) / 0.03)
    sparse = fractal_noise(rng, board, 1.5, octaves=2) > 1.2
    sheen = 0.01 * fractal_noise(rng, board, 1.5, octaves=2)
    white = tone(rng, 0.75, 0.85) + sheen - 0.03 * ghosts * sparse
    rows, columns = white.shape
    cv2.rectangle(white, (0, 0), (columns - 1, rows - 1), 0.45, 2)
    top, left = (wall.shape[0] - rows) // 2, (wall.shape[1] - columns) // 2
    wall[top : top + rows, left : left + columns] = white
    return wall


TEXTURES: dict[str, Texture] = {
    "bricks": Texture(bricks, frozenset({"wall", "obstacle"})),
    "planks": Texture(planks, frozenset({"floor", "wall", "ceiling"})),
    "panelling": Texture(panelling, frozenset({"wall", "obstacle"})),
    "plaster": Texture(plaster, frozenset({"wall", "ceiling", "obstacle"})),
    "carpet": Texture(carpet, frozenset({"floor"})),
    "rug_flecks": Texture(rug_flecks, frozenset({"floor", "obstacle"})),
    "posters": Texture(posters, frozenset({"wall"})),
    "natural": Texture(natural, EVERYWHERE),
    "tiles": Texture(tiles, frozenset({"wall", "floor", "obstacle"})),
    "wallpaper": Texture(wallpaper, frozenset({"wall"})),
    "concrete": Texture(concrete, EVERYWHERE),
    "marble": Texture(marble, frozenset({"floor", "obstacle"})),
    "book_shelf": Texture(book_shelf, frozenset({"wall", "obstacle"})),
    "fabric": Texture(fabric, frozenset({"wall", "obstacle"})),
    "field_stone": Texture(field_stone, frozenset({"wall", "obstacle"})),
    "ceiling_panels": Texture(ceiling_panels, frozenset({"ceiling"})),
    "cardboard": Texture(cardboard, frozenset({"obstacle"})),
    "paint": Texture(paint, frozenset({"wall", "ceiling", "obstacle"}), plain=True),
    "whiteboard": Texture(whiteboard, frozenset({"wall", "obstacle"}), plain=True),
}
