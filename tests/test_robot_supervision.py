"""Restart rules, and which graphs may have them."""

import signal

import pytest

from perception.quantities import InputError
from robot.graph import load_graph
from robot.supervision import MAX_BACKOFF_S, RestartBudget, Supervision
from robot.validation import validate


@pytest.mark.parametrize(
    ("restart", "exit_code", "granted"),
    [
        ("never", -9, False),
        ("on-failure", -9, True),
        ("on-failure", 1, True),
        ("on-failure", None, True),
        ("on-failure", 0, False),
        ("on-failure", -signal.SIGTERM, False),
        ("always", 0, True),
        ("always", -signal.SIGTERM, True),
    ],
)
def test_the_policy_says_after_which_end_a_node_starts_again(restart, exit_code, granted):
    budget = RestartBudget(Supervision(restart=restart))
    assert (budget.grant(0.0, exit_code) is not None) is granted
    assert budget.count == granted


def test_the_back_off_doubles_and_is_bounded():
    budget = RestartBudget(Supervision(restart="always", backoff_s=8.0, limit=9, window_s=1e6))
    assert [budget.grant(0.0, 1) for _ in range(4)] == [8.0, 16.0, MAX_BACKOFF_S, MAX_BACKOFF_S]


def test_the_limit_holds_within_the_window_only():
    budget = RestartBudget(Supervision(restart="always", limit=2, window_s=10.0))
    assert budget.grant(0.0, 1) == 0.5
    assert budget.grant(5.0, 1) == 1.0
    assert budget.grant(9.0, 1) is None
    assert budget.grant(10.5, 1) == 1.0  # the first is forgotten
    assert budget.count == 3


@pytest.mark.parametrize(
    ("override", "word"),
    [
        ("policy.supervision.restart=sometimes", "'sometimes'"),
        ("policy.supervision.limit=0", "limit = 0"),
        ("policy.supervision.backoff_s=0", "backoff_s = 0"),
        ("policy.supervision.window_s=inf", "window_s = inf"),
        ("policy.supervision.hang_timeout_s=-1", "hang_timeout_s = -1"),
        ("policy.supervision.retries=3", "unknown key 'retries'"),
        ("policy.supervision=3", "[nodes.policy.supervision]"),
        ("simulator.supervision.restart=always", "a simulator cannot be continued"),
        ("stereo.supervision.restart=on-failure", "simulator.calibration is not repeated"),
    ],
)
def test_rules_that_nobody_could_follow_are_refused_in_one_line(override, word):
    with pytest.raises(InputError) as refusal:
        validate(load_graph("room_sim", [override]))
    assert word in str(refusal.value)
    assert "\n" not in str(refusal.value)


def test_what_watches_and_what_only_thinks_may_be_restarted():
    overrides = [f"{name}.supervision.restart=on-failure" for name in ("recorder", "policy")]
    graph = load_graph("room_sim", overrides)
    validate(graph)
    assert graph.nodes["policy"].supervision.restart == "on-failure"
    assert graph.nodes["stereo"].supervision == Supervision()


def test_the_acting_path_is_all_that_leads_to_the_actuator():
    path = load_graph("room_sim").acting_path
    assert path == {"simulator", "stereo", "policy", "actuator"}
    assert load_graph("folder_stereo").acting_path == frozenset()
