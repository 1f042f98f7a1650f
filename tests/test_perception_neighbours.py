"""The memory of pairs and the regression on the nearest of them; kernel against reference."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from perception.neighbours import NearestNeighbours, PairMemory, Pairs, nearest, nearest_reference


def known(features, teacher_px, k=5):
    return NearestNeighbours(
        Pairs(np.array(features, np.float32), np.array(teacher_px, np.float32)), k
    )


@settings(max_examples=60)
@given(
    st.integers(0, 2**32 - 1),
    st.integers(0, 60),
    st.integers(1, 21),
    st.integers(1, 7),
    st.integers(0, 60),
    st.integers(0, 60),
)
def test_kernel_and_reference_find_the_same_neighbours(seed, count, size, k, start, length):
    # Few levels, so that many distances are equal.
    rng = np.random.default_rng(seed)
    columns = (rng.integers(0, 4, (size, count)) / 968).astype(np.float32)
    feature = (rng.integers(0, 4, size) / 968).astype(np.float32)
    skipped = (min(start, count), min(start + length, count))
    np.testing.assert_array_equal(
        nearest(columns, feature, k, *skipped), nearest_reference(columns, feature, k, *skipped)
    )


def test_kernel_and_reference_agree_on_a_full_memory():
    rng = np.random.default_rng(0)
    columns = rng.random((21, 4500), np.float32)
    for _ in range(20):
        feature = rng.random(21, np.float32)
        np.testing.assert_array_equal(
            nearest(columns, feature, 5, 0, 0), nearest_reference(columns, feature, 5)
        )


def test_the_estimate_is_the_mean_of_the_nearest_by_hand():
    # Distances to 0.9: 0.9, 0.1, 1.1, 2.1, 8.1; the three nearest are 0, 1 and 2.
    model = known([[0], [1], [2], [3], [9]], [10, 1, 4, 50, 60], k=3)
    assert model.predict(np.array([0.9], np.float32)) == 5


def test_fewer_pairs_than_k_are_all_used_and_no_pair_knows_nothing():
    assert known([[0], [1]], [2, 6]).predict(np.array([0.5], np.float32)) == 4
    nothing = known(np.zeros((0, 3)), [])
    assert math.isnan(nothing.predict(np.zeros(3, np.float32)))


def test_a_full_memory_overwrites_its_oldest_pairs_and_reads_oldest_first():
    memory = PairMemory(2, capacity=4)
    for i in range(7):
        assert len(memory) == min(i, 4)
        memory.append(np.array([i, -i], np.float32), i)
    pairs = memory.pairs()
    np.testing.assert_array_equal(pairs.teacher_px, [3, 4, 5, 6])
    np.testing.assert_array_equal(pairs.features, [[3, -3], [4, -4], [5, -5], [6, -6]])


def test_pairs_taken_out_do_not_change_with_the_memory():
    memory = PairMemory(1, capacity=2)
    memory.append(np.array([1], np.float32), 1)
    pairs = memory.pairs()
    memory.append(np.array([2], np.float32), 2)
    memory.append(np.array([3], np.float32), 3)
    np.testing.assert_array_equal(pairs.teacher_px, [1])


def test_the_papers_memory_holds_4500_pairs():
    memory = PairMemory(21)
    for i in range(4503):
        memory.append(np.full(21, i, np.float32), i)
    pairs = memory.pairs()
    assert len(memory) == memory.capacity == 4500
    assert (pairs.teacher_px[0], pairs.teacher_px[-1]) == (3, 4502)


@pytest.mark.parametrize("left_out", [0, 1, 3])
def test_a_left_out_estimate_is_that_of_a_memory_without_those_pairs(left_out):
    rng = np.random.default_rng(0)
    features, teacher_px = rng.random((30, 4), np.float32), rng.random(30, np.float32)
    found = known(features, teacher_px).predict_left_out(left_out)
    for i in range(30):
        kept = np.abs(np.arange(30) - i) > left_out
        expected = known(features[kept], teacher_px[kept]).predict(features[i])
        assert found[i] == pytest.approx(expected, rel=1e-6)


def test_where_all_is_left_out_nothing_is_known():
    assert np.isnan(known([[0], [1]], [2, 6]).predict_left_out(1)).all()
