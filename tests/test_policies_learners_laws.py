"""What single learners owe beyond what all do."""

import math

import numpy as np
import point_reach
import pytest
import torch
from test_policies_learners import DATA, batches, observations, small

from perception.tables import ChoiceError
from policies.actor_critic import conservative_gap, td_loss
from policies.checkpoint import CheckpointError
from policies.learners import LEARNERS
from policies.policy import OnnxPolicy
from policies.spec import ACTION, EXPLORATION, PolicySpec

TRAINED = sorted(set(LEARNERS) - {"clone"})


def actions_of(learner):
    return np.stack([learner.act(seen) for seen in observations(5)])


def test_with_the_bound_at_minus_infinity_calql_is_cql_to_the_bit():
    calql, cql, bounded = small("calql"), small("cql"), small("calql")
    for batch in batches(calql, 5):
        free = {**batch, "mc_return": np.full_like(batch["mc_return"], -np.inf)}
        assert calql.update(free) == cql.update(batch)
        bounded.update(batch)
    np.testing.assert_array_equal(actions_of(calql), actions_of(cql))
    assert (actions_of(calql) != actions_of(bounded)).any()


def test_the_loss_of_a_conservative_critic_is_what_its_formula_says():
    """Worked out again from what was drawn, with all states in one pass."""
    learner = small("calql", layer_norm=False)
    batch = batches(learner, 1)[0]
    learner.prepare(batch)
    tensors = learner.transitions(batch)
    config, critics = learner.config, learner._soft.critics
    chance = learner._noise.get_state()
    with torch.no_grad():
        drawn = learner._conservative._draw(tensors)
        y = learner._conservative._target(tensors, drawn)
        sampled = critics.q(tensors.state, drawn.actions)
        data = critics.q(tensors.state, tensors.action)
        floor = torch.from_numpy(batch["mc_return"])
        gap = conservative_gap(sampled, drawn.log_density, data, floor, config.sampled_actions)
        expected = td_loss(data, y) + config.conservative_weight * gap.sum(0).mean()
        best = critics.slow_q(tensors.next_state, drawn.next_actions).amin(0).amax(-1)
        wanted = tensors.reward + config.discount * tensors.mask * best
    torch.testing.assert_close(y, wanted)
    assert drawn.actions.shape == (32, 3 * config.sampled_actions, 2)
    uniform = drawn.log_density[:, : config.sampled_actions]
    torch.testing.assert_close(uniform, torch.full_like(uniform, -2 * math.log(2)))
    learner._noise.set_state(chance)
    assert learner.update(batch)["loss"] == pytest.approx(expected.item(), rel=1e-5)


@pytest.mark.parametrize("name", ["cql", "calql"])
def test_how_many_states_a_pass_takes_is_a_matter_of_speed_alone(name):
    few, all_at_once = small(name, states_per_pass=5), small(name, states_per_pass=32)
    for batch in batches(few, 3):
        found, expected = few.update(batch), all_at_once.update(batch)
        assert found == pytest.approx(expected, rel=1e-4)


def test_values_of_what_the_actor_does_stay_at_the_return_of_the_data():
    """Cal-QL does not push them below what the data got; CQL does (its figure 1)."""
    below = {}
    for name in ("cql", "calql"):
        learner = small(
            name, discount=point_reach.DISCOUNT, conservative_weight=10.0, states_per_pass=32
        )
        learner.prepare(DATA.rows(np.arange(len(DATA))))
        for batch in batches(learner, 100):
            learner.update(batch)
        tensors = learner.transitions(DATA.rows(np.arange(200)))
        with torch.no_grad():
            action = learner.actor.module(tensors.state)[0].tanh()
            q = learner._soft.critics.q(tensors.state, action).mean(0)
        below[name] = (tensors.mc_return - q).mean().item()
    assert below["calql"] < below["cql"] - 1


