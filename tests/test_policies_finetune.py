import itertools

import numpy as np
import pytest
from stand_in_learner import StandIn

from perception.quantities import InputError
from policies.astray import Astray
from policies.finetune import Hooks, Parts, PracticeRun
from policies.learner import Practice
from policies.practice_env import spec_of
from policies.practice_log import Point, PracticeLog, practised
from policies.practice_settings import Config, updates_due
from policies.replay_buffer import ReplayBuffer
from policies.rewards import Judgement, Truth, make_reward
from policies.spec import with_instruction
from policies.strategies import STRATEGIES
from policies.strategy import Scene, make_strategy
from sim.tabletop import GOALS, TabletopEnv

SHORT = {
    "episodic": {},
    "naive": {"goal_steps": 25},
    "forward_backward": {"phase_steps": 25},
    "medal": {"phase_steps": 25, "update_every": 5},
    "switching": {},
}
VECTORS = TabletopEnv.goal_vectors
SPEC = with_instruction(spec_of(TabletopEnv()), 6)


class ShortTabletop(TabletopEnv):
    """Attempts are over soon, and things can be made to go wrong."""

    episode_steps = 60
    lost_at = ()  # steps after which only a person can help

    def __init__(self):
        super().__init__(end_on_success=False)
        self.resets, self.moves = [], 0

    def reset(self, *, seed=None, options=None):
        self.resets.append(options["goal"])
        return super().reset(seed=seed, options=options)

    def step(self, action):
        self.moves += 1
        *rest, info = super().step(action)
        return *rest, {**info, "irreversible": self.moves in self.lost_at}


def parts_of(strategy="switching", reward="truth", practice=None, offline=None, seed=0):
    env = ShortTabletop()
    demonstrated = {tensor.name: np.zeros((4, 2), np.float32) for tensor in env.tensors}
    scene = Scene(GOALS, VECTORS, env.episode_steps, demonstrated)
    return Parts(
        env,
        ShortTabletop(),
        StandIn(SPEC, seed, practice or Practice(rows=4)),
        ReplayBuffer(SPEC, 10_000, seed),
        offline,
        make_strategy(strategy, scene, SHORT[strategy], seed),
        make_reward(reward, seed=seed),
        VECTORS,
    )


def config_of(**changes):
    return Config(**{"steps": 150, "evaluate_every": 75, "evaluation_episodes": 4, **changes})


def practise(parts, seed=0, hooks=None, folder=None, **changes):
    run = PracticeRun(parts, config_of(**changes), seed, hooks, folder)
    assert run.run()
    return run


def stopped_after(steps):
    """Hooks that stop a run before its next step."""
    asked = itertools.count()
    return Hooks(should_stop=lambda: next(asked) >= steps)


def test_after_a_failure_the_next_attempt_begins_at_random_each_action_held_for_four_steps():
    acted = []

    class Watched(ShortTabletop):
        def step(self, action):
            acted.append(action)
            return super().step(action)

    parts = parts_of("naive")
    still = parts.learner.act
    parts.learner.act = lambda observation, explore=False: 0 * still(observation, explore)
    strategy_steps = SHORT["naive"]["goal_steps"]
    practise(parts._replace(env=Watched()), steps=3 * strategy_steps, random_after_failure=10)
    moved = np.abs(np.array(acted)).max(1) > 0
    assert not moved[:strategy_steps].any()  # nothing had failed before
    for attempt in (1, 2):
        begun = acted[attempt * strategy_steps :][:10]
        assert len({tuple(action) for action in begun}) == 3
        np.testing.assert_array_equal(begun[0], begun[3])
        np.testing.assert_array_equal(begun[8], begun[9])
        assert not moved[attempt * strategy_steps + 10 : (attempt + 1) * strategy_steps].any()


def test_nothing_is_random_after_a_success():
    stray, rng = Astray(3, parts_of().learner.spec.action), np.random.default_rng(0)
    stray.attempt_ended(success=False)
    assert stray.action(rng) is not None
    stray.attempt_ended(success=True)
    assert stray.action(rng) is None
    assert Astray(0, parts_of().learner.spec.action).action(rng) is None


