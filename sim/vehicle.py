"""What a world needs of a vehicle, whatever flies or drives in it."""

from typing import Any, Protocol

import numpy as np

from sim.onboard_sensors import Reading, Vector


class Vehicle(Protocol):
    """One vehicle with its own sensors and on-board controller, in a MuJoCo model."""

    state: Any  # all that changes while it runs, apart from MuJoCo's own state; may be deep-copied

    @property
    def latest(self) -> Reading:
        """The newest value of each on-board sensor."""
        ...

    @property
    def hovers_on_watchdog(self) -> bool:
        """Whether it holds its place because commands stopped coming."""
        ...

    @property
    def camera_b_m(self) -> Vector:
        """Where a camera sits, body frame."""
        ...

    def add_to(self, spec: Any) -> Any:
        """Adds itself to a MuJoCo specification; returns the body that carries the camera."""
        ...

    def start(
        self, position_w_m: Vector, yaw_rad: float, rng: np.random.Generator, data: Any
    ) -> None:
        """Begins a flight; the generator draws all of its noise."""
        ...

    def place(self, position_w_m: Vector, yaw_rad: float, data: Any) -> None:
        """Puts it somewhere level and at rest, its controller holding that place."""
        ...

    def command(self, forward_speed_m_s: float, yaw_rate_rad_s: float, altitude_m: float) -> None:
        """Takes a new command; its own watchdog counts from here."""
        ...

    def apply_drag(self, data: Any) -> None:
        """Sets the forces of the air, before each physics step."""
        ...

    def control(self, data: Any) -> None:
        """One period of the on-board controller."""
        ...


class Body(Protocol):
    """A frozen dataclass of a vehicle's facts, the [body] section of a robot file."""

    @property
    def mass_kg(self) -> float:
        """Mass of all of it."""
        ...

    @property
    def inertia_kg_m2(self) -> Vector:
        """About its own x, y, z."""
        ...

    def make(self, control_period_s: float) -> Vehicle:
        """A vehicle with this body."""
        ...