def test_imitation_can_hold_the_actor_to_offline_data_alone():
    learner, other = small("calql", imitation_weight=1.0), small("calql", imitation_weight=1.0)
    batch = batches(learner, 1)[0]
    offline = np.zeros(len(batch["action"]), np.float32)
    offline[:5] = 1
    assert learner.update(batch)["imitation_loss"] != 0
    assert other.update({**batch, "offline": 0 * offline})["imitation_loss"] == 0
    imitated = small("calql", imitation_weight=100.0)
    for _ in range(100):
        imitated.update({**batch, "offline": offline})
    acted = imitated.unit_actions({"action": batch["action"]})[:5]
    with torch.no_grad():
        mean = imitated.actor.module(imitated.inputs.states(batch))[0].tanh()[:5]
    assert (mean - acted).abs().mean() < 0.3


def test_cloning_holds_the_likeliest_action_to_offline_data_alone():
    """In steps of the world: it does not fade as values fall, as a share of them would."""
    learner = small("rlpd", critic_steps=1, cloning_weight=100.0)
    batch = batches(learner, 1)[0]
    offline = np.zeros(len(batch["action"]), np.float32)
    offline[:5] = 1
    assert (
        small("rlpd", cloning_weight=1.0).update({**batch, "offline": 0 * offline})["cloning_loss"]
        == 0
    )
    for _ in range(200):
        learner.update({**batch, "offline": offline})
    acted = learner.unit_actions({"action": batch["action"]})
    with torch.no_grad():
        mean = learner.actor.module(learner.inputs.states(batch))[0].tanh()
    error = (mean - acted).abs().mean(-1)
    assert error[:5].mean() < 0.1
    assert error[5:].mean() > 2 * error[:5].mean()


CLONING = {"bc": {}, "rlpd": {"critic_steps": 1, "cloning_weight": 100.0, "layer_norm": False}}


@pytest.mark.parametrize("name", CLONING)
def test_chance_in_a_few_demonstrations_is_not_learned_by_heart_where_states_are_blurred(name):
    few, unseen = DATA.rows(np.arange(0, 60, 2)), DATA.rows(np.arange(60, 400))
    chance = np.random.default_rng(0).normal(0, 0.4, few[ACTION].shape).astype(np.float32)
    noisy = {**few, ACTION: few[ACTION] + chance}
    errors = []
    for noise in (0.0, 0.5):
        learner = small(name, hidden=(128, 128), cloning_noise=noise, **CLONING[name])
        learner.prepare(few)
        for _ in range(300):
            learner.update(noisy)
        errors.append([_error(learner, told) for told in (noisy, unseen)])
    by_heart, blurred = errors
    assert by_heart[0] < 0.6 * blurred[0]
    assert blurred[1] < 0.8 * by_heart[1]


def _error(learner, told):
    with torch.no_grad():
        mean, _ = learner.actor.module(learner.inputs.states(told))
    return float((mean.tanh() - learner.unit_actions(told)).square().mean())


def test_what_is_said_is_not_blurred():
    learner = small("bc", cloning_noise=0.5)
    learner.prepare(DATA.rows(np.arange(64)))
    state = learner.inputs.states(DATA.rows(np.arange(64)))
    moved = (learner.blurred(state) - state).numpy()
    observed = learner.inputs.features
    assert 0.4 < moved[:, :observed].std() < 0.6
    assert not moved[:, observed:].any()
    assert small("bc").blurred(state) is state


@pytest.mark.parametrize(("actor", "critic"), [(False, True), (True, False)])
def test_actor_and_critics_are_normalised_as_each_is_told(actor, critic):
    learner = small("rlpd", actor_layer_norm=actor, layer_norm=critic)
    assert bool(learner.actor.module.mlp.gains) == actor
    assert bool(learner.parts["critics"].online.module.gains) == critic


