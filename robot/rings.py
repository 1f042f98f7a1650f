"""The shared memory of one node: a ring per output port that carries arrays, an end per such input.

Writer and readers find each other by the graph alone: a ring is named after the first edge of its
port. A run folder on a disk has no rings, and everything travels inline.
"""

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from robot.graph import Edge, Graph
from robot.ring_reader import RingReader
from robot.ring_writer import RingWriter
from robot.run_folder import is_memory
from robot.wire import array_fields


def edge_name(index: int) -> str:
    """The name of the graph's ``index``-th edge in the run's folder."""
    return f"e{index}"


class Rings:
    """What one node of a graph shares with its neighbours."""

    def __init__(self, folder: Path, graph: Graph, node: str) -> None:
        self._folder = folder
        self._edges: dict[tuple[str, str], list[int]] = {}
        if is_memory(folder):
            for index, edge in enumerate(graph.edges):
                if array_fields(edge.type):
                    self._edges.setdefault((edge.writer, edge.output), []).append(index)
        self._writers = {
            output: RingWriter(folder, _ring_name(edges), [edge_name(i) for i in edges])
            for (writer, output), edges in self._edges.items()
            if writer == node
        }

    def writer(self, output: str) -> RingWriter | None:
        """The ring of an output port of this node."""
        return self._writers.get(output)

    def reader(self, index: int, edge: Edge) -> RingReader | None:
        """The reading end of an edge into this node."""
        edges = self._edges.get((edge.writer, edge.output))
        return RingReader(self._folder, _ring_name(edges), edge_name(index)) if edges else None

    def loan(self, output: str, shape: tuple[int, ...], dtype: str) -> NDArray[Any]:
        """An array to fill and send from ``output``; in shared memory where there is some free."""
        ring = self._writers.get(output)
        array = ring.loan(shape, dtype) if ring else None
        return np.empty(shape, dtype) if array is None else array

    def gauges(self) -> dict[str, float]:
        """How the large arrays of all ports travelled; empty when there were none."""
        counts = [ring.counts for ring in self._writers.values()]
        figures = {
            "arrays_shared": sum(c.shared for c in counts),
            "arrays_inline_no_slot": sum(c.no_slot for c in counts),
            "arrays_inline_no_memory": sum(c.no_memory for c in counts),
        }
        return {key: float(n) for key, n in figures.items()} if any(figures.values()) else {}

    def close(self) -> None:
        """Lets go of the writers' ends."""
        for ring in self._writers.values():
            ring.close()


def _ring_name(edges: list[int]) -> str:
    return f"r{edges[0]}"
