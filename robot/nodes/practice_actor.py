"""Practises a task: acts by the newest weights, says what is tried next, and hands on each step.

It never waits for who learns: weights are opened and tried beside its work (`robot/weights.py`) and
swapped in between two observations; what is unsound is refused, counted and said, and those before
act on. Until there are any it acts at random within the robot's limits. While a person puts things
back it commands nothing, and the actuator stops the robot.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from perception.quantities import InputError
from policies.exploring import ExploringPolicy
from policies.practiser import Lesson, Order, Practiser, Said
from policies.strategy import Scene, make_strategy
from robot.clock import SECOND_NS
from robot.config import RobotConfig
from robot.messages import (
    Alert,
    AttemptOrder,
    Command,
    Experience,
    HelpNeeded,
    Observed,
    StepJudgement,
    Weights,
)
from robot.node import Emission, Input, Inputs, Node, NodeContext, Output
from robot.observed import tensors_in
from robot.weights import WeightsOpener, announced_path
from sim.manipulation_tasks import make_manipulation


@dataclass(frozen=True)
class PracticeActorConfig:
    """Parameters of one who practises."""

    task: str = "lid"  # row of sim.manipulation_tasks.MANIPULATION_TASKS
    task_options: dict[str, Any] = field(default_factory=dict)  # of that task
    package: str = ""  # that explores, to begin with; empty: at random until weights come
    strategy: str = "switching"  # row of policies.strategies.STRATEGIES
    strategy_options: dict[str, Any] = field(default_factory=dict)
    reset_every_attempts: int = 25  # a person puts things back (RoboFuME's); 0: never by the clock

    def __post_init__(self) -> None:
        """Refuses what does not exist, before anything starts."""
        make_manipulation(self.task, self.task_options)
        if self.reset_every_attempts < 0:
            raise InputError(f"reset_every_attempts = {self.reset_every_attempts}: give 0 or more")


class PracticeActorNode(Node[PracticeActorConfig]):
    """One command, one lesson and perhaps one order per observation."""

    inputs = {
        "observed": Input(Observed),
        "judged": Input(StepJudgement),
        "help": Input(HelpNeeded, required=False, wakes=False),
        "weights": Input(Weights, required=False),
    }
    outputs = {
        "command": Output(Command),
        "experience": Output(Experience, steady=False),
        "order": Output(AttemptOrder, steady=False),
    }
    Config = PracticeActorConfig

    @classmethod
    def is_played_back(cls, config: PracticeActorConfig, robot: RobotConfig) -> bool:
        """It reads packages, which are not in the log."""
        del config, robot
        return True

    def __init__(self, config: PracticeActorConfig, context: NodeContext) -> None:
        super().__init__(config, context)
        task = make_manipulation(config.task, config.task_options)
        self._texts = [goal.text for goal in task.goals]
        self._rng = context.rng()
        self._rate_hz = context.rate_hz or 0.0
        scene = Scene(task.goals, np.eye(len(task.goals), dtype=np.float32), task.episode_steps)
        strategy = make_strategy(
            config.strategy, scene, config.strategy_options, int(self._rng.integers(2**31))
        )
        step_ns = round(SECOND_NS / self._rate_hz) if self._rate_hz else SECOND_NS
        self._practiser = Practiser(strategy, step_ns, config.reset_every_attempts)
        self._opener = WeightsOpener(self._open, background=not context.lockstep)
        self._policy = self._opened(Path(config.package)) if config.package else None
        self._observed: Observed | None = None
        self._judged: StepJudgement | None = None
        self._helpless = -1  # the last attempt in which a person called for help
        self._swaps = self._refused = 0

    def step(self, now_ns: int, inputs: Inputs) -> list[Emission]:
        """Acts once observation and judgement of one moment are there; then opens weights."""
        self._observed = inputs.newest("observed") or self._observed
        self._judged = inputs.newest("judged") or self._judged
        for call in inputs.all("help"):
            self._helpless = call.attempt
        emissions: list[Emission] = []
        observed, judged = self._observed, self._judged
        if observed and judged and observed.captured_ns == judged.captured_ns:
            self._observed = self._judged = None
            emissions = [*self._swap(now_ns), *self._practise(observed, judged)]
        weights = inputs.newest("weights")
        if weights is not None:
            self._opener.submit(weights)
        return emissions

    def gauges(self) -> dict[str, float]:
        """How practice goes, and what became of the weights that were announced."""
        practiser = self._practiser
        return {
            "attempts": float(practiser.attempts),
            "successes": float(practiser.successes),
            "resets": float(practiser.resets),
            "interventions": float(practiser.interventions),
            "weights_swaps": float(self._swaps),
            "weights_refused": float(self._refused),
        }

    def close(self) -> None:
        """Ends the thread that opens weights."""
        self._opener.close()

    def _practise(self, observed: Observed, judged: StepJudgement) -> list[Emission]:
        lost = judged.lost or self._helpless == judged.attempt
        said = Said(judged.attempt, judged.success, lost, judged.abstained)
        seen, at_ns = tensors_in(observed), observed.captured_ns
        outcome = self._practiser.observe(at_ns, seen, said)
        emissions: list[Emission] = []
        if outcome.lesson is not None:
            emissions.append(("experience", self._experience(observed, outcome.lesson)))
        if outcome.order is not None:
            emissions.append(("order", self._order(at_ns, outcome.order)))
        action = self._act(seen) if outcome.acts else np.zeros(len(self.context.robot.limits.axes))
        if outcome.acts:
            self._practiser.acted(at_ns, seen, action)
        values = tuple(float(value) for value in action)
        command = Command(captured_ns=at_ns, valid=observed.valid and outcome.acts, values=values)
        return [*emissions, ("command", command)]

    def _act(self, seen: Mapping[str, NDArray[np.float32]]) -> NDArray[np.float64]:
        if self._policy is not None:
            return self._policy.act(dict(seen), self._practiser.goal, self._rng)
        axes = self.context.robot.limits.axes
        return self._rng.uniform([a.minimum for a in axes], [a.maximum for a in axes])

    def _experience(self, observed: Observed, lesson: Lesson) -> Experience:
        before, after = (
            np.concatenate([np.ravel(seen[name]) for name in observed.names])
            for seen in (lesson.before, lesson.after)
        )
        return Experience(
            captured_ns=observed.captured_ns,
            attempt=lesson.order.attempt,
            text=self._texts[lesson.order.goal],
            names=observed.names,
            shapes=observed.shapes,
            before=before,
            action=tuple(lesson.action.tolist()),
            reward=lesson.reward,
            after=after,
            success=lesson.success,
            ended=lesson.ended,
        )

    def _order(self, at_ns: int, order: Order) -> AttemptOrder:
        return AttemptOrder(captured_ns=at_ns, task=self.config.task, **order._asdict())

    def _opened(self, path: Path) -> ExploringPolicy:
        limits = self.context.robot.limits
        return ExploringPolicy(path, self.config.task, self._texts, limits, self._rate_hz)

    def _open(self, weights: Weights) -> ExploringPolicy:
        """Weights that were announced, after every check; on the opener's thread."""
        path = announced_path(self.context.run_dir, weights)
        policy = self._opened(path)
        if policy.sha256 != weights.sha256:
            raise InputError(f"{path.name} is not the package that was announced")
        return policy

    def _swap(self, now_ns: int) -> list[Emission]:
        """Between two observations."""
        opened = self._opener.take()
        if opened is None:
            return []
        if opened.item is not None:
            self._policy = opened.item
            self._swaps += 1
            return []
        self._refused += 1
        text = f"weights after {opened.weights.updates} updates are refused: {opened.fault}"
        return [("alerts", Alert(captured_ns=now_ns, text=text))]
