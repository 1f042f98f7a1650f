"""Clone a hand-written pilot into an ONNX policy, from the logs of flights.

    python examples/clone_pilot.py --out runs/clone.onnx
    reflexarc run room_sim --seconds 60 --set policy.policy=runs/clone.onnx

The graph that flew the pilot flies its clone: one line of the graph file differs. First the pilot
flies; then the clone does, and the pilot tells afterwards what it would have done where the clone
got to (DAgger, Ross et al., arXiv 1011.0686). Without that the clone learns to repeat its previous
command, which is nearly always right in the pilot's own flights, and hovers for good.
"""

import argparse
import tempfile
import time
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from perception.calibration import calibration_hash
from policies.learners.bc import BehaviorCloning, Config
from policies.observation import select
from policies.policy import make_policy
from policies.spec import PolicySpec, bounds_of
from robot.config import load_robot
from robot.executor import RunOptions, run_in_process
from robot.graph import load_graph
from robot.messages import PolicyObservation
from robot.record import LogReader

OBSERVED = ("sectors_per_m", "previous_command", "turn_random")
PILOT = "reflex"
RATE_HZ = 10.0  # of the camera, and so of the policy

Arrays = dict[str, NDArray[np.float32]]


def fly(seed: int, seconds: float, policy: str) -> Arrays:
    """One flight of a policy: what it observed, and as `action` what the pilot would have done."""
    graph = load_graph("room_sim", [f"policy.policy={policy}"])
    with tempfile.TemporaryDirectory() as folder:
        options = RunOptions(seconds, seed, lockstep=True, run_dir=Path(folder))
        run_in_process(graph, options, lambda _: None, lambda: False, print)
        steps = [m for _, m, _ in LogReader(Path(folder) / "log.mcap").messages(PolicyObservation)]
    pilot = make_policy(PILOT, graph.robot.limits, RATE_HZ)
    observations = [
        {t.name: getattr(step, t.name) for t in pilot.spec.observation} for step in steps
    ]
    action = np.stack([pilot.act(observation) for observation in observations])
    return {
        **{name: np.stack([getattr(step, name) for step in steps]) for name in OBSERVED},
        "action": action.astype(np.float32),
    }


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--out", type=Path, default=Path("runs/clone.onnx"), help="the package")
    parser.add_argument("--flights", type=int, default=6, help="flights each time")
    parser.add_argument("--rounds", type=int, default=2, help="times that the clone flies")
    parser.add_argument("--seconds", type=float, default=40.0, help="simulated seconds each")
    parser.add_argument("--steps", type=int, default=1000, help="updates of the network each time")
    args = parser.parse_args()
    began = time.monotonic()
    args.out.parent.mkdir(parents=True, exist_ok=True)
    robot = load_robot("ardrone")
    spec = PolicySpec(select(*OBSERVED), bounds_of(robot.limits), RATE_HZ)
    data: list[Arrays] = []
    with ProcessPoolExecutor(2, mp_context=get_context("spawn")) as pool:
        for count in range(1 + args.rounds):
            policy = str(args.out) if count else PILOT
            seeds = range(1000 + count * args.flights, 1000 + (count + 1) * args.flights)
            flights = [pool.submit(fly, seed, args.seconds, policy) for seed in seeds]
            data += [flight.result() for flight in flights]
            batch = {name: np.concatenate([flight[name] for flight in data]) for name in data[0]}
            learner = BehaviorCloning(spec, Config(), seed=0)
            metrics = learner.fit(batch, batch["action"], args.steps)
            learner.export(args.out, calibration_hash=calibration_hash(robot.rig))
            print(
                f"{len(batch['action'])} steps, the last {len(flights)} flights by {policy}: "
                f"loss {metrics['loss']:.3f}, {time.monotonic() - began:.0f} s"
            )
    print(f"wrote {args.out}")


if __name__ == "__main__":
    main()
