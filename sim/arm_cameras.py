"""What two cameras at the workbench see, in colour: one in front, one at the wrist.

Every attempt may look different: lamp, table, colours and the front camera's place vary within
`LookConfig.variation`. A *shift* moves their middle away from what was learned, as when a policy
is carried into another kitchen. Nothing of it touches physics: images are drawn from a copy.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import numpy.typing as npt

from perception.quantities import InputError
from sim.bench_things import FRONT_CAMERA, KEY_LIGHT, TABLE_COLOUR, TABLE_GEOM, TABLE_MATERIALS
from sim.manipulation import FloatArray
from sim.robots.arm6 import WRIST_CAMERA

if TYPE_CHECKING:
    from sim.drawing import View
    from sim.workbench import Posture

SIDE_PX = 100  # as RoboFuME's images (arXiv 2310.15145, section V)
VIEWS = (FRONT_CAMERA, WRIST_CAMERA)
PLAIN = -1  # the table without a material

Three = tuple[float, float, float]


class LookError(InputError):
    """A look that there is not."""


class Shift(NamedTuple):
    """The middle of what looks vary about."""

    light: float = 1.0  # of the lamp, over the usual
    table_rgb: Three = TABLE_COLOUR[:3]
    table_material: int = PLAIN  # of TABLE_MATERIALS
    tint: Three = (1.0, 1.0, 1.0)  # of all other colours
    camera_m: Three = (0.0, 0.0, 0.0)  # by which the front camera is moved


SHIFTS = {
    "none": Shift(),
    "dim": Shift(light=0.4),
    "other_table": Shift(table_rgb=(0.35, 0.45, 0.42), table_material=0),
    "other_colours": Shift(tint=(0.6, 1.3, 0.8)),
    "moved_camera": Shift(camera_m=(0.03, 0.10, 0.05)),
}


@dataclass(frozen=True)
class LookConfig:
    """How images vary from attempt to attempt, and where the middle of that is."""

    variation: float = 0.0  # 0 always the same, 1 as much as different days in one room
    shift: str = "none"  # row of SHIFTS
    noise: float = 2.0  # of the sensor, standard deviation in grey levels

    def __post_init__(self) -> None:
        """Refuses a shift that there is not, and amounts that make no image."""
        if self.shift not in SHIFTS:
            raise LookError(f"no shift is called {self.shift!r}; valid: {', '.join(SHIFTS)}")
        if not (0 <= self.variation <= 4 and 0 <= self.noise <= 100):
            raise LookError("give a variation from 0 to 4 and noise from 0 to 100 grey levels")


class Look(NamedTuple):
    """One drawn look; applying it again gives the same images to the bit."""

    light_m: FloatArray  # (3,) by which the lamp is moved
    light: float  # its strength over the usual
    table_rgb: FloatArray  # (3,)
    table_material: int  # of TABLE_MATERIALS, or PLAIN
    tints: FloatArray  # (geoms, 3) factors of all other colours
    camera_m: FloatArray  # (3,) by which the front camera is moved
    noise_seed: int


class BenchCameras:
    """Draws images of a workbench; opens OpenGL at the first."""

    def __init__(self, model: Any, config: LookConfig) -> None:
        """Nothing is drawn yet; the look is the one of `vary` with a generator of seed 0."""
        self.config = config
        self._model = model
        self._view: View | None = None
        self._data: Any = None
        self._lamp, self._camera = model.light(KEY_LIGHT).id, model.camera(FRONT_CAMERA).id
        self._table = model.geom(TABLE_GEOM).id
        self._materials = [model.material(name).id for name in TABLE_MATERIALS]
        self._rgb = model.geom_rgba[:, :3].copy()  # (geoms, 3)
        self._lamp_m, self._lamp_rgb = model.light_pos[self._lamp].copy(), 0.7
        self._camera_m = model.cam_pos[self._camera].copy()
        self.look: Look
        self.vary(np.random.default_rng(0))

    def vary(self, rng: np.random.Generator) -> None:
        """Draws a look for the next attempt."""
        shift, amount = SHIFTS[self.config.shift], self.config.variation

        def spread(size: Any, width: float) -> FloatArray:
            return amount * rng.uniform(-width, width, size)

        covers = rng.random() < 0.5 * amount
        cover = int(rng.integers(len(self._materials)))
        self.apply(
            Look(
                spread(3, 0.25),
                shift.light * (1 + float(spread(1, 0.2)[0])),
                np.clip(np.array(shift.table_rgb) + spread(3, 0.1), 0, 1),
                cover if covers else shift.table_material,
                np.array(shift.tint) * (1 + spread(self._rgb.shape, 0.1)),
                np.array(shift.camera_m) + spread(3, 0.015),
                int(rng.integers(2**31)),
            )
        )

    def apply(self, look: Look) -> None:
        """Makes the model look so."""
        model, self.look = self._model, look
        model.geom_rgba[:, :3] = np.clip(self._rgb * look.tints, 0, 1)
        model.geom_rgba[self._table, :3] = look.table_rgb
        is_plain = look.table_material == PLAIN
        model.geom_matid[self._table] = PLAIN if is_plain else self._materials[look.table_material]
        model.light_pos[self._lamp] = self._lamp_m + look.light_m
        model.light_diffuse[self._lamp] = self._lamp_rgb * look.light
        model.cam_pos[self._camera] = self._camera_m + look.camera_m

    def draw(self, moment: "Posture", view: str) -> npt.NDArray[np.uint8]:
        """What one of VIEWS saw at a moment, (100, 100, 3) uint8 RGB.

        The noise depends on look and moment alone, so that drawing twice gives the same image.

        Raises:
            RenderingError: this machine cannot draw.
        """
        image = self._draw_clean(moment, view)
        if not self.config.noise:
            return image
        seed = (self.look.noise_seed, round(moment.time_s * 1000), VIEWS.index(view))
        noise = np.random.default_rng(seed).standard_normal(image.shape, dtype=np.float32)
        return np.clip(np.rint(image + self.config.noise * noise), 0, 255).astype(np.uint8)

    def close(self) -> None:
        """Frees OpenGL; the next image opens it again."""
        if self._view is not None:
            self._view.close()
            self._view = None

    def _draw_clean(self, moment: "Posture", view: str) -> npt.NDArray[np.uint8]:
        from sim.drawing import View
        from sim.gl import mujoco

        if self._view is None:
            self._view = View(self._model, SIDE_PX, SIDE_PX)
            self._data = mujoco.MjData(self._model)
        data = self._data
        data.qpos[:], data.mocap_pos[:] = moment.qpos, moment.mocap_m
        mujoco.mj_kinematics(self._model, data)
        mujoco.mj_camlight(self._model, data)
        return self._view.draw_colour(data, view)
