"""How late commands arrive at the simulated arm and how old its observations are."""

from dataclasses import dataclass, fields

import numpy as np

from firmware_bridge.tool_control import TICK_S
from perception.quantities import InputError


class DelayError(InputError):
    """A delay that the workbench cannot simulate."""


@dataclass(frozen=True)
class Delays:
    """All in s; jitter is drawn evenly between 0 and its value, for each step anew."""

    action_s: float = 0.0  # from the end of an observation to a command's arrival
    action_jitter_s: float = 0.0
    observation_s: float = 0.0  # age of an observation when a policy gets it
    observation_jitter_s: float = 0.0

    def __post_init__(self) -> None:
        """Refuses negative delays."""
        for field in fields(self):
            value = getattr(self, field.name)
            if not (np.isfinite(value) and value >= 0):
                raise DelayError(f"delay {field.name} = {value}: give seconds, 0 or more")

    def check(self, period_s: float) -> None:
        """Refuses delays that do not fit into a step.

        Raises:
            DelayError: an action or an observation could be late by a whole step or more.
        """
        for name in ("action", "observation"):
            most_s = getattr(self, f"{name}_s") + getattr(self, f"{name}_jitter_s")
            if most_s > period_s - TICK_S + 1e-9:
                raise DelayError(
                    f"{name} delay and jitter add up to {most_s:g} s: "
                    f"at most {period_s - TICK_S:g} s fit into a step of {period_s:g} s"
                )

    def action_ticks(self, rng: np.random.Generator) -> int:
        """When the next command arrives, in ticks of 20 ms after the step begins."""
        return _ticks(self.action_s, self.action_jitter_s, rng)

    def observation_ticks(self, rng: np.random.Generator) -> int:
        """How old the next observation is, in ticks of 20 ms."""
        return _ticks(self.observation_s, self.observation_jitter_s, rng)


def _ticks(delay_s: float, jitter_s: float, rng: np.random.Generator) -> int:
    if jitter_s > 0:
        delay_s += rng.uniform(0, jitter_s)
    return round(delay_s / TICK_S)
