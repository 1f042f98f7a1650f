"""What a graph may not be, found before anything starts.

One function per law; each yields one line that names the place, the fault and the valid choices.
"""

import re
from collections.abc import Callable, Iterator

from perception.quantities import InputError
from robot.edges import Keep
from robot.graph import BUILT_IN_OUTPUTS, Edge, Graph, NodeSpec
from robot.hosts import MAX_PORT
from robot.messages import Message
from robot.node import Role

_NAME = re.compile(r"[a-z][a-z0-9_-]*")


def validate(graph: Graph, *, lockstep: bool | None = None) -> None:
    """Checks every law.

    Args:
        graph: the resolved graph.
        lockstep: the clock it shall run by; None: what the graph is made for.

    Raises:
        InputError: the first law that is broken, as one line.
    """
    if lockstep is None:
        lockstep = graph.makes_lockstep
    if lockstep and graph.time_owner is None:
        raise InputError(
            f"{graph.path}: lockstep needs a node that owns time (simulator, camera); "
            "add one or run with --clock wall"
        )
    if lockstep and graph.hosts:
        raise InputError(
            f"{graph.path}: lockstep needs one host, and this graph names "
            f"{', '.join(graph.hosts)}; run it with --clock wall"
        )
    if lockstep and (name := graph.waits_for_nobody):
        raise InputError(
            f"{graph.path}: node {name!r} has to do with hardware, or what stands for it, and that "
            "does not wait for lockstep; run with --clock wall"
        )
    for fault in _faults(graph, lockstep=lockstep):
        raise InputError(f"{graph.path}: {fault}")
    graph.robot.limits  # noqa: B018 - parsing checks it
    if "rig" in graph.robot.tables:
        graph.robot.rig  # noqa: B018 - parsing checks it


def _faults(graph: Graph, *, lockstep: bool) -> Iterator[str]:
    laws: tuple[Callable[[Graph], Iterator[str]], ...] = (
        names_are_plain,
        nodes_have_a_host,
        hosts_have_ports_of_their_own,
        edges_touch_the_first_host,
        types_agree,
        inputs_have_one_writer,
        required_inputs_are_connected,
        truth_stays_with_watchers,
        nobody_waits_for_watchers,
        cycles_have_a_delay,
        every_node_is_reached,
        nodes_can_step,
        queues_are_not_outrun,
        who_restarts_can_go_on,
    )
    for law in laws:
        yield from law(graph)
    if lockstep:
        yield from rates_divide_the_worlds(graph)


def names_are_plain(graph: Graph) -> Iterator[str]:
    """Node names serve as topics and file names."""
    for name in graph.nodes:
        if not _NAME.fullmatch(name):
            yield f"node name {name!r}: use a-z, 0-9, _ and -, beginning with a letter"


def nodes_have_a_host(graph: Graph) -> Iterator[str]:
    """In a graph of several hosts each node says where it runs; in any other none does."""
    for node in graph.nodes.values():
        if node.host is not None and node.host not in graph.hosts:
            hosts = ", ".join(graph.hosts) or f"none; add [hosts.{node.host}] with its address"
            yield f"node {node.name!r}: no host {node.host!r}; hosts: {hosts}"
        if node.host is None and graph.hosts:
            yield f"node {node.name!r}: 'host' is missing; hosts: {', '.join(graph.hosts)}"
    for name in graph.hosts:
        if name not in {node.host for node in graph.nodes.values()}:
            yield f"host {name!r} runs no node; give it one or leave [hosts.{name}] out"


def edges_touch_the_first_host(graph: Graph) -> Iterator[str]:
    """Clocks are compared with the first host's only."""
    first = next(iter(graph.hosts), None)
    for edge in graph.edges:
        ends = graph.nodes[edge.writer].host, graph.nodes[edge.reader].host
        if graph.crosses(edge) and first not in ends:
            yield (
                f"edge '{edge}' leads from host {ends[0]!r} to {ends[1]!r}; one of its ends must "
                f"be on {first!r}, the first host"
            )


def hosts_have_ports_of_their_own(graph: Graph) -> Iterator[str]:
    """A host listens on its port and, one by one, on those behind it for the edges it reads."""
    taken: dict[tuple[str, int], str] = {}
    for host in graph.hosts.values():
        ports = [host.port, *(host.port + 1 + i for i in range(len(graph.edges)))]
        if ports[-1] > MAX_PORT:
            count = len(graph.edges)
            yield f"host {host.name!r}: port {host.port} leaves no room for {count} edges"
        for port in ports:
            other = taken.setdefault((host.address, port), host.name)
            if other != host.name:
                yield (
                    f"hosts {other!r} and {host.name!r} share {host.address} and port {port}; "
                    f"keep their ports {len(graph.edges) + 1} apart"
                )
                break


