"""What a graph may not be: each law broken alone, found before anything starts, in one line."""

import inspect

import pytest

import robot.validation
from robot.config import USER_ERRORS
from robot.graph import Edge, load_graph
from robot.node import Role
from robot.validation import step_rate_hz, stream_rate_hz, truth_stays_with_watchers, validate

RELAYED = '"ticker.count -> relay.command" = "latest"'
LOOP = '"actuator.setpoint -> ticker.setpoint" = "latest, delayed"'
WATCHER = '[nodes.watcher]\nclass = "watcher"\nrate_hz = 50\n[edges]\n'

TICKER = '[nodes.ticker]\nclass = "ticker"\n'
HOSTS = '[hosts.a]\naddress = "127.0.0.1"\n[hosts.b]\naddress = "127.0.0.1"\n'
APART = HOSTS.replace("0.1", "0.2", 1) + '[hosts.c]\naddress = "127.0.0.3"\n'
PLACED = [
    (f'"{name}"\n', f'"{name}"\nhost = "b"\n') for name in ("relay", "telling_actuator", "recorder")
]

BROKEN = {
    "names_are_plain": (
        [("recorder]", "Recorder]"), ("recorder.log", "Recorder.log")],
        ["'Recorder'", "a-z, 0-9, _ and -"],
    ),
    "nodes_have_a_host": (
        [('"relay"\n', '"relay"\nhost = "base"\n')],
        ["'relay'", "no host 'base'", "add [hosts.base]"],
    ),
    "hosts_have_ports_of_their_own": (
        [(TICKER, f'{HOSTS}{TICKER}host = "a"\n'), *PLACED],
        ["'a'", "'b'", "share 127.0.0.1 and port 5600", "apart"],
    ),
    "edges_touch_the_first_host": (
        [
            (TICKER, f'{APART}{TICKER}host = "b"\n'),
            *PLACED,
            ('"relay"\nhost = "b"', '"relay"\nhost = "c"'),
            ('"recorder"\nhost = "b"', '"recorder"\nhost = "a"'),
        ],
        ["ticker.count -> relay.command", "'b' to 'c'", "on 'a'"],
    ),
    "types_agree": (
        [("relay.command -> actuator", "relay.alerts -> actuator")],
        ["relay.alerts carries Alert", "actuator.command takes Command", "ticker.count"],
    ),
    "inputs_have_one_writer": (
        [(LOOP, f'{LOOP}\n"ticker.count -> actuator.command" = "latest"')],
        ["actuator.command", "relay and ticker", "keep one edge"],
    ),
    "required_inputs_are_connected": (
        [(RELAYED, "")],
        ["'relay'", "'command' is not connected", "add an edge from: ticker.count"],
    ),
    "truth_stays_with_watchers": (
        [("ticker.count -> relay", "ticker.hint -> relay")],
        ["ticker.hint -> relay.command", "truth/ticker/hint", "acting", "sensor"],
    ),
    "nobody_waits_for_watchers": (
        [("queue(512)", "lossless(1)")],
        ["ticker.count -> recorder.log", "recorder, a watching node", "use queue(N)"],
    ),
    "cycles_have_a_delay": (
        [("latest, delayed", "latest")],
        ["nodes actuator, relay, ticker wait", "', delayed' behind its policy"],
    ),
    "every_node_is_reached": (
        [(RELAYED, '"relay.command -> relay.command" = "latest, delayed"')],
        ["'relay' is unreachable", "sources: ticker"],
    ),
    "nodes_can_step": (
        [('"ticker"\nrate_hz = 50', '"ticker"')],
        ["'ticker'", "rate_hz is missing", "Hz"],
    ),
    "queues_are_not_outrun": (
        [
            ('"ticker"\nrate_hz = 50', '"ticker"\nrate_hz = 100'),
            ('actuator.command" = "latest"', 'actuator.command" = "queue(3)"'),
        ],
        ["relay.command -> actuator.command", "100 Hz", "50 Hz", "latest", "actuator's rate_hz"],
    ),
    "who_restarts_can_go_on": (
        [('class = "ticker"', 'class = "stoppable"\nsupervision = { restart = "always" }')],
        ["'ticker'", "restart = 'always'", "a stoppable cannot be continued", 'restart = "never"'],
    ),
    "rates_divide_the_worlds": (
        [("telling_actuator\"\nrate_hz = 50", "telling_actuator\"\nrate_hz = 60")],
        ["'actuator'", "rate_hz = 60 does not divide the 50 Hz of ticker"],
    ),
}  # fmt: skip


