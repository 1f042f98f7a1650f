import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from perception.quantities import Proximity
from policies.observation import (
    FREE_M,
    LEFT_RIM_PER_M,
    OBSERVATION,
    UNSEEN_PER_M,
    FlightObserver,
    select,
)

AHEAD, STOP, LEFT, RIGHT = [0.7, 0.0, 1.5], [0.0, 0.0, 1.5], [0.0, 1.5, 1.5], [0.0, -0.4, 1.5]


def proximity(value=0.0, corridor_m=2.0):
    return Proximity(3.0, np.full(8, value), np.full(8, (1 + value) / 2), corridor_m, 0.9)


@pytest.fixture
def observer():
    return FlightObserver(np.random.default_rng(0))


def test_frames_are_stacked_newest_last_and_the_first_fills_the_stack(observer):
    stacks = [observer.observe(proximity(p), STOP) for p in (0.1, 0.2, 0.3, 0.4)]
    expected = [(0.1, 0.1, 0.1), (0.1, 0.1, 0.2), (0.1, 0.2, 0.3), (0.2, 0.3, 0.4)]
    for stack, rows in zip(stacks, expected, strict=True):
        np.testing.assert_allclose(stack["sectors_per_m"], np.repeat([rows], 8, 0).T)
        np.testing.assert_allclose(stack["sector_valid"], (1 + np.repeat([rows], 8, 0).T) / 2)


@pytest.mark.parametrize("unseen", range(1, 8))
def test_a_sector_of_which_too_little_is_seen_counts_as_near(observer, unseen):
    valid = np.ones(8)
    valid[unseen] = 0.1
    measured = proximity(0.5)._replace(sector_valid=valid)
    sectors_per_m = observer.observe(measured, STOP)["sectors_per_m"][-1]
    assert sectors_per_m[unseen] == UNSEEN_PER_M
    np.testing.assert_array_equal(np.delete(sectors_per_m, unseen), 0.5)


@pytest.mark.parametrize(("beside", "counts_as"), [(0.5, LEFT_RIM_PER_M), (2.5, 2.5)])
def test_the_unseen_left_rim_counts_as_near_as_the_right_camera_may_miss(
    observer, beside, counts_as
):
    measured = proximity(beside)._replace(sector_valid=np.array([0.0] + [1.0] * 7))
    sectors_per_m = observer.observe(measured, STOP)["sectors_per_m"][-1]
    assert sectors_per_m[0] == pytest.approx(counts_as)


def test_an_earlier_observation_is_not_changed_by_a_later_one(observer):
    first = observer.observe(proximity(0.1), STOP)
    observer.observe(proximity(0.9), STOP)
    assert first["sectors_per_m"].max() == np.float32(0.1)


def test_reset_forgets_the_frames(observer):
    observer.observe(proximity(0.1), STOP)
    observer.reset(np.random.default_rng(0))
    assert observer.observe(proximity(0.9), STOP)["sectors_per_m"].min() == np.float32(0.9)


def test_turn_random_changes_only_with_the_first_forward_command_after_a_turn(observer):
    previous = [AHEAD, AHEAD, STOP, LEFT, STOP, LEFT, AHEAD, AHEAD, STOP, RIGHT, RIGHT, AHEAD]
    drawn = [float(observer.observe(proximity(), p)["turn_random"][0]) for p in previous]
    assert len(set(drawn[:6])) == len(set(drawn[6:11])) == len(set(drawn[11:])) == 1
    assert len(set(drawn)) == 3


def test_equal_generators_give_equal_turns():
    turns = [
        [
            float(observer.observe(proximity(), command)["turn_random"][0])
            for command in [LEFT, AHEAD] * 3
        ]
        for observer in (FlightObserver(np.random.default_rng(7)) for _ in range(2))
    ]
    assert turns[0] == turns[1]


@given(
    st.lists(st.floats(0, 50, width=32) | st.just(math.nan), min_size=8, max_size=8),
    st.floats(0, 100) | st.just(math.inf) | st.just(math.nan),
)
def test_observations_are_finite_and_have_the_shapes_of_the_table(sectors, corridor_m):
    measured = Proximity(math.nan, np.array(sectors), np.ones(8), corridor_m, 0.0)
    observation = FlightObserver(np.random.default_rng(0)).observe(measured, STOP)
    assert list(observation) == [spec.name for spec in OBSERVATION]
    for spec in OBSERVATION:
        value = observation[spec.name]
        assert (value.shape, str(value.dtype)) == (tuple(spec.shape), spec.dtype)
        assert np.isfinite(value).all()
    assert observation["corridor_m"] <= FREE_M


def test_select_keeps_the_order_of_the_table():
    names = [spec.name for spec in select("turn_random", "sectors_per_m")]
    assert names == ["sectors_per_m", "turn_random"]
