"""Image features: they learn where to look from where the hand went, and nothing else."""

import dataclasses

import numpy as np
import pytest
import torch

from perception.features_net import FeaturesNet
from perception.features_sight import UPDATES, sight_m
from perception.features_training import FeaturesConfig, Lessons, taught
from perception.image_features import FeaturesError

SIDE, THING = 32, 6  # px
REACH_M = 0.2
CONFIG = FeaturesConfig("tiny", filters=8, points=4, numbers=4, updates=60, learning_rate=1e-2)


def scenes(count, seed):
    """A bright thing anywhere on a noisy table: images, and where it is, m."""
    rng = np.random.default_rng(seed)
    images = rng.integers(40, 80, (count, SIDE, SIDE, 3), dtype=np.uint8)
    corners = rng.integers(0, SIDE - THING, (count, 2))
    for image, (row, column) in zip(images, corners, strict=True):
        image[row : row + THING, column : column + THING] = 220
    return images, (corners / SIDE * REACH_M).astype(np.float32)


def lessons_of(images, place_m):
    """Nothing is felt, and what is done is to go to the thing, as either of two sentences asks."""
    count = len(images)
    nothing, every = np.zeros((count, 1), np.float32), np.ones(count, np.bool_)
    sentences = np.random.default_rng(3).standard_normal((2, 384)).astype(np.float32)
    sentences /= np.linalg.norm(sentences, axis=1, keepdims=True)
    said = sentences[np.arange(count) % 2]
    return Lessons({"front": images}, nothing, said, place_m / REACH_M * 2 - 1, place_m, every)


def untaught():
    """The network that every test begins with."""
    with torch.random.fork_rng():
        torch.manual_seed(CONFIG.seed)
        return FeaturesNet(CONFIG)


def features_of(net, images):
    with torch.no_grad():
        return net.features(net.map(torch.from_numpy(images))).numpy().astype(np.float64)


def error_m(net, seed=1):
    """Root mean square of where a linear map of the features, fitted to half, says things are."""
    images, place_m = scenes(200, seed)
    seen = np.column_stack([features_of(net, images), np.ones(200)])
    weights, *_ = np.linalg.lstsq(seen[:100], place_m[:100], rcond=None)
    return float(np.sqrt(np.square(seen[100:] @ weights - place_m[100:]).mean()))


@pytest.fixture(scope="module")
def net():
    """Features that were taught by what was done, which was to go to the bright thing."""
    return taught(lessons_of(*scenes(300, seed=0)), CONFIG)


def test_scenes_that_taught_nothing_tell_what_the_features_see(net):
    lessons, held = lessons_of(*scenes(300, seed=0)), lessons_of(*scenes(100, seed=5))
    odd = (np.arange(100) % 2)[:, np.newaxis]
    moved = held.way + odd * np.float32([0.3, 0.4])
    asked, done = held._replace(way=moved, reaching=np.arange(100) < 80), []
    off_m = sight_m(net, lessons, asked, seed=0, on_progress=done.append)
    assert done == [*range(1, UPDATES + 1)]
    assert off_m.shape == (80,)  # the others are after the hand's first turn
    assert np.median(off_m[::2]) < 0.02  # always guessing the middle is 65 mm off
    assert np.median(off_m[1::2]) == pytest.approx(0.5, abs=0.03)
    with pytest.raises(FeaturesError, match="no arm with a hand"):
        sight_m(net, lessons._replace(way=np.empty((300, 0), np.float32)), held, seed=0)


def test_features_come_to_tell_where_the_hand_will_go(net):
    assert error_m(net) < 0.008  # a cell is 25 mm; always guessing the middle is 46 mm off
    assert error_m(net) < 0.5 * error_m(untaught())


def test_a_point_moves_with_what_it_follows_by_less_than_a_cell(net):
    row = np.full((SIDE // 2, SIDE, SIDE, 3), 60, np.uint8)
    for column, image in enumerate(row):
        image[12 : 12 + THING, column : column + THING] = 220
    moved = np.abs(np.diff(features_of(net, row), axis=0)).max(1)
    assert (moved > 1e-3).all()


def test_what_was_taught_elsewhere_stays_as_it_was():
    images, place_m = scenes(20, seed=0)
    short = dataclasses.replace(CONFIG, updates=2)
    before, after = untaught(), taught(lessons_of(images, place_m), short)
    parts = zip(before.early.parameters(), after.early.parameters(), strict=True)
    assert all(torch.equal(one, other) for one, other in parts)
    assert not torch.equal(before.heat.weight, after.heat.weight)
