"""Where a robot has been lately: to which side it has not, is where there is something new."""

from dataclasses import dataclass

import numpy as np

from policies.dead_reckoning import Motion


@dataclass(frozen=True)
class TrackConfig:
    """What is kept of the path, and when it decides."""

    seconds: float = 60.0  # dead reckoning knows no more about the time before
    fading_s: float = 30.0  # what is older by this counts less by e
    least_step_m: float = 0.01  # a robot that turns on the spot is nowhere new
    radius_m: float = 3.0  # what is farther off is no reason to turn
    beside_m: float = 0.3  # nearer to the axis than this is neither left nor right
    ratio: float = 1.3  # one side must hold so many times more than the other
    margin: float = 5.0  # and so many steps more


class Track:
    """Positions (N, 2) in the body frame, x ahead m, y left m, with their ages."""

    def __init__(self, config: TrackConfig, step_s: float) -> None:
        """`step_s`: time between two calls of `update`."""
        self._config, self._step_s = config, step_s
        self.reset()

    def reset(self) -> None:
        """Forgets everything."""
        self._been = np.zeros((0, 2))
        self._age_s = np.zeros(0)

    def update(self, motion: Motion) -> None:
        """Takes in one step."""
        age_s = self._age_s + self._step_s
        kept = age_s <= self._config.seconds
        self._been, self._age_s = motion.carry(self._been)[kept], age_s[kept]
        if motion.ahead_m > self._config.least_step_m:
            self._been = np.concatenate([self._been, np.zeros((1, 2))])
            self._age_s = np.append(self._age_s, 0.0)

    def fuller_side(self) -> float:
        """The side on which it has been more: 1 left, -1 right, 0 neither."""
        config = self._config
        near = np.hypot(*self._been.T) < config.radius_m
        weight = np.exp(-self._age_s / config.fading_s)
        left, right = (
            float(weight[near & (sign * self._been[:, 1] > config.beside_m)].sum())
            for sign in (1, -1)
        )
        if max(left, right) < config.ratio * min(left, right) + config.margin:
            return 0.0
        return 1.0 if left > right else -1.0
