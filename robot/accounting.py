"""Settles what each edge sent, received, dropped, and lost with a process that died.

``sent == received + dropped + lost_with_process``, and each side comes from another place: the
writer counts ``sent``; the reader counts what it took in and what it saw missing; what is lost
with a process is what the writer sent above the highest ``seq`` that the reader ever knew of, and
counts only where an end has died; where the dead was replaced, the reader sees it as the gap up to
the first message after the death. If the sum fails, messages were lost behind the bus's back.
"""

from typing import NamedTuple

from robot.executor import RunResult
from robot.graph import Edge, Graph


class EdgeAccount(NamedTuple):
    """One edge, settled at the end of a run."""

    sent: int | None
    """None, as the two below: that end is on another host, and it is not known here."""
    received: int | None
    dropped: int | None
    lost_with_process: int

    @property
    def unaccounted(self) -> int:
        """Messages of which nobody can say what became; below 0: more came than were sent."""
        if self.sent is None or self.received is None or self.dropped is None:
            return 0
        return self.sent - self.received - self.dropped - self.lost_with_process


def settle(graph: Graph, result: RunResult) -> dict[Edge, EdgeAccount]:
    """The account of every edge."""
    if not result.counts:  # one process: it reports for all its nodes or did not end at all
        return {edge: _reported(edge, result) for edge in graph.edges}
    accounts = {}
    for edge, counts in zip(graph.edges, result.counts, strict=True):
        if edge.reader not in graph.nodes:
            accounts[edge] = EdgeAccount(counts.sent, None, None, 0)
            continue
        sent = counts.sent if edge.writer in graph.nodes or counts.ended else None
        ends_here = {end for end in (edge.writer, edge.reader) if end in graph.nodes}
        died = not ends_here <= result.reports.keys()
        lost = counts.lost + (sent - counts.next_seq if died and sent is not None else 0)
        accounts[edge] = EdgeAccount(sent, counts.received, counts.dropped, lost)
    return accounts


def _reported(edge: Edge, result: RunResult) -> EdgeAccount:
    """The account of an edge whose ends reported."""
    writer, reader = result.reports[edge.writer], result.reports[edge.reader]
    received, dropped = reader.received[str(edge)], reader.dropped[str(edge)]
    return EdgeAccount(writer.sent[edge.output], received, dropped, 0)


def unaccounted(accounts: dict[Edge, EdgeAccount]) -> dict[str, int]:
    """By edge, how far its sum fails; empty when all is accounted for."""
    sums = {str(edge): account.unaccounted for edge, account in accounts.items()}
    return {edge: missing for edge, missing in sums.items() if missing}
