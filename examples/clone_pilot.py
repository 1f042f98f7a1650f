"""Clone a hand-written pilot into an ONNX policy, from the logs of flights.

    python examples/clone_pilot.py --out runs/clone.onnx
    reflexarc run room_sim --seconds 60 --set policy.policy=runs/clone.onnx

The graph that flew the pilot flies its clone: one line of the graph file differs. First the pilot
flies, then its clone does, and the pilot tells what it would have done where the clone got to
(DAgger, Ross et al., arXiv 1011.0686). In what a pilot flew, the command before tells nearly always
what comes next, so a clone would learn to repeat itself (de Haan et al., arXiv 1905.11979). So the
pilot is asked more: at each moment, what if it had given another command before?
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
from policies.learners.clone import Config, PilotClone, farthest_first
from policies.observation import OBSERVATION, PREVIOUS_COMMAND, Observation, select
from policies.pilots.reflex import Reflex
from policies.spec import ACTION, PolicySpec, bounds_of
from robot.config import load_robot
from robot.executor import RunOptions, run_in_process
from robot.graph import load_graph
from robot.messages import PolicyObservation
from robot.record import LogReader

OBSERVED = ("sectors_per_m", "previous_command", "turn_random")
RATE_HZ = 10.0  # of the camera, and so of the policy

# Who does not remember what it turned from must turn farther from it.
CAREFUL = Reflex.Config(min_extra_rad=0.9, max_extra_rad=1.9)

Arrays = dict[str, NDArray[np.float32]]


def fly(seed: int, seconds: float, policy: str) -> list[Observation]:
    """What a policy observed in one flight."""
    graph = load_graph("room_sim", [f"policy.policy={policy}"])
    with tempfile.TemporaryDirectory() as folder:
        options = RunOptions(seconds, seed, lockstep=True, run_dir=Path(folder))
        run_in_process(graph, options, lambda _: None, lambda: False, print)
        steps = [m for _, m, _ in LogReader(Path(folder) / "log.mcap").messages(PolicyObservation)]
    return [{tensor.name: getattr(step, tensor.name) for tensor in OBSERVATION} for step in steps]


def ask(
    pilot: Reflex, observations: list[Observation], what_ifs: int, rng: np.random.Generator
) -> Arrays:
    """What the pilot would do at each observation, and `what_ifs` times after another command.

    It is asked for what it does by what it observes, since a clone has no memory either.
    """
    flown = np.stack([observation[PREVIOUS_COMMAND] for observation in observations])
    before = farthest_first(flown, Config().codes)  # each as often, however rare in flight
    asked = list(observations)
    for observation in observations:
        for _ in range(what_ifs):
            forward_m_s, yaw_rad_s, altitude_m = before[rng.integers(len(before))]
            mirrored = np.array([forward_m_s, rng.choice([-1, 1]) * yaw_rad_s, altitude_m])
            turn_random = np.array([rng.random()], np.float32)
            what_if = {PREVIOUS_COMMAND: np.float32(mirrored), "turn_random": turn_random}
            asked.append({**observation, **what_if})
    return {
        **{name: np.stack([observation[name] for observation in asked]) for name in OBSERVED},
        ACTION: np.stack([pilot.react(observation) for observation in asked]).astype(np.float32),
    }


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--out", type=Path, default=Path("runs/clone.onnx"), help="the package")
    parser.add_argument("--flights", type=int, default=4, help="flights each time")
    parser.add_argument("--rounds", type=int, default=2, help="times that the clone flies")
    parser.add_argument("--seconds", type=float, default=21.0, help="simulated seconds each")
    parser.add_argument("--what-ifs", type=int, default=8, help="more questions per observation")
    parser.add_argument("--steps", type=int, default=750, help="updates of the network each time")
    args = parser.parse_args()
    began = time.monotonic()
    args.out.parent.mkdir(parents=True, exist_ok=True)
    robot = load_robot("ardrone")
    spec = PolicySpec(select(*OBSERVED), bounds_of(robot.limits), RATE_HZ)
    pilot = Reflex(CAREFUL, robot.limits, RATE_HZ)
    observations: list[Observation] = []
    with ProcessPoolExecutor(2, mp_context=get_context("spawn")) as pool:
        for count in range(1 + args.rounds):
            policy = str(args.out) if count else "reflex"
            seeds = range(1000 + count * args.flights, 1000 + (count + 1) * args.flights)
            flights = [pool.submit(fly, seed, args.seconds, policy) for seed in seeds]
            observations += [step for flight in flights for step in flight.result()]
            batch = ask(pilot, observations, args.what_ifs, np.random.default_rng(0))
            learner = PilotClone(spec, Config(), seed=0)
            metrics = learner.fit(batch, batch[ACTION], args.steps)
            learner.export(args.out, calibration_hash=calibration_hash(robot.rig))
            print(
                f"{len(observations)} observations, the last {len(flights)} flights by {policy}, "
                f"{len(batch[ACTION])} answers: loss {metrics['loss']:.3f}, "
                f"{time.monotonic() - began:.0f} s"
            )
    print(f"wrote {args.out}")


if __name__ == "__main__":
    main()
