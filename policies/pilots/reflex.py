"""The reflex of van Hecke et al. (arXiv 1603.08047): ahead, stop, turn by a random angle, go on.

    ahead --obstructed--> stop --> search --clear--> ease out --angle used up--> ahead
                                     ^                  |
                                     +----obstructed----+

Adapted from the flight plan `IC_AutoExperiment.xml` (github.com/kevindehecker/paparazzi): it slows
down before it stops, so that it stops close; it turns to either side; and it has no memory. Which
of the four it is doing shows in the command it gave before: speed when ahead, rest when stopped,
the full yaw rate while searching, and while easing out a yaw rate r that falls at a constant
a, so that r^2 / 2a is the angle still to turn. The action is thus a function of the observation,
which is why this pilot can be cloned from what it flew, and asked for its opinion anywhere.
"""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from firmware_bridge.limits import Limits
from policies.observation import FREE_M, MOVING_M_S, TURNING_RAD_S, Observation, select
from policies.spec import PolicySpec, bounds_of


@dataclass(frozen=True)
class Config:
    """What the pilot likes."""

    cruise_m_s: float = 0.8  # covers ground, and stops well within what stereo sees
    altitude_m: float = 1.4  # half-way up a room; the paper flies at 1.6
    stop_m: float = 0.25  # stops this near: what it stands by is still in the view of the camera
    headway_s: float = 0.7  # slows down to keep this much time to the stop: latency and braking
    crawl_m_s: float = 0.2  # slower than this is not worth it: stops
    go_m: float = 0.8  # clear from here on; more than stop_m, so that turning pays
    min_seen: float = 0.5  # part of the corridor to be seen; a blank wall gives stereo nothing
    turn_rad_s: float = 2.0  # brisk, yet successive frames share most of their view
    beside_m: float = 0.8
    well_seen: float = 0.8
    windup_rad_s: float = 0.3
    rho: float = 1.0
    back_rad: float = 0.35
    catch_rad: float = 0.1
    done_rad_s: float = 1.0  # the turn is done when it is this slow; the vehicle coasts on
    min_extra_rad: float = 0.4  # turned after it is clear, to leave the edge behind for good
    max_extra_rad: float = 1.4  # the most by chance; the paper draws up to 2 rad


class Reflex:
    """The paper's behaviour, as a function of the observation."""

    Config = Config

    def __init__(self, config: Config, limits: Limits, rate_hz: float) -> None:
        self.spec = PolicySpec(
            select("sectors_per_m", "corridor_m", "corridor_seen", "previous_command", "turn_random"),
            bounds_of(limits),
            rate_hz,
        )
        self._config = config
        self._search_rad_s = min(config.turn_rad_s, self.spec.action[1].maximum)
        fastest_rad_s = 0.9 * self._search_rad_s
        self._easing_rad_s2 = (fastest_rad_s**2 - config.done_rad_s**2) / (2 * (config.max_extra_rad + config.back_rad))

    def reset(self, rng: np.random.Generator) -> None:
        """Nothing: what it is doing shows in its previous command."""

    def act(self, observation: Observation) -> NDArray[np.float64]:
        """The action for the newest observation, (3,) m/s, rad/s, m."""
        config = self._config
        speed_m_s, yaw_rad_s, _ = map(float, observation["previous_command"])
        side = 1.0 if observation["turn_random"][0] < 0.5 else -1.0
        allowed_m_s = self._allowed_m_s(observation)
        if abs(yaw_rad_s) >= TURNING_RAD_S:
            return self._turn_on(yaw_rad_s, side, allowed_m_s, observation)
        if allowed_m_s >= config.crawl_m_s:
            return self._command(speed_m_s=allowed_m_s)
        if speed_m_s >= MOVING_M_S:
            return self._command()
        return self._command(yaw_rad_s=side * config.windup_rad_s)

    def _turn_on(
        self, yaw_rad_s: float, side: float, allowed_m_s: float, observation: Observation
    ) -> NDArray[np.float64]:
        """Goes on with the turn of which the yaw rate tells how far it got."""
        config = self._config
        back = yaw_rad_s * side < 0
        rate_rad_s = abs(yaw_rad_s)
        winding_up = rate_rad_s < 0.95 * config.done_rad_s
        searching = rate_rad_s > 0.99 * self._search_rad_s
        if self._clear_m(observation) < config.go_m or allowed_m_s < config.crawl_m_s:
            if winding_up:
                rate_rad_s += config.windup_rad_s
                if rate_rad_s > 0.95 * config.done_rad_s: rate_rad_s = self._search_rad_s
                return self._command(yaw_rad_s=math.copysign(rate_rad_s, yaw_rad_s))
            keep = searching or back
            return self._command(yaw_rad_s=math.copysign(self._search_rad_s, yaw_rad_s if keep else -side))
        extra_rad = (config.catch_rad if searching else config.back_rad) if back else config.back_rad + self._extra_rad(observation)
        start_rad_s = self._start_rad_s(extra_rad)
        rate_rad_s = start_rad_s if winding_up else min(rate_rad_s, start_rad_s)
        rate_rad_s -= self._easing_rad_s2 / self.spec.rate_hz
        if rate_rad_s >= config.done_rad_s:
            return self._command(yaw_rad_s=math.copysign(rate_rad_s, yaw_rad_s))
        if back:
            return self._command(speed_m_s=allowed_m_s)
        return self._command(yaw_rad_s=-side * self._start_rad_s(config.back_rad))

    def _start_rad_s(self, angle_rad: float) -> float:
        return math.sqrt(self._config.done_rad_s**2 + 2 * self._easing_rad_s2 * angle_rad)

    def _clear_m(self, observation: Observation) -> float:
        """Metres to the nearest thing in the corridor ahead; 0 where too little of it is seen."""
        seen = float(observation["corridor_seen"][0])
        return float(observation["corridor_m"][0]) if seen >= self._config.min_seen else 0.0

    def _allowed_m_s(self, observation: Observation) -> float:
        """The cruise, or less so that `headway_s` remains to the stop and where little is seen."""
        config = self._config
        seen = float(observation["corridor_seen"][0])
        sight = min(1.0, max(0.0, (seen - config.min_seen) / (config.well_seen - config.min_seen)))
        clear_m = float(observation["corridor_m"][0]) - self._stop_m(observation)
        return sight * min(config.cruise_m_s, max(0.0, clear_m / config.headway_s))

    def _stop_m(self, observation: Observation) -> float:
        """Where to stop: near before what fills the view, far from what is about to leave it.

        A thing at the rim of the view would be beside the hull and unseen, were it passed.
        """
        config = self._config
        sectors_per_m = observation["sectors_per_m"][-1]
        rim_per_m = max(sectors_per_m[0], sectors_per_m[-1], 1 / FREE_M)
        fills = min(1.0, max(0.0, 2 * float(sectors_per_m[3:5].max() / rim_per_m) - config.rho))
        return config.beside_m + fills * (config.stop_m - config.beside_m)

    def _extra_rad(self, observation: Observation) -> float:
        """The yaw rate from which easing out turns by the random angle: r^2 = 2 a angle."""
        config = self._config
        share = abs(2 * float(observation["turn_random"][0]) - 1)  # uniform in 0..1, whichever the side
        return config.min_extra_rad + share * (config.max_extra_rad - config.min_extra_rad)

    def _command(self, speed_m_s: float = 0.0, yaw_rad_s: float = 0.0) -> NDArray[np.float64]:
        return self.spec.clip(np.array([speed_m_s, yaw_rad_s, self._config.altitude_m]))
