"""``reflexarc evaluate policy``: how often a policy reaches the goals of a task."""

import json
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import tyro
from numpy.typing import NDArray

from perception.interval import Interval
from perception.model_package import read_package
from perception.quantities import InputError
from policies.evaluate import Trial, attempt, success_rate
from policies.practice_env import PracticeEnv
from policies.recipe import Goals
from robot.actors import actor_for
from robot.commands.run import interruptible
from robot.console import Console
from robot.options import Options, parsed_options, require_at_least
from robot.worlds import make_world, vectors_of


@dataclass(frozen=True)
class EvaluatePolicy:
    """Let a policy try the goals of a task, each from where such attempts begin, and count.

    An attempt succeeds if the goal is reached at any time; truth counts. Equal seeds are equal
    attempts, whoever acts.

    Example: reflexarc evaluate policy runs/lid/policy.onnx --task lid --episodes 100
    """

    policy: tyro.conf.Positional[str]
    """A package (.onnx), or expert, the pilot of the task, to compare."""
    task: str
    """What is tried; a wrong name lists those there are."""
    features: Path | None = None
    """Package of export features, for a policy that sees by it."""
    goal: Goals = "both"
    """Which goals: both, forward, backward."""
    episodes: int = 100
    """Attempts at each goal."""
    encoder: str = ""
    """What makes vectors of goals that the package does not know: ids, minilm, words, or world."""
    set: Options = ()
    """An option of the world, such as look=dim or look=moved_camera; may be given several times."""
    seed: int = 0
    """Of the attempts; give one that no data were collected with."""
    json: bool = False
    """Print the rates as JSON, and no progress."""

    def __call__(self) -> int:
        """Tries, counts."""
        require_at_least(self, {"episodes": 1, "seed": 0})
        features = str(self.features or "")
        world = make_world(self.task, parsed_options(self.set))
        goals = [n for n, one in enumerate(world.goals) if self.goal in ("both", one.direction)]
        vectors = self._vectors(world)
        actors = {
            goal: actor_for(self.task, world, self.policy, goal, features=features)
            for goal in goals
        }
        seeds = np.random.SeedSequence(self.seed).generate_state(self.episodes)
        planned = [(goal, int(seed)) for seed in seeds for goal in goals]
        trials: list[Trial] = []
        with (
            interruptible() as interrupted,
            Console(quiet=self.json).progress("trying", len(planned), "attempts") as progress,
        ):
            for goal, seed in planned:
                if interrupted():
                    break
                trials.append(attempt(world, actors[goal], vectors, goal, seed))
                progress(len(trials))
        self._report(world, trials)
        return 0 if len(trials) == len(planned) else 1

    def _vectors(self, world: PracticeEnv) -> NDArray[np.float32]:
        """(goals, D) what the policy is told."""
        texts = [goal.text for goal in world.goals]
        if self.encoder or not self.policy.endswith(".onnx"):
            return vectors_of(world, self.encoder or "words")  # a pilot is told nothing
        known = read_package(self.policy).manifest.extra.get("instructions", {})
        if missing := [text for text in texts if text not in known]:
            raise InputError(
                f"{self.policy} knows no instruction {missing[0]!r}; it knows "
                f"{', '.join(map(repr, known)) or 'none'}; --encoder makes a vector of any"
            )
        return np.array([known[text] for text in texts], np.float32)

    def _report(self, world: PracticeEnv, trials: list[Trial]) -> None:
        rows: list[dict[str, Any]] = []
        for goal in sorted({trial.goal for trial in trials}):
            own = [trial for trial in trials if trial.goal == goal]
            rows.append({**_row(own), **world.goals[goal]._asdict()})
        outcome = {"policy": self.policy, "task": self.task, **_row(trials), "goals": rows}
        if self.json:
            sys.stdout.write(json.dumps(outcome) + "\n")
            return
        for row in [*rows, {**outcome, "text": "all"}] if len(rows) > 1 else rows:
            steps = f", mean {row['steps_to_success']} steps" if row["successes"] else ""
            sys.stdout.write(
                f"{row['successes']} of {row['attempts']} ({100 * row['success']:.0f} %, 95 %: "
                f"{100 * row['low']:.0f} to {100 * row['high']:.0f}){steps}: {row['text']}\n"
            )


def _row(trials: list[Trial]) -> dict[str, Any]:
    """Counts of some attempts, with Wilson's interval."""
    rate: Interval = success_rate(trials)
    reached = [trial.reached_at for trial in trials if trial.reached_at is not None]
    return {
        "attempts": len(trials),
        "successes": len(reached),
        "success": round(rate.value, 4) if trials else None,
        "low": round(rate.low, 4) if trials else None,
        "high": round(rate.high, 4) if trials else None,
        "steps_to_success": round(float(np.mean(reached)), 1) if reached else None,
    }
