"""Clone a hand-written pilot into an ONNX policy, from the logs of its own flights.

    python examples/clone_pilot.py --out runs/clone.onnx
    reflexarc run room_sim --seconds 60 --set policy.policy=runs/clone.onnx

The graph that flew the pilot flies its clone: one line of the graph file differs.
"""

import argparse
import tempfile
import time
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from perception.calibration import calibration_hash
from policies.learners.bc import BehaviorCloning, Config
from policies.observation import select
from policies.spec import PolicySpec, bounds_of
from robot.config import load_robot
from robot.executor import RunOptions, run_in_process
from robot.graph import load_graph
from robot.messages import PolicyObservation
from robot.record import LogReader

OBSERVED = ("sectors_per_m", "previous_command", "turn_random")
RATE_HZ = 10.0  # of the camera, and so of the policy

Arrays = dict[str, NDArray[np.float32]]


def fly(seed: int, seconds: float, noise: float) -> Arrays:
    """One flight of the pilot, with noise on its commands so that it learns to correct itself."""
    graph = load_graph("room_sim", [f"policy.noise={noise}"])
    with tempfile.TemporaryDirectory() as folder:
        options = RunOptions(seconds, seed, lockstep=True, run_dir=Path(folder))
        run_in_process(graph, options, lambda _: None, lambda: False, print)
        steps = [m for _, m, _ in LogReader(Path(folder) / "log.mcap").messages(PolicyObservation)]
    return {
        name: np.stack([getattr(step, name) for step in steps]) for name in (*OBSERVED, "action")
    }


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--out", type=Path, default=Path("runs/clone.onnx"), help="the package")
    parser.add_argument("--flights", type=int, default=8, help="flights to learn from")
    parser.add_argument("--seconds", type=float, default=40.0, help="simulated seconds each")
    parser.add_argument("--steps", type=int, default=3000, help="updates of the network")
    args = parser.parse_args()
    began = time.monotonic()
    with ProcessPoolExecutor(2) as pool:
        seeds = range(1000, 1000 + args.flights)
        flights = [pool.submit(fly, s, args.seconds, 0.05 * (s % 2)) for s in seeds]
        data = [flight.result() for flight in flights]
    batch = {name: np.concatenate([flight[name] for flight in data]) for name in data[0]}
    flown_s = time.monotonic() - began
    print(f"{len(batch['action'])} steps from {args.flights} flights in {flown_s:.0f} s")

    robot = load_robot("ardrone")
    spec = PolicySpec(select(*OBSERVED), bounds_of(robot.limits), RATE_HZ)
    learner = BehaviorCloning(spec, Config(), seed=0)
    metrics = learner.fit(batch, batch["action"], args.steps)
    args.out.parent.mkdir(parents=True, exist_ok=True)
    learner.export(args.out, calibration_hash=calibration_hash(robot.rig))
    print(f"loss {metrics['loss']:.3f}; wrote {args.out} in {time.monotonic() - began:.0f} s")


if __name__ == "__main__":
    main()
