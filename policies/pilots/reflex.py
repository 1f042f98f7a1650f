"""The reflex of van Hecke et al. (arXiv 1603.08047): ahead, stop, turn by a random angle, go on.

    ahead --obstructed--> stop --> wind up --> search --clear--> pass on --> swing back --> ahead
                                                                    |            |
                                                               obstructed    obstructed
                                                                    +-> look back -+--clear--> ahead

Adapted from the flight plan `IC_AutoExperiment.xml` (github.com/kevindehecker/paparazzi). It slows
down before it stops, so that it may stop close; it turns to either side; and because its camera
does not see beside its nose, it turns on past the gap and swings back: so it has looked to both
sides of where it goes.

What it is doing shows in the command that it gave before: a speed when ahead, rest when stopped,
and each part of a turn has a band of yaw rates of its own,

    windup_rad_s ..    done_rad_s    .. 90 % of search       search_rad_s
       wind up          look back    pass on, swing back        search

to the side chosen at its begin, or back against it. In the third band the rate r falls by a
constant a to the done rate d, so that (r^2 - d^2) / 2a is the angle still to turn. The action is
thus nearly a function of the observation, which is why this pilot can be cloned from what it flew.
All it remembers are near things that left the view (`policies.near_memory`) and its own path
(`policies.track`): it does not fly along the first, turns away from the side that is full of them,
else from the side where it has been; chance decides where neither is.

What it cannot do: what stereo does not see, a bare pillar or a blank wall up close, it flies into.
"""

import math
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from firmware_bridge.axis_limits import Limits
from policies.dead_reckoning import DeadReckoning, Lag
from policies.near_memory import NearMemory, NearMemoryConfig
from policies.observation import (
    FREE_M,
    MIN_VALID,
    MOVING_M_S,
    SECTORS,
    TURNING_RAD_S,
    Observation,
    select,
)
from policies.spec import PolicySpec, bounds_of
from policies.track import Track, TrackConfig

BESIDE_NOSE_M = 0.25  # half of a hull: what is farther off its axis is beside it


@dataclass(frozen=True)
class Config:
    """What the pilot likes, and what it must know of its vehicle."""

    altitude_m: float = 1.4  # half-way up a room; the paper flies at 1.6
    cruise_m_s: float = 0.9  # covers ground, and stops well within what stereo sees
    crawl_m_s: float = 0.2  # slower is not worth it: stops
    headway_s: float = 0.7  # slows down to keep this much time to the stop: latency and braking
    stop_m: float = 0.23  # from the camera to what it stops before; the hull ends 6 cm ahead of it
    rim_m: float = 0.75  # to what is about to leave the view: 0.4 m beside its axis, hull 0.31 m
    min_seen: float = 0.5  # part of the corridor to be seen; a blank wall gives stereo nothing
    well_seen: float = 0.8  # seen so much it cruises; slower with less
    go_m: float = 0.8  # the way is clear from here on: far enough to see as wide as the hull
    windup_rad_s: float = 0.4  # the turn begins by so much more each time, while it still coasts
    search_rad_s: float = 2.0  # brisk, yet successive frames share most of their view
    done_rad_s: float = 1.0  # a turn ends when it is this slow; the vehicle lags and coasts on
    min_extra_rad: float = 0.6  # turned after it is clear, so as not to fly along what it left
    max_extra_rad: float = 1.4  # the most by chance; the paper draws up to 2 rad
    back_rad: float = 0.05  # turned past that and swung back: what it looks further than it goes
    beside_m: float = 0.38  # from its axis to what it remembers beside it; the hull takes 0.26 m
    beside_reach_m: float = 0.65  # ahead of its axis, as far as the view is narrower than that
    crowd_m: float = 0.75  # things nearer than this, and beside the nose, decide the side to turn
    lag: Lag = field(default_factory=Lag)
    memory: NearMemoryConfig = field(default_factory=NearMemoryConfig)
    track: TrackConfig = field(default_factory=TrackConfig)


