"""Graph files: what they resolve to, and one line for each thing that does not resolve."""

import json

import pytest

from robot.config import USER_ERRORS, list_configs
from robot.edges import Keep
from robot.graph import BUILT_IN_OUTPUTS, load_graph
from robot.nodes import NODES
from robot.validation import validate


@pytest.fixture
def changed(tiny, tmp_path):
    """Path of the tiny graph with texts replaced."""

    def change(*replacements):
        text = tiny.read_text()
        for old, new in replacements:
            assert old in text
            text = text.replace(old, new)
        path = tmp_path / "changed.toml"
        path.write_text(text)
        return str(path)

    return change


def _refusal(*arguments):
    with pytest.raises(USER_ERRORS) as refusal:
        load_graph(*arguments)
    line = str(refusal.value)
    assert "\n" not in line
    return line


@pytest.mark.parametrize("name", list_configs("graphs"))
def test_every_graph_that_comes_along_is_valid_and_says_what_it_does(name):
    graph = load_graph(name)
    validate(graph)
    validate(graph, lockstep=False)
    assert graph.name == name
    assert graph.description


def test_a_graph_resolves_classes_parameters_policies_and_topics(tiny):
    graph = load_graph(str(tiny))
    assert [*graph.nodes] == ["ticker", "relay", "actuator", "recorder"]
    assert graph.robot.name == "ardrone"
    assert graph.time_owner is graph.nodes["ticker"]
    assert graph.nodes["relay"].rate_hz is None
    assert graph.nodes["ticker"].config.bulk == 1
    edges = {str(edge): edge for edge in graph.edges}
    loop = edges["actuator.setpoint -> ticker.setpoint"]
    assert (loop.policy.keep, loop.policy.delayed) == (Keep.LATEST, True)
    assert edges["relay.command -> actuator.command"].topic == "relay/command"


def test_a_star_stands_for_every_output_of_every_other_node(tiny):
    graph = load_graph(str(tiny))
    recorded = {(e.writer, e.output) for e in graph.edges_into("recorder")}
    outputs = {(n.name, port) for n in graph.nodes.values() for port in n.outputs}
    assert recorded == {(name, port) for name, port in outputs if name != "recorder"}
    assert ("ticker", "hint") in recorded
    assert {("relay", port) for port in BUILT_IN_OUTPUTS} < recorded


def test_the_truth_and_the_load_have_topics_of_their_own(tiny):
    topics = {f"{e.writer}.{e.output}": e.topic for e in load_graph(str(tiny)).edges}
    assert topics["ticker.hint"] == "truth/ticker/hint"
    assert topics["ticker.telemetry"] == "telemetry/ticker"
    assert topics["ticker.alerts"] == "ticker/alerts"


def test_a_resolved_graph_holds_all_parameters_with_their_defaults(tiny):
    resolved = json.loads(load_graph(str(tiny), ["ticker.last=9"]).resolved_json())
    supervision = resolved["nodes"]["ticker"].pop("supervision")
    assert supervision["restart"] == "never"
    assert resolved["nodes"]["ticker"] == {
        "class": "ticker", "rate_hz": 50, "last": 9, "bulk": 1
    }  # fmt: skip
    assert resolved["edges"]["actuator.setpoint -> ticker.setpoint"] == "latest, delayed"
    assert resolved["robot"]["limits"]["max_command_age_s"] == 0.25


@pytest.mark.parametrize(
    ("old", "new", "fragments"),
    [
        ("[nodes.relay]", "[nodez.relay]", ["'nodez'", "mean 'nodes'", "extends, robot"]),
        ('robot = "ardrone"', "", ["'robot' is missing", "extends, robot, hosts, nodes"]),
        ('"ardrone"', '"ardron"', ["no robot named 'ardron'", "there are: ", "ardrone"]),
        ("[edges]", "[[edges]]", ["edges", "table"]),
        ("[edges]", "edges2 = 1\n[edges]", ["'edges2'", "valid: "]),
        ("[nodes.relay]", "[[nodes.relay]]", ["node 'relay'", "classes: ", "actuator"]),
        ('class = "relay"', "", ["node 'relay'", "'class' is missing", "actuator, camera"]),
        ('class = "relay"', 'class = "relais"', ["'relay'", "class 'relais'", "actuator, camera"]),
        ('class = "relay"', 'class = ["relay"]', ["node 'relay'", "['relay']", "actuator"]),
        ('class = "relay"', 'class = "relay"\nthrow = 1', ["'throw'", "mean 'throw_at'"]),
        ('class = "relay"', 'class = "relay"\nthrow_at = "x"', ["'relay'", "int", "throw_at"]),
        ("rate_hz = 50", "rate_hz = 0", ["'ticker'", "rate_hz = 0", "above 0, at most 10000"]),
        ("rate_hz = 50", "rate_hz = -5", ["rate_hz = -5", "above 0"]),
        ("rate_hz = 50", "rate_hz = nan", ["rate_hz = nan", "above 0"]),
        ("rate_hz = 50", "rate_hz = inf", ["rate_hz = inf", "above 0"]),
        ("rate_hz = 50", "rate_hz = true", ["rate_hz = True", "a number"]),
        ("rate_hz = 50", 'rate_hz = "fast"', ["rate_hz = 'fast'", "a number"]),
        ("ticker.count -> relay.command", "ticker.count", ["'ticker.count'", "node.port ->"]),
        ("ticker.count", "tocker.count", ["no node 'tocker'", "nodes: ticker, relay, actuator"]),
        ("ticker.count", "ticker.counts", ["ticker has no output 'counts'", "count, hint"]),
        ("ticker.count", "ticker", ["'ticker -> relay.command'", "count, hint"]),
        ("-> relay.command", "-> relais.command", ["no node 'relais'", "nodes: ticker, relay"]),
        ("-> relay.command", "-> relay.order", ["relay has no input 'order'", "inputs: command"]),
        ('"queue(512)"', '"queue(x)"', ["'* -> recorder.log'", "queue(x)", "lossless(SECONDS)"]),
        ('"queue(512)"', "7", ["'* -> recorder.log'", "'7'", "latest, queue(N)"]),
    ],
)  # fmt: skip
def test_what_does_not_resolve_is_named_with_the_choices_there_are(old, new, fragments, changed):
    path = changed((old, new))
    line = _refusal(path)
    assert all(fragment in line for fragment in fragments), line


