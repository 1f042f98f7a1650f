"""Proximity to commands: a shell over any policy, hand-written or learned."""

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from perception.quantities import Proximity
from policies.observation import OBSERVATION, FlightObserver
from policies.policy import make_policy
from robot.messages import Command, PolicyObservation, ProximityReading
from robot.node import Emission, Input, Inputs, Node, NodeContext, Output


@dataclass(frozen=True)
class PolicyNodeConfig:
    """Parameters of a policy node."""

    policy: str = "reflex"  # a row of policies.pilots, or the path of a model package (.onnx)
    options: dict[str, Any] = field(default_factory=dict)  # of that pilot's Config
    noise: float = 0.0  # sd of noise on what is sent, as a share of each axis's range; for data
    blind: bool = False  # a control for experiments: every reading counts as "all free"


class PolicyNode(Node[PolicyNodeConfig]):
    """One command per proximity reading."""

    inputs = {"proximity": Input(ProximityReading)}
    outputs = {"command": Output(Command), "observation": Output(PolicyObservation)}
    Config = PolicyNodeConfig

    def __init__(self, config: PolicyNodeConfig, context: NodeContext) -> None:
        super().__init__(config, context)
        limits = context.robot.limits
        self._policy = make_policy(config.policy, limits, context.rate_hz or 0.0, config.options)
        self._rng = context.rng()
        self._observer = FlightObserver(self._rng)
        self._policy.reset(self._rng)
        self._noise = config.noise * np.array([a.maximum - a.minimum for a in limits.axes])
        self._previous = np.array([0.0 if a.stop is None else a.stop for a in limits.axes])

    def step(self, now_ns: int, inputs: Inputs) -> list[Emission]:
        """Acts on the newest reading; the command is as old as the frame behind it."""
        del now_ns
        reading = inputs.newest("proximity")
        if reading is None:
            return []
        if not (reading.valid or self.config.blind):
            return [("command", self._stop(reading.captured_ns))]
        near = _free(reading) if self.config.blind else _proximity(reading)
        seen = self._observer.observe(near, self._previous)
        action = self._policy.act(seen)
        self._previous = action + self._rng.normal(size=len(action)) * self._noise
        values = tuple(float(value) for value in self._previous)
        command = Command(captured_ns=reading.captured_ns, valid=reading.valid, values=values)
        arrays: dict[str, Any] = {tensor.name: seen[tensor.name] for tensor in OBSERVATION}
        record = PolicyObservation(
            captured_ns=reading.captured_ns,
            valid=reading.valid,
            action=action.astype(np.float32),
            **arrays,
        )
        return [("command", command), ("observation", record)]

    def _stop(self, captured_ns: int) -> Command:
        """What to do on a reading that its own writer does not trust: stand."""
        stops = (axis.stop for axis in self.context.robot.limits.axes)
        held = zip(self._previous, stops, strict=True)
        self._previous = np.array([float(last) if stop is None else stop for last, stop in held])
        values = tuple(float(value) for value in self._previous)
        return Command(captured_ns=captured_ns, values=values)


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
