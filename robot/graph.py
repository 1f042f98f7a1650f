"""A graph: nodes with rates and parameters, edges with policies, read from TOML.

Everything is resolved here, before anything starts: classes, typed parameters, topics, the robot.
What may not be is refused by ``robot.validation``.
"""

import json
import pkgutil
import re
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from functools import cached_property
from operator import attrgetter
from pathlib import Path
from typing import Any

from firmware_bridge.drivers import SIMULATED
from perception.quantities import InputError
from robot.config import (
    ROBOT_SECTIONS,
    RobotConfig,
    find_config,
    load_robot,
    to_config,
)
from robot.edges import EdgePolicy, Keep, parse_policy
from robot.graph_file import read_graph, refuse_incomplete
from robot.hosts import HostSpec, parse_hosts
from robot.messages import Alert, Message, StepRecord, Telemetry
from robot.node import Input, Node, Output, Role
from robot.nodes import NODES
from robot.supervision import Supervision

WATCHERS_POLICY = EdgePolicy(
    Keep.QUEUE, 64
)  # of edges to an added watcher: it may lose, never delay
NODE_KEYS = ("class", "rate_hz", "host", "supervision")
"""Keys of a node's table that are the graph's; the others are the class's parameters."""
BUILT_IN_OUTPUTS = {
    "telemetry": Output(Telemetry, steady=False),
    "alerts": Output(Alert, steady=False),
    "steps": Output(StepRecord, steady=False),
}
"""Ports that every node has: the runner writes them."""

_EDGE = re.compile(r"(\*|[\w-]+)(?:\.([\w/]+))?\s*->\s*([\w-]+)\.(\w+)")


@dataclass(frozen=True)
class NodeSpec:
    """One node of a graph, resolved."""

    name: str
    class_name: str
    node_class: type[Node[Any]]
    rate_hz: float | None
    config: Any
    supervision: Supervision = field(default_factory=Supervision)
    host: str | None = None
    """Where it runs, in a graph of several hosts."""

    @property
    def outputs(self) -> dict[str, Output]:
        """Its own output ports and the built-in ones."""
        return {**self.node_class.outputs, **BUILT_IN_OUTPUTS}

    @property
    def inputs(self) -> Mapping[str, Input]:
        """Its input ports."""
        return self.node_class.inputs

    def output_rate_hz(self, port: str) -> float | None:
        """How often a port speaks; None for events, or where only its inputs can tell."""
        if not self.outputs[port].steady:
            return None
        key = self.outputs[port].rate_key
        return attrgetter(key)(self.config) if key else self.rate_hz


@dataclass(frozen=True, eq=False)  # told apart by identity: an edge is a key on the hot path
class Edge:
    """One edge of a graph: a writer's port to a reader's port."""

    writer: str
    output: str
    reader: str
    input: str
    policy: EdgePolicy
    topic: str
    type: type[Message]

    def __str__(self) -> str:
        """The text of the graph file."""
        return f"{self.writer}.{self.output} -> {self.reader}.{self.input}"


@dataclass(frozen=True)
class Graph:
    """Nodes and edges, resolved; immutable."""

    name: str
    path: Path
    description: str
    robot: RobotConfig
    nodes: dict[str, NodeSpec]
    edges: tuple[Edge, ...]
    watchers: tuple[str, ...] = ()
    """Nodes that are not in its file: they were added to watch one run."""
    hosts: dict[str, HostSpec] = field(default_factory=dict)
    """The first one begins and ends the run; empty for a graph of one host."""

    def crosses(self, edge: Edge) -> bool:
        """Whether an edge leads to another host."""
        return self.nodes[edge.writer].host != self.nodes[edge.reader].host

    def edges_into(self, node: str) -> list[Edge]:
        """Edges that a node reads."""
        return [edge for edge in self.edges if edge.reader == node]

    def edges_from(self, node: str) -> list[Edge]:
        """Edges that a node writes."""
        return [edge for edge in self.edges if edge.writer == node]

    def topic(self, node: str, port: str) -> str:
        """The topic of a node's output port."""
        return topic_of(node, port, self.nodes[node].outputs[port])

    @cached_property
    def acting_path(self) -> frozenset[str]:
        """Actuators and all whose output leads to one: if one dies, the robot must stop."""
        roles = {name: node.node_class.role for name, node in self.nodes.items()}
        found = {name for name, role in roles.items() if role is Role.ACTUATOR}
        stack = list(found)
        while stack:
            for edge in self.edges_into(stack.pop()):
                role = roles.get(edge.writer, Role.LEARNING)  # of another host: that one watches
                if edge.writer not in found and role is not Role.LEARNING:
                    found.add(edge.writer)
                    stack.append(edge.writer)
        return frozenset(found)

    @property
    def time_owner(self) -> NodeSpec | None:
        """The node whose data carry time; without one there is no lockstep."""
        owners = [node for node in self.nodes.values() if node.node_class.owns_time]
        return owners[0] if owners else None

    @property
    def waits_for_nobody(self) -> str | None:
        """The first node that has to do with what does not wait; None: there is none."""
        hardware = self.robot.tables.get("link", {}).get("driver") not in (None, *SIMULATED)
        for name, node in self.nodes.items():
            drives = hardware and node.node_class.role is Role.ACTUATOR
            if drives or node.node_class.wall_clock_only:
                return name
        return None

    @property
    def makes_lockstep(self) -> bool:
        """Whether it is made for lockstep: that is what it runs by unless told otherwise."""
        alone = not self.hosts and self.waits_for_nobody is None
        return alone and self.time_owner is not None

    def without(self, *nodes: str) -> "Graph":
        """The same graph with these nodes and their edges left out, as far as it has them."""
        kept = {name: node for name, node in self.nodes.items() if name not in nodes}
        edges = tuple(e for e in self.edges if e.writer in kept and e.reader in kept)
        return replace(self, nodes=kept, edges=edges)

    def resolved_json(self) -> str:
        """All that was resolved, parameters with their defaults, for the run folder."""
        return json.dumps(
            {
                "graph": self.name,
                "description": self.description,
                "robot": {"name": self.robot.name, **self.robot.tables},
                **(
                    {"hosts": {h.name: asdict(h) for h in self.hosts.values()}}
                    if self.hosts
                    else {}
                ),
                "nodes": {
                    node.name: {
                        "class": node.class_name,
                        "rate_hz": node.rate_hz,
                        **({"host": node.host} if node.host else {}),
                        "supervision": asdict(node.supervision),
                        **asdict(node.config),
                    }
                    for node in self.nodes.values()
                },
                "edges": {str(edge): str(edge.policy) for edge in self.edges},
            },
            indent=2,
            default=str,
        )


