import numpy as np
import pytest

from perception.goal import Goal
from perception.quantities import InputError
from policies.rewards import judgement
from policies.strategies import STRATEGIES
from policies.strategy import Scene, Step, make_strategy

GOALS = (Goal("a", "forward"), Goal("b", "forward"), Goal("undo", "backward"))
FORWARD, BACKWARD = {0, 1}, {2}
WANTED_M = np.array([[1.0, 1.0], [1.1, 0.9], [0.9, 1.1]], np.float32)  # where demonstrations were
SCENE = Scene(GOALS, np.eye(3, dtype=np.float32), 3, {"at_m": WANTED_M})
SHORT = {
    "episodic": {},
    "naive": {"goal_steps": 3},
    "forward_backward": {"phase_steps": 3},
    "medal": {"phase_steps": 3, "update_every": 1},
    "switching": {},
}  # attempts of three steps


def make(name, seed=0, **options):
    return make_strategy(name, SCENE, {**SHORT[name], **options}, seed)


def attempt(strategy, successes, after_reset=False, at_m=(0.0, 0.0)):
    """The goal and verdicts of an attempt with these judgements."""
    goal = strategy.next_goal(after_reset=after_reset)
    here = {"at_m": np.array(at_m, np.float32)}
    verdicts = [
        strategy.judge(Step(count, here, judgement(success)))
        for count, success in enumerate(successes, 1)
    ]
    return goal, verdicts


def goals(strategy, successes, attempts):
    """The goals of further attempts that all go alike."""
    return [attempt(strategy, successes)[0] for _ in range(attempts)]


TIMEOUT, SOON = (False, False, False), (False, True)


@pytest.mark.parametrize("name", STRATEGIES)
def test_every_strategy_begins_forward_and_ends_an_attempt_by_the_clock(name):
    goal, verdicts = attempt(make(name), TIMEOUT, after_reset=True)
    assert goal in FORWARD
    assert [bool(verdict.ended) for verdict in verdicts] == [False, False, True]
    assert not any(verdict.success for verdict in verdicts)
    assert [verdict.reward for verdict in verdicts] == [-1.0, -1.0, -1.0]


@pytest.mark.parametrize("name", STRATEGIES)
def test_success_is_told_to_the_learner_as_the_end_of_all_that_follows(name):
    _, verdicts = attempt(make(name), SOON, after_reset=True)
    assert [verdict.reward for verdict in verdicts] == [-1.0, 0.0]
    assert [verdict.success for verdict in verdicts] == [False, True]


@pytest.mark.parametrize("name", STRATEGIES)
def test_every_strategy_goes_on_from_what_it_saved(name):
    strategy, other = make(name, seed=1), make(name, seed=2)
    goals(strategy, TIMEOUT, 3)
    other.restore(strategy.save())
    assert [attempt(strategy, TIMEOUT) for _ in range(8)] == [
        attempt(other, TIMEOUT) for _ in range(8)
    ]


@pytest.mark.parametrize("name", STRATEGIES)
def test_equal_seeds_give_equal_attempts(name):
    one, same = ([attempt(s, TIMEOUT) for _ in range(6)] for s in (make(name, 5), make(name, 5)))
    assert one == same


@pytest.mark.parametrize("name", sorted(set(STRATEGIES) - {"episodic"}))
def test_only_the_oracle_asks_for_resets(name):
    strategy = make(name)
    verdicts = [v for _ in range(4) for v in attempt(strategy, TIMEOUT)[1]]
    assert not any(verdict.reset for verdict in verdicts)


def test_episodic_asks_for_a_reset_at_each_end_and_takes_goals_in_turn():
    strategy = make("episodic")
    assert [v.reset for v in attempt(strategy, SOON)[1]] == [False, True]
    assert [v.reset for v in attempt(strategy, TIMEOUT)[1]] == [False, False, True]
    assert goals(strategy, SOON, 4) == [0, 1, 0, 1]
    assert goals(make("episodic", both_directions=True), SOON, 4) == [0, 1, 2, 0]


