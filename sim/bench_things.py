"""Shapes on the workbench: what lies there, what stands fixed, and what may touch what.

Contacts are filtered by bits, because looking for them costs more than anything else in a small
scene: things touch everything, fixtures touch things and the gripper, the table touches things.

MuJoCo is imported where something is built, not with the module: who only practises a task on a
robot reads its goals here too, and has no simulator.
"""

from typing import Any

THING = {"contype": 1, "conaffinity": 3, "condim": 3, "friction": (0.6, 0.005, 0.0001)}
GRIP: dict[str, Any] = {"contype": 0, "conaffinity": 2}  # of a thing: touched by the gripper alone
TOUCHES_THINGS = {"contype": 2, "conaffinity": 0}  # of the gripper, and of what it holds for good
FIXTURE = {"contype": 0, "conaffinity": 3, "condim": 3, "friction": (0.5, 0.005, 0.0001)}
TABLE = {"contype": 0, "conaffinity": 1, "condim": 3, "friction": (0.5, 0.005, 0.0001)}
SEEN: dict[str, Any] = {"contype": 0, "conaffinity": 0, "mass": 0.0}
TABLE_COLOUR = (0.62, 0.55, 0.45, 1.0)
TABLE_MATERIALS = ("table checks", "table speckles")  # what may lie on it in an image
HAND = "hand"  # the body that carries palm, fingers and wrist camera
TABLE_GEOM, KEY_LIGHT, FRONT_CAMERA = "table", "key light", "front"

KNOB_RADIUS_M = 0.012
KNOB_HALF_M = 0.020

Three = tuple[float, float, float]
Colour = tuple[float, float, float, float]


def add_bench(spec: Any) -> None:
    """The table with the arm's base at the origin, light, and the camera in front."""
    from sim.gl import mujoco

    spec.worldbody.add_geom(
        name=TABLE_GEOM,
        type=mujoco.mjtGeom.mjGEOM_PLANE,
        size=(0.9, 0.9, 0.1),
        rgba=TABLE_COLOUR,
        **TABLE,
    )
    _add_materials(spec)
    spec.worldbody.add_light(
        name=KEY_LIGHT, pos=(0.3, -0.3, 1.2), dir=(0, 0.2, -1), diffuse=(0.7, 0.7, 0.7)
    )
    spec.worldbody.add_camera(
        name=FRONT_CAMERA, pos=(0.62, 0.0, 0.36), xyaxes=(0, 1, 0, -0.686, 0, 0.728), fovy=48
    )


def add_free(spec: Any, name: str) -> Any:
    """A body that can be carried about."""
    body = spec.worldbody.add_body(name=name)
    body.add_freejoint(name=name)
    return body


def add_fixed(spec: Any, name: str) -> Any:
    """A body that stands fast where the layout puts it."""
    return spec.worldbody.add_body(name=name, mocap=True)


def add_cylinder(
    body: Any,
    radius_m: float,
    half_m: float,
    z_m: float,
    colour: Colour,
    xy_m: tuple[float, float] = (0, 0),
    **rest: Any,
) -> None:
    """An upright cylinder, on the body's axis if nothing else is said, its middle at `z_m`."""
    from sim.gl import mujoco

    size, pos = (radius_m, half_m, 0), (*xy_m, z_m)
    body.add_geom(type=mujoco.mjtGeom.mjGEOM_CYLINDER, size=size, pos=pos, rgba=colour, **rest)


def add_box(body: Any, center_m: Three, half_m: Three, colour: Colour, **rest: Any) -> None:
    """A box."""
    from sim.gl import mujoco

    box = mujoco.mjtGeom.mjGEOM_BOX
    body.add_geom(type=box, size=half_m, pos=center_m, rgba=colour, **rest)


def add_slide(body: Any, name: str, axis: Three, **rest: Any) -> None:
    """A joint along which the body slides."""
    from sim.gl import mujoco

    body.add_joint(name=name, type=mujoco.mjtJoint.mjJNT_SLIDE, axis=axis, **rest)


def add_knob(body: Any, z_m: float, colour: Colour, mass_kg: float = 0.015) -> None:
    """An upright knob for the gripper, its middle at `z_m` of the body."""
    add_cylinder(body, KNOB_RADIUS_M, KNOB_HALF_M, z_m, colour, mass=mass_kg, **GRIP)


def _add_materials(spec: Any) -> None:
    """Two table cloths; which of them is seen is a matter of the look."""
    from sim.gl import mujoco

    for name, builtin, share in zip(TABLE_MATERIALS, ("CHECKER", "FLAT"), (0.0, 0.2), strict=True):
        texture = spec.add_texture(name=name, type=mujoco.mjtTexture.mjTEXTURE_2D)
        texture.builtin = getattr(mujoco.mjtBuiltin, f"mjBUILTIN_{builtin}")
        texture.width = texture.height = 64
        texture.rgb1, texture.rgb2, texture.markrgb = (1, 1, 1), (0.6, 0.6, 0.6), (0.4, 0.4, 0.4)
        texture.mark, texture.random = mujoco.mjtMark.mjMARK_RANDOM, share
        material = spec.add_material(name=name)
        material.textures[mujoco.mjtTextureRole.mjTEXROLE_RGB] = name
        material.texrepeat = (12, 12)
