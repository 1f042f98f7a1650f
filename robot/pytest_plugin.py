"""A pytest plugin that holds a running graph against a budget, for any project with a graph.

    @pytest.mark.budget
    def test_the_room_graph_keeps_its_budget(keeps_budget):
        keeps_budget("room_sim")

The name is that of a file under ``configs/budgets/``, or a path. The run takes real seconds and
depends on the machine, so mark such tests ``budget`` and leave them out of a default suite with
``-m "not budget"``.
"""

from collections.abc import Callable
from pathlib import Path

import pytest

from robot.budget import load_budget, run_budget


class BudgetExceededError(AssertionError):
    """A graph went over its budget; a line per number, each naming its node."""


KeepsBudget = Callable[..., None]


def pytest_configure(config: pytest.Config) -> None:
    """Makes the marker known."""
    config.addinivalue_line(
        "markers", "budget: runs a graph by wall clock against a budget; off by default"
    )


@pytest.fixture
def keeps_budget(tmp_path: Path) -> KeepsBudget:
    """Runs a graph and fails with a line for each number that is over its budget."""

    def check(name_or_path: str, *overrides: str) -> None:
        __tracebackhide__ = True
        budget = load_budget(name_or_path)
        if faults := run_budget(budget, overrides, tmp_path):
            raise BudgetExceededError("\n".join([f"{budget.graph} is over budget:", *faults]))

    return check
