"""What the benchmark of learners makes of weights and seconds; without the peers."""

from itertools import pairwise

import numpy as np
import pytest
import torch

from benchmarks import learner_speed


def peers_weights(width):
    """As torch's linear layers hold them: (outputs, inputs)."""
    rng = np.random.default_rng(0)
    states, actions = learner_speed.STATES, learner_speed.ACTIONS

    def layers(*sizes):
        for inputs, outputs in pairwise(sizes):
            yield from (rng.normal(size=(outputs, inputs)), rng.normal(size=outputs))

    head = [*layers(width, actions), *layers(width, actions)]
    weights = {f"actor/{k}": w for k, w in enumerate([*layers(states, width, width), *head])}
    for e in range(2):
        critic = layers(states + actions, width, width, 1)
        weights |= {f"critic{e}/{k}": w for k, w in enumerate(critic)}
    return {name: values.astype(np.float32) for name, values in weights.items()}


def run(weights, name, layers, values):
    for k in layers:
        values = values @ weights[f"{name}/{k}"].T + weights[f"{name}/{k + 1}"]
        if k != layers[-1]:
            values = np.maximum(values, 0)
    return values


@pytest.mark.parametrize("learner", learner_speed.PEER_OF)
def test_the_peers_weights_compute_the_same_here(learner):
    data, weights = learner_speed.made_up(), peers_weights(8)
    ours = learner_speed.ours(learner_speed.Case(learner, 8), data)
    learner_speed.take_weights(ours, weights)
    state, action = (torch.from_numpy(data[name]) for name in ("state", "action"))
    both = np.concatenate([data["state"], data["action"]], axis=1)
    with torch.no_grad():
        for q in (ours.parts["critics"].q, ours.parts["critics"].slow_q):
            for e, values in enumerate(q(state, action)):
                expected = run(weights, f"critic{e}", [0, 2, 4], both)[:, 0]
                np.testing.assert_allclose(values, expected, rtol=1e-3, atol=1e-3)
        mean, log_std = ours.actor.module(state)
    expected = run(weights, "actor", [0, 2, 4], data["state"])
    np.testing.assert_allclose(mean, expected, rtol=1e-3, atol=1e-3)
    expected = run(weights, "actor", [0, 2, 6], data["state"]).clip(-20, 2)
    np.testing.assert_allclose(log_std, expected, rtol=1e-3, atol=1e-3)


def test_the_ratio_is_of_medians():
    """10 updates in 2 s and in 1 s of the processor: 5 and 10 a second, ours twice the peer's."""
    turns = {
        "peer": [{"cpu_s": s, "wall_s": 2 * s} for s in (2.0, 9.0, 1.9)],
        "ours": [{"cpu_s": s, "wall_s": s} for s in (1.0, 0.9, 7.0)],
    }
    found = learner_speed.summed_up({"update": turns}, updates=10)
    assert found["update"]["cpu"] == {"ours": 10.0, "peer": 5.0, "ratio": 2.0}
    assert found["update"]["wall"]["ratio"] == 4.0
