"""How often the scripted experts of the arm reach their goals, from resets and without any.

For each task and goal: attempts from states that the task draws, each of the task's usual length.
Then the goals by turns without a reset in between, as a robot practises; only what the task itself
calls irreversible is put back. Noise is the standard deviation of the expert's commands over the
greatest command.

    python -m benchmarks.arm_experts --out docs/results/arm_experts
"""

import argparse
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.results import write_result
from policies.policy import Policy, make_policy
from sim.arm_env import ArmEnv
from sim.manipulation_tasks import MANIPULATION_TASKS

FIRST_SEED = 1000  # of the attempts; tests use others


def main() -> None:
    parser = argparse.ArgumentParser(description=str(__doc__).splitlines()[0])
    parser.add_argument("--tasks", nargs="*", choices=MANIPULATION_TASKS, default=[])
    parser.add_argument("--attempts", type=int, default=100, help="per goal, and by turns")
    parser.add_argument("--noise", type=float, nargs="*", default=[0.0, 0.1])
    parser.add_argument("--out", type=Path, help="folder, in which each row is a file")
    arguments = parser.parse_args()
    for task in arguments.tasks or MANIPULATION_TASKS:
        for noise in arguments.noise:
            row = row_of(task, noise, arguments.attempts)
            print(line_of(row), flush=True)
            if arguments.out:
                write_result(arguments.out / f"{task}_noise_{noise:g}.json", row)


def row_of(task: str, noise: float, attempts: int) -> dict[str, Any]:
    row = MANIPULATION_TASKS[task]
    env = ArmEnv(task, end_on_success=False, **row.options)
    experts = [
        make_policy(row.expert, env.limits, env.rate_hz, {**row.options, "goal": i, "noise": noise})
        for i in range(len(env.goals))
    ]
    goals = [from_resets(env, experts[goal], goal, attempts) for goal in range(len(env.goals))]
    return {
        "task": task,
        "noise": noise,
        "attempts": attempts,
        "goals": goals,
        "by_turns": by_turns(env, experts, attempts),
    }


def from_resets(env: ArmEnv, expert: Policy, goal: int, attempts: int) -> dict[str, Any]:
    steps = []
    for attempt in range(attempts):
        seed = FIRST_SEED + attempt
        observation, _ = env.reset(seed=seed, options={"goal": goal})
        taken, _, _ = one_attempt(env, expert, goal, observation, seed)
        steps += [taken] if taken else []
    median, p95 = np.percentile(steps, [50, 95]).tolist() if steps else (None, None)
    text = env.goals[goal].text
    return {"goal": text, "reached": len(steps), "median_steps": median, "p95_steps": p95}


def by_turns(env: ArmEnv, experts: list[Policy], attempts: int) -> dict[str, int]:
    observation, _ = env.reset(seed=FIRST_SEED, options={"goal": 0})
    reached = put_back = 0
    for attempt in range(attempts):
        goal = attempt % len(experts)
        taken, observation, irreversible = one_attempt(
            env, experts[goal], goal, observation, attempt
        )
        reached += taken is not None
        if irreversible:
            put_back += 1
            observation, _ = env.reset(options={"goal": (goal + 1) % len(experts)})
    return {"reached": reached, "put_back": put_back}


def one_attempt(
    env: ArmEnv, expert: Policy, goal: int, observation: Any, seed: int
) -> tuple[int | None, Any, bool]:
    """Steps to the goal or None, what is observed then, whether a person is needed."""
    expert.reset(np.random.default_rng(seed))
    irreversible = False
    for step in range(env.episode_steps):
        observation, _, _, _, info = env.step(expert.act(observation))
        irreversible = info["irreversible"]
        if info["achieved"][goal]:
            return step + 1, observation, irreversible
    return None, observation, irreversible


def line_of(row: dict[str, Any]) -> str:
    goals = "  ".join(f"{goal['reached']:3d} in {goal['median_steps']}" for goal in row["goals"])
    turns = row["by_turns"]
    return (
        f"{row['task']:<12} noise {row['noise']:<4} reached {goals}"
        f"  by turns {turns['reached']:3d}, put back {turns['put_back']}"
    )


if __name__ == "__main__":
    main()
