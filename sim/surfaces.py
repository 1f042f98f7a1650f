"""Puts a room into a MuJoCo model: walls, floor, ceiling, obstacles, each drawn and lit.

Light is painted into the textures instead of being computed by OpenGL: MuJoCo shades per vertex,
which shows nothing of a lamp on a wall of two triangles, and every light would cost drawing time.
The surfaces then shine by themselves (emission 1, no lights), so a pixel is exactly its texel.
"""

from dataclasses import dataclass
from typing import Any, NamedTuple

import cv2
import numpy as np
import numpy.typing as npt

from sim.canvas import Canvas, Image
from sim.gl import mujoco
from sim.room_map import FloatArray, Obstacle, RoomMap
from sim.textures import TEXTURES, Place, draw_texture

PX_PER_M = 96  # one texel per pixel at 1.2 m in front of a lens of 128 pixels over 58 degrees
CYLINDER_SIDES = 24
DRAWN_GROUP, TOUCHED_GROUP = 0, 4
LIGHT_STEP_PX = 8  # light varies slowly: computed on every eighth texel, interpolated between
CORNER_SHADE_M = 0.12  # how far the dim light of a corner reaches


class SurfaceLook(NamedTuple):
    """How one surface is painted."""

    family: str  # row of TEXTURES
    seed: int


@dataclass(frozen=True)
class RoomLook:
    """How a room is painted and lit."""

    floor: SurfaceLook
    ceiling: SurfaceLook
    walls: tuple[SurfaceLook, ...]  # in the order of `_walls`
    obstacles: tuple[SurfaceLook, ...]  # as in the map
    lamp_w_m: tuple[float, float, float]
    ambient: float  # 0..1, part of the light that comes from everywhere


class _Panel(NamedTuple):
    """A flat rectangle: walls, floor, ceiling. Seen along -normal, `right` is to the right."""

    name: str
    centre_w_m: FloatArray
    right: FloatArray
    up: FloatArray
    half_m: tuple[float, float]  # along right and up


def draw_look(room: RoomMap, plain_fraction: float, rng: np.random.Generator) -> RoomLook:
    """Draws a surface for everything, and a lamp; at most one wall is plain."""
    length, width, height = room.size_m
    lamp_x, lamp_y = rng.uniform(-0.3, 0.3, size=2) * (length, width)
    ambient = float(rng.uniform(0.35, 0.6))
    floor = _draw_surface("floor", 0.0, rng)
    ceiling = _draw_surface("ceiling", plain_fraction, rng)
    walls: list[SurfaceLook] = []
    for _ in range(4):
        has_plain = any(TEXTURES[wall.family].plain for wall in walls)
        walls.append(_draw_surface("wall", 0.0 if has_plain else plain_fraction, rng))
    obstacles = tuple(_draw_surface("obstacle", plain_fraction, rng) for _ in room.obstacles)
    lamp_w_m = (float(lamp_x), float(lamp_y), height - 0.25)
    return RoomLook(floor, ceiling, tuple(walls), obstacles, lamp_w_m, ambient)


def add_room(spec: Any, room: RoomMap, look: RoomLook) -> None:
    """Adds the room's geoms, textures and materials to a specification."""
    spec.visual.headlight.active = 0
    panels = _panels(room)
    for panel, surface in zip(panels, (look.floor, look.ceiling, *look.walls), strict=True):
        _add_panel(spec, panel, surface, look)
    for obstacle, surface in zip(room.obstacles, look.obstacles, strict=True):
        _add_obstacle(spec, obstacle, surface, look)


def _draw_surface(place: Place, plain_fraction: float, rng: np.random.Generator) -> SurfaceLook:
    plain = rng.random() < plain_fraction
    fitting = [name for name, row in TEXTURES.items() if place in row.places and row.plain == plain]
    if not fitting:
        fitting = [name for name, row in TEXTURES.items() if place in row.places]
    return SurfaceLook(fitting[rng.integers(len(fitting))], int(rng.integers(2**31)))


