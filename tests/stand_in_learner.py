"""A learner without torch, for tests of the loop: what it is fed shows in what it has become."""

import json

import numpy as np

from policies.learner import Practice
from policies.policy import make_policy
from sim.tabletop import TabletopEnv


class StandIn:
    """Shows the goal it is told as an expert would; its weights are a digest of its batches."""

    def __init__(self, spec, seed=0, practice=Practice(rows=4), noise=0.3):  # noqa: B008 - immutable
        self.spec, self.practice = spec, practice
        self.weights, self.batches, self.asked = np.zeros(3), [], 0
        self._rng, self._noise = np.random.default_rng(seed), noise
        self._experts = [
            make_policy("tabletop_expert", TabletopEnv.limits, 5.0, {"goal": g, "noise": 0.0})
            for g in range(5)
        ]

    def update(self, batch):
        self.batches.append(batch)
        self.weights += [batch["reward"].sum(), batch["action"].sum(), self._rng.random()]
        return {"loss": float(self.weights[0])}

    def act(self, observation, explore=False):
        (goal,) = np.flatnonzero((TabletopEnv.goal_vectors == observation["instruction"]).all(1))
        action = self._experts[goal].act(observation)
        if not explore:
            return action
        self.asked += 1
        return action + self._noise * self._rng.standard_normal(3)

    def save(self, path):
        state = {"weights": self.weights.tolist(), "chance": self._rng.bit_generator.state}
        path.write_text(json.dumps(state))

    def load(self, path):
        state = json.loads(path.read_text())
        self.weights = np.array(state["weights"])
        self._rng.bit_generator.state = state["chance"]
