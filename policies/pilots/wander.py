"""The pilot that van Hecke et al. flew (arXiv 1603.08047): straight on, stop, turn, go on.

    ahead --obstacle--> stop --> turn away --free--> turn a bit more --r used up--> ahead

The states are those of their flight plan `IC_AutoExperiment.xml` (github.com/kevindehecker/
paparazzi, branch IC); r is drawn from U(0, 2) rad at each stop, and used up blindly: what it then
looks at is an obstacle or not. It turns to one side only. All that it asks of a reading is how far
the way ahead is free, one number, so that a cue that knows no more than "near" or "far" can fly it.

It tells from the reading who measured it: a cue that knows one number says so by sectors of which
nothing is seen. Then it flies at a third of its speed, as the authors' goal moved ahead at a third,
and turns the bit more at a quarter. Stereo that sees nothing at all gets the same caution.

Other than published: the flight plan moves a way-point and the vehicle follows, here speeds are
commanded; and a way of which little is seen is not free, for a blank wall gives stereo nothing (the
authors' hovered and landed after 5 s without data).
"""

from dataclasses import dataclass
from enum import Enum

import numpy as np
from numpy.typing import NDArray

from firmware_bridge.axis_limits import Limits
from policies.observation import MOVING_M_S, Observation, select
from policies.spec import PolicySpec, bounds_of


@dataclass(frozen=True)
class Config:
    """Rates are the paper's rad per tick, at its ten ticks per second."""

    obstacle_m: float = 1.0  # a corridor shorter than this is an obstacle; 8 px in the paper
    min_seen: float = 0.5  # part of the corridor to be seen; the reflex's
    altitude_m: float = 1.4  # half-way up a room; the paper flies at 1.6
    cruise_m_s: float = 0.6  # not published; stops within half of `obstacle_m`
    turn_away_rad_s: float = 0.3  # 0.03 rad per tick
    turn_more_rad_s: float = 0.5  # 0.05 rad per tick
    most_more_rad: float = 2.0  # r is drawn from 0 to this
    mono_cruise_part: float = 1 / 3  # of `cruise_m_s`, where one number is all that is known
    mono_turn_part: float = 1 / 4  # of `turn_more_rad_s`, likewise


class Doing(Enum):
    """The states of the flight plan."""

    AHEAD = "ahead"  # route_to_GOAL
    TURN_AWAY = "turn away"  # TurnAway
    TURN_MORE = "turn more"  # TurnaBitMore


class Wander:
    """One state, and how much of the present turn is left."""

    Config = Config

    def __init__(self, config: Config, limits: Limits, rate_hz: float) -> None:
        """`rate_hz`: how often it acts; the length of a turn is counted in commands."""
        self.spec = PolicySpec(
            select("sector_valid", "corridor_m", "corridor_seen", "previous_command"),
            bounds_of(limits),
            rate_hz,
        )
        self._config = config
        self.reset(np.random.default_rng(0))

    def reset(self, rng: np.random.Generator) -> None:
        """Flies ahead; `rng` draws how far to turn."""
        self._rng = rng
        self._doing, self._left_rad = Doing.AHEAD, 0.0

    def act(self, observation: Observation) -> NDArray[np.float64]:
        """The action for the newest observation, (3,) m/s, rad/s, m."""
        config = self._config
        is_mono = not observation["sector_valid"][-1].any()
        self._decide(observation)
        if self._doing is Doing.AHEAD:
            part = config.mono_cruise_part if is_mono else 1.0
            return self._command(speed_m_s=part * config.cruise_m_s)
        if float(observation["previous_command"][0]) >= MOVING_M_S:
            return self._command()  # stop first
        if self._doing is Doing.TURN_AWAY:
            return self._command(yaw_rad_s=config.turn_away_rad_s)
        part = config.mono_turn_part if is_mono else 1.0
        return self._turn_more(part * config.turn_more_rad_s)

    def _decide(self, observation: Observation) -> None:
        """The state in which this frame is flown."""
        if self._doing is Doing.TURN_MORE and self._left_rad <= 0:
            self._doing = Doing.AHEAD
        is_obstacle = self._is_obstacle(observation)
        if self._doing is Doing.AHEAD and is_obstacle:
            self._doing = Doing.TURN_AWAY
            self._left_rad = self._rng.uniform(0, self._config.most_more_rad)
        if self._doing is Doing.TURN_AWAY and not is_obstacle:
            self._doing = Doing.TURN_MORE

    def _is_obstacle(self, observation: Observation) -> bool:
        near = float(observation["corridor_m"][0]) < self._config.obstacle_m
        return near or float(observation["corridor_seen"][0]) < self._config.min_seen

    def _turn_more(self, yaw_rad_s: float) -> NDArray[np.float64]:
        """One tick of the bit more; the last one turns by what is left."""
        step_rad = min(yaw_rad_s / self.spec.rate_hz, self._left_rad)
        self._left_rad -= step_rad
        return self._command(yaw_rad_s=step_rad * self.spec.rate_hz)

    def _command(self, speed_m_s: float = 0.0, yaw_rad_s: float = 0.0) -> NDArray[np.float64]:
        return self.spec.clip(np.array([speed_m_s, yaw_rad_s, self._config.altitude_m]))