def _panels(room: RoomMap) -> list[_Panel]:
    """Floor, ceiling and the walls at +x, -x, +y, -y, all facing inwards."""
    half_x, half_y, height = room.size_m[0] / 2, room.size_m[1] / 2, room.size_m[2]
    x, y, z = np.eye(3)
    middle = height / 2 * z
    return [
        _Panel("floor", 0 * z, x, y, (half_x, half_y)),
        _Panel("ceiling", height * z, x, -y, (half_x, half_y)),
        _Panel("wall east", middle + half_x * x, -y, z, (half_y, height / 2)),
        _Panel("wall west", middle - half_x * x, y, z, (half_y, height / 2)),
        _Panel("wall north", middle + half_y * y, x, z, (half_x, height / 2)),
        _Panel("wall south", middle - half_y * y, -x, z, (half_x, height / 2)),
    ]


def _add_panel(spec: Any, panel: _Panel, surface: SurfaceLook, look: RoomLook) -> None:
    half_right, half_up = panel.half_m
    albedo = draw_texture(
        surface.family,
        np.random.default_rng(surface.seed),
        Canvas(2 * half_up, 2 * half_right, PX_PER_M),
    )
    steps_up = np.linspace(half_up, -half_up, max(2, albedo.shape[0] // LIGHT_STEP_PX))
    steps_right = np.linspace(-half_right, half_right, max(2, albedo.shape[1] // LIGHT_STEP_PX))
    points = (
        panel.centre_w_m
        + steps_up[:, None, None] * panel.up
        + steps_right[None, :, None] * panel.right
    )
    normal = np.cross(panel.right, panel.up)
    to_edge = np.minimum(
        (half_up - np.abs(steps_up))[:, None], (half_right - np.abs(steps_right))[None, :]
    )
    light = _light(points, normal, look) * (1.0 - 0.35 * np.exp(-to_edge / CORNER_SHADE_M))
    _add_material(spec, panel.name, _lit(albedo, light))
    quat = np.zeros(4)
    mujoco.mju_mat2Quat(quat, np.column_stack([panel.right, panel.up, normal]).ravel())
    spec.worldbody.add_geom(
        name=panel.name,
        type=mujoco.mjtGeom.mjGEOM_PLANE,
        size=(half_right, half_up, 0.1),
        pos=panel.centre_w_m,
        quat=quat,
        material=panel.name,
        group=DRAWN_GROUP,
        contype=0,
        conaffinity=1,
    )


def _add_obstacle(spec: Any, obstacle: Obstacle, surface: SurfaceLook, look: RoomLook) -> None:
    """A drawn prism with wrapped-around texture, and the primitive that is touched."""
    outline = obstacle.outline_w_m(CYLINDER_SIDES) - obstacle.centre_w_m[:2]  # (N, 2)
    closed = np.vstack([outline, outline[:1]])
    along = np.concatenate([[0.0], np.cumsum(np.linalg.norm(np.diff(closed, axis=0), axis=1))])
    height = 2 * obstacle.half_size_m[2]
    albedo = draw_texture(
        surface.family,
        np.random.default_rng(surface.seed),
        Canvas(height, float(along[-1]), PX_PER_M),
    )
    light = _prism_light(closed, along, obstacle, look, albedo.shape)
    _add_material(spec, obstacle.name, _lit(albedo, light))
    _add_prism(spec, obstacle.name, outline, along, height)
    spec.worldbody.add_geom(
        type=mujoco.mjtGeom.mjGEOM_MESH,
        meshname=obstacle.name,
        pos=obstacle.centre_w_m,
        material=obstacle.name,
        group=DRAWN_GROUP,
        contype=0,
        conaffinity=0,
    )
    is_box = obstacle.shape == "box"
    half_x, half_y, half_z = obstacle.half_size_m
    spec.worldbody.add_geom(
        name=obstacle.name,
        type=mujoco.mjtGeom.mjGEOM_BOX if is_box else mujoco.mjtGeom.mjGEOM_CYLINDER,
        size=(half_x, half_y, half_z) if is_box else (half_x, half_z, 0),
        pos=obstacle.centre_w_m,
        quat=(np.cos(obstacle.yaw_rad / 2), 0, 0, np.sin(obstacle.yaw_rad / 2)),
        group=TOUCHED_GROUP,
        contype=0,
        conaffinity=1,
    )


def _prism_light(
    closed: FloatArray,
    along: FloatArray,
    obstacle: Obstacle,
    look: RoomLook,
    shape: tuple[int, ...],
) -> FloatArray:
    """Light on the unrolled side of a prism: rows from top to bottom, columns around it."""
    rows, columns = max(2, shape[0] // LIGHT_STEP_PX), max(8, shape[1] // 2)
    position = (np.arange(columns) + 0.5) / columns * along[-1]
    face = np.clip(np.searchsorted(along, position, side="right") - 1, 0, len(along) - 2)
    edges = np.diff(closed, axis=0)
    normals = np.column_stack([edges[:, 1], -edges[:, 0], np.zeros(len(edges))])
    normals /= np.linalg.norm(normals, axis=1, keepdims=True)
    start, part = closed[face], ((position - along[face]) / np.diff(along)[face])[:, None]
    xy = start + part * edges[face] + obstacle.centre_w_m[:2]
    z = np.linspace(obstacle.top_m, obstacle.bottom_m, rows)
    points = np.empty((rows, columns, 3))
    points[..., :2], points[..., 2] = xy, z[:, None]
    return _light(points, normals[face], look)


def _light(points_w_m: FloatArray, normals: FloatArray, look: RoomLook) -> FloatArray:
    """Brightness 0..1 of matt surfaces under the lamp (Lambert) and the light from everywhere."""
    to_lamp = np.asarray(look.lamp_w_m) - points_w_m
    distance = np.linalg.norm(to_lamp, axis=-1)
    cosine = np.maximum((to_lamp * normals).sum(axis=-1) / np.maximum(distance, 1e-6), 0.0)
    falloff = 1.0 / (1.0 + (distance / 2.5) ** 2)
    return look.ambient + (1.0 - look.ambient) * 1.6 * np.sqrt(cosine) * falloff


def _lit(albedo: Image, light: FloatArray) -> npt.NDArray[np.uint8]:
    full = cv2.resize(light.astype(np.float32), albedo.shape[::-1], interpolation=cv2.INTER_LINEAR)
    return np.clip(255.0 * albedo * full, 0, 255).astype(np.uint8)


def _add_material(spec: Any, name: str, image: npt.NDArray[np.uint8]) -> None:
    texture = spec.add_texture(
        name=name,
        type=mujoco.mjtTexture.mjTEXTURE_2D,
        width=image.shape[1],
        height=image.shape[0],
        nchannel=3,
    )
    texture.data = np.repeat(image[..., None], 3, axis=2).tobytes()
    material = spec.add_material(name=name, emission=1.0, specular=0.0, shininess=0.0)
    material.textures[mujoco.mjtTextureRole.mjTEXROLE_RGB] = name


def _add_prism(
    spec: Any, name: str, outline: FloatArray, along: FloatArray, height_m: float
) -> None:
    """An upright prism; u runs around it, v downwards; its ends take a piece of the same."""
    n = len(outline)
    ring = np.vstack([outline, outline[:1]])
    cap_uv = (outline - outline.min(axis=0)) / (along[-1], height_m)
    layers = [
        (ring, z, np.column_stack([along / along[-1], np.full(n + 1, v)]))
        for z, v in ((-0.5, 1.0), (0.5, 0.0))
    ]
    layers += [(outline, z, cap_uv) for z in (-0.5, 0.5)]
    vertices = np.vstack(
        [np.column_stack([xy, np.full(len(xy), z * height_m)]) for xy, z, _ in layers]
    )
    i = np.arange(n)
    sides = np.vstack(
        [np.column_stack([i, i + 1, i + n + 2]), np.column_stack([i, i + n + 2, i + n + 1])]
    )
    fan = np.column_stack([np.zeros(n - 2, int), np.arange(1, n - 1), np.arange(2, n)])
    bottom, top = 2 * (n + 1) + fan[:, ::-1], 3 * n + 2 + fan
    mesh = spec.add_mesh(name=name)
    mesh.uservert = vertices.ravel()
    mesh.userface = np.vstack([sides, bottom, top]).ravel()
    mesh.usertexcoord = np.vstack([uv for _, _, uv in layers]).ravel()
