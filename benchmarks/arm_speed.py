"""How fast the simulated arm is, beside FetchPickAndPlace-v4 of gymnasium-robotics.

Both move an arm with a gripper and one thing on a table, in physics steps of 2 ms, by random
commands for the tool, kinematics included. They take turns of some seconds in the same run, so
that a machine that is busy or throttles slows both, and on the same MuJoCo: the peer's release
asks for joint types in a way that MuJoCo 4 answers otherwise, which `arm_speed_peer` mends, because
on the older one that it runs on unmended it is a third slower. It has an environment of its own,
``benchmarks/.peers-arm/``.

    python -m benchmarks.arm_speed --out docs/results/arm_speed.json
"""

import argparse
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import gymnasium
import mujoco
import numpy as np

from benchmarks.results import write_result
from sim.arm_env import env_id
from sim.manipulation_tasks import make_manipulation

PEERS = Path(__file__).parent / ".peers-arm"
PACKAGES = ("gymnasium-robotics==1.4.2", f"mujoco=={mujoco.__version__}")
PEER = Path(__file__).parent / "arm_speed_peer.py"
BAR = 4.0  # times the peer


def main() -> None:
    parser = argparse.ArgumentParser(description=str(__doc__).splitlines()[0])
    parser.add_argument("--rounds", type=int, default=20, help="turns that each takes")
    parser.add_argument("--seconds", type=float, default=1.0, help="about how long a turn is")
    parser.add_argument("--task", default="place", help="row of MANIPULATION_TASKS")
    parser.add_argument("--out", type=Path)
    arguments = parser.parse_args()
    install_peer()
    rows = measure(arguments.task, arguments.rounds, arguments.seconds)
    for clock in ("wall", "processor"):
        row = rows[clock]
        print(
            f"{clock:<10} arm {row['arm']['median']:6.1f}   fetch {row['fetch']['median']:6.1f}"
            f"   ratio {row['ratio']['median']:.2f} ({row['ratio']['p05']:.2f} to "
            f"{row['ratio']['p95']:.2f}), asked {BAR}"
        )
    if arguments.out:
        write_result(arguments.out, rows)


def install_peer() -> None:
    python = PEERS / "bin" / "python"
    if not python.exists():
        subprocess.run([sys.executable, "-m", "venv", PEERS], check=True)
    pip = [python, "-m", "pip", "--disable-pip-version-check", "install", "-q"]
    subprocess.run([*pip, *PACKAGES], check=True)


def measure(task: str, rounds: int, seconds: float) -> dict[str, Any]:
    """Simulated seconds per second, of both and as a ratio per round."""
    arm = Arm(task)
    peer = subprocess.Popen(
        [PEERS / "bin" / "python", PEER],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert peer.stdin is not None and peer.stdout is not None  # noqa: PT018 - pipes, both asked for
    speeds: dict[str, list[tuple[float, float]]] = {"arm": [], "fetch": []}
    with peer:
        versions = peer.stdout.readline().strip()
        for _ in range(rounds + 1):
            speeds["arm"].append(arm.turn(seconds))
            peer.stdin.write(f"{seconds}\n")
            peer.stdin.flush()
            wall, processor = map(float, peer.stdout.readline().split())
            speeds["fetch"].append((wall, processor))
        peer.stdin.close()
    measured = {name: np.array(turns[1:]) for name, turns in speeds.items()}  # the first warms up
    measured["ratio"] = measured["arm"] / measured["fetch"]  # (rounds, 2)
    result: dict[str, Any] = {"task": task, "rounds": rounds, "bar": BAR}
    result["versions"] = {"arm": f"mujoco {mujoco.__version__}", "fetch": versions}
    for column, clock in enumerate(("wall", "processor")):
        result[clock] = {name: spread(values[:, column]) for name, values in measured.items()}
    return result


class Arm:
    """Ours, one environment as a learner steps it."""

    def __init__(self, task: str) -> None:
        self._env = gymnasium.make(env_id(task), end_on_success=False, disable_env_checker=True)
        self._attempt = make_manipulation(task).episode_steps
        self._env.reset(seed=0)
        self._env.action_space.seed(0)

    def turn(self, seconds: float) -> tuple[float, float]:
        """Simulated seconds per second by the wall and per second of the processor."""
        wall_s, processor_s, steps = time.perf_counter(), time.process_time(), 0
        while time.perf_counter() - wall_s < seconds:
            self._env.reset()
            for _ in range(self._attempt):
                self._env.step(self._env.action_space.sample())
            steps += self._attempt
        simulated_s = steps * 0.2
        wall_s, processor_s = time.perf_counter() - wall_s, time.process_time() - processor_s
        return simulated_s / wall_s, simulated_s / processor_s


def spread(values: Any) -> dict[str, float]:
    p05, median, p95 = np.percentile(values, [5, 50, 95]).round(2)
    return {"p05": float(p05), "median": float(median), "p95": float(p95)}


if __name__ == "__main__":
    main()
