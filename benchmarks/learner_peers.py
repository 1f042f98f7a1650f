"""The peer's end of ``benchmarks.learner_speed``: d3rlpy's Cal-QL or stable-baselines3's SAC.

    python -m benchmarks.learner_peers calql|sac FOLDER

Runs in the peers' environment. It takes FOLDER's ``settings.json`` and ``data.npz``, leaves its
first weights in ``weights.npz`` and the losses of one update on the first batch, with the chance
that is written in ``data.npz``, in ``losses.json``; then it obeys, line by line: ``update 20`` or
``sample 20``, and answers with the seconds that this took.
"""

# pyright: reportMissingImports=false, reportAttributeAccessIssue=false
# That environment is not the one whose imports are checked.

import json
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import torch

Steps = tuple[Callable[[], Any], Callable[[], Any]]
"""One update of arrays at hand; one update of what is drawn from the peer's own buffer."""


def main() -> None:
    torch.set_num_threads(1)
    name, folder = sys.argv[1], Path(sys.argv[2])
    settings = json.loads((folder / "settings.json").read_text())
    data = dict(np.load(folder / "data.npz", allow_pickle=False))
    update, sample = {"calql": d3rlpy_calql, "sac": sb3_sac}[name](settings, data, folder)
    print(json.dumps({"ready": True}), flush=True)
    for line in sys.stdin:
        order, count = line.split()
        step = update if order == "update" else sample
        wall, cpu = time.perf_counter(), time.process_time()
        for _ in range(int(count)):
            step()
        seconds = {"cpu_s": time.process_time() - cpu, "wall_s": time.perf_counter() - wall}
        print(json.dumps(seconds), flush=True)


