"""One host's share of a run that spans several: starts its own nodes, agrees on the rest.

The first host of the graph conducts: it gives the word when all hosts are ready, and ends the run
for all. A host that goes away does not end it: what came from there is stale until it is back.
"""

import time
from dataclasses import replace

import zmq

from perception.quantities import InputError
from robot.clock import SECOND_NS, WallClock
from robot.control import FromNode, HostTime
from robot.executor import (
    Note,
    RunOptions,
    ShouldStop,
    Show,
    Tell,
    nobody_listens,
    nobody_watches,
)
from robot.graph import Edge, Graph
from robot.host_link import SAY_PERIOD_NS, HostLink, Peer, Word
from robot.keys import KeyRing
from robot.supervisor import POLL_MS, Supervisor

START_LEAD_NS = SECOND_NS  # from the word to the first deadline, so that all hosts hear it first
GOODBYE_S = 3.0  # how long a host that is done waits until the others have heard it
REMIND_S = 5.0  # between two lines on who is waited for


def part_of(graph: Graph, host: str) -> Graph:
    """The nodes of one host, with the edges that touch them."""
    nodes = {name: node for name, node in graph.nodes.items() if node.host == host}
    edges = tuple(e for e in graph.edges if e.writer in nodes or e.reader in nodes)
    return replace(graph, nodes=nodes, edges=edges)


def check_host(graph: Graph, host: str | None, *, seconds: float | None, in_process: bool) -> None:
    """Whether a graph can run here, as it is asked to.

    Raises:
        InputError: the host is not named or not known, or asks for what only the first one can.
    """
    hosts = ", ".join(graph.hosts)
    if host is None:
        if graph.hosts:
            raise InputError(f"{graph.path}: runs on several hosts; say with --host: {hosts}")
        return
    if host not in graph.hosts:
        raise InputError(
            f"--host {host!r}: the graph's hosts are: {hosts or 'none; add [hosts.NAME]'}"
        )
    if in_process:
        raise InputError("--in-process: not with --host, where each node has a process")
    first = next(iter(graph.hosts))
    if seconds is not None and host != first:
        raise InputError(f"--seconds: the first host, {first!r}, ends the run; give it there")


