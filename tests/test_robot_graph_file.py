"""A graph that extends another: what it takes over, what it changes, and what is refused."""

import pytest

from perception.quantities import InputError
from robot.config import USER_ERRORS
from robot.graph import load_graph


@pytest.fixture
def extended(tiny, tmp_path):
    """The graph of a file that extends the tiny one, with these lines below that."""

    def load(text, base=tiny):
        path = tmp_path / "other.toml"
        path.write_text(f'extends = "{base}"\n{text}')
        return load_graph(str(path))

    return load


def test_it_is_the_other_graph_but_for_its_name_and_what_it_says_itself(tiny, extended):
    base, graph = load_graph(str(tiny)), extended('description = "another"')
    assert (graph.name, graph.description) == ("other", "another")
    assert graph.nodes == base.nodes
    assert [str(edge) for edge in graph.edges] == [str(edge) for edge in base.edges]
    assert graph.robot == base.robot


def test_a_table_without_a_class_changes_single_parameters(extended):
    ticker = extended("[nodes.ticker]\nlast = 7").nodes["ticker"]
    assert (ticker.class_name, ticker.rate_hz, ticker.config.last) == ("ticker", 50, 7)


def test_a_table_with_a_class_stands_for_the_node_as_a_whole(extended):
    ticker = extended('[nodes.ticker]\nclass = "ticker"\nlast = 7').nodes["ticker"]
    assert (ticker.rate_hz, ticker.config.last) == (None, 7)


def test_edges_are_added_or_get_another_policy(tiny, extended):
    graph = extended('[edges]\n"ticker.count -> relay.command" = "queue(3)"')
    edges = {str(edge): str(edge.policy) for edge in graph.edges}
    base = {str(edge): str(edge.policy) for edge in load_graph(str(tiny)).edges}
    assert edges == base | {"ticker.count -> relay.command": "queue(3)"}


def test_what_extends_may_be_extended(tmp_path, tiny, extended):
    middle = tmp_path / "middle.toml"
    middle.write_text(f'extends = "{tiny}"\n[nodes.ticker]\nlast = 3\nbulk = 4')
    config = extended("[nodes.ticker]\nlast = 7", middle).nodes["ticker"].config
    assert (config.last, config.bulk) == (7, 4)


@pytest.mark.parametrize(
    ("text", "fragments"),
    [
        ('extends = "room_sin"', ["no graph named 'room_sin'", "room_sim"]),
        ("extends = 3", ["extends = 3", "name of a graph"]),
        ('extends = "room_sim"\nnodes = 3', ["'nodes' must be a table", "[nodes]"]),
        ('extends = "room_sim"\nedges = 3', ["'edges' must be a table", "[edges]"]),
        ('extends = "room_sim"\n[nodez]', ["'nodez'", "mean 'nodes'"]),
        ('extends = "room_sim"\n[nodes.other]\nrate_hz = 3', ["'other'", "'class' is missing"]),
        ('extends = "room_sim"\n[nodes]\npolicy = 3', ["'policy'", "'class' is missing"]),
    ],
)
def test_what_does_not_fit_is_refused_in_one_line(text, fragments, tmp_path):
    path = tmp_path / "odd.toml"
    path.write_text(text)
    with pytest.raises(USER_ERRORS) as refusal:
        load_graph(str(path))
    line = str(refusal.value)
    assert "\n" not in line
    assert all(fragment in line for fragment in fragments), line


def test_graphs_that_extend_each_other_are_refused(tmp_path):
    one, two = tmp_path / "one.toml", tmp_path / "two.toml"
    one.write_text(f'extends = "{two}"')
    two.write_text(f'extends = "{one}"')
    with pytest.raises(InputError, match="circle: one -> two -> one"):
        load_graph(str(one))
