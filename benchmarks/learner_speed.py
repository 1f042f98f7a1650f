"""Updates per second of our Cal-QL and SAC beside d3rlpy's and stable-baselines3's.

    python -m benchmarks.learner_speed [--rounds 12] [--out docs/results/learner_speed.json]

Equal networks, batch, critics, sampled actions and target rule, one thread each. Both have the same
weights at first, and the losses of one update of the same batch with the same chance must agree, or
nothing is measured. Then both take turns, a few updates each, so that a slow moment of the machine
hits both; the ratio is of the medians over all turns. ``update`` is of arrays at hand, ``sample``
draws the batch from each one's own replay buffer first. Processor seconds are what is compared,
because they say the same on a machine that does other work; wall seconds are told too.

The peers are installed into an environment of their own, ``benchmarks/.peers/learners``: d3rlpy
wants an older Gymnasium than ours.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from dataclasses import asdict
from pathlib import Path
from statistics import median
from typing import IO, Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

from benchmarks.messaging import pip
from benchmarks.results import write_result
from perception.model_package import TensorSpec
from perception.torch_threads import one_thread
from policies.actor_learner import ActorLearner
from policies.learner import make_learner
from policies.networks import EnsembleMlp
from policies.replay_buffer import ReplayBuffer
from policies.spec import AxisBound, PolicySpec

ROOT = Path(__file__).parents[1]
PEERS = Path(__file__).parent / ".peers" / "learners"
PEER_COMMAND = (PEERS / "bin" / "python", "-W", "ignore", "-m", "benchmarks.learner_peers")
PACKAGES = ("torch==2.13.0", "d3rlpy==2.8.1", "stable-baselines3==2.9.2")
PEER_OF = {"calql": "d3rlpy 2.8.1", "sac": "stable-baselines3 2.9.2"}
ASKED = {"calql": 2.0, "sac": 1.3}  # times the peer's updates per second
STATES, ACTIONS = 17, 6  # numbers of an observation and an action: a half cheetah's
EPISODES, STEPS = 20, 100
TOLERANCE = {"critic": 1e-4, "actor": 1e-3}  # relative; the actor's is of critics after their step

Arrays = dict[str, NDArray[np.float32]]


class Case(NamedTuple):
    """One row of the table."""

    learner: str
    width: int  # units of both hidden layers
    sampled_actions: int = 4  # N, of Cal-QL

    @property
    def name(self) -> str:
        """Of the row."""
        sampled = f", N = {self.sampled_actions}" if self.learner == "calql" else ""
        return f"{self.learner} {self.width}-{self.width}{sampled}"


CASES = [Case("calql", width) for width in (64, 128, 256)]
CASES += [Case("calql", 256, 10)]
CASES += [Case("sac", width) for width in (64, 128, 256)]


def main() -> None:
    parser = argparse.ArgumentParser(description=str(__doc__).splitlines()[0])
    parser.add_argument("--rounds", type=int, default=12, help="turns that each takes")
    parser.add_argument("--updates", type=int, default=10, help="of each turn")
    parser.add_argument("--learners", nargs="*", choices=PEER_OF, default=list(PEER_OF))
    parser.add_argument("--widths", nargs="*", type=int, help="only networks of these widths")
    parser.add_argument("--out", type=Path, help="write JSON here, a table beside it")
    arguments = parser.parse_args()
    if error := install_peers():
        sys.exit(f"the peers cannot be had: {error}")
    rows = {}
    for case in CASES:
        if case.learner in arguments.learners and case.width in (arguments.widths or [case.width]):
            rows[case.name] = measured(case, arguments.rounds, arguments.updates)
            print(f"{case.name}: {json.dumps(rows[case.name])}", flush=True)
    text = table_of(rows)
    print(text)
    if arguments.out:
        numbers = {"load_average": os.getloadavg(), "peers": PEER_OF, "asked": ASKED, "rows": rows}
        write_result(arguments.out, numbers)
        arguments.out.with_suffix(".table.md").write_text(text + "\n")


def install_peers() -> str:
    """Brings the peers' environment up to date; what went wrong, or nothing."""
    python = PEERS / "bin" / "python"
    if not python.exists():
        subprocess.run([sys.executable, "-m", "venv", PEERS], check=True)
    return pip(python, f"numpy=={np.__version__}", *PACKAGES)


