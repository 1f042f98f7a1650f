"""A world of ten lines to practise in: a thing on a line, pushed beyond 0.5 m or back to 0."""

import numpy as np
from tiny_data import GOALS

from firmware_bridge.axis_limits import AxisLimit, Limits
from perception.model_package import TensorSpec


class Line:
    """Each step moves the thing by a fifth of the action; below -1 m it falls from the table."""

    tensors = (TensorSpec("position_m", (1,), "float32", "m"),)
    limits = Limits((AxisLimit("x", "1", -1.0, 1.0, 10.0, stop=0.0),), 0.5)
    rate_hz = 5.0
    goals = GOALS
    episode_steps = 6

    def reset(self, *, seed=None, options=None):
        rng = np.random.default_rng(seed)
        self._at_m = (options["goal"] == 1) * 0.6 + rng.uniform(0.02, 0.1)
        return self._seen()

    def step(self, action):
        self._at_m += float(action[0]) / 5
        return (*self._seen()[:1], 0.0, False, False, self._seen()[1])

    def _seen(self):
        achieved = np.array([self._at_m > 0.5, abs(self._at_m) < 0.02])
        info = {"achieved": achieved, "irreversible": self._at_m < -1}
        return {"position_m": np.array([self._at_m], np.float32)}, info
