"""Surfaces of a room: bricks, planks, carpet, book shelves and others, drawn from a generator.

Photographs would be truer but would weigh megabytes, need licences and be the same few every time.
Here every wall is a new one. Sizes are physical, so a brick is 21 cm long wherever it is seen.

A family is a function of (generator, canvas) that returns the albedo, float32 (H, W) in 0..1, row 0
at the top. `plain` families are nearly without texture: a matcher finds nothing on them.
"""

from collections.abc import Callable
from typing import Literal, NamedTuple

import numpy as np

from perception.tables import ChoiceError
from sim.canvas import Canvas, Image
from sim.textures.cloth import carpet, fabric, rug_flecks
from sim.textures.masonry import (
    bricks,
    ceiling_panels,
    concrete,
    field_stone,
    marble,
    plaster,
    tiles,
)
from sim.textures.painted import paint, whiteboard
from sim.textures.printed import book_shelf, cardboard, natural, posters, wallpaper
from sim.textures.woodwork import panelling, planks

Place = Literal["wall", "floor", "ceiling", "obstacle"]
EVERYWHERE: frozenset[Place] = frozenset({"wall", "floor", "ceiling", "obstacle"})
Family = Callable[[np.random.Generator, Canvas], Image]


class Texture(NamedTuple):
    """A row of TEXTURES."""

    draw: Family
    places: frozenset[Place]  # where such a surface is found
    plain: bool = False


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


def draw_texture(family: str, rng: np.random.Generator, canvas: Canvas) -> Image:
    """Albedo (H, W) float32, within 0.02..0.98.

    Raises:
        ChoiceError: there is no such family.
    """
    if family not in TEXTURES:
        raise ChoiceError(f"no texture family {family!r}; valid: {', '.join(sorted(TEXTURES))}")
    return np.clip(TEXTURES[family].draw(rng, canvas), 0.02, 0.98).astype(np.float32)