def test_own_practice_that_succeeded_can_be_cloned_too():
    """What failed for ever, and what is not known yet, is not; a return of -1 is one step away."""
    batch = {**batches(small("rlpd"), 1)[0]}
    count = len(batch["action"])
    batch["offline"] = np.zeros(count, np.float32)
    batch["mc_return"] = np.full(count, -1 / (1 - 0.9), np.float32)
    batch["mc_return"][:5], batch["mc_return"][5:10] = -1.0, -np.inf
    low = {"initial_value": -50.0, "critic_rate": 1e-9}  # all that succeeds is better than expected
    learner = small("rlpd", cloning_weight=100.0, clones_success=True, discount=0.9, **low)
    for _ in range(200):
        learner.update(batch)
    with torch.no_grad():
        mean = learner.actor.module(learner.inputs.states(batch))[0].tanh()
    error = (mean - learner.unit_actions(batch)).abs().mean(-1)
    assert error[:5].mean() < 0.1
    assert error[5:].mean() > 2 * error[:5].mean()
    for changes in ({}, {"clones_success": True, "initial_value": 9.0}):
        other = small("rlpd", cloning_weight=1.0, discount=0.9, **changes)
        assert other.update(batch)["cloning_loss"] == 0


@pytest.mark.parametrize("name", ["iql", "rlpd", "calql"])
def test_practice_can_be_what_is_deployed_with_a_deviation_that_is_set(name, tmp_path):
    learner = small(name, deployed_rate=0.25, practice_noise=0.2)
    for batch in batches(learner, 3):
        learner.update(batch)
    learner.export(tmp_path / "explorer.onnx", explores=True)
    package = OnnxPolicy(tmp_path / "explorer.onnx")
    centre, half = learner._centre.numpy(), learner._half_range.numpy()
    for seen in observations(5):
        chance = learner._whim.get_state()
        drawn = learner.noise(1, 2, acting=True)[0].numpy()
        learner._whim.set_state(chance)
        likeliest = np.arctanh((learner.act(seen) - centre) / half)
        tried = learner.act(seen, explore=True)
        np.testing.assert_allclose(tried, centre + half * np.tanh(likeliest + 0.2 * drawn), 1e-4)
        sent = package.act({**seen, EXPLORATION: np.float32(drawn)})
        np.testing.assert_allclose(sent, tried, atol=1e-5)


def test_values_are_those_of_what_practice_draws_and_nothing_is_paid_for_entropy():
    """So a stall that the actor's own noise would end is worth what practice gets there."""
    learner = small("rlpd", practice_noise=0.2, entropy_backup=True, initial_temperature=5.0)
    batch = batches(learner, 1)[0]
    learner.prepare(batch)
    tensors = learner.transitions(batch)
    critics, chance = learner._soft.critics, learner._noise.get_state()
    with torch.no_grad():
        mean = learner.actor.module(tensors.next_state)[0]
        action = (mean + 0.2 * learner.noise(*mean.shape)).tanh()
        best = critics.slow_q(tensors.next_state, action).amin(0)
    learner._noise.set_state(chance)
    wanted = tensors.reward + learner.config.discount * tensors.mask * best
    torch.testing.assert_close(learner._soft._target(tensors), wanted)
    assert learner.update(batch)["temperature"] == 0
    assert learner._soft.temperature.module().item() == pytest.approx(5.0)


@pytest.mark.parametrize("noise", [-0.1, 0.75, float("nan")])
def test_a_deviation_that_no_actor_has_is_refused(noise):
    with pytest.raises(ChoiceError, match=r"practice_noise = .*give 0.*or a deviation below 0.71"):
        small("rlpd", practice_noise=noise)


def test_with_a_floor_no_target_is_below_what_was_attained():
    targets = {}
    for floor in (False, True):
        learner = small("rlpd", return_floor=floor)
        batch = DATA.rows(np.arange(6))
        batch["mc_return"] = np.float32([0, 0, 0, -np.inf, -np.inf, -np.inf])
        tensors = learner.transitions(batch)
        targets[floor] = learner._soft._target(tensors._replace(reward=torch.full((6,), -50.0)))
    assert (targets[False] < -40).all()
    assert targets[True].tolist() == [0, 0, 0, *targets[False][3:].tolist()]