@contextmanager
def fixed_chance(data: dict[str, Any]) -> Iterator[None]:
    """What is drawn depends on the number of the sample alone."""
    noise, uniform = (torch.from_numpy(data[key]) for key in ("noise", "uniform"))  # (N, n)
    normal, name = torch.distributions.normal, "_standard_normal"  # by which both draw
    drawn, filled = getattr(normal, name), torch.Tensor.uniform_

    def standard_normal(shape: Any, dtype: Any, device: Any) -> torch.Tensor:
        del dtype, device
        if len(shape) == 3:  # (N, B, n)
            return noise.unsqueeze(1).expand(shape)
        return noise[:1].expand(shape)  # (B, n)

    def uniform_(tensor: torch.Tensor, low: float, high: float) -> torch.Tensor:
        del low, high
        return tensor.copy_(uniform.repeat(len(tensor) // len(uniform), 1))

    setattr(normal, name, standard_normal)
    torch.Tensor.uniform_ = uniform_
    try:
        yield
    finally:
        setattr(normal, name, drawn)
        torch.Tensor.uniform_ = filled


def leave(folder: Path, actor: Any, critics: list[Any]) -> None:
    """Writes the parameters in the order of the layers."""
    arrays = {f"actor/{k}": p for k, p in enumerate(actor)}
    arrays |= {
        f"critic{e}/{k}": p for e, critic in enumerate(critics) for k, p in enumerate(critic)
    }
    np.savez(folder / "weights.npz", **{key: p.detach().numpy() for key, p in arrays.items()})


def d3rlpy_calql(settings: dict[str, Any], data: dict[str, Any], folder: Path) -> Steps:
    import d3rlpy
    from d3rlpy.algos import CalQLConfig
    from d3rlpy.dataset import Episode, create_fifo_replay_buffer
    from d3rlpy.torch_utility import TorchMiniBatch

    encoder = d3rlpy.models.VectorEncoderFactory(hidden_units=settings["hidden"])
    algorithm = CalQLConfig(
        actor_learning_rate=settings["actor_rate"],
        critic_learning_rate=settings["critic_rate"],
        temp_learning_rate=settings["temperature_rate"],
        alpha_learning_rate=0.0,
        actor_encoder_factory=encoder,
        critic_encoder_factory=encoder,
        batch_size=settings["batch_size"],
        gamma=settings["discount"],
        tau=settings["target_rate"],
        n_critics=settings["critics"],
        initial_alpha=1.0,
        alpha_threshold=0.0,
        conservative_weight=settings["conservative_weight"],
        n_action_samples=settings["sampled_actions"],
        soft_q_backup=False,
        max_q_backup=True,
    ).create(device="cpu")
    algorithm.create_impl((data["state"].shape[-1],), data["action"].shape[-1])
    impl = algorithm.impl
    leave(folder, impl.policy.parameters(), [list(q.parameters()) for q in impl.q_function])
    columns = {key: torch.from_numpy(data[key]).unsqueeze(1) for key in ("reward", "mask")}
    batch = TorchMiniBatch(
        observations=torch.from_numpy(data["state"]),
        actions=torch.from_numpy(data["action"]),
        rewards=columns["reward"],
        next_observations=torch.from_numpy(data["next_state"]),
        next_actions=torch.from_numpy(data["action"]),
        returns_to_go=torch.from_numpy(data["mc_return"]).unsqueeze(1),
        terminals=1 - columns["mask"],
        intervals=torch.ones_like(columns["reward"]),
        device="cpu",
    )
    with fixed_chance(data):
        metrics = impl.update(batch, 0)
    losses = {"critic": float(metrics["critic_loss"]), "actor": float(metrics["actor_loss"])}
    (folder / "losses.json").write_text(json.dumps(losses))
    episodes = [
        Episode(observations, actions, rewards.reshape(-1, 1), terminated=False)
        for observations, actions, rewards in zip(
            data["episodes_state"], data["episodes_action"], data["episodes_reward"], strict=True
        )
    ]
    buffer = create_fifo_replay_buffer(10**6, episodes=episodes)

    def sample() -> None:
        algorithm.update(buffer.sample_transition_batch(settings["batch_size"]))

    return lambda: impl.update(batch, 0), sample


def sb3_sac(settings: dict[str, Any], data: dict[str, Any], folder: Path) -> Steps:
    import gymnasium
    from stable_baselines3 import SAC
    from stable_baselines3.common.logger import Logger
    from stable_baselines3.common.type_aliases import ReplayBufferSamples

    class Blank(gymnasium.Env):  # pyright: ignore[reportMissingTypeArgument]
        observation_space = gymnasium.spaces.Box(-10, 10, data["state"].shape[1:], np.float32)
        action_space = gymnasium.spaces.Box(-1, 1, data["action"].shape[1:], np.float32)

    model = SAC(
        "MlpPolicy",
        Blank(),
        learning_rate=settings["critic_rate"],
        buffer_size=10_000,
        batch_size=settings["batch_size"],
        tau=settings["target_rate"],
        gamma=settings["discount"],
        ent_coef="auto_" + str(settings["initial_temperature"]),
        policy_kwargs={"net_arch": settings["hidden"], "n_critics": settings["critics"]},
        device="cpu",
    )
    logger = Logger(None, [])
    model.set_logger(logger)
    actor, critic = model.policy.actor, model.policy.critic
    leave(folder, actor.parameters(), [list(q.parameters()) for q in critic.q_networks])
    states = data["episodes_state"]
    for state, action, reward in zip(
        states, data["episodes_action"], data["episodes_reward"], strict=True
    ):
        for t in range(len(action) - 1):
            model.replay_buffer.add(
                state[t][None],
                state[t + 1][None],
                action[t][None],
                reward[t : t + 1],
                np.zeros(1),
                [{}],
            )
    own_sample = model.replay_buffer.sample
    batch = ReplayBufferSamples(
        torch.from_numpy(data["state"]),
        torch.from_numpy(data["action"]),
        torch.from_numpy(data["next_state"]),
        1 - torch.from_numpy(data["mask"]).unsqueeze(1),
        torch.from_numpy(data["reward"]).unsqueeze(1),
        None,
    )

    def update() -> None:
        model.replay_buffer.sample = lambda *_, **__: batch
        model.train(1, settings["batch_size"])

    def sample() -> None:
        model.replay_buffer.sample = own_sample
        model.train(1, settings["batch_size"])

    with fixed_chance(data):
        update()
    told = logger.name_to_value
    losses = {"critic": 2 * told["train/critic_loss"], "actor": told["train/actor_loss"]}
    (folder / "losses.json").write_text(json.dumps({key: float(v) for key, v in losses.items()}))
    return update, sample


if __name__ == "__main__":
    main()