@pytest.fixture
def broken(tiny, tmp_path):
    """The tiny graph with texts replaced."""

    def change(replacements, overrides=()):
        text = tiny.read_text()
        for old, new in replacements:
            assert old in text
            text = text.replace(old, new)
        path = tmp_path / "broken.toml"
        path.write_text(text)
        return load_graph(str(path), overrides)

    return change


def _refusal(graph, **how):
    with pytest.raises(USER_ERRORS) as refusal:
        validate(graph, **how)
    line = str(refusal.value)
    assert "\n" not in line
    assert line.startswith(str(graph.path))
    return line


def test_the_graph_that_is_broken_below_is_sound(tiny):
    validate(load_graph(str(tiny)))


def test_every_law_is_broken_below():
    laws = {
        name
        for name, function in vars(robot.validation).items()
        if inspect.isfunction(function)
        and not name.startswith("_")
        and "Iterator" in str(inspect.signature(function).return_annotation)
    }
    assert laws == BROKEN.keys()


@pytest.mark.parametrize("law", BROKEN)
def test_a_broken_law_names_the_culprit_and_the_way_out(law, broken):
    replacements, fragments = BROKEN[law]
    graph = broken(replacements)
    line = _refusal(graph)
    assert all(fragment in line for fragment in fragments), line
    assert any(fault in line for fault in getattr(robot.validation, law)(graph))


def test_nobody_is_told_to_read_itself_or_the_truth(broken):
    unconnected = _refusal(broken([(RELAYED, "")]))
    assert "relay.command" not in unconnected
    assert "ticker.hint" not in unconnected
    replacements, _ = BROKEN["types_agree"]
    assert "ticker.hint" not in _refusal(broken(replacements))


def test_a_node_that_only_follows_a_loop_is_no_part_of_it(broken):
    assert "recorder" not in _refusal(broken([("latest, delayed", "latest")]))


def test_the_truth_may_not_take_a_detour_over_a_watching_node(broken):
    detour = [
        ("[edges]\n", f'{WATCHER}"ticker.hint -> watcher.seen" = "latest"\n'),
        ("ticker.count -> relay", "watcher.command -> relay"),
    ]
    line = _refusal(broken(detour))
    assert "watcher.command -> relay.command" in line
    assert "only watches" in line


def test_what_a_watcher_says_of_itself_is_no_detour_either(broken):
    detour = [
        ("[edges]\n", f'{WATCHER}"ticker.hint -> watcher.seen" = "latest"\n'),
        ('"* -> recorder', '"watcher.alerts -> relay.command" = "latest"\n"* -> recorder'),
    ]
    graph = broken(detour)
    assert any("watcher.alerts" in fault for fault in truth_stays_with_watchers(graph))


def test_a_watcher_may_read_the_truth(broken):
    validate(broken([("[edges]\n", f'{WATCHER}"ticker.hint -> watcher.seen" = "latest"\n')]))


def test_no_acting_node_of_the_room_can_read_the_truth():
    room = load_graph("room_sim")
    nodes = room.nodes.values()
    truths = [(n.name, port) for n in nodes for port, out in n.outputs.items() if out.truth]
    actors = [n for n in nodes if n.node_class.role is not Role.WATCHING]
    inputs = [(n.name, port) for n in actors for port in n.inputs]
    assert ("simulator", "pose") in truths
    assert ("policy", "proximity") in inputs
    assert ("actuator", "command") in inputs
    for writer, output in truths:
        source = next(e for e in room.edges if (e.writer, e.output) == (writer, output))
        for reader, port in inputs:
            edge = Edge(writer, output, reader, port, source.policy, source.topic, source.type)
            peeking = type(room)(**{**vars(room), "edges": (*room.edges, edge)})
            faults = list(truth_stays_with_watchers(peeking))
            assert len(faults) == 1
            assert str(edge) in faults[0]
            _refusal(peeking)


@pytest.mark.parametrize(
    "edge", ["simulator.pose -> policy.proximity", "simulator.pose -> actuator.command"]
)
def test_a_room_graph_file_that_reads_the_truth_is_refused(edge, tmp_path):
    path = tmp_path / "peeking.toml"
    text = load_graph("room_sim").path.read_text()
    reader = edge.split(" -> ")[1]
    lines = [line for line in text.splitlines() if f"-> {reader}" not in line]
    path.write_text("\n".join([*lines, f'"{edge}" = "latest"']))
    assert edge in _refusal(load_graph(str(path)))


