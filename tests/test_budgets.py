"""Budgets of the graphs that we ship, by wall clock: run with ``pytest -m budget``."""

import os
import sys
from pathlib import Path

import pytest

from robot.config import list_configs
from robot.nodes import NODES
from robot.pytest_plugin import BudgetExceededError

pytestmark = pytest.mark.budget
HERE = Path(__file__).parent


@pytest.fixture
def slow_stereo(monkeypatch, tmp_path):
    """Makes known, here and in the nodes' processes, a stereo node that is 30 ms late."""
    monkeypatch.setitem(NODES, "slow_stereo", "slow_nodes:SlowStereo")
    interpreter = tmp_path / "python-with-slow-nodes"
    interpreter.write_text(
        f"#!{sys.executable}\n"
        "import sys\n"
        f"sys.path[:0] = [{str(HERE)!r}, {str(HERE.parent)!r}]\n"
        "from robot.nodes import NODES\n"
        "from robot.worker import main\n"
        "NODES['slow_stereo'] = 'slow_nodes:SlowStereo'\n"
        "sys.exit(main())\n"
    )
    interpreter.chmod(0o700)
    monkeypatch.setattr(sys, "executable", os.fspath(interpreter))


@pytest.mark.parametrize("name", list_configs("budgets"))
def test_the_graph_keeps_its_budget(name, keeps_budget):
    keeps_budget(name)


def test_a_node_that_becomes_30_ms_slower_fails_the_budget_by_name(slow_stereo, keeps_budget):
    with pytest.raises(BudgetExceededError) as failure:
        keeps_budget("room_sim", "stereo.class=slow_stereo")
    first, *faults = str(failure.value).splitlines()
    assert first == "room_sim is over budget:"
    assert [fault for fault in faults if fault.startswith("stereo: latency p50")], faults
    assert all(fault.startswith("stereo") for fault in faults)
