"""How long the runs of a grid take on one core, from a few steps and updates that are timed here.

Processor time, so that what else the machine does counts little. Attempts of evaluations are taken
to last as long as they may; most end earlier.
"""

import time
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from perception.goal import DIRECTIONS
from perception.tables import load_item
from policies.instructions import ENCODERS
from policies.learner import Learner, make_learner
from policies.practice_env import GOAL, PracticeEnv
from policies.practice_settings import paced
from policies.replay_buffer import ReplayBuffer
from policies.rewards import RewardSource
from policies.spec import INSTRUCTION, PolicySpec, fixed_shape, with_instruction
from robot.policy_reads import policy_spec
from robot.practice_method import Method, finetune_config, tupled
from robot.practising import reward_for, world_of
from robot.recipes import load_recipe
from robot.worlds import OWN_VECTORS, vectors_of, world_row

STEPS, UPDATES, WARM = 25, 6, 2  # timed, and before that


class Cost(NamedTuple):
    """Seconds of one core of one run."""

    offline_s: float
    practice_s: float
    evaluation_s: float

    @property
    def total_s(self) -> float:
        """Of all of it."""
        return sum(self)


def cost_of(task: str, method: Method) -> Cost:
    """What a run of a method costs here; raises as making its parts does."""
    world, config = world_of(task, method), finetune_config(method)
    spec = with_instruction(policy_spec(world, method), _vector_size(task, world, method))
    learner = make_learner(method.learner, spec, tupled(method.learner_options))
    reward = reward_for(task, world, method, 0)
    rows, world_s, judge_s = _walked(world, spec, reward)
    act_s = _timed(lambda: learner.act(rows["first"], explore=True), STEPS)
    update_s = _update_s(learner, rows["buffer"])
    pace = paced(config, learner.practice)
    updates = max(0, config.steps - pace.warmup_steps) * pace.updates_per_step
    evaluations = config.evaluation_episodes * (config.steps // config.evaluate_every + 1)
    attempts = evaluations + method.final_episodes + method.final_backward_episodes
    attempts += len(DIRECTIONS) * len(method.elsewhere) * method.elsewhere_episodes
    return Cost(
        _offline_s(method, spec, rows["buffer"], update_s),
        config.steps * (world_s + act_s + judge_s) + updates * update_s,
        attempts * world.episode_steps * (world_s + act_s),
    )


def _offline_s(method: Method, spec: PolicySpec, buffer: ReplayBuffer, own_s: float) -> float:
    if method.offline is None:
        return 0.0
    name, options = method.offline.learner, method.offline.options
    if not name:
        return method.offline.updates * own_s
    return method.offline.updates * _update_s(make_learner(name, spec, tupled(options)), buffer)


def _walked(
    world: PracticeEnv, spec: PolicySpec, reward: RewardSource
) -> tuple[dict[str, Any], float, float]:
    """A buffer of random steps, the first observation, and what a step and a judgement take."""
    rng = np.random.default_rng(0)
    told = {INSTRUCTION: _vector(spec)}
    observation, _ = world.reset(seed=0, options={GOAL: 0})
    first = before = {**observation, **told}
    buffer = ReplayBuffer(spec, STEPS)
    low, high = ([getattr(bound, end) for bound in spec.action] for end in ("minimum", "maximum"))
    world_s = judge_s = 0.0
    reward.begin()
    for _ in range(STEPS):
        action = rng.uniform(low, high)
        began_s = time.process_time()
        observation, *_, info = world.step(action)
        stepped_s = time.process_time()
        reward.judge(0, observation, info)
        world_s += stepped_s - began_s
        judge_s += time.process_time() - stepped_s
        after = {**observation, **told}
        buffer.add(before, action, -1.0, after, success=False)
        before = after
    buffer.end_episode()
    return {"buffer": buffer, "first": first}, world_s / STEPS, judge_s / STEPS


def _update_s(learner: Learner, buffer: ReplayBuffer) -> float:
    batch = buffer.sample(learner.practice.rows)
    for _ in range(WARM):
        learner.update(batch)
    return _timed(lambda: learner.update(batch), UPDATES)


def _timed(work: Callable[[], Any], times: int) -> float:
    """Seconds of processor time of one of so many."""
    began_s = time.process_time()
    for _ in range(times):
        work()
    return (time.process_time() - began_s) / times


def _vector_size(task: str, world: PracticeEnv, method: Method) -> int:
    """Numbers of an instruction, without encoding one."""
    encoders = [load_recipe(name).encoder for name in method.data] or [world_row(task).encoder]
    if encoders[0] == OWN_VECTORS:
        return vectors_of(world, OWN_VECTORS).shape[1]
    return load_item(ENCODERS, "encoder", encoders[0]).size


def _vector(spec: PolicySpec) -> NDArray[np.float32]:
    (tensor,) = [tensor for tensor in spec.observation if tensor.name == INSTRUCTION]
    return np.full(fixed_shape(tensor), 0.05, np.float32)
