"""What the study measures, one cell at a time, and the grid of them.

A cell is one robot's life, one flight, or one curve: everything that is needed to measure it again
stands in its name, its graph with overrides, and its seed. Cells share nothing but the packages
that lives leave behind.

    life         600 s of learning in one room, 300 s there with stereo unplugged, then stereo is
                 back and the robot is carried into a room that it never saw, for 180 s
    stereo       300 s of the same room and seed, flown by stereo alone
    corruption   60 s with a corrupted camera, with and without monitor, on a life's last package
    curve        a recorded flight taught offline to networks of several sizes: error against time
    rooms        a flight through one room or many, taught offline: error in rooms never seen
"""

import hashlib
import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

from perception.corruption import Side
from perception.quantities import InputError
from robot.graph import Graph, load_graph

LEARN, ALONE, NEW_ROOM, FLIGHT, FAULTY = "learn", "alone", "new_room", "flight", "faulty"
NEW_ROOM_SEED = 500_000  # is added to a seed: no life begins in such a room
ROOMS = ("1", "8", "60")  # learned in, in the same time
ROOM_SEED = 600_000  # of the further rooms learned in
UNSEEN_SEED = 800_000  # of rooms in which nothing is learned
UNSEEN_ROOMS, UNSEEN_S = 4, 15.0  # each
FAULT_AT_S = 5.0  # of a corruption's flight
ENDLESS = 1_000_000_000  # frames


@dataclass(frozen=True)
class Protocol:
    """How long each part lasts, in seconds of the robot's time."""

    learn_s: float = 600.0  # the paper's
    alone_s: float = 300.0  # the paper's
    new_room_s: float = 180.0  # in which trust is to be earned again
    stereo_s: float = 300.0  # as long as the student flies alone
    corrupted_s: float = 60.0
    curve_s: float = 300.0
    curve_updates: int = 2400
    curve_sizes: tuple[tuple[int, int], ...] = ((64, 48), (96, 64), (128, 96))  # px of the input
    dictionaries: str = ""  # folder of the authors' textons, for the students that see by them

    def __post_init__(self) -> None:
        for name, value in vars(self).items():
            if isinstance(value, int | float) and not value > 0:
                raise InputError(f"{name} = {value} must be above 0")


DICTIONARIES = "{dictionaries}"  # in an override: the protocol's folder
TEXTON_HALVES = ("intensity", "gradient")


class Student(NamedTuple):
    """A row of `STUDENTS`."""

    graph: str
    node: str  # that gives the student's readings
    overrides: tuple[str, ...] = ()
    packages: str = ""  # of a run, as a glob in its folder; empty: none that `MonoEye` opens
    credulous: tuple[str, ...] = ()  # overrides by which it believes all that it sees


STUDENTS = {
    "network": Student(
        "stereo_mono",
        "mono",
        ("learner.keep_packages=10000",),  # the curve of errors is made of all of them
        "weights/mono-*.onnx",
        ("mono.watch.most_doubt=1.0", "mono.least_trusted=0.0"),
    ),
    "textons": Student("stereo_textons", "textons"),
    **{
        f"textons_{room}": Student(
            "stereo_textons",
            "textons",
            tuple(f"textons.{half}={DICTIONARIES}/{half}_{room}.dat" for half in TEXTON_HALVES),
        )
        for room in ("cubicle", "flightarena")  # where the authors learned them
    },
}
UNGATED = "handover.lesson.gated=false"
PRODUCT = ("handover.organisation=training_wheels", "handover.lesson.gated=true")
ORGANISATIONS = {
    "cold_turkey": ("handover.organisation=cold_turkey", UNGATED),
    "dagger": ("handover.organisation=dagger", UNGATED),
    "training_wheels": ("handover.organisation=training_wheels", UNGATED),
    "product": PRODUCT,
    "searching": (*PRODUCT, "policy.class=searching_policy"),  # turns where nobody may fly
}
GATED = "product"  # the organisation whose packages fly on
DOUBTING = (GATED, "searching")  # the others believe all that they see, as the paper's did


class Disturbance(NamedTuple):
    """A row of `CORRUPTIONS`: what happens, and to which eye."""

    corruption: str
    side: Side
    options: dict[str, float] = {}


CORRUPTIONS = {
    "blur": Disturbance("blur", Side.BOTH, {"severity": 4.0}),
    "noise": Disturbance("noise", Side.BOTH, {"severity": 4.0}),
    "dark": Disturbance("dark", Side.BOTH, {"severity": 4.0}),
    "fog": Disturbance("fog", Side.BOTH, {"severity": 4.0}),
    "frozen": Disturbance("frozen", Side.RIGHT),
    "occluded": Disturbance("covered", Side.RIGHT),
    "occluded_left": Disturbance("covered", Side.LEFT),
    "swapped": Disturbance("swapped", Side.BOTH),
}
MONITORS = {"with": "stereo.monitor=true", "without": "stereo.monitor=false"}