@pytest.mark.parametrize("name", ["cql", "calql"])
def test_wsrl_begins_as_offline_training_ended(name, tmp_path):
    offline, online = small(name), small("wsrl", seed=9)
    for batch in batches(offline, 4):
        offline.update(batch)
    offline.save(tmp_path / "offline.pt")
    online.begin_from(tmp_path / "offline.pt")
    np.testing.assert_array_equal(actions_of(online), actions_of(offline))
    tensors = online.transitions(batches(offline, 1)[0])
    for part in ("q", "slow_q"):
        ours = getattr(online._soft.critics, part)(tensors.state, tensors.action)
        theirs = getattr(offline._soft.critics, part)(tensors.state, tensors.action)
        assert torch.equal(ours, theirs)
    assert torch.equal(online._soft.alpha(), offline._soft.alpha())
    assert online.practice.offline_share == 0
    assert online.practice.warmup_steps > 0
    assert online.actor._adam.param_groups[0]["lr"] == online.config.actor_rate


def test_wsrl_does_not_begin_from_what_has_no_values(tmp_path):
    small("bc").save(tmp_path / "bc.pt")
    with pytest.raises(CheckpointError, match="is of learner 'bc'; needed is one of calql, cql"):
        small("wsrl").begin_from(tmp_path / "bc.pt")


def test_wsrl_does_not_begin_from_networks_of_another_size(tmp_path):
    small("calql", critics=3).save(tmp_path / "calql.pt")
    with pytest.raises(CheckpointError, match="the critics is of another size") as refused:
        small("wsrl").begin_from(tmp_path / "calql.pt")
    assert "\n" not in str(refused.value)


def test_many_updates_of_the_critics_share_a_batch():
    """Four critic steps on a quarter each, then one of the actor, on the whole."""
    learner = small("rlpd", critic_steps=4)
    assert learner.practice.rows == 4 * 32
    learner.update(batches(learner, 1)[0])
    steps = {
        part: int(learner.parts[part]._adam.state_dict()["state"][0]["step"])
        for part in ("actor", "temperature")
    }
    assert steps == {"actor": 1, "temperature": 1}
    assert int(learner._soft.critics.online._adam.state_dict()["state"][0]["step"]) == 4


def test_a_target_takes_the_least_of_critics_drawn_at_random():
    learner = small("rlpd", critics=5, target_critics=2)
    drawn = {tuple(sorted(learner._soft.members().tolist())) for _ in range(60)}
    assert all(len(set(pair)) == 2 for pair in drawn)
    assert len(drawn) == 10
    assert small("sac")._soft.members() is None


@pytest.mark.parametrize("name", ["bc", "iql", "rlpd"])
def test_what_is_deployed_is_the_average_of_what_the_actor_was(name, tmp_path):
    """And exploring goes on with the actor itself."""
    learner, plain = small(name, deployed_rate=0.25), small(name)
    average = learner.actor.flat.detach().clone()
    for batch in batches(learner, 3):
        learner.update(batch)
        plain.update(batch)
        average += 0.25 * (learner.actor.flat.detach() - average)
    assert learner.steady is not None
    torch.testing.assert_close(learner.steady._flat.detach(), average)
    assert (actions_of(learner) != actions_of(plain)).all()
    seen = observations(1)[0]
    np.testing.assert_array_equal(learner.act(seen, explore=True), plain.act(seen, explore=True))
    learner.export(tmp_path / "policy.onnx")
    exported = OnnxPolicy(tmp_path / "policy.onnx").act(seen)
    np.testing.assert_allclose(exported, learner.act(seen), atol=1e-5)
    learner.save(tmp_path / "learner.pt")
    other = small(name, seed=5, deployed_rate=0.25)
    other.load(tmp_path / "learner.pt")
    np.testing.assert_array_equal(actions_of(other), actions_of(learner))


def test_critics_can_begin_as_if_everything_failed_for_ever():
    """From 0, the best there is, values of what was never tried take thousands of updates down."""
    learner = small("rlpd", initial_value=-20.0)
    tensors = learner.transitions(DATA.rows(np.arange(50)))
    for part in ("q", "slow_q"):
        q = getattr(learner._soft.critics, part)(tensors.state, tensors.action)
        assert ((q > -23) & (q < -17)).all()