def measured(case: Case, rounds: int, updates: int) -> dict[str, Any]:
    """Seconds of both ends and what follows from them.

    Raises:
        AssertionError: their losses differ, so they do not compute the same.
    """
    data = made_up()
    learner = ours(case, data)
    with tempfile.TemporaryDirectory() as name, one_thread():
        folder = Path(name)
        np.savez(folder / "data.npz", allow_pickle=False, **data)
        config = asdict(learner.config)
        (folder / "settings.json").write_text(json.dumps(config | {"hidden": config["hidden"]}))
        peer = started(case.learner, folder)
        try:
            losses = compared(learner, data, folder)
            seconds = turns(learner, data, peer, rounds, updates)
        finally:
            peer.kill()
            peer.wait()
    return {"losses": losses, **summed_up(seconds, updates)}


def made_up() -> Arrays:
    """A batch, the chance of its one update, and episodes to sample from."""
    rng = np.random.default_rng(0)

    def normal(*shape: int) -> NDArray[np.float32]:
        return rng.standard_normal(shape).astype(np.float32)

    batch = 256
    mask = np.ones(batch, np.float32)
    mask[::9] = 0
    return {
        "state": normal(batch, STATES),
        "next_state": normal(batch, STATES),
        "action": rng.uniform(-0.9, 0.9, (batch, ACTIONS)).astype(np.float32),
        "reward": mask - 1 - 0.5,
        "mask": mask,
        "mc_return": np.linspace(-0.5, 0.5, batch, dtype=np.float32),  # some above what is valued
        "noise": normal(10, ACTIONS),
        "uniform": rng.uniform(-1, 1, (10, ACTIONS)).astype(np.float32),
        "episodes_state": normal(EPISODES, STEPS, STATES),
        "episodes_action": rng.uniform(-1, 1, (EPISODES, STEPS, ACTIONS)).astype(np.float32),
        "episodes_reward": -np.ones((EPISODES, STEPS), np.float32),
    }


def ours(case: Case, data: Arrays) -> ActorLearner:
    """Our learner, whose normaliser changes nothing; trims the chance in `data` to N samples."""
    bounds = tuple(AxisBound(f"joint{k}", "1", -1.0, 1.0) for k in range(ACTIONS))
    spec = PolicySpec((TensorSpec("state", (STATES,), "float32", "1"),), bounds, 10.0)
    options: dict[str, Any] = {
        "hidden": (case.width, case.width),
        "critic_hidden": (case.width, case.width),
        "layer_norm": False,
        "actor_layer_norm": False,
        "initial_temperature": 1.0,
    }
    if case.learner == "calql":
        options["sampled_actions"] = case.sampled_actions
        for key in ("noise", "uniform"):
            data[key] = data[key][: case.sampled_actions]
    learner = make_learner(case.learner, spec, options)
    if not isinstance(learner, ActorLearner):
        raise TypeError(f"{case.learner} has no actor")
    learner.prepare(
        {"state": np.outer([-1, 1], np.ones(STATES)).astype(np.float32)}
    )  # mean 0, deviation 1
    learner.actor.module.bounded = peers_bound
    return learner


def peers_bound(log_std: torch.Tensor) -> torch.Tensor:
    """The rule of both peers, so that losses can be compared; ours allows less."""
    return log_std.clamp(-20.0, 2.0)


def batch_of(data: Arrays) -> Arrays:
    same = ("action", "reward", "mask", "mc_return", "state", "next_state")
    return {name: data[name] for name in same}