@dataclass(frozen=True)
class Cell:
    """One measurement."""

    kind: str
    """A key of `KINDS`."""
    seed: int
    student: str = ""
    organisation: str = ""
    corruption: str = ""
    monitor: str = ""
    rooms: str = ""
    """One of `ROOMS`."""

    @property
    def name(self) -> str:
        """Of its row."""
        parts = (
            *(self.kind, self.student, self.organisation),
            *(self.corruption, self.monitor, self.rooms),
        )
        return "-".join([part for part in parts if part] + [f"{self.seed:04d}"])

    @property
    def parent(self) -> "Cell | None":
        """The life whose package it flies on."""
        if self.kind != "corruption":
            return None
        return Cell("life", self.seed, self.student, GATED)


class Flight(NamedTuple):
    """What to run for a cell."""

    graph: Graph
    seconds: float


def flight_of(cell: Cell, protocol: Protocol, package: str = "") -> Flight:
    """The graph of a cell, with a judge.

    Args:
        cell: which.
        protocol: how long.
        package: path of the package that a corruption's flight begins with.

    Raises:
        InputError: a graph or a parameter that does not exist.
    """
    graph = KINDS[cell.kind].graph(cell, protocol, package)
    return Flight(graph, seconds_of(cell, protocol))


def config_hash(cell: Cell, protocol: Protocol) -> str:
    """Of everything that a cell's graph resolves to, of its length and, of a curve, its points."""
    flight = flight_of(cell, protocol)
    graph = flight.graph.resolved_json()
    if protocol.dictionaries:
        graph = graph.replace(protocol.dictionaries, DICTIONARIES)  # wherever they lie
    lesson = {
        "curve": (protocol.curve_updates, protocol.curve_sizes),
        "rooms": (protocol.curve_updates, cell.rooms),
    }.get(cell.kind, ())
    text = json.dumps([graph, flight.seconds, lesson, cell.kind])
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def grid(students: Iterable[str], organisations: Iterable[str], seeds: Sequence[int]) -> list[Cell]:
    """All cells, those first on which others build; a seed is complete before the next begins."""
    students, organisations = list(students), list(organisations)
    cells: list[Cell] = []
    for seed in seeds:
        cells += [Cell("stereo", seed, student) for student in students]
        cells += [Cell("life", seed, s, o) for s in students for o in organisations]
        if "network" in students:
            cells += [Cell("curve", seed), *(Cell("rooms", seed, rooms=n) for n in ROOMS)]
            if GATED in organisations:
                cells += [
                    Cell("corruption", seed, "network", corruption=name, monitor=monitor)
                    for name in CORRUPTIONS
                    for monitor in MONITORS
                ]
    return cells


def seconds_of(cell: Cell, protocol: Protocol) -> float:
    """Simulated seconds of a cell."""
    return KINDS[cell.kind].seconds(protocol)


def _life(cell: Cell, protocol: Protocol, package: str) -> Graph:
    del package
    student = STUDENTS[cell.student]
    unplugged_s, carried_s = protocol.learn_s, protocol.learn_s + protocol.alone_s
    fault = f'{{corruption="unplugged", from_s={unplugged_s}, to_s={carried_s}}}'
    carry = f"{{at_s={carried_s}, to_seed={NEW_ROOM_SEED + cell.seed}}}"
    overrides = (
        *_overrides(student, protocol),
        *ORGANISATIONS[cell.organisation],
        *(student.credulous if cell.organisation not in DOUBTING else ()),
        *_lesson(cell, protocol),
        f"camera_faults.schedule=[{fault}]",
        f"simulator.carries=[{carry}]",
        f"judge.phases={{{LEARN}=0.0, {ALONE}={unplugged_s}, {NEW_ROOM}={carried_s}}}",
        f"judge.keep_phase={ALONE}",
        f"judge.student={student.node}",
    )
    return _judged_graph(student.graph, overrides)


def _lesson(cell: Cell, protocol: Protocol) -> tuple[str, ...]:
    """What makes the ways to organise comparable: the same minutes, frames and updates.

    Cold turkey learns once, from all that stereo flew: it gets the updates of the others at once
    in the last sixth of the time. Its package comes in time for the flight alone.
    """
    if cell.organisation != "cold_turkey":
        return ()
    frames = round(protocol.learn_s * 10 * 5 / 6)
    lesson = (f"handover.lesson.lesson_frames={frames}",)
    if cell.student != "network":
        return lesson
    usual = load_graph(STUDENTS["network"].graph).nodes["learner"].config.updates_per_s
    updates = int(usual * protocol.learn_s * 0.95)
    rate = usual * 6
    return (*lesson, f"learner.updates_per_s={rate}", f"learner.updates_per_package={updates}")