def test_slow_critics_follow():
    """Q̂ moves by τ of the way."""
    learner = small("sac", target_rate=0.25)
    batch = batches(learner, 1)[0]
    critics = learner._soft.critics
    before = critics._slow_flat.detach().clone()
    learner.update(batch)
    expected = before + 0.25 * (critics.online.flat.detach() - before)
    torch.testing.assert_close(critics._slow_flat.detach(), expected)


def test_iql_prefers_what_was_better_in_the_data():
    """One state, two actions in the data; one succeeds at once, the other never."""
    learner = small("iql", discount=0.9, target_rate=0.1)
    batch = dict(batches(learner, 1)[0])
    for name in ("point_m", "next_point_m", "instruction", "next_instruction"):
        batch[name] = np.zeros_like(batch[name])
    good = np.arange(32) % 2 == 0
    batch["action"] = np.where(good[:, None], [[0.5, 1.0]], [[-0.5, 0.0]]).astype(np.float32)
    batch["reward"] = np.where(good, 0, -1).astype(np.float32)
    batch["mask"] = np.where(good, 0, 1).astype(np.float32)
    for _ in range(150):
        learner.update(batch)
    seen = {name: batch[name][0] for name in ("point_m", "size_m", "instruction")}
    np.testing.assert_allclose(learner.act(seen), [0.5, 1.0], atol=0.15)


@pytest.mark.parametrize("name", ["iql", "calql"])
def test_a_point_reaches_its_goal_after_learning_from_demonstrations(name):
    options = {"discount": point_reach.DISCOUNT, "hidden": (32, 32), "critic_hidden": (32, 32)}
    learner = small(name, **options)
    learner.prepare(DATA.rows(np.arange(len(DATA))))
    for batch in batches(learner, 300):
        learner.update(batch)
    assert point_reach.success_rate(learner, episodes=20) > 0.5


@pytest.mark.parametrize("damage", [lambda b: b[:100], lambda b: b[:-2000], lambda b: b"no", None])
def test_a_damaged_checkpoint_is_refused_in_one_line(tmp_path, damage):
    path = tmp_path / "sac.pt"
    small("sac").save(path)
    if damage is None:
        path.unlink()
    else:
        path.write_bytes(damage(path.read_bytes()))
    with pytest.raises(CheckpointError, match=r"sac\.pt") as refused:
        small("sac").load(path)
    assert "\n" not in str(refused.value)


def test_a_checkpoint_of_something_else_is_refused(tmp_path, monkeypatch):
    path = tmp_path / "sac.pt"
    small("sac").save(path)
    with pytest.raises(CheckpointError, match="is of learner 'sac'; needed is one of rlpd"):
        small("rlpd").load(path)
    with pytest.raises(CheckpointError, match="another size"):
        small("sac", hidden=(8,)).load(path)
    other = small("sac")
    other.spec = PolicySpec(other.spec.observation[:1], other.spec.action, 5.0)
    with pytest.raises(CheckpointError, match=r"another spec: it reads .*instruction"):
        other.load(path)
    monkeypatch.setattr("policies.checkpoint.FORMAT_VERSION", 2)
    with pytest.raises(CheckpointError, match="has checkpoint format 1; this version reads 2"):
        small("sac").load(path)


def test_a_checkpoint_runs_nothing(tmp_path):
    """What would run code when unpickled is refused, and the code is not run."""

    class Runs:
        def __reduce__(self):
            return (tmp_path.joinpath("ran").touch, ())

    torch.save({"state": Runs()}, tmp_path / "evil.pt")
    with pytest.raises(CheckpointError, match="damaged or no checkpoint"):
        small("sac").load(tmp_path / "evil.pt")
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize("name", TRAINED)
def test_offline_data_alone_gives_finite_numbers(name):
    learner = small(name)
    for batch in batches(learner, 3):
        assert np.isfinite(list(learner.update(batch).values())).all()