def test_a_run_that_was_stopped_astray_goes_on_to_the_bit(tmp_path):
    changes = {"random_after_failure": 10}
    whole, rest = parts_of("switching"), parts_of("switching", seed=99)
    expected = practise(whole, **changes)
    stop = ShortTabletop.episode_steps + 6  # in the middle of the second action that is held
    first = PracticeRun(
        parts_of("switching"), config_of(**changes), 0, stopped_after(stop), tmp_path
    )
    assert not first.run()
    second = PracticeRun(rest, config_of(**changes), 0, folder=tmp_path)
    assert second.resume()
    assert second.run()
    assert second.log == expected.log
    assert rest.learner.weights.tolist() == whole.learner.weights.tolist()


@pytest.mark.parametrize("strategy", STRATEGIES)
@pytest.mark.parametrize("reward", ["truth", "noisy_truth"])
def test_a_run_that_was_stopped_goes_on_as_it_would_have_to_the_bit(strategy, reward, tmp_path):
    whole = parts_of(strategy, reward)
    expected = practise(whole)
    first = PracticeRun(
        parts_of(strategy, reward), config_of(), 0, stopped_after(67), tmp_path / "checkpoints"
    )
    assert not first.run()
    rest = parts_of(strategy, reward, seed=99)  # whatever it was made of is replaced
    second = PracticeRun(rest, config_of(), 0, folder=tmp_path / "checkpoints")
    assert second.resume()
    assert second.log.tally.steps == 67
    assert second.run()
    assert second.log == expected.log
    assert rest.learner.weights.tolist() == whole.learner.weights.tolist()
    batches = zip(rest.learner.batches[-5:], whole.learner.batches[-5:], strict=True)
    for found, wanted in batches:
        for name in wanted:
            np.testing.assert_array_equal(found[name], wanted[name])


def test_who_judges_is_told_of_every_attempt_before_its_first_step():
    told = []

    class Listening(Truth):
        def begin(self):
            told.append("begin")

        def judge(self, goal, observation, info):
            told.append("judge")
            return super().judge(goal, observation, info)

    listening = Listening(Truth.Config(), np.random.default_rng(0), GOALS)
    run = practise(parts_of()._replace(reward=listening))
    assert told[0] == "begin"
    assert told.count("judge") == 150
    assert run.log.tally.attempts >= 2
    assert told.count("begin") in (run.log.tally.attempts, run.log.tally.attempts + 1)


def test_random_actions_go_on_too(tmp_path):
    at_random = Practice(rows=4, random_steps=1000)
    whole, rest = parts_of(practice=at_random), parts_of(practice=at_random)
    practise(whole)
    first = PracticeRun(parts_of(practice=at_random), config_of(), 0, stopped_after(67), tmp_path)
    assert not first.run()
    second = PracticeRun(rest, config_of(), 0, folder=tmp_path)
    assert second.resume()
    assert second.run()
    assert rest.learner.weights.tolist() == whole.learner.weights.tolist()


def test_checkpoints_on_the_way_change_nothing_and_the_newest_is_kept(tmp_path):
    quiet = practise(parts_of())
    saved = practise(parts_of(), folder=tmp_path, checkpoint_every=40)
    assert saved.log == quiet.log
    assert sorted(path.name for path in tmp_path.iterdir()) == ["latest", "step_00000120"]


def test_without_a_checkpoint_a_run_begins_anew(tmp_path):
    assert not PracticeRun(parts_of(), config_of(), 0, folder=tmp_path).resume()
    assert not PracticeRun(parts_of(), config_of(), 0).resume()


