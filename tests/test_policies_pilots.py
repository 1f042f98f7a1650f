import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from firmware_bridge.axis_limits import AxisLimit, Limits
from perception.quantities import InputError
from policies.observation import FREE_M
from policies.pilots import PILOTS
from policies.pilots.reflex import Config, Reflex
from policies.policy import make_policy
from robot.config import load_robot
from robot.worlds import WORLDS

LIMITS = Limits(
    (
        AxisLimit("forward_speed", "m/s", 0.0, 0.5, slew_per_s=4.0, stop=0.0),
        AxisLimit("yaw_rate", "rad/s", -2.0, 2.0, slew_per_s=20.0, stop=0.0),
        AxisLimit("altitude", "m", 0.5, 1.2, slew_per_s=0.5),
    ),
    max_command_age_s=0.25,
)
CONFIG = Config()
RATE_HZ = 10.0
REST = (0.0, 0.0, 1.2)
LEFT, RIGHT = 0.2, 0.8  # turn_random

ARM_LIMITS = load_robot("arm6").limits
ARM_EXPERTS = {row.expert for row in WORLDS.values() if row.robot == "arm6"}


def observations_of(spec):
    """Any that a policy of this spec may be given."""
    return st.fixed_dictionaries(
        {
            tensor.name: arrays(
                np.float32, tuple(tensor.shape), elements=st.floats(-10, 10, width=32)
            )
            for tensor in spec.observation
        }
    )


def seen(corridor_m, previous=REST, turn_random=LEFT, corridor_seen=0.9, sectors_m=None):
    """What the reflex decides on, as one observation; by default one surface fills the view."""
    depth_m = np.full(8, max(corridor_m, 0.1)) if sectors_m is None else np.array(sectors_m)
    numbers = {
        "sectors_per_m": np.tile(1 / depth_m, (3, 1)),
        "sector_valid": np.ones((3, 8)),
        "corridor_m": [corridor_m],
        "corridor_seen": [corridor_seen],
        "previous_command": previous,
        "turn_random": [turn_random],
    }
    return {name: np.array(value, np.float32) for name, value in numbers.items()}


@pytest.fixture
def reflex():
    return Reflex(CONFIG, LIMITS, RATE_HZ)


@pytest.fixture
def forgetful():
    """A reflex that goes by what it sees alone."""
    return Reflex(replace(CONFIG, beside_m=0.0), LIMITS, RATE_HZ)


def fly(reflex, clear_m, turn_random=LEFT, ticks=200):
    """The commands (ticks, 3) in answer to `clear_m(angle turned so far, in rad)`."""
    commands, angle_rad, previous = [], 0.0, np.array([*REST])
    for _ in range(ticks):
        previous = reflex.act(seen(clear_m(angle_rad), previous, turn_random))
        angle_rad += previous[1] / RATE_HZ
        commands.append(previous)
    return np.array(commands)


@pytest.mark.parametrize("name", PILOTS)
@given(data=st.data())
def test_every_pilot_stays_within_the_bounds_of_its_spec(name, data):
    limits = ARM_LIMITS if name in ARM_EXPERTS else LIMITS
    pilot = make_policy(name, limits, RATE_HZ)
    pilot.spec.check_compatible(limits.axes, RATE_HZ)
    pilot.reset(np.random.default_rng(0))
    observation = data.draw(observations_of(pilot.spec))
    action = pilot.act(pilot.spec.check_observation(observation))
    assert (action.shape, action.dtype) == ((len(limits.axes),), np.float64)
    for value, axis in zip(action, limits.axes, strict=True):
        assert axis.minimum <= value <= axis.maximum


def test_constant_flies_its_command_within_the_limits():
    constant = make_policy("constant", LIMITS, RATE_HZ, {"forward_speed_m_s": 9, "altitude_m": 1})
    np.testing.assert_array_equal(constant.act({}), [0.5, 0.0, 1.0])