def topic_of(writer: str, port: str, output: Output) -> str:
    """``node/port``; the truth, the machine's own load and step records have their own roots."""
    if output.truth:
        return f"truth/{writer}/{port}"
    if port in ("telemetry", "steps"):
        return f"{port}/{writer}"
    return f"{writer}/{port}"


def load_graph(
    name_or_path: str, overrides: Sequence[str] = (), watchers: Sequence[str] = ()
) -> Graph:
    """Reads a graph by its name under ``configs/graphs/`` or by path.

    Args:
        name_or_path: ``room_sim``, or a path that ends in ``.toml``.
        overrides: ``node.key=value`` texts (``node.table.key=value`` for a key inside a table), the
            value as in TOML or a bare word.
        watchers: classes of nodes to add, each under its own name, that see all that is said by
            nodes which do not watch themselves.

    Raises:
        InputError: no such graph, or anything in it that does not resolve.
    """
    path = find_config("graphs", name_or_path)
    tables = read_graph(path)
    robot = load_robot(str(tables["robot"]))
    return _resolve(path.stem, path, tables, robot, overrides, watchers)


def graph_from_resolved(text: str, path: Path, overrides: Sequence[str] = ()) -> Graph:
    """The graph that ``Graph.resolved_json`` wrote, as a log carries it.

    Args:
        text: the JSON.
        path: the log, for error lines.
        overrides: as in ``load_graph``.

    Raises:
        InputError: it is none, or names what is unknown here.
    """
    try:
        tables = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise InputError(f"{path}: its graph is no JSON: {error}") from error
    if not isinstance(tables, dict) or not isinstance(tables.get("robot"), dict):
        raise InputError(f"{path}: its graph has no robot")
    refuse_incomplete(path, tables)
    sections = {k: tables["robot"][k] for k in ROBOT_SECTIONS if k in tables["robot"]}
    for name, section in sections.items():
        if not isinstance(section, dict):
            raise InputError(f"{path}: [{name}] of its robot is no table")
    robot = RobotConfig(str(tables["robot"].get("name", "")), path, sections)
    return _resolve(str(tables.get("graph", "")), path, tables, robot, overrides)


def _resolve(
    name: str,
    path: Path,
    tables: Mapping[str, Any],
    robot: RobotConfig,
    overrides: Sequence[str],
    watchers: Sequence[str] = (),
) -> Graph:
    """Nodes and edges from their tables."""
    added = tuple(watcher for watcher in watchers if watcher not in tables["nodes"])
    tables["nodes"].update({watcher: {"class": watcher} for watcher in added})
    _apply_overrides(tables["nodes"], overrides)
    nodes = {node: _node(path, node, table) for node, table in tables["nodes"].items()}
    edges = [
        edge
        for text, policy in tables["edges"].items()
        for edge in _edges(path, nodes, text, _policy(path, text, policy))
    ]
    edges += [edge for watcher in added for edge in _watching_edges(path, nodes, watcher)]
    description = str(tables.get("description", ""))
    hosts = parse_hosts(path, tables.get("hosts", {}))
    return Graph(name, path, description, robot, nodes, tuple(edges), added, hosts)