def test_a_checkpoint_of_other_settings_is_refused_and_a_longer_run_goes_on(tmp_path):
    practise(parts_of(), folder=tmp_path, checkpoint_every=75)
    with pytest.raises(InputError, match=r"run with updates_per_step = 1\.0, now it is 0\.5"):
        PracticeRun(parts_of(), config_of(updates_per_step=0.5), 0, folder=tmp_path).resume()
    with pytest.raises(InputError, match="run with seed = 0, now it is 1"):
        PracticeRun(parts_of(), config_of(checkpoint_every=75), 1, folder=tmp_path).resume()
    longer = PracticeRun(parts_of(), config_of(checkpoint_every=75, steps=200), 0, folder=tmp_path)
    assert longer.resume()
    assert longer.run()
    assert longer.log.tally.steps == 200


@pytest.mark.parametrize(
    ("changes", "updates"),
    [
        ({}, 150),
        ({"updates_per_step": 0.25}, 37),
        ({"updates_per_step": 4}, 600),
        ({"warmup_steps": 100}, 50),
        ({"warmup_steps": 100, "updates_per_step": 0.1}, 5),
        ({"warmup_steps": 500}, 0),
        ({"updates_per_step": 0}, 0),
    ],
)
def test_updates_are_so_many_per_step_after_the_warm_up(changes, updates):
    parts = parts_of()
    run = practise(parts, **changes)
    assert run.log.tally.updates == len(parts.learner.batches) == updates


def test_updates_due_are_not_lost_to_rounding():
    assert [updates_due(steps, 0.1) for steps in (-5, 0, 9, 10, 29, 30)] == [0, 0, 0, 1, 2, 3]
    assert updates_due(100, 0.29) == 29  # 28.999999999999996 as floats go


def test_the_loop_asks_the_learner_for_what_is_not_set():
    practice = Practice(rows=7, warmup_steps=120, random_steps=110)
    parts = parts_of(practice=practice)
    practise(parts)
    assert {len(batch["reward"]) for batch in parts.learner.batches} == {7}
    assert len(parts.learner.batches) == 30
    assert parts.learner.asked == 40  # acted at random before
    told = parts_of(practice=practice)
    practise(told, rows=3, warmup_steps=0, random_steps=0)
    assert len(told.learner.batches) == told.learner.asked == 150
    assert {len(batch["reward"]) for batch in told.learner.batches} == {3}


def test_who_imitates_is_not_updated():
    parts = parts_of(practice=Practice(learns_online=False))
    assert practise(parts).log.tally.updates == 0


def offline_of(reward):
    buffer = ReplayBuffer(SPEC, 10)
    observation = {t.name: np.zeros((3, 2), np.float32) for t in TabletopEnv.tensors}
    values = np.full(2, reward)
    buffer.add_episode(observation, np.zeros((2, 3)), values, values > 0, VECTORS[0])
    return buffer


@pytest.mark.parametrize(("share", "rows"), [(0.0, 0), (0.5, 4), (1.0, 8)])
def test_so_much_of_a_batch_is_from_offline_data(share, rows):
    parts = parts_of(offline=offline_of(-7.0))
    practise(parts, rows=8, offline_share=share, steps=5)
    assert [int((b["reward"] == -7).sum()) for b in parts.learner.batches] == [rows] * 5
    assert [int(b["offline"].sum()) for b in parts.learner.batches] == [rows] * 5


def test_own_practice_is_not_taken_for_a_demonstration_where_there_is_no_data():
    parts = parts_of()
    practise(parts, rows=8, steps=5)
    assert not any(batch["offline"].any() for batch in parts.learner.batches)


def test_nobody_puts_things_back_unless_it_is_due():
    parts = parts_of()
    run = practise(parts)
    assert len(parts.env.resets) == 1  # at the start
    assert run.log.tally.resets == 0
    assert run.log.tally.attempts >= 2


