"""Proximity to commands: a shell over any policy, hand-written or learned."""

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from perception.quantities import Proximity
from policies.observation import FlightObserver
from policies.policy import make_policy
from robot.messages import Command, ProximityReading
from robot.node import Emission, Input, Inputs, Node, NodeContext, Output


@dataclass(frozen=True)
class PolicyNodeConfig:
    """Parameters of a policy node."""

    policy: str = "reflex"  # a row of policies.pilots, or the path of a model package (.onnx)
    options: dict[str, Any] = field(default_factory=dict)  # of that pilot's Config
    blind: bool = False  # a control for experiments: every reading counts as "all free"


class PolicyNode(Node[PolicyNodeConfig]):
    """One command per proximity reading."""

    inputs = {"proximity": Input(ProximityReading)}
    outputs = {"command": Output(Command)}
    Config = PolicyNodeConfig

    def __init__(self, config: PolicyNodeConfig, context: NodeContext) -> None:
        super().__init__(config, context)
        limits = context.robot.limits
        self._policy = make_policy(config.policy, limits, context.rate_hz or 0.0, config.options)
        rng = context.rng()
        self._observer = FlightObserver(rng)
        self._policy.reset(rng)
        self._previous = np.array([0.0 if a.stop is None else a.stop for a in limits.axes])

    def step(self, now_ns: int, inputs: Inputs) -> list[Emission]:
        """Acts on the newest reading; the command is as old as the frame behind it."""
        del now_ns
        reading = inputs.newest("proximity")
        if reading is None:
            return []
        near = _free(reading) if self.config.blind else _proximity(reading)
        action = self._policy.act(self._observer.observe(near, self._previous))
        self._previous = action
        values = tuple(float(value) for value in action)
        command = Command(captured_ns=reading.captured_ns, valid=reading.valid, values=values)
        return [("command", command)]


def _proximity(reading: ProximityReading) -> Proximity:
    """The library's type of what a message says."""
    return Proximity(**{name: getattr(reading, name) for name in Proximity._fields})


def _free(reading: ProximityReading) -> Proximity:
    """What a reading in an empty, fully seen world would be."""
    sectors = len(reading.sectors_per_m)
    return Proximity(
        proximity_px=0.0,
        sectors_per_m=np.zeros(sectors, np.float32),
        sector_valid=np.ones(sectors, np.float32),
        corridor_m=float("inf"),
        corridor_seen=1.0,
    )
