"""Laws of every row of LEARNERS, on a point that must reach a goal."""

import dataclasses

import numpy as np
import point_reach
import pytest
import torch

from perception.model_package import read_package
from perception.tables import ChoiceError, load_item
from policies.learner import make_learner
from policies.learners import LEARNERS
from policies.policy import OnnxPolicy
from policies.spec import ACTION, EXPLORATION

SMALL = {
    "hidden": (24, 16),
    "critic_hidden": (24, 16),
    "batch_size": 32,
    "actor_rate": 3e-3,
    "critic_rate": 3e-3,
}
DATA = point_reach.demonstrations(spec=point_reach.SEEN)


def small(name, seed=0, **more):
    """A learner with what of SMALL its Config has."""
    fields = {field.name for field in dataclasses.fields(load_item(LEARNERS, "", name).Config)}
    options = {key: value for key, value in SMALL.items() if key in fields} | more
    spec = point_reach.SEEN if name == "drq" else point_reach.SPEC
    return make_learner(name, spec, options, seed)


def batches(learner, count):
    """Equal batches each time it is called."""
    rng = np.random.default_rng(5)
    rows = [rng.integers(len(DATA), size=learner.practice.rows) for _ in range(count)]
    return [DATA.rows(which) for which in rows]


def observations(count):
    """Single ones of the data."""
    names = [tensor.name for tensor in point_reach.SEEN.observation]
    batch = DATA.rows(np.arange(count))
    return [{name: batch[name][row] for name in names} for row in range(count)]


@pytest.mark.parametrize("name", LEARNERS)
def test_loss_falls(name):
    learner = small(name)
    learner.prepare(DATA.rows(np.arange(len(DATA))))
    losses = [learner.update(batch)["loss"] for batch in batches(learner, 80)]
    assert np.mean(losses[-10:]) < 0.8 * np.mean(losses[:3])
    assert np.isfinite(losses).all()


@pytest.mark.parametrize("name", LEARNERS)
def test_equal_seeds_learn_equal_policies_whatever_torch_drew_before(name):
    losses, actions = [], []
    for draws, seed in ((0, 3), (5, 3), (0, 4)):
        torch.rand(draws)
        learner = small(name, seed)
        losses.append([learner.update(batch)["loss"] for batch in batches(learner, 4)])
        actions.append(learner.act(observations(1)[0], explore=True))
    assert losses[0] == losses[1]
    assert losses[0] != losses[2]
    np.testing.assert_array_equal(actions[0], actions[1])


@pytest.mark.parametrize("name", LEARNERS)
def test_a_learner_that_resumes_goes_on_to_the_bit(name, tmp_path):
    whole, before, after = small(name), small(name), small(name, seed=7)
    given = batches(whole, 8)
    uninterrupted = [whole.update(batch) for batch in given]
    halves = [before.update(batch) for batch in given[:4]]
    before.save(tmp_path / "half.pt")
    after.load(tmp_path / "half.pt")
    halves += [after.update(batch) for batch in given[4:]]
    assert halves == uninterrupted
    for seen in observations(3):
        for explore in (False, True):
            np.testing.assert_array_equal(after.act(seen, explore), whole.act(seen, explore))


@pytest.mark.parametrize("name", LEARNERS)
def test_exported_policy_acts_as_the_learner_does(name, tmp_path):
    learner = small(name)
    for batch in batches(learner, 3):
        learner.update(batch)
    words = {"instructions": {"left": point_reach.INSTRUCTIONS[0].tolist()}, "task": "point"}
    learner.export(tmp_path / "policy.onnx", extra=words)
    manifest = read_package(tmp_path / "policy.onnx").manifest
    assert manifest.extra == words
    assert manifest.training_config_hash
    policy = OnnxPolicy(tmp_path / "policy.onnx")
    assert policy.spec == learner.spec
    for seen in observations(20):
        np.testing.assert_allclose(policy.act(seen), learner.act(seen), atol=1e-5)


@pytest.mark.parametrize("name", [name for name in LEARNERS if name not in ("bc", "clone")])
def test_a_package_that_explores_draws_what_the_learner_would(name, tmp_path):
    learner = small(name)
    learner.update(batches(learner, 1)[0])
    package = learner.export(tmp_path / "explorer.onnx", explores=True, parent="a" * 64)
    assert package.manifest.parent == "a" * 64
    policy = OnnxPolicy(tmp_path / "explorer.onnx")
    none = np.zeros(len(point_reach.SPEC.action), np.float32)
    for seen in observations(5):
        chance = learner._whim.get_state()
        drawn = learner.noise(1, len(none), acting=True)[0].numpy()
        learner._whim.set_state(chance)
        for noise, explore in ((none, False), (drawn, True)):
            action = policy.act({**seen, EXPLORATION: noise})
            np.testing.assert_allclose(action, learner.act(seen, explore), atol=1e-5)


@pytest.mark.parametrize("name", LEARNERS)
def test_actions_stay_within_the_bounds_of_the_spec(name):
    learner = small(name)
    learner.update(batches(learner, 1)[0])
    seen = observations(1)[0]
    wild = {
        key: np.full_like(value, 255 if value.dtype == np.uint8 else 1e6)
        for key, value in seen.items()
    }
    for explore in (False, True):
        for one in (seen, wild):
            action = learner.act(one, explore)
            assert action.dtype == np.float64
            np.testing.assert_array_equal(action, point_reach.SPEC.clip(action))


@pytest.mark.parametrize("name", LEARNERS)
def test_a_batch_is_left_as_it_was(name):
    learner = small(name)
    batch = batches(learner, 1)[0]
    before = {key: value.copy() for key, value in batch.items()}
    learner.update(batch)
    for key, value in before.items():
        np.testing.assert_array_equal(batch[key], value)


@pytest.mark.parametrize("name", LEARNERS)
def test_a_learner_says_what_it_asks_of_its_loop(name):
    practice = small(name).practice
    assert practice.rows >= 1
    assert 0 <= practice.offline_share <= 1
    assert 0 <= practice.random_steps <= practice.warmup_steps


def test_a_bad_choice_of_learner_is_refused():
    with pytest.raises(ChoiceError, match="valid names: bc, c"):
        make_learner("bcc", point_reach.SPEC)
    with pytest.raises(ChoiceError, match="no option width"):
        make_learner("bc", point_reach.SPEC, {"width": 3})


def test_demonstrations_are_imitated_in_the_units_of_the_spec():
    learner = small("bc")
    learner.prepare(DATA.rows(np.arange(len(DATA))))
    for batch in batches(learner, 300):
        learner.update(batch)
    seen = DATA.rows(np.arange(200))
    acted = np.stack([learner.act(one) for one in observations(200)])
    assert np.abs(acted - seen[ACTION]).mean() < 0.35
    assert point_reach.success_rate(learner) > 0.8