def types_agree(graph: Graph) -> Iterator[str]:
    """A reader gets the type that it declares."""
    for edge in graph.edges:
        want = graph.nodes[edge.reader].inputs[edge.input].type
        if want is not Message and edge.type is not want:
            fitting = [
                f"{node.name}.{port}"
                for node in graph.nodes.values()
                for port, output in node.outputs.items()
                if output.type is want and not output.truth
            ]
            yield (
                f"edge '{edge}': {edge.writer}.{edge.output} carries {edge.type.__name__}, "
                f"{edge.reader}.{edge.input} takes {want.__name__}; "
                f"outputs that fit: {', '.join(fitting) or 'none in this graph'}"
            )


def inputs_have_one_writer(graph: Graph) -> Iterator[str]:
    """Two writers of one input would interleave by chance."""
    first: dict[tuple[str, str], Edge] = {}
    for edge in graph.edges:
        key = (edge.reader, edge.input)
        if graph.nodes[edge.reader].inputs[edge.input].many:
            continue
        if key in first:
            yield (
                f"input {edge.reader}.{edge.input} has two writers, {first[key].writer} and "
                f"{edge.writer}; keep one edge"
            )
        first[key] = edge


def required_inputs_are_connected(graph: Graph) -> Iterator[str]:
    """A node without its input would never act."""
    connected = {(edge.reader, edge.input) for edge in graph.edges}
    for node in graph.nodes.values():
        for port, spec in node.inputs.items():
            if spec.required and (node.name, port) not in connected:
                fitting = [
                    f"{other.name}.{out}"
                    for other in graph.nodes.values()
                    for out, output in other.node_class.outputs.items()
                    if output.type is spec.type and not output.truth and other is not node
                ]
                yield (
                    f"node {node.name!r}: input {port!r} is not connected; add an edge from: "
                    f"{', '.join(fitting) or f'a node that writes {spec.type.__name__}'}"
                )


def truth_stays_with_watchers(graph: Graph) -> Iterator[str]:
    """What only the simulator knows may not reach what acts or learns, nor by a detour."""
    for edge in graph.edges:
        reader = graph.nodes[edge.reader]
        if reader.node_class.role is Role.WATCHING:
            continue
        if edge.topic.startswith("truth/"):
            yield (
                f"edge '{edge}': {edge.topic} is for evaluation only and {edge.reader} is a "
                f"{reader.node_class.role} node; read a sensor's output instead"
            )
        elif graph.nodes[edge.writer].node_class.role is Role.WATCHING:
            yield (
                f"edge '{edge}': {edge.writer} only watches (it may read the truth), so "
                f"{edge.reader}, a {reader.node_class.role} node, may not read it"
            )


def nobody_waits_for_watchers(graph: Graph) -> Iterator[str]:
    """A lossless edge makes its writer wait; recorders and learners may not hold up control."""
    acting = (Role.SOURCE, Role.ACTING, Role.ACTUATOR)
    for edge in graph.edges:
        writer, reader = graph.nodes[edge.writer], graph.nodes[edge.reader]
        if (
            edge.policy.keep is Keep.LOSSLESS
            and writer.node_class.role in acting
            and reader.node_class.role not in acting
        ):
            yield (
                f"edge '{edge}': lossless would let {edge.reader}, a "
                f"{reader.node_class.role} node, hold up {edge.writer}; use queue(N)"
            )


def cycles_have_a_delay(graph: Graph) -> Iterator[str]:
    """A loop without a delayed edge has no first node to step."""
    waiting = {
        name: {e.writer for e in graph.edges_into(name) if not e.policy.delayed}
        for name in graph.nodes
    }
    while ready := [name for name, writers in waiting.items() if not writers & waiting.keys()]:
        for name in ready:
            del waiting[name]
    in_loop = sorted(_on_cycle(waiting))
    if in_loop:
        yield (
            f"nodes {', '.join(in_loop)} wait for each other; make one edge of the loop delayed "
            "(', delayed' behind its policy)"
        )


def _on_cycle(waiting: dict[str, set[str]]) -> set[str]:
    """Of nodes that cannot be ordered, those that reach themselves."""

    def reaches(start: str) -> bool:
        seen: set[str] = set()
        stack = [start]
        while stack:
            for writer in waiting[stack.pop()] & waiting.keys():
                if writer == start:
                    return True
                if writer not in seen:
                    seen.add(writer)
                    stack.append(writer)
        return False

    return {name for name in waiting if reaches(name)}


def every_node_is_reached(graph: Graph) -> Iterator[str]:
    """Data must come from a source, or the node never does anything."""
    sources = [n.name for n in graph.nodes.values() if n.node_class.role is Role.SOURCE]
    reached = set(sources)
    stack = list(sources)
    while stack:
        for edge in graph.edges_from(stack.pop()):
            if edge.reader not in reached and edge.output not in BUILT_IN_OUTPUTS:
                reached.add(edge.reader)
                stack.append(edge.reader)
    for name in graph.nodes:
        if name not in reached:
            yield (
                f"node {name!r} is unreachable: no data come to it from a source; sources: "
                f"{', '.join(sources) or 'none (add a simulator or camera)'}"
            )


