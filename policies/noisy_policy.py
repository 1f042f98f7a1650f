"""A package as its learner practises by it: it tries actions around those that it is sure of.

What a reward has to be proved on is what a robot does while it practises, and there a learner adds
noise to what it would deploy (`practice_noise`): normal, before the tanh that keeps an action
within its range. A deployed package no longer knows of that, but its range is in its spec, so tanh
can be undone, and a package that stands for itself can be tried as the learner would have.
"""

import numpy as np
from numpy.typing import NDArray

from policies.observation import Observation
from policies.policy import Policy

SATURATED = 1 - 1e-7  # of the range; where tanh in single precision reaches its end


class NoisyPolicy:
    """Acts as another policy does, and some noise aside."""

    def __init__(self, policy: Policy, deviation: float) -> None:
        """Nothing is drawn before `reset`.

        Args:
            policy: whose actions are squashed into the range of its spec.
            deviation: of the noise before tanh, as a learner's `practice_noise`; 0: none.
        """
        self.spec = policy.spec
        self._policy, self._deviation = policy, deviation
        low, high = np.array([(one.minimum, one.maximum) for one in policy.spec.action]).T
        self._centre, self._half = (low + high) / 2, (high - low) / 2  # (n,) each
        self._rng = np.random.default_rng(0)

    def reset(self, rng: np.random.Generator) -> None:
        """Begins an attempt, with its chance."""
        self._rng = rng
        self._policy.reset(rng)

    def act(self, observation: Observation) -> NDArray[np.float64]:
        """The action (n,) in the units of the spec."""
        sure = (self._policy.act(observation) - self._centre) / self._half  # -1..1
        noise = self._deviation * self._rng.standard_normal(len(sure))
        tried = np.arctanh(np.clip(sure, -SATURATED, SATURATED)) + noise
        return self._centre + self._half * np.tanh(tried)