class Reflex:
    """The paper's behaviour, as a function of the observation."""

    Config = Config

    def __init__(self, config: Config, limits: Limits, rate_hz: float) -> None:
        self.spec = PolicySpec(
            select(
                "sectors_per_m",
                "sector_valid",
                "corridor_m",
                "corridor_seen",
                "previous_command",
                "turn_random",
            ),
            bounds_of(limits),
            rate_hz,
        )
        self._config = config
        self._search_rad_s = min(config.search_rad_s, self.spec.action[1].maximum)
        fastest_rad_s = 0.9 * self._search_rad_s
        longest_rad = config.max_extra_rad + config.back_rad
        self._slowing_rad_s2 = (fastest_rad_s**2 - config.done_rad_s**2) / (2 * longest_rad)
        self._middle = slice(SECTORS // 2 - 1, SECTORS // 2 + 1)  # the sectors straight ahead
        self._reckoning = DeadReckoning(config.lag, 1 / rate_hz)
        self._memory = NearMemory(config.memory, 1 / rate_hz)
        self._track = Track(config.track, 1 / rate_hz)
        self._side = 1.0  # of the present turn: 1 left, -1 right

    def reset(self, rng: np.random.Generator) -> None:
        """Forgets what it saw; chance comes with the observation."""
        del rng
        self._reckoning.reset()
        self._memory.reset()
        self._track.reset()

    def act(self, observation: Observation) -> NDArray[np.float64]:
        """The action for the newest observation, (3,) m/s, rad/s, m."""
        speed_m_s, yaw_rad_s, _ = map(float, observation["previous_command"])
        motion = self._reckoning.step((speed_m_s, yaw_rad_s))
        seen = observation["sector_valid"][-1] >= MIN_VALID
        self._memory.update(motion, observation["sectors_per_m"][-1], seen)
        self._track.update(motion)
        if abs(yaw_rad_s) < TURNING_RAD_S:
            crowded = self._memory.crowded_side(self._config.crowd_m, BESIDE_NOSE_M)
            self._side = -crowded or -self._track.fuller_side() or chance_side(observation)
        beside = self._memory.beside(self._config.beside_m, self._config.beside_reach_m)
        return self.react(observation, self._side, beside)

    def react(
        self, observation: Observation, side: float | None = None, beside: bool = False
    ) -> NDArray[np.float64]:
        """The action (3,) by what is observed alone: what a pilot without a memory would do.

        Args:
            observation: of any moment; nothing of it is remembered.
            side: of the present turn, 1 left, -1 right; None: as chance has it.
            beside: whether something that left the view is in the way.
        """
        speed_m_s, yaw_rad_s, _ = map(float, observation["previous_command"])
        turn_random = float(observation["turn_random"][0])
        side = chance_side(observation) if side is None else side
        allowed_m_s = 0.0 if beside else self._allowed_m_s(observation)
        if abs(yaw_rad_s) >= TURNING_RAD_S:
            clear = allowed_m_s > 0 and float(observation["corridor_m"][0]) >= self._config.go_m
            yaw_rad_s = side * (
                self._pass_on(side * yaw_rad_s, turn_random)
                if clear
                else self._search(side * yaw_rad_s)
            )
            return self._command(allowed_m_s if yaw_rad_s == 0.0 else 0.0, yaw_rad_s)
        if allowed_m_s > 0:
            return self._command(speed_m_s=allowed_m_s)
        if speed_m_s >= MOVING_M_S:
            return self._command()
        return self._command(yaw_rad_s=side * self._config.windup_rad_s)

    def _search(self, rate_rad_s: float) -> float:
        """The next yaw rate while obstructed; positive is to the side that chance decided."""
        done_rad_s = self._config.done_rad_s
        if 0 < rate_rad_s < 0.95 * done_rad_s:
            rate_rad_s += self._config.windup_rad_s
            return rate_rad_s if rate_rad_s < 0.95 * done_rad_s else self._search_rad_s
        return self._search_rad_s if rate_rad_s > 0.99 * self._search_rad_s else -done_rad_s

    def _pass_on(self, rate_rad_s: float, turn_random: float) -> float:
        """The next yaw rate while clear, 0 to go; positive is to the side that chance decided."""
        config = self._config
        back = rate_rad_s < 0
        extra_rad = 0.0 if back else self._extra_rad(turn_random)
        start_rad_s = self._start_rad_s(config.back_rad + extra_rad)
        winding_up = abs(rate_rad_s) < 0.95 * config.done_rad_s
        slower_rad_s = start_rad_s if winding_up else min(abs(rate_rad_s), start_rad_s)
        slower_rad_s -= self._slowing_rad_s2 / self.spec.rate_hz
        if slower_rad_s >= config.done_rad_s:
            return math.copysign(slower_rad_s, rate_rad_s)
        return 0.0 if back else -self._start_rad_s(config.back_rad)

    def _start_rad_s(self, angle_rad: float) -> float:
        """The yaw rate from which the vehicle, slowing down, turns by this angle."""
        return math.sqrt(self._config.done_rad_s**2 + 2 * self._slowing_rad_s2 * angle_rad)

    def _extra_rad(self, turn_random: float) -> float:
        """How far to turn after it is clear: equally likely lengths, whichever the side."""
        share = abs(2 * turn_random - 1)
        least_rad, most_rad = self._config.min_extra_rad, self._config.max_extra_rad
        return least_rad + share * (most_rad - least_rad)

    def _allowed_m_s(self, observation: Observation) -> float:
        """How fast it may fly on: to stop in time, and slower where little is seen; 0 is stop."""
        config = self._config
        seen = float(observation["corridor_seen"][0])
        sight = min(1.0, (seen - config.min_seen) / (config.well_seen - config.min_seen))
        way_m = float(observation["corridor_m"][0]) - self._stop_m(observation["sectors_per_m"][-1])
        speed_m_s = sight * min(config.cruise_m_s, max(0.0, way_m / config.headway_s))
        return speed_m_s if speed_m_s >= config.crawl_m_s else 0.0

    def _stop_m(self, sectors_per_m: NDArray[np.float32]) -> float:
        """How far from the nearest thing to stop: `stop_m` if it fills the view, `rim_m` if not.

        What is nearer at the rim of the view than in its middle will not stop the robot, but leave
        the view: were it passed, it would be beside the hull and out of sight.
        """
        rim_per_m = max(float(sectors_per_m[0]), float(sectors_per_m[-1]), 1 / FREE_M)
        fills = 2 * float(sectors_per_m[self._middle].max() / rim_per_m) - 1
        stop_m, rim_m = self._config.stop_m, self._config.rim_m
        return rim_m + min(1.0, max(0.0, fills)) * (stop_m - rim_m)

    def _command(self, speed_m_s: float = 0.0, yaw_rad_s: float = 0.0) -> NDArray[np.float64]:
        return self.spec.clip(np.array([speed_m_s, yaw_rad_s, self._config.altitude_m]))


def chance_side(observation: Observation) -> float:
    """Where chance has it turn, 1 left or -1 right."""
    return 1.0 if float(observation["turn_random"][0]) < 0.5 else -1.0