@pytest.mark.parametrize("key", ["nodes", "edges"])
def test_nodes_and_edges_that_are_no_tables_are_refused(key, tmp_path):
    content = {"robot": '"ardrone"', "nodes": "{}", "edges": "{}", key: "3"}
    path = tmp_path / "odd.toml"
    path.write_text("\n".join(f"{name} = {value}" for name, value in content.items()))
    line = _refusal(str(path))
    assert key in line
    assert "table" in line


def test_an_unknown_graph_is_refused_listing_those_there_are():
    line = _refusal("room_sin")
    assert "no graph named 'room_sin'" in line
    assert all(name in line for name in list_configs("graphs"))


@pytest.mark.parametrize(("override", "value"), [("ticker.last=5", 5), ("ticker.last=0x10", 16)])
def test_set_changes_a_parameter(override, value, tiny):
    assert load_graph(str(tiny), [override]).nodes["ticker"].config.last == value


def test_set_takes_words_without_quotes_and_changes_rates_too():
    graph = load_graph(
        "folder_stereo",
        ["camera.path=/data/my flights/a=b", "camera.rate_hz=200", "stereo.matcher='bm'"],
    )
    assert graph.nodes["camera"].config.path == "/data/my flights/a=b"
    assert graph.nodes["camera"].rate_hz == 200
    assert graph.nodes["stereo"].config.matcher == "bm"


def test_set_reaches_into_nested_tables_and_the_last_one_wins():
    graph = load_graph(
        "room_sim",
        [
            "simulator.options.obstacles=6",
            "simulator.camera.rate_hz=5",
            "simulator.options.obstacles=7",
        ],
    )
    config = graph.nodes["simulator"].config
    assert (config.make_task().obstacles, config.camera.rate_hz) == (7, 5.0)
    assert config.make_task().gap_m == 1.2


def test_the_rate_of_a_camera_is_where_its_config_says():
    graph = load_graph("room_sim", ["simulator.camera.rate_hz=5"])
    simulator = graph.nodes["simulator"]
    assert simulator.output_rate_hz("frame") == 5
    assert simulator.output_rate_hz("state") == 50
    assert simulator.output_rate_hz("collision") is None
    assert simulator.output_rate_hz("telemetry") is None


@pytest.mark.parametrize(
    ("override", "fragments"),
    [
        ("ticker", ["'ticker'", "node.key=value"]),
        ("ticker.last", ["'ticker.last'", "node.key=value"]),
        ("last=5", ["'last=5'", "node.key=value"]),
        (".last=5", ["node.key=value"]),
        ("ticker.=5", ["node.key=value"]),
        ("tocker.last=5", ["no node 'tocker'", "nodes: ticker, relay, actuator, recorder"]),
        ("ticker.lost=5", ["node 'ticker'", "unknown key 'lost'", "mean 'last'", "last, bulk"]),
        ("ticker.last=many", ["node 'ticker'", "int", "last"]),
        ("ticker.class.last=5", ["'class' of node 'ticker' is no table"]),
        ("ticker.class=gone", ["unknown class 'gone'", "actuator"]),
    ],
)
def test_a_set_that_does_not_fit_is_refused(override, fragments, tiny):
    line = _refusal(str(tiny), [override])
    assert all(fragment in line for fragment in fragments), line


def test_a_set_inside_a_table_names_the_table_and_its_keys():
    line = _refusal("room_sim", ["simulator.options.obstacle=6"])
    assert "task 'room': unknown key 'obstacle' (did you mean 'obstacles'?)" in line
    assert "thin_obstacles" in line


def test_a_parameter_that_its_library_refuses_names_node_and_reason():
    line = _refusal("room_sim", ["simulator.options.obstacles=9"])
    assert "node 'simulator'" in line
    assert "a room holds 0 to 8" in line


def test_the_classes_offered_are_those_of_the_table(changed):
    line = _refusal(changed(('class = "relay"', 'class = "?"')))
    assert line.endswith(f"classes: {', '.join(NODES)}")
