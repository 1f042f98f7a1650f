"""Counters and signs of life that survive the process that wrote them.

One file per run in its 0700 socket folder, mapped into every process of the run: a row of 16
8-byte cells, two cache lines, per edge and per node. A process that is killed says no last word,
but what it counted until then stands in the file.

Each cell has one writer. A reader's four figures must agree with each other wherever the kill
falls, so they are written into the half of the row that is not in use, and then one store makes
that half the valid one:

    edge   | sent | resumed | half | received 0, dropped 0, next 0, lost 0 | the same 1 | 5 spare
    node   | beat | steps | safe since | 13 spare

A cell is aligned and stored by one instruction. A process stops between two instructions and its
processor completes the stores of all it has executed, so whoever looks after its death sees them
in order on arm64 too. A look at a living process may mix two moments there; nothing is settled by
it.
"""

import mmap
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

CELLS = 16
ROW_BYTES = 8 * CELLS
FILE_NAME = "counters"
_FINAL = 1 << 62  # set in ``sent`` once nothing more will be sent


class EdgeCounts(NamedTuple):
    """What both ends of an edge have counted, over all lives of their processes."""

    sent: int = 0
    received: int = 0
    dropped: int = 0
    next_seq: int = 0
    """One above the highest ``seq`` that the reader knows of."""
    lost: int = 0
    """Of those below it, lost with a process that was replaced."""
    ended: bool = False
    """Whether ``sent`` is final."""


class Pulse(NamedTuple):
    """Signs of life of one node; times are monotonic ns."""

    beat_ns: int = 0
    """When it last came by in its loop; 0: never."""
    steps: int = 0
    safe_since_ns: int = 0
    """Since when, as this node sees it, the robot has been stopped; 0: it is not."""


class EdgeCells:
    """The row of one edge."""

    def __init__(self, cells: memoryview) -> None:
        self._cells = cells

    @property
    def sent(self) -> int:
        """Messages that the writer handed to the bus."""
        return self._cells[0] & ~_FINAL

    @property
    def ended(self) -> bool:
        """Whether the writer has said that nothing more will come."""
        return bool(self._cells[0] & _FINAL)

    def set_sent(self, sent: int) -> None:
        """The writer's end: called before the message leaves, so that none travels uncounted."""
        self._cells[0] = sent

    def end(self, sent: int) -> None:
        """The writer's end: these were all."""
        self._cells[0] = sent | _FINAL

    @property
    def resumed(self) -> int:
        """The first ``seq`` of the writer's newest process, if it is not the first one."""
        return self._cells[1]

    def resume(self, sent: int) -> None:
        """The writer's end: an earlier process of it had handed over ``sent`` messages and died."""
        self._cells[1] = sent

    def set_taken(self, received: int, dropped: int, next_seq: int, lost: int = 0) -> None:
        """The reader's end."""
        half = 1 - self._cells[2]
        first = 3 + 4 * half
        self._cells[first] = received
        self._cells[first + 1] = dropped
        self._cells[first + 2] = next_seq
        self._cells[first + 3] = lost
        self._cells[2] = half

    def read(self) -> EdgeCounts:
        """What stands in the row."""
        first = 3 + 4 * self._cells[2]
        return EdgeCounts(self.sent, *self._cells[first : first + 4], ended=self.ended)


class NodeCells:
    """The row of one node."""

    def __init__(self, cells: memoryview) -> None:
        self._cells = cells

    def beat(self, now_ns: int) -> None:
        """The node's loop has come by."""
        self._cells[0] = now_ns

    def set_stepped(self, steps: int, now_ns: int, *, safe: bool) -> None:
        """The node has made a step; ``safe``: the robot is stopped."""
        self._cells[1] = steps
        if not safe:
            self._cells[2] = 0
        elif self._cells[2] == 0:
            self._cells[2] = now_ns

    def read(self) -> Pulse:
        """What stands in the row."""
        return Pulse(*self._cells[:3])


class Counters:
    """The mapped file of one run: a row per edge in the graph's order, then one per node."""

    def __init__(self, folder: Path, edges: int, nodes: Sequence[str]) -> None:
        """Maps the file that ``create`` made."""
        with (folder / FILE_NAME).open("r+b") as file:
            self._map = mmap.mmap(file.fileno(), ROW_BYTES * (edges + len(nodes)))
        self._all = memoryview(self._map).cast("q")
        rows = [self._all[first : first + CELLS] for first in range(0, len(self._all), CELLS)]
        self.edges = [EdgeCells(row) for row in rows[:edges]]
        self.nodes = {name: NodeCells(row) for name, row in zip(nodes, rows[edges:], strict=True)}

    @classmethod
    def create(cls, folder: Path, edges: int, nodes: Sequence[str]) -> "Counters":
        """Makes the file, all cells 0, and maps it."""
        new = folder / f"{FILE_NAME}.new"
        with new.open("xb") as file:
            file.truncate(ROW_BYTES * (edges + len(nodes)))
        new.rename(folder / FILE_NAME)  # never seen at a lesser size
        return cls(folder, edges, nodes)

    def read_edges(self) -> tuple[EdgeCounts, ...]:
        """All edges, in the graph's order."""
        return tuple(cells.read() for cells in self.edges)

    def read_nodes(self) -> dict[str, Pulse]:
        """All nodes."""
        return {name: cells.read() for name, cells in self.nodes.items()}
