"""What the running machine says of itself."""

import msgspec

from robot.messages.header import Message


class Alert(Message, frozen=True, kw_only=True):
    """Something a person should know: it names node, edge and number."""

    text: str


class EdgeTelemetry(msgspec.Struct, frozen=True, kw_only=True):
    """How one edge looks from its reader: counts since the start, the rest of the last period."""

    received: int
    dropped: int
    rate_hz: float
    """Messages taken in per second."""
    age_ms_p50: float | None = None
    """Age (since ``captured_ns``) when the step that used the message ended; None: nothing was
    used, or lockstep, where ages mean nothing."""
    age_ms_p99: float | None = None
    age_ms_max: float | None = None


class Telemetry(Message, frozen=True, kw_only=True):
    """The machine's own load; the one topic that differs between two runs of one seed."""

    steps: int
    """Steps taken since the start."""
    rate_hz: float
    """Steps per second over the last report period."""
    step_ms_mean: float
    step_ms_max: float
    overruns: int
    """Deadlines missed by more than one period since the start."""
    gauges: dict[str, float]
    """What else the node measured, unit in the name."""
    inputs: dict[str, tuple[bool, bool, bool]]
    """Per edge read: alive, freq_ok, valid (see ``robot.liveness``)."""
    step_ms_p99: float = 0.0
    cpu_share: float | None = None
    """CPU time per second of real time, 1 = one core, of the node's process over the last period;
    None where nodes share a process."""
    memory_mb: float | None = None
    """Resident memory of the node's process, MB of 10^6 bytes; None where nodes share a process."""
    sent: dict[str, int] = {}
    """Messages by output port since the start, this one not counted."""
    edges: dict[str, EdgeTelemetry] = {}
    """By edge read."""


class StepRecord(Message, frozen=True, kw_only=True):
    """What a node read from outside of itself in one step: enough to do the step again.

    ``captured_ns`` is the time that the step was given. What came in stands in the log under its
    own topic, chance comes from the run's seed and the node's name, parameters from the graph.
    """

    start_ns: int
    """Zero of the run as the node knew it; another value than before: the node began anew."""
    stepped: bool
    """False: it only looked after its inputs, or was told something, and had an alert to send."""
    woken: bool
    """Whether a message brought the step about between two deadlines."""
    halted: bool
    """Whether the node was told to stop the robot, whatever is commanded."""
    heard_ns: dict[str, int]
    """Per edge that brought something since the last record: when the newest came in."""
    took: dict[str, tuple[int, ...]]
    """Per edge the ``seq`` consumed, as ranges: first, last, first, last, ..."""
    clock_after_ns: tuple[int, ...]
    """Readings of the clock in order, since ``captured_ns``; none in lockstep: it stands still."""
    told: tuple[str, ...]
    """Alerts whose cause lies outside of the node, such as a reader that is late."""
    sent: dict[str, tuple[int, int]]
    """Per port that spoke: first and last ``seq``."""
    asked: tuple[str, ...] | msgspec.UnsetType = msgspec.UNSET
    """What a person demanded of an actuator (``robot.wishes.Demand``); unset: nothing."""