def test_naive_never_undoes_and_goes_on_after_success():
    strategy = make("naive")
    _, verdicts = attempt(strategy, (True, False, True))
    assert [verdict.ended for verdict in verdicts] == ["", "", "switch"]
    assert [verdict.success for verdict in verdicts] == [True, False, True]
    assert set(goals(strategy, TIMEOUT, 50)) == FORWARD


@pytest.mark.parametrize("name", ["forward_backward", "switching"])
@pytest.mark.parametrize(("successes", "why"), [(TIMEOUT, "timeout"), (SOON, "success")])
def test_turns_go_over_at_success_and_at_time_out(name, successes, why):
    strategy = make(name)
    ended = [attempt(strategy, successes)[1][-1].ended for _ in range(2)]
    assert ended == [why, why]
    tried = goals(strategy, successes, 40)
    assert set(tried[::2]) == FORWARD  # drawn anew each time
    assert set(tried[1::2]) == BACKWARD


def test_switching_with_retry_stays_in_its_direction_until_success():
    strategy = make("switching", retry=True)
    assert set(goals(strategy, TIMEOUT, 10)) <= FORWARD
    attempt(strategy, SOON)
    assert goals(strategy, TIMEOUT, 3) == [2, 2, 2]
    attempt(strategy, SOON)
    assert attempt(strategy, TIMEOUT)[0] in FORWARD


@pytest.mark.parametrize("name", ["forward_backward", "switching", "medal"])
def test_after_a_reset_it_is_forwards_turn(name):
    strategy = make(name)
    attempt(strategy, TIMEOUT)  # backward is next
    assert attempt(strategy, TIMEOUT, after_reset=True)[0] in FORWARD


def test_medal_goes_back_by_the_clock_whatever_is_judged():
    strategy = make("medal")
    attempt(strategy, SOON)
    goal, verdicts = attempt(strategy, (False, True, True))
    assert goal in BACKWARD
    assert [verdict.ended for verdict in verdicts] == ["", "", "switch"]
    assert not any(verdict.success for verdict in verdicts)
    assert attempt(strategy, TIMEOUT)[0] in FORWARD


def test_medal_learns_to_pay_for_states_of_demonstrations():
    strategy = make("medal", phase_steps=300)
    attempt(strategy, SOON)
    _, verdicts = attempt(strategy, [False] * 300, at_m=(-1.0, -1.0))
    assert all(-1 <= verdict.reward <= 0 for verdict in verdicts)
    assert verdicts[-1].reward < -0.8  # not where demonstrations were: minus log 1 is 0, less 1
    batch = {
        "instruction": np.eye(3, dtype=np.float32)[[2, 2, 0]],
        "next_at_m": np.array([WANTED_M[0], (-1.0, -1.0), WANTED_M[0]]),
        "reward": np.array([-9.0, -9.0, -9.0], np.float32),
        "mask": np.zeros(3, np.float32),
        "mc_return": np.zeros(3, np.float32),
    }
    paid = strategy.relabel(batch)
    assert paid["reward"][0] == pytest.approx(0.0, abs=0.05)
    assert paid["reward"][1] == pytest.approx(verdicts[-1].reward, abs=0.02)
    assert paid["reward"][2] == -9.0  # forward steps keep what was said
    assert paid["mask"].tolist() == [1, 1, 0]
    assert paid["mc_return"].tolist() == [-np.inf, -np.inf, 0]  # of the past's pay: no bound
    assert batch["reward"][0] == -9.0  # the buffer's own is untouched


def test_medal_as_published_pays_minus_log_of_what_is_told_apart():
    strategy = make("medal", as_published=True)
    attempt(strategy, SOON)
    reward = attempt(strategy, TIMEOUT)[1][0].reward
    assert 0 < reward < 23.1  # -log(1e-10) is 23.03


def test_tasks_that_do_not_fit_are_refused():
    with pytest.raises(InputError, match=r"has no backward goal; its goals: 'a' \(forward\)"):
        make_strategy("switching", SCENE._replace(goals=GOALS[:2]))
    with pytest.raises(InputError, match="medal returns to states of demonstrations"):
        make_strategy("medal", SCENE._replace(demonstrated={}))
    with pytest.raises(InputError, match="valid names: episodic, forward_backward, medal, naive"):
        make_strategy("vaprl", SCENE)