def test_flies_ahead_when_free(reflex):
    assert fly(reflex, lambda _: FREE_M)[:, 0] == pytest.approx(0.5)  # cruise, as limited
    assert not fly(reflex, lambda _: FREE_M)[:, 1].any()


def test_slows_down_towards_an_obstacle_and_keeps_its_headway(reflex):
    distances_m = np.linspace(3.0, 0.0, 50)
    speeds_m_s = [reflex.act(seen(d, (0.4, 0.0, 1.2)))[0] for d in distances_m]
    assert np.all(np.diff(speeds_m_s) <= 0)
    for distance_m, speed_m_s in zip(distances_m, speeds_m_s, strict=True):
        if speed_m_s > 0:
            assert distance_m - CONFIG.headway_s * speed_m_s >= CONFIG.stop_m - 1e-6


def test_stops_before_it_turns(reflex):
    first = reflex.act(seen(CONFIG.stop_m, previous=(0.4, 0.0, 1.2)))
    np.testing.assert_array_equal(first[:2], [0.0, 0.0])
    assert reflex.act(seen(CONFIG.stop_m, first))[1] != 0.0


@given(
    st.floats(0, CONFIG.stop_m),
    st.floats(0, 1),
    arrays(np.float64, 3, elements=st.floats(-2, 2)),
    st.floats(0, 1),
)
def test_never_commands_forward_while_obstructed(clear_m, turn_random, previous, corridor_seen):
    observation = seen(clear_m, previous, turn_random, corridor_seen)
    assert Reflex(CONFIG, LIMITS, RATE_HZ).act(observation)[0] == 0.0


def test_stops_far_from_what_is_about_to_leave_the_view(reflex):
    for rim in (0, 7):
        sectors_m = np.full(8, 3.0)
        sectors_m[rim] = CONFIG.rim_m
        assert reflex.act(seen(CONFIG.rim_m, sectors_m=sectors_m))[0] == 0.0
    assert reflex.act(seen(CONFIG.rim_m))[0] > 0.0  # it may come nearer to what fills the view


def test_flies_slower_the_less_it_sees(reflex):
    speeds_m_s = [reflex.act(seen(2.0, corridor_seen=part))[0] for part in (0.65, 0.7, 0.9)]
    assert 0 < speeds_m_s[0] < speeds_m_s[1] <= speeds_m_s[2]


def test_an_unseen_corridor_counts_as_obstructed(reflex):
    blind = seen(FREE_M, corridor_seen=CONFIG.min_seen - 0.01)
    assert reflex.act(blind)[0] == 0.0


@pytest.mark.parametrize(("turn_random", "sign"), [(0.0, 1), (0.49, 1), (0.51, -1), (1.0, -1)])
def test_turn_random_decides_the_side_and_it_is_kept_until_clear(reflex, turn_random, sign):
    commands = fly(reflex, lambda turned: FREE_M if abs(turned) > 2 else 0.3, turn_random)
    turned_rad = commands[:, 1].cumsum() / RATE_HZ
    searching = commands[np.abs(turned_rad) < 2, 1]
    assert len(searching) > 10
    assert np.all(np.sign(searching) == sign)
    assert np.sign(turned_rad[-1]) == sign


@pytest.mark.parametrize("turn_random", [0.0, 0.1, 0.3, 0.49, 0.6, 0.9, 1.0])
def test_turns_by_its_random_angle_after_it_is_clear(forgetful, turn_random):
    def clear_m(turned_rad):
        return 3.0 if abs(turned_rad) > 1.0 else 0.3

    commands = fly(forgetful, clear_m, turn_random)
    turned_rad = np.abs(commands[:, 1].cumsum()) / RATE_HZ
    share = abs(2 * turn_random - 1)
    wanted_rad = CONFIG.min_extra_rad + share * (CONFIG.max_extra_rad - CONFIG.min_extra_rad)
    step_rad = (
        CONFIG.search_rad_s / RATE_HZ
    )  # it notices at the next frame, and ends on a whole one
    assert turned_rad[-1] == pytest.approx(1.0 + wanted_rad, abs=2 * step_rad)
    assert np.all(commands[-1, :2] == [0.5, 0.0])  # and goes on