@pytest.mark.parametrize(
    ("override", "fragments"),
    [
        ("actuator.rate_hz=25", ["'actuator'", "25 is below the 50 Hz", "telling_actuator"]),
        ("ticker.rate_hz=40", ["rate_hz = 50 does not divide the 40 Hz of ticker"]),
    ],
)
def test_a_rate_that_does_not_fit_is_refused(override, fragments, tiny):
    line = _refusal(load_graph(str(tiny), [override]))
    assert all(fragment in line for fragment in fragments), line


def test_an_output_faster_than_its_node_is_refused():
    line = _refusal(load_graph("folder_stereo", ["camera.rate_hz=10"]))
    assert "'camera'" in line
    assert "frame at 20 Hz is faster than the node's own 10 Hz" in line


def test_a_camera_rate_that_is_no_part_of_the_worlds_is_refused_in_lockstep_only():
    graph = load_graph("room_sim", ["simulator.camera.rate_hz=15"])
    assert "camera.rate_hz = 15 does not divide the 50 Hz of simulator" in _refusal(graph)
    validate(graph, lockstep=False)


def test_two_owners_of_time_are_refused_in_lockstep_only(broken):
    second = '[nodes.second]\nclass = "ticker"\nrate_hz = 50\n[edges]\n'
    graph = broken([("[edges]\n", second)])
    assert "nodes ticker, second all own time" in _refusal(graph)
    validate(graph, lockstep=False)


def test_lockstep_needs_somebody_who_owns_time(broken, monkeypatch):
    graph = broken([])
    monkeypatch.setattr(graph.nodes["ticker"].node_class, "owns_time", False)
    line = _refusal(graph, lockstep=True)
    assert "owns time" in line
    assert "--clock wall" in line
    validate(graph)


def test_hardware_runs_by_wall_clock_without_being_told_and_refuses_lockstep(broken, monkeypatch):
    graph = broken([])
    assert graph.makes_lockstep
    link = {**graph.robot.tables["link"], "driver": "feetech"}
    monkeypatch.setitem(graph.robot.tables, "link", link)
    assert not graph.makes_lockstep
    line = _refusal(graph, lockstep=True)
    assert "node 'actuator' has to do with hardware" in line
    assert "--clock wall" in line
    validate(graph)


def test_a_node_of_wall_clock_only_refuses_lockstep_too(broken, monkeypatch):
    graph = broken([])
    monkeypatch.setattr(graph.nodes["relay"].node_class, "wall_clock_only", True)
    assert "node 'relay' has to do with" in _refusal(graph, lockstep=True)
    validate(graph)


def test_a_graph_without_any_source_says_what_to_add(broken, monkeypatch):
    graph = broken([])
    monkeypatch.setattr(graph.nodes["ticker"].node_class, "role", Role.ACTING)
    assert "add a simulator or camera" in _refusal(graph)


@pytest.mark.parametrize(
    ("old", "new", "fragment"),
    [
        ("minimum = 0.0", "minimum = 9.0", "forward_speed"),
        ("baseline_m = 0.06", "baseline_m = nan", "rig: every number must be finite"),
        ("baseline_m = 0.06", "", "baseline_m"),
    ],
)
def test_a_robot_whose_limits_or_calibration_are_wrong_is_refused(
    old, new, fragment, tiny, tmp_path
):
    ardrone = load_graph(str(tiny)).robot.path.read_text()
    assert old in ardrone
    robot = tmp_path / "odd.toml"
    robot.write_text(ardrone.replace(old, new))
    path = tmp_path / "graph.toml"
    path.write_text(tiny.read_text().replace('"ardrone"', f"'{robot}'"))
    with pytest.raises(USER_ERRORS) as refusal:
        validate(load_graph(str(path)))
    assert fragment in str(refusal.value)
    assert "\n" not in str(refusal.value)


def test_a_stream_has_the_rate_of_what_wakes_its_node(tiny):
    graph = load_graph(str(tiny))
    nodes = graph.nodes
    assert stream_rate_hz(graph, nodes["relay"], "command") == 50
    assert stream_rate_hz(graph, nodes["relay"], "alerts") is None
    assert step_rate_hz(graph, nodes["relay"]) == 50
    assert step_rate_hz(graph, nodes["recorder"]) == 50
    room = load_graph("room_sim", ["simulator.camera.rate_hz=5"])
    assert step_rate_hz(room, room.nodes["policy"]) == 5


@pytest.mark.parametrize("rate_hz", [40, 60, 300])
def test_a_simulator_rate_that_physics_cannot_step_is_refused(rate_hz):
    graph = load_graph("room_sim", [f"simulator.rate_hz={rate_hz}"])
    assert f"rate_hz = {rate_hz} is no whole number of 2 ms steps" in _refusal(graph)