class HostSupervisor(Supervisor):
    """A supervisor that runs the nodes of one host."""

    def __init__(
        self,
        graph: Graph,
        host: str,
        overrides: tuple[str, ...],
        options: RunOptions,
        show: Show,
        note: Note = nobody_watches,
        tell: Tell = nobody_listens,
    ) -> None:
        part = part_of(graph, host)
        here = replace(options, host=host)
        super().__init__(part, overrides, here, show, note, tell, whole=graph)
        self._whole = graph
        self._said_start_ns = -1
        self._over = self._done = False
        self._away: frozenset[str] = frozenset()
        """Hosts that were away when the run ended."""
        self._next_time_ns = 0
        try:
            self._link = HostLink(
                self._context,
                graph,
                host,
                KeyRing(options.keys),
                lambda line: show("hosts", line),
                self._health.alert,
            )
        except BaseException:
            super()._clean_up()
            raise
        for socket in self._link.sockets():
            self._poller.register(socket, zmq.POLLIN)

    def _wait_until_ready(self, should_stop: ShouldStop) -> bool:
        """Whether all nodes came up, here and on the other hosts."""
        if not super()._wait_until_ready(should_stop):
            return False
        remind = 0.0
        while waiting := self._waiting_for_hosts():
            if time.monotonic() >= remind:
                remind = time.monotonic() + REMIND_S
                self._show("hosts", f"waiting for {', '.join(waiting)}")
            self._hear(POLL_MS)
            if reason := self._ended_by(should_stop):
                self._result.ended_by = reason
                return False
        return True

    def _waiting_for_hosts(self) -> list[str]:
        """Hosts without which the run cannot begin."""
        now_ns = WallClock().now_ns()
        return [
            f"host {peer.name!r} at {self._whole.hosts[peer.name].address}"
            for peer in self._link.peers.values()
            if not self._may_begin(peer, now_ns)
        ]

    def _may_begin(self, peer: Peer, now_ns: int) -> bool:
        if not self._link.leads:
            return peer.start_ns(now_ns) is not None
        is_ready = not peer.away and peer.word is not None and peer.word.ready
        return is_ready and peer.clock.estimate(now_ns) is not None

    def _start_at(self) -> int:
        """When the run begins, on this host's clock."""
        now_ns = WallClock().now_ns()
        self._show("hosts", "all hosts are ready; the run begins")
        if self._link.leads:
            self._said_start_ns = now_ns + START_LEAD_NS
            self._link.poll(now_ns, self._word, at_once=True)
            return self._said_start_ns
        (first,) = self._link.peers.values()
        return first.start_ns(now_ns) or now_ns

    def _word(self) -> Word:
        """Where this host stands."""
        return self._link.word(
            ready=self._graph.nodes.keys() <= self._ready,
            ended_by=self._result.ended_by if self._over else "",
            start_ns=self._said_start_ns,
            gone=self._gone() if self._over else (),  # until then who is not up may come up
            ended=self._ended_here(),
            done=self._done,
        )

    def _ended_here(self) -> dict[int, int]:
        """Edges to other hosts of which the last word is said, and how many messages there were."""
        counted = zip(self._whole.edges, self._counters.edges, strict=True)
        return {
            index: cells.sent
            for index, (edge, cells) in enumerate(counted)
            if cells.ended and self._is_here(edge.writer) and not self._is_here(edge.reader)
        }

    def _note_ends(self, peer: Peer) -> None:
        """Takes in which edges from another host have ended, as if their writers were here.

        A writer's own last word may be lost with its connection; a reader looks here, too.
        """
        for index, sent in (peer.word.ended if peer.word is not None else {}).items():
            edge = self._whole.edges[index]  # both run the same graph: their hashes agree
            cells = self._counters.edges[index]
            is_from_there = self._whole.nodes[edge.writer].host == peer.name
            if is_from_there and self._is_here(edge.reader) and self._may_end(edge, sent):
                cells.end(sent)

    def _may_end(self, edge: Edge, sent: int) -> bool:
        """Whether the reader can still count what is missing, or has by its writer's own word."""
        counts = self._cells[edge].read()
        is_settled = counts.received + counts.dropped + counts.lost == sent
        return is_settled or edge.reader not in self._result.reports

    def _is_here(self, node: str) -> bool:
        return node in self._graph.nodes

    def _is_over(self, said_ns: int) -> bool:
        """Whether the others know what is to be known of us, and we of them."""
        return self._link.has_taken_leave(said_ns) and all(
            peer.away or peer.word is None or self._has_told_ends(peer.name, peer.word)
            for peer in self._link.peers.values()
        )

    def _has_told_ends(self, host: str, word: Word) -> bool:
        """Whether a host has said of all its edges to us that they have ended."""
        return word.done or all(
            index in word.ended
            for index, edge in enumerate(self._whole.edges)
            if self._whole.nodes[edge.writer].host == host and self._is_here(edge.reader)
        )

    def _hear(self, timeout_ms: int) -> tuple[str, FromNode] | None:
        """The next word of a node; the other hosts are heard on the way."""
        self._poller.poll(timeout_ms)
        now_ns = WallClock().now_ns()
        self._link.poll(now_ns, self._word)
        for peer in self._link.peers.values():
            self._note_ends(peer)
        if now_ns >= self._next_time_ns:
            self._next_time_ns = now_ns + SAY_PERIOD_NS
            self._tell_time(now_ns)
        return super()._hear(0)

    def _tell_time(self, now_ns: int) -> None:
        """Tells the nodes here how the other hosts' clocks stand."""
        for peer in self._link.peers:
            estimate = self._link.estimate(peer, now_ns)
            known = HostTime(peer, *estimate, now_ns) if estimate else HostTime(peer)
            for name in self._ready:
                self._control.send(name, known)

    def _ended_by(self, should_stop: ShouldStop) -> str | None:
        """Why the run should end now, here or on another host."""
        for peer in self._link.peers.values():
            if peer.word is not None and peer.word.ended_by and not peer.away:
                if peer.word.ended_by == "failure":
                    self._result.failures.setdefault(f"host {peer.name}", "a node of it failed")
                return peer.word.ended_by
        return super()._ended_by(should_stop)

    def _stop(self) -> None:
        """Ends the run on all hosts."""
        self._over = True
        self._away = frozenset(peer.name for peer in self._link.peers.values() if peer.away)
        self._link.poll(WallClock().now_ns(), self._word, at_once=True)
        super()._stop()
        self._done = True
        said_ns = WallClock().now_ns()
        self._link.poll(said_ns, self._word, at_once=True)
        deadline = time.monotonic() + GOODBYE_S
        while not self._is_over(said_ns) and time.monotonic() < deadline:
            self._hear(POLL_MS)

    def _unreachable(self) -> tuple[str, ...]:
        """Nodes of hosts that went away, and those that another host says are gone there."""
        said = {p.name: p.word.gone for p in self._link.peers.values() if p.word is not None}
        return tuple(
            node.name
            for node in self._whole.nodes.values()
            if node.host in self._away or node.name in said.get(node.host or "", ())
        )

    def _clean_up(self) -> None:
        self._link.close()
        super()._clean_up()
