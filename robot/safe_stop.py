"""Keeps the robot stopped while a node is dead or silent on which its motion depends.

By wall clock only: in lockstep the time of the world stands still meanwhile.
"""

from robot.control import Halt, SupervisorControl
from robot.graph import Graph
from robot.node import Role


class SafeStop:
    """Who is unfit, and the orders to the actuators that follow from it."""

    def __init__(self, graph: Graph, control: SupervisorControl, *, lockstep: bool) -> None:
        self._graph, self._control, self._lockstep = graph, control, lockstep
        self._actuators = [
            node.name for node in graph.nodes.values() if node.node_class.role is Role.ACTUATOR
        ]
        self._unfit: set[str] = set()

    @property
    def unfit(self) -> frozenset[str]:
        """Nodes because of which the robot is stopped."""
        return frozenset(self._unfit)

    def judge(self, name: str, *, unfit: bool) -> None:
        """Stops the robot for a node that acts, or whose end is the run's; or lets it move."""
        ends_run = self._graph.nodes[name].supervision.restart == "never"
        if self._lockstep or not (ends_run or name in self._graph.acting_path):
            return
        before = bool(self._unfit)
        (self._unfit.add if unfit else self._unfit.discard)(name)
        if bool(self._unfit) != before:
            for actuator in self._actuators:
                self._control.send(actuator, Halt(on=unfit))

    def tell(self, name: str) -> None:
        """A node that came up has not heard of the others."""
        if self._unfit and name in self._actuators:
            self._control.send(name, Halt(on=True))
