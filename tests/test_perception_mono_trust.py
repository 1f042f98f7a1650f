"""Laws of the trust in the mono network, on frames whose goodness is known by their making."""

import json
import math
from types import SimpleNamespace

import msgspec
import numpy as np
import pytest

from perception.mono import MonoDepth
from perception.mono_trust import (
    BAD_ABS_REL,
    TRUST,
    JudgedFrame,
    MonoTrust,
    fit_calibration,
    median_abs_rel,
    scores_of,
    trust_of,
)
from perception.risk import auroc, calibration_error, risk_coverage
from perception.trust_space import TrustError, for_manifest, learned_space


def frames(count, seed, *, strange):
    """Usual frames are dim noise with a small error; strange ones bright, smooth and wrong."""
    rng = np.random.default_rng(seed)
    for _ in range(count):
        level, spread = (190, 4) if strange else (100, 30)
        image = np.clip(rng.normal(level + rng.normal(0, 8), spread, (48, 64)), 0, 255)
        inverse = rng.uniform(0.3, 0.6, (12, 16)).astype(np.float32)
        mono = MonoDepth(inverse, inverse * np.float32(rng.uniform(0.08, 0.12)))
        error = rng.uniform(0.2, 0.8) if strange else rng.uniform(0.05, 0.27)
        yield JudgedFrame(image.astype(np.uint8), mono, float(error))


@pytest.fixture(scope="module")
def model():
    learned = [frame[:2] for frame in frames(120, 0, strange=False)]
    judged = [*frames(80, 1, strange=False), *frames(80, 2, strange=True)]
    space = learned_space(learned)
    bad = np.array([frame.abs_rel > BAD_ABS_REL for frame in judged])
    return SimpleNamespace(space=space, calibration=fit_calibration(scores_of(space, judged), bad))


def judge(model, many):
    trust, many = MonoTrust(model.space, model.calibration), list(many)
    said = [trust.judge(frame.image, frame.mono) for frame in many]
    return said, np.array([frame.abs_rel > 0.25 for frame in many])


def test_what_looks_strange_is_doubted_though_the_network_is_sure(model):
    usual, _ = judge(model, frames(30, 5, strange=False))
    strange, _ = judge(model, frames(30, 6, strange=True))
    assert max(s.bad_probability for s in usual) < min(s.bad_probability for s in strange)
    assert np.median([s.mahalanobis for s in usual]) == pytest.approx(1, abs=0.2)
    assert np.median([s.neighbours for s in usual]) == pytest.approx(1, abs=0.2)
    assert min(s.neighbours for s in strange) > 2
    errors = [[s.expected_error for s in said] for said in (usual, strange)]
    assert abs(np.mean(errors[0]) - np.mean(errors[1])) < 0.02


def test_the_probability_is_the_share_of_bad_frames(model):
    many = [*frames(200, 7, strange=False), *frames(200, 8, strange=True)]
    said, bad = judge(model, many)
    probability = np.array([s.bad_probability for s in said])
    assert calibration_error(probability, bad) < 0.08
    for half in (slice(0, 200), slice(200, 400)):
        assert probability[half].mean() == pytest.approx(bad[half].mean(), abs=0.08)


def test_too_few_frames_learned_from_are_refused():
    learned = [frame[:2] for frame in frames(29, 0, strange=False)]
    with pytest.raises(TrustError, match="needs 30 frames learned from; given 29"):
        learned_space(learned)


def test_auroc_counts_pairs_in_the_right_order_and_ties_half():
    bad = np.array([True, False, True, False])
    assert auroc(np.array([4.0, 1, 3, 2]), bad) == 1
    assert auroc(np.array([1.0, 4, 2, 3]), bad) == 0
    assert auroc(np.array([2.0, 2, 2, 2]), bad) == 0.5
    # of the pairs (3, 1), (3, 3), (2, 1), (2, 3) two are right and one is a tie
    assert auroc(np.array([3.0, 1, 2, 3]), bad) == 2.5 / 4
    assert math.isnan(auroc(np.array([1.0, 2]), np.array([True, True])))


def test_risk_is_the_mean_error_of_the_least_doubted():
    curve = risk_coverage(np.array([0.4, 0.1, 0.3]), np.array([9.0, 1, 5]))
    assert curve.coverage.tolist() == pytest.approx([1 / 3, 2 / 3, 1])
    assert curve.risk.tolist() == pytest.approx([0.1, 0.2, 0.8 / 3])


def test_a_probability_that_is_right_on_average_has_no_calibration_error():
    assert calibration_error(np.full(4, 0.75), np.array([True, True, True, False])) == 0
    assert calibration_error(np.full(4, 0.05), np.array([True] * 4)) == pytest.approx(0.95)


def test_the_median_error_is_over_what_the_teacher_knows():
    mono = MonoDepth(np.full((1, 4), 0.5, np.float32), np.full((1, 4), 0.1, np.float32))
    target = np.array([[0.5, 0.6, 1.0, 9.0]], np.float32)  # z / z* - 1: 0, 0.2, 1, -
    assert median_abs_rel(mono, target, np.array([[1, 1, 1, 0]])) == pytest.approx(0.2)
    assert math.isnan(median_abs_rel(mono, target, np.zeros((1, 4))))


def test_no_score_counts_against_its_own_meaning():
    rng = np.random.default_rng(3)
    bad = rng.random(400) < 0.5
    one = bad + rng.normal(0, 0.5, 400)
    other = 2 * one - bad + rng.normal(0, 0.1, 400)  # says the same, and would be taken away
    scores = np.stack([one, other, rng.normal(size=400), np.full(400, np.nan)], axis=1)
    weights = fit_calibration(scores, bad).weights
    assert min(weights[:4]) >= -1e-9
    assert weights[0] > 0.5
    assert weights[3] == pytest.approx(0, abs=1e-6)  # never known


def test_motion_that_shows_an_error_raises_the_doubt_and_silence_changes_nothing(model):
    weights = [*model.calibration.weights[:3], 2.0, model.calibration.weights[4]]
    calibration = msgspec.structs.replace(
        model.calibration,
        centre=[*model.calibration.centre[:3], -1.0],
        spread=[1.0] * 4,
        weights=weights,
    )
    trust = MonoTrust(model.space, calibration)
    frame = next(frames(1, 9, strange=False))
    low, none, high = (
        trust.judge(*frame[:2], motion).bad_probability for motion in (0.05, math.nan, 0.8)
    )
    assert low < none < high
    assert none == trust.judge(*frame[:2], math.exp(-1.0) - 0.03).bad_probability


def test_a_package_carries_what_its_training_frames_looked_like(model):
    carried = json.loads(json.dumps(for_manifest(model.space)))
    package = SimpleNamespace(path="x.onnx", manifest=SimpleNamespace(extra={TRUST: carried}))
    frame = next(frames(1, 9, strange=True))
    there = trust_of(package).judge(*frame[:2])
    here = MonoTrust(model.space).judge(*frame[:2])
    assert there.mahalanobis == pytest.approx(here.mahalanobis, rel=0.01)
    package.manifest.extra = {}
    assert trust_of(package) is None


@pytest.mark.parametrize(
    "damage", [{"mean": [1.0]}, {"kept": [[1.0], [1.0, 2.0]]}, {"usual": "often"}, {"more": 1}]
)
def test_a_package_whose_trust_is_malformed_is_refused(model, damage):
    carried = for_manifest(model.space) | damage
    package = SimpleNamespace(path="x.onnx", manifest=SimpleNamespace(extra={TRUST: carried}))
    with pytest.raises(TrustError, match=r"x\.onnx: its trust is malformed"):
        trust_of(package)