def test_turns_past_where_it_goes_and_swings_back(reflex):
    commands = fly(reflex, lambda turned: 3.0 if turned > 1.0 else 0.3)
    turned_rad = commands[:, 1].cumsum() / RATE_HZ
    step_rad = CONFIG.search_rad_s / RATE_HZ
    assert turned_rad.max() - turned_rad[-1] == pytest.approx(CONFIG.back_rad, abs=step_rad)


def test_looks_back_for_a_gap_that_it_passed(forgetful):
    commands = fly(forgetful, lambda turned: 3.0 if 1.0 < turned < 1.6 else 0.3, turn_random=0.4)
    turned_rad = commands[:, 1].cumsum() / RATE_HZ
    assert turned_rad.max() > 1.6
    assert 1.0 < turned_rad[-1] < 1.6
    assert commands[-1, 0] > 0


def test_keeps_searching_while_nothing_is_clear(reflex):
    commands = fly(reflex, lambda _: 0.3)
    assert commands[:, 0].max() == 0.0
    assert commands[5:, 1] == pytest.approx(CONFIG.search_rad_s)


def test_does_not_fly_along_what_it_turned_from_until_that_is_behind_it(reflex, forgetful):
    def clear_m(turned_rad):
        return 3.0 if abs(turned_rad) > 0.3 else 0.35

    turned_rad = [
        abs(fly(pilot, clear_m, turn_random=0.5)[:, 1].sum()) / RATE_HZ
        for pilot in (forgetful, reflex)
    ]
    assert turned_rad[1] > turned_rad[0] + 0.2


def test_turns_away_from_the_side_that_is_full_of_near_things(reflex):
    left_m = [0.6, 0.6, 0.6, 3.0, 3.0, 3.0, 3.0, 3.0]
    for turn_random in (LEFT, RIGHT):
        reflex.reset(np.random.default_rng(0))
        moving, slowing = (0.4, 0.0, 1.2), (0.0, 0.0, 1.2)
        for _ in range(12):
            reflex.act(seen(2.0, moving, turn_random, sectors_m=left_m))
        assert reflex.act(seen(0.2, slowing, turn_random, sectors_m=left_m))[1] < 0


def test_equal_observations_in_equal_order_give_equal_actions(reflex):
    def flown():
        reflex.reset(np.random.default_rng(0))
        return fly(reflex, lambda turned: math.sin(turned) + 1)

    np.testing.assert_array_equal(flown(), flown())


@pytest.mark.parametrize(("turned", "chance"), [(1, LEFT), (-1, RIGHT)])
def test_the_reflex_turns_away_from_where_it_has_been_whatever_chance_says(reflex, turned, chance):
    for _ in range(40):
        reflex.act(seen(FREE_M, (0.5, 0.0, 1.2), chance))
    for _ in range(8):  # a quarter turn: what it flew is now on the side that it turned to
        reflex.act(seen(FREE_M, (0.0, turned * 2.0, 1.2), chance))
    for _ in range(3):
        action = reflex.act(seen(0.3, REST, chance))
    assert np.sign(action[1]) == -turned


@pytest.mark.parametrize(
    ("name", "options", "fault"),
    [
        ("lid_expert", {"goal": 2}, "goal is 2: give 0 to 1"),
        ("lid_expert", {"noise": -1.0}, "noise is -1.0"),
        ("lid_expert", {"pot": "kettle"}, "give one of pot, low pot, tall pot"),
        ("bin_expert", {"item": "sofa"}, "give one of weight, vase, bench"),
    ],
)
def test_an_expert_refuses_what_it_cannot_do(name, options, fault):
    with pytest.raises(InputError, match=fault):
        make_policy(name, ARM_LIMITS, 5.0, options)


def test_an_expert_refuses_a_robot_that_is_no_arm():
    with pytest.raises(InputError, match=r"the robot takes \(m/s, rad/s, m\)"):
        make_policy("lid_expert", LIMITS, 5.0)
