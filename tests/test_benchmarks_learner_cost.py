"""The graph that the cost of a learner is measured against."""

from benchmarks.learner_cost import GRAPH, without_learner
from robot.graph import load_graph
from robot.validation import validate


def test_without_its_learner_the_graph_is_whole_and_otherwise_the_same(tmp_path):
    whole = load_graph(GRAPH)
    rest = load_graph(str(without_learner(tmp_path)))
    validate(rest)
    assert whole.nodes.keys() - rest.nodes.keys() == {"learner"}
    kept = {str(e) for e in whole.edges if "learner" not in (e.writer, e.reader)}
    assert {str(e) for e in rest.edges} == kept
