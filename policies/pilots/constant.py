"""Flies one command whatever it sees: the control of an experiment, which must do worse."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from firmware_bridge.axis_limits import Limits
from policies.observation import Observation
from policies.spec import PolicySpec, bounds_of


@dataclass(frozen=True)
class Config:
    """The command."""

    forward_speed_m_s: float = 0.6  # the reflex's cruise
    yaw_rate_rad_s: float = 0.0  # straight on
    altitude_m: float = 1.4  # half-way up a room


class Constant:
    """Needs no observation."""

    Config = Config

    def __init__(self, config: Config, limits: Limits, rate_hz: float) -> None:
        self.spec = PolicySpec((), bounds_of(limits), rate_hz)
        command = [config.forward_speed_m_s, config.yaw_rate_rad_s, config.altitude_m]
        self._command = self.spec.clip(np.array(command))  # (3,)

    def reset(self, rng: np.random.Generator) -> None:
        """Nothing: it has no state."""

    def act(self, observation: Observation) -> NDArray[np.float64]:  # noqa: ARG002  it is blind
        """The command, (3,)."""
        return self._command.copy()
