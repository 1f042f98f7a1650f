"""Practice: a policy acts, is judged, learns, and goes on from where things happen to be.

One plain loop for every world, learner, strategy and reward source; it knows their protocols alone.
Each step:

    goal of the attempt -> observation + instruction -> action -> world -> judgement -> verdict
    -> buffer -> so many updates as are due -> evaluation, if due -> checkpoint, if due

A step at which whoever judges abstains is counted and nobody's lesson: the buffer does not get it.
A person puts things back only when that is due, when the strategy asks for it (the oracle), or when
nothing else could: then it is counted as an intervention. A run that is stopped goes on from its
last checkpoint exactly as it would have, to the bit.
"""

from collections.abc import Callable, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from perception.goal import Direction
from policies.astray import Astray
from policies.evaluate import Deployed, Trial, evaluate
from policies.learner import Learner
from policies.observation import Observation
from policies.plain_state import in_form_of, plain
from policies.practice_checkpoint import (
    PracticeCheckpointError,
    latest_checkpoint,
    read_state,
    write_checkpoint,
)
from policies.practice_env import ACHIEVED, GOAL, IRREVERSIBLE, PracticeEnv
from policies.practice_log import PracticeLog, point_of
from policies.practice_settings import Config, paced, updates_due
from policies.replay_buffer import ReplayBuffer, batch_from
from policies.rewards import RewardSource
from policies.spec import INSTRUCTION
from policies.strategy import Step, Strategy, Verdict

LEARNER, ONLINE, OFFLINE = "learner.pt", "online.npz", "offline.npz"  # in a checkpoint


class Parts(NamedTuple):
    """What a run is made of."""

    env: PracticeEnv
    evaluation_env: PracticeEnv  # another one, with the same goals
    learner: Learner
    online: ReplayBuffer
    offline: ReplayBuffer | None  # demonstrations and prior data
    strategy: Strategy
    reward: RewardSource
    instructions: NDArray[np.float32]  # (goals, D)


class Hooks(NamedTuple):
    """Who is told, and who may stop it."""

    progress: Callable[[int], None] = lambda _step: None
    """Called with the number of steps done, after each."""
    log: Callable[[int, Mapping[str, float]], None] = lambda _step, _metrics: None
    """Called with metrics: of each evaluation, and of an update now and then."""
    should_stop: Callable[[], bool] = lambda: False
    """Asked before each step; a stop writes a checkpoint."""
    judging: Callable[[int], None] = lambda _attempts: None
    """Called with the attempts done of the evaluation that is going on, after each."""


LOG_EVERY = 1000  # steps between two updates whose metrics are told


