"""One run of a grid of practice, in a process of its own; its argument is an order in JSON.

A run is stopped and goes on from its checkpoint, so that an interrupted study loses minutes.
"""

import shutil
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from perception.quantities import InputError
from policies.demonstrations import Demonstration, add_all, demonstrate, states_of
from policies.evaluate import success_rate
from policies.finetune import Hooks as PracticeHooks
from policies.finetune import Parts, PracticeRun
from policies.learner import Learner, make_learner
from policies.practice_env import PracticeEnv, spec_of
from policies.recipe import EXPERT
from policies.replay_buffer import ReplayBuffer
from policies.rewards import make_reward
from policies.spec import with_instruction
from policies.strategy import Scene, make_strategy
from robot.actors import actor_for
from robot.provenance import commit, hardware
from robot.study.conduct import Plan
from robot.study.hooks import Hooks, Interrupted
from robot.study.practice_grid import (
    Method,
    PracticeCell,
    PracticeGrid,
    config_hash,
    finetune_config,
    resolved,
    tupled,
)
from robot.study.rows import Row
from robot.study.worker import work
from robot.worlds import make_world, vectors_of, world_row

HANDED_OVER = "offline.pt"  # beside the checkpoints
WORKER = (sys.executable, "-m", "robot.study.practice_worker")


class Order(msgspec.Struct):
    """What to measure."""

    cell: PracticeCell
    method: Method
    checkpoints: str  # folder


def plan_of(
    grid: PracticeGrid, cells: Sequence[PracticeCell], rows: Path, checkpoints: Path, jobs: int
) -> Plan:
    """Cells of a grid as something that can be conducted."""

    def order(cell: PracticeCell) -> str:
        told = Order(cell, grid.methods[cell.method], str(checkpoints / cell.name))
        return msgspec.json.encode(told).decode()

    return Plan(cells, order, rows, jobs, WORKER)


def measure(order: Order, hooks: Hooks) -> Row | None:
    """Practises a cell and makes its row; None if it was stopped before the end.

    Raises:
        InputError: a name or an option that there is not, or a checkpoint of another run.
    """
    began_s, began_cpu_s = time.monotonic(), time.process_time()
    code = commit()  # as it is now: somebody may work on it meanwhile
    cell, method = order.cell, order.method
    try:
        run = practice_of(cell, method, Path(order.checkpoints), hooks)
    except Interrupted:
        return None
    if not run.run():
        return None
    final = run.evaluate(method.final_episodes)
    rate = success_rate(final)
    shutil.rmtree(order.checkpoints, ignore_errors=True)
    return {
        "cell": cell.name,
        "kind": "practice",
        **vars(cell),
        "commit": code,
        "config_hash": config_hash(cell.task, method),
        "hardware": hardware(),
        "settings": resolved(method),
        "final": {"trials": len(final), "successes": sum(trial.success for trial in final)},
        **run.log.figures(),
        "final_success": rate.value,  # of more attempts than the last point of the curve
        "wall_seconds": round(time.monotonic() - began_s, 1),
        "cpu_seconds": round(time.process_time() - began_cpu_s, 1),
    }


def practice_of(cell: PracticeCell, method: Method, checkpoints: Path, hooks: Hooks) -> PracticeRun:
    """The run of a cell, ready for its first step or for that after its checkpoint.

    Raises:
        Interrupted: it was stopped while it learned offline, which begins anew then.
        InputError: a name or an option that there is not, or a checkpoint of another run.
    """
    world, config = make_world(cell.task), finetune_config(method)
    instructions = vectors_of(world, world_row(cell.task).encoder)
    spec = with_instruction(spec_of(world), instructions.shape[1])
    shown = demonstrations_of(cell.task, world, method)
    offline = ReplayBuffer(spec, max(1, sum(len(d.action) for d in shown)), cell.seed)
    add_all(offline, shown, instructions)
    capacity = min(method.online_capacity, config.steps + len(offline))
    online = ReplayBuffer(spec, capacity, cell.seed)
    if method.demonstrations_online:
        add_all(online, shown, instructions)
    forward = [d for d in shown if world.goals[d.goal].direction == "forward"]
    scene = Scene(world.goals, instructions, world.episode_steps, states_of(forward))
    learner = make_learner(method.learner, spec, tupled(method.learner_options), cell.seed)
    parts = Parts(
        world,
        make_world(cell.task),
        learner,
        online,
        offline if shown else None,
        make_strategy(method.strategy, scene, method.strategy_options, cell.seed),
        make_reward(method.reward, method.reward_options, cell.seed),
        instructions,
    )
    told = PracticeHooks(progress=hooks.progress, should_stop=hooks.should_stop)
    run = PracticeRun(parts, config, cell.seed, told, checkpoints)
    if not run.resume() and shown:
        first = learn_offline(learner, offline, method, cell.seed, hooks)
        if first is not learner:
            begin_from(learner, first, checkpoints)
    return run


def demonstrations_of(task: str, world: PracticeEnv, method: Method) -> list[Demonstration]:
    """So many of each direction, its goals in turn; none at all if the method wants none."""
    shown: list[Demonstration] = []
    for number, direction in enumerate(("forward", "backward")):
        goals = [index for index, goal in enumerate(world.goals) if goal.direction == direction]
        shown += demonstrate(
            world,
            lambda goal: actor_for(task, world, EXPERT, goal),
            goals,
            method.demonstrations,
            int(np.random.SeedSequence((method.demonstrations_seed, number)).generate_state(1)[0]),
        )
    return shown


def learn_offline(
    learner: Learner, data: ReplayBuffer, method: Method, seed: int, hooks: Hooks
) -> Learner:
    """Who learned from the data: the learner itself, or the one that it is to begin from.

    Raises:
        Interrupted: it was stopped.
    """
    everything = data.rows(np.arange(len(data)))
    learner.prepare(everything)
    offline = method.offline
    if offline is None:
        return learner
    first = learner
    if offline.learner:
        first = make_learner(offline.learner, data.spec, tupled(offline.options), seed)
        first.prepare(everything)
    for _ in range(offline.updates):
        hooks.go_on(0)
        first.update(data.sample(first.practice.rows))
    return first


def begin_from(learner: Any, first: Learner, folder: Path) -> None:
    """Hands over what was learned.

    Raises:
        InputError: the learner begins from nobody.
    """
    if not hasattr(learner, "begin_from"):
        raise InputError(
            f"learner {learner.name} begins from no other; leave out offline.learner, so that it "
            "learns offline itself, or practise with wsrl"
        )
    folder.mkdir(parents=True, exist_ok=True)
    first.save(folder / HANDED_OVER)
    learner.begin_from(folder / HANDED_OVER)


def main(argv: list[str]) -> int:
    """Measures what the order says."""
    order = msgspec.json.decode(argv[0], type=Order)
    return work(lambda hooks: measure(order, hooks))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