def _watching_edges(path: Path, nodes: dict[str, NodeSpec], name: str) -> list[Edge]:
    """Edges from all outputs of nodes that do not watch to the one input of one that does."""
    (port,) = nodes[name].inputs
    return [
        edge
        for node in nodes.values()
        if node.node_class.role is not Role.WATCHING
        for output in node.outputs
        if output != "steps"  # a replay needs them, nobody looks at them
        for edge in _edges(path, nodes, f"{node.name}.{output} -> {name}.{port}", WATCHERS_POLICY)
    ]


def _apply_overrides(nodes: dict[str, Any], overrides: Sequence[str]) -> None:
    """Writes ``node.key=value`` texts into the nodes' tables."""
    for text in overrides:
        target, equals, value = text.partition("=")
        name, dot, key = target.partition(".")
        if not (equals and dot and name and key):
            raise InputError(f"--set {text!r}: write it as node.key=value")
        if name not in nodes:
            raise InputError(f"--set {text!r}: no node {name!r}; nodes: {', '.join(nodes)}")
        table = nodes[name]
        if not isinstance(table, dict):
            raise InputError(f"--set {text!r}: node {name!r} is no table: write [nodes.{name}]")
        *sections, leaf = key.split(".")
        for section in sections:
            table = table.setdefault(section, {})
            if not isinstance(table, dict):
                raise InputError(f"--set {text!r}: {section!r} of node {name!r} is no table")
        table[leaf] = _parse_value(value)


def _parse_value(text: str) -> Any:
    """A TOML value, or the text itself where it is none (so paths need no quotes)."""
    try:
        return tomllib.loads(f"value = {text}")["value"]
    except ValueError:  # no TOML, or a number of thousands of digits
        return text
    except RecursionError as error:
        raise InputError(f"--set: {text[:40]!r}...: is nested too deeply") from error


def _node(path: Path, name: str, table: Any) -> NodeSpec:
    """Resolves one ``[nodes.NAME]`` table."""
    where = f"{path}: node {name!r}"
    if not isinstance(table, dict) or "class" not in table:
        raise InputError(f"{where}: 'class' is missing; classes: {', '.join(NODES)}")
    class_name = str(table["class"])
    if class_name not in NODES:
        raise InputError(f"{where}: unknown class {class_name!r}; classes: {', '.join(NODES)}")
    node_class = pkgutil.resolve_name(NODES[class_name])
    rate_hz = table.get("rate_hz")
    is_number = isinstance(rate_hz, int | float) and not isinstance(rate_hz, bool)
    if rate_hz is not None and not (is_number and 0 < rate_hz <= 10_000):
        raise InputError(f"{where}: rate_hz = {rate_hz!r} must be a number above 0, at most 10000")
    parameters = {k: v for k, v in table.items() if k not in NODE_KEYS}
    config = to_config(where, parameters, node_class.Config)
    rules = table.get("supervision", {})
    if not isinstance(rules, dict):
        raise InputError(f"{where}: supervision must be a table: [nodes.{name}.supervision]")
    supervision = to_config(f"{where}: supervision", rules, Supervision)
    host = table.get("host")
    if host is not None and not isinstance(host, str):
        raise InputError(f"{where}: host = {host!r} must be the name of a host")
    return NodeSpec(name, class_name, node_class, rate_hz, config, supervision, host)


def _policy(path: Path, edge: str, text: Any) -> EdgePolicy:
    """Resolves the policy of one edge."""
    try:
        return parse_policy(str(text))
    except InputError as error:
        raise InputError(f"{path}: edge {edge!r}: {error}") from error


def _edges(path: Path, nodes: dict[str, NodeSpec], text: str, policy: EdgePolicy) -> list[Edge]:
    """Resolves one line of ``[edges]``; ``*`` stands for every output of every other node."""
    match = _EDGE.fullmatch(text.strip())
    if match is None:
        raise InputError(f"{path}: edge {text!r}: write it as 'node.port -> node.port'")
    writer, output, reader, input_ = match.groups()
    if reader not in nodes:
        raise InputError(f"{path}: edge {text!r}: no node {reader!r}; nodes: {', '.join(nodes)}")
    if input_ not in nodes[reader].inputs:
        valid = ", ".join(nodes[reader].inputs) or "none"
        raise InputError(
            f"{path}: edge {text!r}: {reader} has no input {input_!r}; inputs: {valid}"
        )
    if writer == "*":
        pairs = [(n.name, port) for n in nodes.values() if n.name != reader for port in n.outputs]
    elif writer not in nodes:
        raise InputError(f"{path}: edge {text!r}: no node {writer!r}; nodes: {', '.join(nodes)}")
    elif output not in nodes[writer].outputs:
        valid = ", ".join(nodes[writer].outputs)
        raise InputError(
            f"{path}: edge {text!r}: {writer} has no output {output!r}; outputs: {valid}"
        )
    else:
        pairs = [(writer, output)]
    return [
        Edge(
            name,
            port,
            reader,
            input_,
            policy,
            topic_of(name, port, nodes[name].outputs[port]),
            nodes[name].outputs[port].type,
        )
        for name, port in pairs
    ]
