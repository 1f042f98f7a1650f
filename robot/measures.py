"""How one node has been doing: what its steps took, how old messages were, and both told.

A runner adds to it at every step. It keeps the newest samples only, so that an hour of flight costs
no more memory than a minute.
"""

import math
from collections import deque
from collections.abc import Mapping, Sequence

import numpy as np

from robot.clock import SECOND_NS
from robot.edges import EdgeBuffer
from robot.graph import Edge
from robot.liveness import Liveness
from robot.messages import EdgeTelemetry, Telemetry
from robot.node import NodeReport
from robot.process_load import ProcessLoad

TELEMETRY_PERIOD_NS = SECOND_NS
SAMPLES = 5_000  # newest latencies kept per edge: enough for p99.9, and full within minutes


class Measures:
    """Of one node."""

    def __init__(self, buffers: Mapping[Edge, EdgeBuffer], load: ProcessLoad | None) -> None:
        """``buffers``: what the node reads from; ``load``: its process, where it has its own."""
        self._buffers, self._load = buffers, load
        self.steps = 0
        self.overruns = 0
        self._woken = self._steps_told = 0
        self._step_ms: deque[float] = deque(maxlen=SAMPLES)
        self._ages_ms: dict[Edge, deque[float]] = {e: deque(maxlen=SAMPLES) for e in buffers}
        self._fresh_ages_ms: dict[Edge, deque[float]] = {e: deque(maxlen=SAMPLES) for e in buffers}
        self._received_told: dict[Edge, int] = dict.fromkeys(buffers, 0)
        self._start_ns = self._told_ns = 0

    def start(self, now_ns: int) -> None:
        """The run begins now."""
        self._start_ns = self._told_ns = now_ns

    def add_step(self, took_ms: float, *, woken: bool) -> None:
        """A step; ``woken``: between two deadlines of the node's own rate."""
        self._step_ms.append(took_ms)
        self.steps += 1
        self._woken += woken

    def add_ages(self, edge: Edge, ages_ms: Sequence[float]) -> None:
        """How old messages were when the step that used them had ended."""
        self._ages_ms[edge].extend(ages_ms)
        self._fresh_ages_ms[edge].extend(ages_ms)

    def is_due(self, now_ns: int) -> bool:
        """Whether a telemetry period has passed."""
        return now_ns - self._told_ns >= TELEMETRY_PERIOD_NS

    def telemetry(
        self,
        now_ns: int,
        liveness: Mapping[Edge, Liveness],
        gauges: dict[str, float],
        sent: Mapping[str, int],
    ) -> Telemetry:
        """How the node did since it was last asked."""
        elapsed_ns = now_ns - self._told_ns
        steps = self.steps - self._steps_told
        recent = sorted(list(self._step_ms)[-steps:] if steps else []) or [0.0]
        self._told_ns, self._steps_told = now_ns, self.steps
        load = self._load.measure() if self._load else None
        return Telemetry(
            captured_ns=now_ns,
            steps=self.steps,
            rate_hz=steps * SECOND_NS / elapsed_ns,
            step_ms_mean=float(np.mean(recent)),
            step_ms_p99=_nearest_rank(recent, 0.99),
            step_ms_max=recent[-1],
            overruns=self.overruns,
            gauges=gauges,
            inputs={
                str(edge): (alive.alive(now_ns), alive.freq_ok(), alive.valid)
                for edge, alive in liveness.items()
                if alive.expected_hz is not None
            },
            cpu_share=load.cpu_share if load else None,
            memory_mb=load.memory_mb if load else None,
            sent=dict(sent),
            edges={str(edge): self._edge_telemetry(edge, elapsed_ns) for edge in self._buffers},
        )

    def report(
        self,
        now_ns: int,
        gauges: dict[str, float],
        sent: Mapping[str, int],
        alerts: Sequence[str],
    ) -> NodeReport:
        """All counters, at the end."""
        step_ms = list(self._step_ms) or [0.0]
        elapsed_ns = max(now_ns - self._start_ns, 1)
        return NodeReport(
            steps=self.steps,
            rate_hz=(self.steps - self._woken) * SECOND_NS / elapsed_ns,
            woken=self._woken,
            step_ms_p50=float(np.percentile(step_ms, 50)),
            step_ms_p99=float(np.percentile(step_ms, 99)),
            overruns=self.overruns,
            sent=dict(sent),
            received={str(edge): buffer.received for edge, buffer in self._buffers.items()},
            dropped={str(edge): buffer.dropped for edge, buffer in self._buffers.items()},
            ages_ms={str(edge): list(ages) for edge, ages in self._ages_ms.items() if ages},
            gauges=gauges,
            alerts=list(alerts),
        )

    def _edge_telemetry(self, edge: Edge, elapsed_ns: int) -> EdgeTelemetry:
        """How an edge did since the last telemetry."""
        buffer, ages_ms = self._buffers[edge], sorted(self._fresh_ages_ms[edge])
        self._fresh_ages_ms[edge].clear()
        fresh = buffer.received - self._received_told[edge]
        self._received_told[edge] = buffer.received
        return EdgeTelemetry(
            received=buffer.received,
            dropped=buffer.dropped,
            rate_hz=max(fresh, 0) * SECOND_NS / elapsed_ns,
            age_ms_p50=_nearest_rank(ages_ms, 0.5) if ages_ms else None,
            age_ms_p99=_nearest_rank(ages_ms, 0.99) if ages_ms else None,
            age_ms_max=ages_ms[-1] if ages_ms else None,
        )


def _nearest_rank(ordered: list[float], share: float) -> float:
    """The value that ``share`` of sorted values do not exceed; no array for a handful of them."""
    return ordered[max(0, math.ceil(share * len(ordered)) - 1)]
