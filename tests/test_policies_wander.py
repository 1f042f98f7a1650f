"""The pilot of the paper: what it does on one number, and how it shows that it has only that."""

import numpy as np
import pytest

from firmware_bridge.axis_limits import AxisLimit, Limits
from policies.observation import OBSERVATION
from policies.pilots.wander import Config, Wander

LIMITS = Limits(
    (
        AxisLimit("forward_speed", "m/s", 0.0, 1.0, slew_per_s=4.0, stop=0.0),
        AxisLimit("yaw_rate", "rad/s", -2.0, 2.0, slew_per_s=20.0, stop=0.0),
        AxisLimit("altitude", "m", 0.5, 2.3, slew_per_s=0.5),
    ),
    max_command_age_s=0.25,
)
RATE_HZ = 10.0
CONFIG = Config()
NEAR_M, FAR_M = 0.9, 3.0


class Flight:
    """A pilot and what it commanded before."""

    def __init__(self, seed=0, config=CONFIG):
        self.pilot = Wander(config, LIMITS, RATE_HZ)
        self.pilot.reset(np.random.default_rng(seed))
        self.previous = (0.0, 0.0, 1.4)

    def fly(self, corridor_m, *, seen=1.0, sector_valid=1.0, times=1):
        """The last command (3,) in answer to the same reading, some times."""
        for _ in range(times):
            numbers = {
                "sectors_per_m": np.full((3, 8), 1 / corridor_m),
                "sector_valid": np.full((3, 8), sector_valid),
                "corridor_m": [corridor_m],
                "corridor_seen": [seen],
                "previous_command": self.previous,
                "turn_random": [0.5],
            }
            observation = {name: np.array(value, np.float32) for name, value in numbers.items()}
            assert observation.keys() == {spec.name for spec in OBSERVATION}
            self.previous = tuple(self.pilot.act(observation))
        return self.previous

    def turned_more_rad(self, **reading):
        """How far it turns on after the way has become free."""
        self.fly(NEAR_M, times=3)
        turned = 0.0
        while self.fly(FAR_M, **reading)[0] == 0.0:
            turned += self.previous[1] / RATE_HZ
        return turned


def test_it_flies_straight_on_while_the_way_is_free():
    assert Flight().fly(FAR_M, times=20) == (CONFIG.cruise_m_s, 0.0, CONFIG.altitude_m)


def test_it_stops_before_it_turns_away_and_turns_until_it_is_free():
    flight = Flight()
    flight.fly(FAR_M)
    assert flight.fly(NEAR_M)[:2] == (0.0, 0.0)
    assert flight.fly(NEAR_M, times=100)[:2] == (0.0, CONFIG.turn_away_rad_s)
    assert flight.fly(FAR_M)[:2] == (0.0, CONFIG.turn_more_rad_s)


def test_the_bit_more_is_drawn_evenly_from_nothing_to_two_rad():
    drawn = [Flight(seed).turned_more_rad() for seed in range(200)]
    assert 0 <= min(drawn) < 0.1
    assert 1.9 < max(drawn) <= 2
    assert np.mean(drawn) == pytest.approx(1, abs=0.1)


def test_each_stop_draws_anew_even_without_having_flown():
    flight = Flight()
    turns = []
    for _ in range(5):
        flight.fly(NEAR_M, times=3)
        turned = 0.0
        while True:  # it turns on blindly, and looks again when the bit more is used up
            flight.fly(FAR_M)
            if flight.previous[1] != CONFIG.turn_more_rad_s:
                break
            turned += flight.previous[1] / RATE_HZ
        turns.append(turned)
    assert len(set(turns)) > 3


def test_an_obstacle_while_it_turns_more_is_seen_when_that_is_over():
    flight = Flight(seed=1)  # it draws more than one rad
    flight.fly(NEAR_M, times=3)
    flight.fly(FAR_M)
    assert flight.fly(NEAR_M, times=5)[1] == CONFIG.turn_more_rad_s
    assert flight.fly(NEAR_M, times=50)[1] == CONFIG.turn_away_rad_s


def test_it_turns_to_one_side_only():
    rates = [Flight(seed).fly(corridor, times=9)[1] for seed in range(20) for corridor in (0.5, 3)]
    assert min(rates) == 0


def test_where_one_number_is_all_that_is_known_it_flies_slower_and_turns_the_bit_more_slower():
    speed_m_s, *_ = Flight().fly(FAR_M, sector_valid=0.0)
    assert speed_m_s == pytest.approx(CONFIG.cruise_m_s / 3)
    flight = Flight()
    flight.fly(NEAR_M, times=3)
    assert flight.fly(FAR_M, sector_valid=0.0)[1] == pytest.approx(CONFIG.turn_more_rad_s / 4)
    stereo, mono = Flight(3).turned_more_rad(), Flight(3).turned_more_rad(sector_valid=0.0)
    assert stereo == pytest.approx(mono, abs=1e-5)  # slower, not less far


def test_a_way_of_which_little_is_seen_is_not_free():
    flight = Flight()
    flight.fly(FAR_M)
    assert flight.fly(FAR_M, seen=CONFIG.min_seen - 0.01)[0] == 0.0


def test_equal_chance_gives_equal_flights():
    ways = [NEAR_M, NEAR_M, FAR_M, FAR_M, FAR_M] * 20
    first, again = ([f.fly(way) for way in ways] for f in (Flight(5), Flight(5)))
    assert first == again