def started(learner: str, folder: Path) -> "subprocess.Popen[str]":
    """The peer's process, ready."""
    process = subprocess.Popen(
        [
            PEERS / "bin" / "python",
            "-W",
            "ignore",
            "-m",
            "benchmarks.learner_peers",
            learner,
            folder,
        ],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    for line in _pipe(process.stdout):
        if line.startswith('{"ready"'):
            return process
    raise RuntimeError(f"the peer of {learner} ended; see its words above")


def compared(learner: ActorLearner, data: Arrays, folder: Path) -> dict[str, list[float]]:
    """Losses of one update from the peer's weights, ours and the peer's.

    Raises:
        AssertionError: they differ.
    """
    take_weights(learner, dict(np.load(folder / "weights.npz", allow_pickle=False)))
    theirs = json.loads((folder / "losses.json").read_text())
    noise, uniform = torch.from_numpy(data["noise"]), torch.from_numpy(data["uniform"])

    def fixed_noise(*shape: int, acting: bool = False) -> torch.Tensor:
        del acting
        return noise.expand(shape) if len(shape) == 3 else noise[:1].expand(shape)

    drawn = learner.noise, learner.uniform
    learner.noise, learner.uniform = fixed_noise, lambda *shape: uniform.expand(shape)
    metrics = learner.update(batch_of(data))
    learner.noise, learner.uniform = drawn
    mine = {"critic": metrics["loss"], "actor": metrics["actor_loss"]}
    for key, tolerance in TOLERANCE.items():
        if abs(mine[key] - theirs[key]) > tolerance * abs(theirs[key]):
            raise AssertionError(f"the {key}'s loss is {mine[key]} here, {theirs[key]} there")
    return {key: [mine[key], theirs[key]] for key in mine}


def take_weights(learner: ActorLearner, weights: Arrays) -> None:
    """Puts the peer's layers, (outputs, inputs) each, into our networks."""
    layers = [weights[f"actor/{k}"] for k in range(8)]
    head = [np.concatenate(pair) for pair in zip(layers[4:6], layers[6:8], strict=True)]
    fill(learner.actor.module.mlp, [[*layers[:4], *head]])
    critics: Any = learner.parts["critics"]
    members = critics.online.module.members
    fill(
        critics.online.module,
        [[weights[f"critic{e}/{k}"] for k in range(6)] for e in range(members)],
    )
    critics.restart()


def fill(network: EnsembleMlp, members: list[list[NDArray[np.float32]]]) -> None:
    """Weight and bias of each layer in turn, of each member."""
    with torch.no_grad():
        for e, (first, *rest) in enumerate(members):
            network.observed[e] = torch.from_numpy(first[:, :STATES].T.copy())
            network.acted[e] = torch.from_numpy(first[:, STATES:].T.copy())
            for layer, bias in enumerate(rest[::2]):
                network.biases[layer][e, 0] = torch.from_numpy(bias)
            for layer, weight in enumerate(rest[1::2]):
                network.weights[layer][e] = torch.from_numpy(weight.T.copy())


def turns(
    learner: ActorLearner, data: Arrays, peer: Any, rounds: int, updates: int
) -> dict[str, dict[str, list[dict[str, float]]]]:
    """Seconds of each turn, by order and end."""
    buffer = ReplayBuffer(learner.spec, EPISODES * STEPS)
    for state, action, reward in zip(
        data["episodes_state"], data["episodes_action"], data["episodes_reward"], strict=True
    ):
        never = np.zeros(STEPS - 1, bool)
        buffer.add_episode({"state": state}, action[:-1], reward[:-1], never)
    batch = batch_of(data)
    orders = {
        "update": lambda: learner.update(batch),
        "sample": lambda: learner.update(buffer.sample(learner.practice.rows)),
    }
    seconds: dict[str, dict[str, list[dict[str, float]]]] = {}
    for order, step in orders.items():
        both = seconds[order] = {"ours": [], "peer": []}
        for turn in range(rounds + 1):
            found = {"peer": asked(peer, f"{order} {updates}"), "ours": timed(step, updates)}
            for end in both:
                both[end] += [found[end]] if turn else []  # the first turn warms up
    return seconds


def timed(step: Any, updates: int) -> dict[str, float]:
    wall, cpu = time.perf_counter(), time.process_time()
    for _ in range(updates):
        step()
    return {"cpu_s": time.process_time() - cpu, "wall_s": time.perf_counter() - wall}


def asked(peer: Any, order: str) -> dict[str, float]:
    peer.stdin.write(order + "\n")
    peer.stdin.flush()
    return json.loads(peer.stdout.readline())


def summed_up(seconds: dict[str, Any], updates: int) -> dict[str, Any]:
    """Updates per processor second of both, and how many times the peer's ours are."""
    numbers: dict[str, Any] = {}
    for order, both in seconds.items():
        for clock in ("cpu_s", "wall_s"):
            took = {end: median(turn[clock] for turn in turns) for end, turns in both.items()}
            ratio = round(took["peer"] / took["ours"], 2)
            per_s = {end: round(updates / value, 1) for end, value in took.items()}
            numbers.setdefault(order, {})[clock.removesuffix("_s")] = {**per_s, "ratio": ratio}
    return numbers


def table_of(rows: dict[str, Any]) -> str:
    """Markdown."""
    lines = [
        "| learner, hidden | updates/s: ours | peer | ratio | and sampling: ours | peer | ratio |",
        "|---|---|---|---|---|---|---|",
    ]
    for name, row in rows.items():
        cells = [
            str(row[order]["cpu"][key])
            for order in ("update", "sample")
            for key in ("ours", "peer", "ratio")
        ]
        lines.append(f"| {name} | {' | '.join(cells)} |")
    return "\n".join(lines)


def _pipe(stream: IO[str] | None) -> IO[str]:
    if stream is None:
        raise RuntimeError("the peer has no output")
    return stream


if __name__ == "__main__":
    main()