def test_a_person_puts_things_back_every_so_many_attempts_or_steps_at_the_end_of_an_attempt():
    by_attempts, by_steps = parts_of("naive"), parts_of("naive")  # attempts of 25 steps
    tally = practise(by_attempts, steps=190, reset_every_attempts=2).log.tally
    assert (tally.attempts, tally.resets) == (7, 3)
    run = practise(by_steps, steps=190, reset_every_steps=60)
    assert run.log.tally.resets == 2  # after 75 and 150 steps
    assert run.log.figures()["resets_per_1000_steps"] == pytest.approx(2000 / 190)
    assert set(by_steps.env.resets) <= {0, 1, 2, 3}  # forward goals begin at the start


def test_the_oracle_is_put_back_after_each_attempt():
    parts = parts_of("episodic")
    tally = practise(parts).log.tally
    assert tally.attempts >= 2
    assert tally.resets == len(parts.env.resets) - 1 >= tally.attempts - 1


def test_what_cannot_be_undone_ends_the_attempt_and_a_person_is_counted():
    parts = parts_of()
    parts.env.lost_at = (5, 12)
    run = practise(parts, steps=20)
    assert (run.log.tally.interventions, run.log.tally.resets, run.log.tally.attempts) == (2, 2, 2)
    assert run.log.figures()["interventions_per_1000_steps"] == 100
    rows = parts.online.rows(np.arange(20))
    assert rows["mask"].tolist() == [1.0] * 20  # it would have gone on
    started_at = rows["gripper_xy_m"][[0, 5, 12]]
    np.testing.assert_array_equal(started_at, np.zeros((3, 2)))  # put back


def test_success_is_masked_and_a_time_out_is_not():
    parts = parts_of("switching")
    run = practise(parts, steps=400)
    rows = parts.online.rows(np.arange(400))
    assert run.log.tally.successes == int((rows["mask"] == 0).sum()) > 0
    np.testing.assert_array_equal(rows["reward"], -rows["mask"])
    lost = parts_of(practice=Practice(random_steps=1000))
    practise(lost, steps=120)
    assert lost.online.rows(np.arange(120))["mask"].all()


def test_returns_are_known_once_an_attempt_is_over():
    parts = parts_of("naive")  # attempts of 25 steps
    practise(parts, steps=60)
    known = np.isfinite(parts.online.rows(np.arange(60))["mc_return"])
    assert known.tolist() == [True] * 50 + [False] * 10


def test_the_learner_is_fed_the_rewards_of_today():
    parts = parts_of()
    parts.strategy.relabel = lambda batch: {**batch, "reward": np.full(4, 9.0)}
    practise(parts, steps=5)
    assert [batch["reward"].tolist() for batch in parts.learner.batches] == [[9.0] * 4] * 5


def test_each_step_is_kept_with_the_instruction_that_was_tried():
    parts = parts_of("switching")
    practise(parts, steps=400)
    rows = parts.online.rows(np.arange(400))
    reached = rows["mask"] == 0
    wanted = rows["instruction"][reached][:, :4]
    there = np.hstack([rows["next_gripper_xy_m"], rows["next_mug_xy_m"]])[reached]
    assert np.linalg.norm(wanted - there, axis=1).max() <= 0.2 + 1e-6
    assert {tuple(goal) for goal in wanted} >= {tuple(VECTORS[4, :4])}  # both directions


def test_evaluation_sees_the_policy_frozen_and_disturbs_nothing():
    seldom, often = parts_of(), parts_of()
    one, other = practise(seldom), practise(often, evaluate_every=10)
    assert one.log.tally == other.log.tally
    assert seldom.learner.weights.tolist() == often.learner.weights.tolist()
    assert [point.step for point in one.log.curve] == [0, 75, 150]
    assert one.log.curve[-1] == other.log.curve[-1]
    assert seldom.evaluation_env.resets[:4] == [0, 1, 2, 3]


def test_both_protocols_are_reported():
    class Slow(ShortTabletop):
        episode_steps = 200

    parts = parts_of()._replace(evaluation_env=Slow())
    figures = practise(parts, steps=400, evaluate_every=200).log.figures()
    assert figures["final_success"] == 1.0  # an expert that is told the goal
    assert (figures["mean_success"], figures["regret"]) == (1.0, 0.0)
    assert figures["continuing_reward"] == figures["successes"] / 400 > 0
    assert figures["false_successes"] == 0


