"""What a node is: typed ports, one ``step``, nothing of sockets, processes or logs.

A node turns messages into library types at its border and calls one library object. The same
class runs by hand in a test, in one process with its whole graph, or in a process of its own.
"""

import zlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any, ClassVar, Generic, NamedTuple, TypeVar

import numpy as np
from numpy.typing import NDArray

from robot.clock import Clock
from robot.config import RobotConfig
from robot.edges import Arrival
from robot.messages import Message
from robot.wishes import Asked, Outcome


class Role(StrEnum):
    """What a node's output may lead to; decides what it may read and whom it may wait for."""

    SOURCE = "source"
    """World or device: data begin here."""
    ACTING = "acting"
    """On the way from sensing to the actuator."""
    ACTUATOR = "actuator"
    """Hands commands to a driver."""
    LEARNING = "learning"
    """Changes what acts later."""
    WATCHING = "watching"
    """Recorders and viewers: may read the truth, can never delay the others."""


class Input(NamedTuple):
    """One input port."""

    type: type[Message]
    required: bool = True
    wakes: bool = True
    """Whether a message makes the node step at once; else it waits for the node's next period."""
    many: bool = False
    """Whether several writers may share the port, of any type (recorders)."""


class Output(NamedTuple):
    """One output port."""

    type: type[Message]
    rate_key: str | None = None
    """Config field with its rate in Hz, dotted; None: at the rate of the node."""
    steady: bool = True
    """Whether it speaks at a rate at all; events and calibrations do not."""
    truth: bool = False
    """Whether it carries what only the simulator knows; readers that act or learn may not."""


Emission = tuple[str, Message]
"""An output port's name and the message for it; seq, sent_ns and source are filled by the bus."""

ConfigT = TypeVar("ConfigT")


def _own_array(_port: str, shape: tuple[int, ...], dtype: str) -> NDArray[Any]:
    """What a node gets to fill where no memory is shared."""
    return np.empty(shape, dtype)


@dataclass(frozen=True)
class NodeContext:
    """What the graph gives each node."""

    name: str
    """The node's name in the graph."""
    robot: RobotConfig
    seed: int
    """Seed of the run."""
    clock: Clock
    """Time now; in lockstep it stands still during a step."""
    rate_hz: float | None = None
    """How often the node steps: its own rate, or that of what wakes it; None: unknown."""
    lockstep: bool = True
    run_dir: Path | None = None
    """Folder of the run, where the recorder writes."""
    control_folder: Path | None = None
    """The run's 0700 folder of sockets that are not of the graph's edges; None: it has none."""
    life: int = 0
    """How many processes of this node have died in this run."""
    graph_json: str = "{}"
    """The resolved graph, kept beside what it produced."""
    loan: Callable[[str, tuple[int, ...], str], NDArray[Any]] = _own_array
    """An array to fill and send from an output port: ``loan(port, shape, dtype)``.

    Between processes it lies in shared memory, which saves the copy; once sent it is read-only.
    """

    def rng(self) -> np.random.Generator:
        """A generator of this node's own: equal for equal seeds, unlike any other node's."""
        return np.random.default_rng([self.seed, zlib.crc32(self.name.encode())])


class Inputs:
    """What came in since the node's last step."""

    def __init__(
        self, arrivals: Mapping[str, Sequence[Arrival]], alive: Mapping[str, bool]
    ) -> None:
        self._arrivals = arrivals
        self._alive = alive

    def all(self, port: str) -> list[Any]:
        """New messages of a port, oldest first."""
        return [arrival.message for arrival in self._arrivals.get(port, ())]

    def newest(self, port: str) -> Any | None:
        """The newest new message of a port; None when there is none."""
        arrivals = self._arrivals.get(port, ())
        return arrivals[-1].message if arrivals else None

    def arrivals(self, port: str) -> Sequence[Arrival]:
        """New messages of a port with their topics and wire bytes."""
        return self._arrivals.get(port, ())

    def alive(self, port: str) -> bool:
        """Whether the port's writer still keeps up its rate (see ``robot.liveness``)."""
        return self._alive.get(port, True)


@dataclass(frozen=True)
class NoConfig:
    """A node without parameters."""


class Node(Generic[ConfigT]):
    """Base of all nodes; a subclass states its ports and overrides ``step``."""

    inputs: ClassVar[Mapping[str, Input]] = {}
    outputs: ClassVar[Mapping[str, Output]] = {}
    role: ClassVar[Role] = Role.ACTING
    owns_time: ClassVar[bool] = False
    """Whether the node's data carry their own time, so that a graph with it can run in lockstep."""
    min_rate_hz: ClassVar[float] = 0.0
    """Below this rate the graph is refused; above 0 a rate must be given."""
    period_step_s: ClassVar[float] = 0.0
    """The node's period must be a whole number of these; 0: any will do."""
    wall_clock_only: ClassVar[bool] = False
    """Whether it has to do with what does not wait, so that a graph with it has no lockstep."""
    restartable: ClassVar[bool] = True
    """Whether a new process can take the place of one that died; a world cannot be continued."""
    Config: ClassVar[type] = NoConfig

    @classmethod
    def is_played_back(cls, config: ConfigT, robot: RobotConfig) -> bool:
        """Whether replay takes its messages from the log: it moves or reads the world outside."""
        del config, robot
        return cls.role in (Role.SOURCE, Role.WATCHING)

    def __init__(self, config: ConfigT, context: NodeContext) -> None:
        self.config = config
        self.context = context
        self.finished = False
        """Set by a source that has nothing more to say."""
        self.safe: bool | None = None
        """Kept up to date by an actuator and a plant: whether the robot is stopped."""

    def step(self, now_ns: int, inputs: Inputs) -> list[Emission]:
        """Handles what came in; returns what goes out, in order.

        Args:
            now_ns: the run's time at the start of this step.
            inputs: what came in since the last step.
        """
        raise NotImplementedError

    def halt(self, *, on: bool) -> None:
        """Stops the robot from the next step on, until told otherwise; for actuators."""

    def ask(self, asked: Asked) -> None:
        """Takes in what a person demands, for the next step; for actuators."""

    def take_outcomes(self) -> list[Outcome]:
        """What came of demands since this was asked last."""
        return []

    def gauges(self) -> dict[str, float]:
        """What else is worth watching, unit in the name; goes into telemetry and the summary."""
        return {}

    def close(self) -> None:
        """Lets go of devices and files; called once, also after an error."""


@dataclass
class NodeReport:
    """What a node counted over its life, handed over at the end."""

    steps: int = 0
    woken: int = 0
    """Steps of a node with a rate that a message brought about between two deadlines."""
    rate_hz: float = 0.0
    """Steps per second, those that were woken between deadlines left out."""
    step_ms_p50: float = 0.0
    step_ms_p99: float = 0.0
    overruns: int = 0
    sent: dict[str, int] = field(default_factory=dict)
    """Messages by output port."""
    received: dict[str, int] = field(default_factory=dict)
    """Messages by edge."""
    dropped: dict[str, int] = field(default_factory=dict)
    """Losses by edge."""
    ages_ms: dict[str, list[float]] = field(default_factory=dict)
    """Per edge, age of each message (since ``captured_ns``) when the step that used it ended."""
    gauges: dict[str, float] = field(default_factory=dict)
    alerts: list[str] = field(default_factory=list)