def _stereo(cell: Cell, protocol: Protocol, package: str) -> Graph:
    """The student's own graph and pilot, in which the lesson never ends."""
    del package
    student = STUDENTS[cell.student]
    overrides = (
        *_overrides(student, protocol),
        UNGATED,
        f"handover.lesson.lesson_frames={ENDLESS}",
    )
    judging = (f"judge.phases={{{FLIGHT}=0.0}}", f"judge.student={student.node}")
    return _judged_graph(student.graph, (*overrides, *judging), "learner")


def _curve(cell: Cell, protocol: Protocol, package: str) -> Graph:
    """One room."""
    del package, cell, protocol
    return _recorded_pairs()


def _rooms(cell: Cell, protocol: Protocol, package: str) -> Graph:
    """The same, carried from room to room: those learned in, then those never seen."""
    del package
    rooms = int(cell.rooms)
    further = [
        (protocol.curve_s * room / rooms, ROOM_SEED + 100 * cell.seed + room)
        for room in range(1, rooms)
    ]
    unseen = [
        (protocol.curve_s + UNSEEN_S * room, UNSEEN_SEED + 100 * cell.seed + room)
        for room in range(UNSEEN_ROOMS)
    ]
    carries = ", ".join(f"{{at_s={at_s}, to_seed={seed}}}" for at_s, seed in further + unseen)
    return _recorded_pairs(f"simulator.carries=[{carries}]")


def _recorded_pairs(*overrides: str) -> Graph:
    """A flight by stereo of which only the pairs are recorded."""
    graph = load_graph("room_sim", overrides)
    wanted = ("simulator.frame", "simulator.calibration")
    edges = tuple(
        edge
        for edge in graph.edges
        if edge.reader != "recorder" or f"{edge.writer}.{edge.output}" in wanted
    )
    return replace(graph, edges=edges)


def _corruption(cell: Cell, protocol: Protocol, package: str) -> Graph:
    """No learner: what the life knew at its end is flown on, stereo overrides while it may."""
    row = CORRUPTIONS[cell.corruption]
    options = ", ".join(f"{key}={value}" for key, value in row.options.items())
    fault = (
        f'{{corruption="{row.corruption}", side="{row.side}", from_s={FAULT_AT_S}, '
        f"options={{{options}}}}}"
    )
    student = STUDENTS[cell.student]
    overrides = (
        *_overrides(student, protocol),
        UNGATED,
        "handover.lesson.lesson_frames=0",
        MONITORS[cell.monitor],
        *(student.credulous if cell.monitor == "without" else ()),
        f"mono.package={json.dumps(package)}",
        f"camera_faults.schedule=[{fault}]",
        f"judge.phases={{{FLIGHT}=0.0, {FAULTY}={FAULT_AT_S}}}",
        f"judge.student={student.node}",
    )
    return _judged_graph(student.graph, overrides, "learner")


def _overrides(student: Student, protocol: Protocol) -> tuple[str, ...]:
    """With the folder of dictionaries filled in.

    Raises:
        InputError: it needs one, and none is given.
    """
    if any(DICTIONARIES in text for text in student.overrides) and not protocol.dictionaries:
        raise InputError(
            "this student sees by the authors' textons: give their folder with "
            "--protocol.dictionaries PATH"
        )
    return tuple(text.replace(DICTIONARIES, protocol.dictionaries) for text in student.overrides)


def _judged_graph(name: str, overrides: tuple[str, ...], *dropped: str) -> Graph:
    """A graph with a judge in place of a recorder: nothing of a long flight is written down."""
    graph = load_graph(name, overrides, ("judge",))
    return graph.without("recorder", *dropped)


class Kind(NamedTuple):
    """A row of `KINDS`."""

    graph: Callable[[Cell, Protocol, str], Graph]
    seconds: Callable[[Protocol], float]  # simulated
    pace: float  # s of an idle core per simulated second, start included


KINDS = {
    "life": Kind(_life, lambda p: p.learn_s + p.alone_s + p.new_room_s, 0.5),
    "stereo": Kind(_stereo, lambda p: p.stereo_s, 0.25),
    "corruption": Kind(_corruption, lambda p: p.corrupted_s, 0.3),
    "curve": Kind(_curve, lambda p: p.curve_s, 0.9),
    "rooms": Kind(_rooms, lambda p: p.curve_s + UNSEEN_ROOMS * UNSEEN_S, 0.5),
}