def test_how_practice_itself_went_is_reported_between_each_two_evaluations():
    curve = [
        Point(step, 0.0, 0.0, 1.0, {}, 9.0, attempts, successes)
        for step, attempts, successes in ((0, 0, 0), (50, 4, 1), (100, 4, 1), (150, 9, 5))
    ]
    assert practised(curve) == [0.25, None, 0.8]
    run = practise(parts_of(), steps=400, evaluate_every=100)
    tally, last = run.log.tally, run.log.curve[-1]
    assert (last.attempts, last.successes) == (tally.attempts, tally.successes)
    figures = PracticeLog(tally, curve).figures()
    assert (figures["practice_at_first"], figures["practice_at_last"]) == (0.25, 0.8)
    restored = PracticeLog()
    restored.restore(run.log.save())
    assert restored.curve == run.log.curve
    assert PracticeLog().figures()["practice_at_last"] is None


def test_false_successes_are_counted_apart():
    parts = parts_of(reward="noisy_truth")
    tally = practise(parts, steps=400).log.tally
    assert 0 < tally.false_successes <= tally.successes


class Doubting(Truth):
    """Says what is, and nothing of every other step."""

    def __init__(self):
        self.steps = 0

    def judge(self, goal, observation, info):
        self.steps += 1
        if self.steps % 2:
            return super().judge(goal, observation, info)
        return Judgement(-1.0, False, doubt="front is black")


def test_a_step_at_which_the_reward_abstains_is_counted_and_teaches_nothing(tmp_path):
    parts = parts_of()._replace(reward=Doubting())
    run = practise(parts, steps=100, updates_per_step=1)
    tally = run.log.tally
    assert (tally.abstained, tally.lessons, len(parts.online)) == ({"front is black": 50}, 50, 50)
    assert tally.updates == practise(parts_of(), steps=50, updates_per_step=1).log.tally.updates > 0
    assert run.log.figures()["abstained"] == {"front is black": 50}
    older = run.log.save()
    del older["tally"]["abstained"]  # of a run from before it could abstain
    restored = PracticeLog()
    restored.restore(older)
    assert (restored.tally.abstained, restored.tally.steps) == ({}, 100)


class Watchful(Truth):
    """Says itself when only a person could help: at every 40th step."""

    def __init__(self):
        self.steps = 0

    def judge(self, goal, observation, info):
        self.steps += 1
        judged = super().judge(goal, observation, {**info, "achieved": [False] * 99})
        return judged._replace(lost=self.steps % 40 == 0)


def test_who_judges_calls_for_a_person_where_it_tells_and_the_truth_where_it_does_not():
    parts = parts_of()._replace(reward=Watchful())
    parts.env.lost_at = (10, 80)  # the first is never noticed
    tally = practise(parts, steps=130).log.tally
    assert (tally.interventions, tally.false_interventions, tally.lost_steps) == (3, 2, 1)
    silent = parts_of()
    silent.env.lost_at = (10, 80)
    tally = practise(silent, steps=130).log.tally
    assert (tally.interventions, tally.false_interventions, tally.lost_steps) == (2, 0, 0)


def test_progress_and_metrics_are_told():
    steps, told = [], []
    hooks = Hooks(steps.append, lambda step, metrics: told.append((step, *metrics)))
    practise(parts_of(), hooks=hooks, steps=1000, evaluate_every=1000, updates_per_step=0.3)
    assert steps == list(range(1, 1001))
    assert told == [(0, "deployed_success"), (1000, "loss"), (1000, "deployed_success")]


@pytest.mark.parametrize(
    "wrong", [{"steps": 0}, {"updates_per_step": -1}, {"reset_every_attempts": 0}, {"rows": 0}]
)
def test_settings_that_cannot_be_are_refused(wrong):
    (name,) = wrong
    with pytest.raises(InputError, match=f"{name} = "):
        config_of(**wrong)