def nodes_can_step(graph: Graph) -> Iterator[str]:
    """A source, an actuator and a node that nothing wakes need a rate of their own."""
    for node in graph.nodes.values():
        woken = any(spec.wakes for spec in node.inputs.values())
        needs_rate = node.node_class.role is Role.SOURCE or not woken
        if node.node_class.min_rate_hz or needs_rate:
            if node.rate_hz is None:
                yield f"node {node.name!r}: rate_hz is missing; give a rate in Hz"
            elif node.rate_hz < node.node_class.min_rate_hz:
                yield (
                    f"node {node.name!r}: rate_hz = {node.rate_hz:g} is below the "
                    f"{node.node_class.min_rate_hz:g} Hz that a {node.class_name} needs"
                )
        step_s = node.node_class.period_step_s
        if node.rate_hz and step_s and (1 / node.rate_hz / step_s + 1e-6) % 1 > 2e-6:
            yield (
                f"node {node.name!r}: rate_hz = {node.rate_hz:g} is no whole number of "
                f"{1000 * step_s:g} ms steps; choose 50, 100, 125, 250 or such"
            )
        for port in node.node_class.outputs:
            rate_hz = node.output_rate_hz(port)
            if rate_hz and node.rate_hz and rate_hz > node.rate_hz:
                yield (
                    f"node {node.name!r}: rate mismatch: {port} at {rate_hz:g} Hz is faster than "
                    f"the node's own {node.rate_hz:g} Hz"
                )


def queues_are_not_outrun(graph: Graph) -> Iterator[str]:
    """A queue whose writer is faster than its reader fills for ever."""
    for edge in graph.edges:
        reader = graph.nodes[edge.reader]
        if edge.policy.keep is Keep.LATEST or reader.node_class.role is Role.WATCHING:
            continue
        written_hz = stream_rate_hz(graph, graph.nodes[edge.writer], edge.output)
        if written_hz and reader.rate_hz and written_hz > reader.rate_hz:
            yield (
                f"edge '{edge}': rate mismatch: written at {written_hz:g} Hz, read at "
                f"{reader.rate_hz:g} Hz, so the {edge.policy.keep} fills up; use latest or raise "
                f"{edge.reader}'s rate_hz"
            )


def who_restarts_can_go_on(graph: Graph) -> Iterator[str]:
    """A new process needs what its node was told; what was said only once does not come again."""
    for node in graph.nodes.values():
        restart = node.supervision.restart
        if restart == "never":
            continue
        if not node.node_class.restartable:
            yield (
                f"node {node.name!r}: restart = {restart!r}, but a {node.class_name} cannot be "
                'continued by a new process; set restart = "never"'
            )
        for edge in graph.edges_into(node.name):
            port = node.inputs[edge.input]
            once = not graph.nodes[edge.writer].outputs[edge.output].steady
            if once and port.required and not port.many:
                yield (
                    f"node {node.name!r}: restart = {restart!r}, but {edge.writer}.{edge.output} "
                    f"is not repeated, so a new {node.name} would wait for it for ever; set "
                    'restart = "never"'
                )


def stream_rate_hz(
    graph: Graph, node: NodeSpec, port: str, _seen: frozenset[str] = frozenset()
) -> float | None:
    """How often a port speaks: as declared, at its node's rate, or as often as it is woken."""
    if not node.outputs[port].steady:
        return None
    declared = node.output_rate_hz(port)
    if declared is not None or node.name in _seen:
        return declared
    return _woken_hz(graph, node, _seen)


def step_rate_hz(graph: Graph, node: NodeSpec) -> float | None:
    """How often a node steps: at its own rate, or as often as it is woken; None: unknown."""
    return node.rate_hz or _woken_hz(graph, node, frozenset())


def _woken_hz(graph: Graph, node: NodeSpec, seen: frozenset[str]) -> float | None:
    """The rate of the fastest stream that wakes a node."""
    rates = [
        stream_rate_hz(graph, graph.nodes[e.writer], e.output, seen | {node.name})
        for e in graph.edges_into(node.name)
        if node.inputs[e.input].wakes
    ]
    return max((rate for rate in rates if rate), default=None)


def rates_divide_the_worlds(graph: Graph) -> Iterator[str]:
    """In lockstep time moves in the world's steps; every period is a whole number of them."""
    owners = [n.name for n in graph.nodes.values() if n.node_class.owns_time]
    if len(owners) > 1:
        yield f"nodes {', '.join(owners)} all own time; lockstep has one"
    world = graph.time_owner
    if world is None or world.rate_hz is None:
        return
    for node in graph.nodes.values():
        rates = {"rate_hz": node.rate_hz}
        rates |= {
            output.rate_key: node.output_rate_hz(port)
            for port, output in node.node_class.outputs.items()
            if output.rate_key
        }
        for key, rate_hz in rates.items():
            ratio = world.rate_hz / rate_hz if rate_hz else 1.0
            if abs(ratio - round(ratio)) > 1e-9 or ratio < 1:
                yield (
                    f"node {node.name!r}: rate mismatch: {key} = {rate_hz:g} does not divide "
                    f"the {world.rate_hz:g} Hz of {world.name}, which owns time"
                )