class PracticeRun:
    """A run that can be stepped, saved and restored."""

    def __init__(
        self,
        parts: Parts,
        config: Config,
        seed: int,
        hooks: Hooks | None = None,
        folder: Path | None = None,
    ) -> None:
        """Nothing moves yet.

        Args:
            parts: fresh ones, all of the same task.
            config: how long and how often.
            seed: of the world and of random actions; the parts have their own.
            hooks: who is told.
            folder: of checkpoints; None keeps none.
        """
        self._parts, self._config, self._seed = parts, config, seed
        self._hooks = hooks or Hooks()
        self._folder = folder
        self._rng = np.random.default_rng(seed)
        self.log = PracticeLog()
        self._pace = paced(config, parts.learner.practice)
        self._observation: Observation = {}
        self._goal, self._attempt_steps = -1, 0  # -1: no attempt has begun
        self._said, self._reached = False, False  # success in this attempt: by verdict, in truth
        self._needs_reset = True
        self._astray = Astray(config.random_after_failure, parts.learner.spec.action)
        self._last_reset = (0, 0)  # steps and attempts done then
        self._metrics: dict[str, float] = {}  # of the last update

    def run(self) -> bool:
        """Practises to the end; False if it was stopped before."""
        tally, config = self.log.tally, self._config
        if not self.log.curve:
            self._evaluate()
        while tally.steps < config.steps:
            if self._hooks.should_stop():
                self._checkpoint()
                return False
            self.step()
            self._hooks.progress(tally.steps)
            if tally.steps % config.evaluate_every == 0 or tally.steps == config.steps:
                self._evaluate()
            if config.checkpoint_every and tally.steps % config.checkpoint_every == 0:
                self._checkpoint()
        return True

    def step(self) -> None:
        """Acts once and learns as much as is due."""
        if self._goal < 0:
            self._begin()
        told = self._told(self._observation)
        action = self._act(told)
        observation, _, _, _, info = self._parts.env.step(action)
        self._attempt_steps += 1
        judged = self._parts.reward.judge(self._goal, observation, info)
        verdict = self._parts.strategy.judge(Step(self._attempt_steps, observation, judged))
        if judged.abstained:
            self.log.tally.doubted(judged.doubt)
        else:
            self._parts.online.add(
                told, action, verdict.reward, self._told(observation), verdict.success
            )
        self._observation = observation
        reached = bool(info[ACHIEVED][self._goal])
        self._count(verdict, reached=reached)
        self.log.verdicts.count(judged, len(self._parts.reward.sees), reached=reached)
        is_lost = self._is_lost(judged.lost, truly=bool(info[IRREVERSIBLE]))
        if verdict.ended or is_lost:
            self._end(asks_reset=verdict.reset or is_lost)
        self._learn()

    def evaluate(
        self, episodes: int, direction: Direction = "forward", env: PracticeEnv | None = None
    ) -> list[Trial]:
        """Attempts of the deployed policy at all goals of a direction, frozen, in the other world.

        Each begins where that direction does, whatever became of the one before.

        Args:
            episodes: attempts, of all those goals together.
            direction: of the goals.
            env: a world with the same goals, in place of the one for evaluations.
        """
        parts = self._parts
        env = env or parts.evaluation_env
        goals = [index for index, goal in enumerate(env.goals) if goal.direction == direction]
        seed = np.random.SeedSequence((self._seed, self.log.tally.steps)).generate_state(1)[0]
        deployed = Deployed(parts.learner)
        told = self._hooks.judging
        return evaluate(env, deployed, parts.instructions, goals, episodes, int(seed), told)

    @property
    def learner(self) -> Learner:
        """Who learns."""
        return self._parts.learner

    def vectors(self) -> dict[str, list[float]]:
        """What the policy was told for each goal, by the goal's text."""
        told = zip(self._parts.env.goals, self._parts.instructions, strict=True)
        return {goal.text: vector.tolist() for goal, vector in told}

    def resume(self) -> bool:
        """Goes on from the latest checkpoint in the folder; False if there is none.

        Raises:
            PracticeCheckpointError: it is damaged, or of another run.
        """
        checkpoint = None if self._folder is None else latest_checkpoint(self._folder)
        if checkpoint is None:
            return False
        self._restore(checkpoint, read_state(checkpoint))
        return True

    def _begin(self) -> None:
        """The next attempt, from where things are or from where a person puts them."""
        self._goal = self._parts.strategy.next_goal(after_reset=self._needs_reset)
        self._attempt_steps = 0
        self._said, self._reached = False, False
        self._parts.reward.begin()
        if not self._needs_reset:
            return
        tally = self.log.tally
        is_first = tally.steps == 0
        seed = self._seed if is_first else None
        self._observation, _ = self._parts.env.reset(seed=seed, options={GOAL: self._goal})
        tally.resets += not is_first
        self._last_reset = (tally.steps, tally.attempts)
        self._needs_reset = False

    def _count(self, verdict: Verdict, *, reached: bool) -> None:
        tally = self.log.tally
        tally.steps += 1
        tally.returned += verdict.reward
        tally.reached_steps += reached
        self._said |= verdict.success
        self._reached |= reached

    def _is_lost(self, told: bool | None, *, truly: bool) -> bool:
        """Whether a person is called for: who judges says so, or the truth where it does not."""
        tally, called = self.log.tally, truly if told is None else told
        tally.interventions += called
        tally.false_interventions += called and not truly
        tally.lost_steps += truly and not called
        return called

    def _end(self, *, asks_reset: bool) -> None:
        tally, config = self.log.tally, self._config
        tally.attempts += 1
        tally.successes += self._said
        self._astray.attempt_ended(success=self._said)
        tally.false_successes += self._said and not self._reached
        self._parts.online.end_episode()
        self._goal = -1
        steps, attempts = (tally.steps, tally.attempts)
        self._needs_reset = (
            asks_reset
            or _is_due(steps - self._last_reset[0], config.reset_every_steps)
            or _is_due(attempts - self._last_reset[1], config.reset_every_attempts)
        )

    def _act(self, told: Observation) -> NDArray[np.float64]:
        strayed = self._astray.action(self._rng)
        if strayed is not None:
            return strayed
        if self.log.tally.steps < self._pace.random_steps:
            return self._astray.anything(self._rng)
        return self._parts.learner.act(told, explore=True)

    def _learn(self) -> None:
        """As many updates as are due since the warm-up."""
        tally, pace, parts = self.log.tally, self._pace, self._parts
        due = updates_due(tally.lessons - pace.warmup_steps, pace.updates_per_step)
        while tally.updates < due:
            batch = batch_from(parts.offline, parts.online, pace.rows, pace.offline_share)
            self._metrics = parts.learner.update(parts.strategy.relabel(batch))
            tally.updates += 1
        if self._metrics and tally.steps % LOG_EVERY == 0:
            self._hooks.log(tally.steps, self._metrics)

    def _evaluate(self) -> None:
        step = self.log.tally.steps
        point = point_of(self.log.tally, self.evaluate(self._config.evaluation_episodes))
        self.log.curve.append(point)
        self._hooks.log(step, {"deployed_success": point.success})

    def _told(self, observation: Observation) -> dict[str, NDArray[np.float32]]:
        return {**observation, INSTRUCTION: self._parts.instructions[self._goal]}

    def _checkpoint(self) -> None:
        if self._folder is not None:
            write_checkpoint(self._folder, self.log.tally.steps, self._state(), self._write_parts)

    def _write_parts(self, folder: Path) -> None:
        """What has a file of its own."""
        parts = self._parts
        parts.learner.save(folder / LEARNER)
        parts.online.save(folder / ONLINE)
        if parts.offline is not None:
            parts.offline.save(folder / OFFLINE)

    def _state(self) -> dict[str, Any]:
        parts = self._parts
        return {
            "settings": self._settings(),
            "log": self.log.save(),
            "chance": self._rng.bit_generator.state,
            "env": plain(parts.env.save()),
            "strategy": parts.strategy.save(),
            "reward": parts.reward.save(),
            "observation": dict(self._observation),
            "goal": self._goal,
            "attempt_steps": self._attempt_steps,
            "said": self._said,
            "reached": self._reached,
            "needs_reset": self._needs_reset,
            "last_reset": self._last_reset,
            "astray": self._astray.save(),
        }

    def _restore(self, checkpoint: Path, state: Mapping[str, Any]) -> None:
        parts = self._parts
        self._check_settings(checkpoint, state["settings"])
        parts.learner.load(checkpoint / LEARNER)
        online = ReplayBuffer.load(checkpoint / ONLINE, parts.online.spec)
        offline = parts.offline
        if offline is not None:
            offline = ReplayBuffer.load(checkpoint / OFFLINE, offline.spec)
        self._parts = parts._replace(online=online, offline=offline)
        self.log.restore(state["log"])
        self._rng.bit_generator.state = state["chance"]
        parts.env.restore(in_form_of(parts.env.save(), state["env"]))
        parts.strategy.restore(state["strategy"])
        parts.reward.restore(state["reward"])
        self._observation = state["observation"]
        self._goal, self._attempt_steps = state["goal"], state["attempt_steps"]
        self._said, self._reached = state["said"], state["reached"]
        self._needs_reset = state["needs_reset"]
        self._last_reset = tuple(state["last_reset"])
        self._astray.restore(state["astray"])

    def _settings(self) -> dict[str, Any]:
        """What must be the same when a run goes on; it may be made longer."""
        return {**asdict(self._config), "steps": None, "seed": self._seed}

    def _check_settings(self, checkpoint: Path, found: Mapping[str, Any]) -> None:
        for name, value in self._settings().items():
            if found.get(name) != value:
                raise PracticeCheckpointError(
                    f"{checkpoint} is of a run with {name} = {found.get(name)}, now it is {value}; "
                    "give the same settings or another folder"
                )


def _is_due(since: int, every: int | None) -> bool:
    return every is not None and since >= every
