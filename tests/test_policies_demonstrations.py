import numpy as np
import pytest

from perception.quantities import InputError
from policies.demonstrations import add_all, demonstrate, states_of
from policies.policy import make_policy
from policies.practice_env import spec_of
from policies.replay_buffer import ReplayBuffer
from policies.spec import with_instruction
from sim.tabletop import TabletopEnv

ENV = TabletopEnv()


def expert(goal, **options):
    return make_policy("tabletop_expert", ENV.limits, ENV.rate_hz, {"goal": goal, **options})


def shown(count=4, seed=0, goals=(0, 1, 2, 3)):
    return demonstrate(ENV, expert, goals, count, seed)


def test_demonstrations_take_goals_in_turn_and_end_with_success():
    found = shown(6)
    assert [one.goal for one in found] == [0, 1, 2, 3, 0, 1]
    for one in found:
        assert one.success.tolist() == [False] * (len(one.action) - 1) + [True]
        assert one.reward.tolist() == [-1.0] * (len(one.action) - 1) + [0.0]
        assert {len(tensor) for tensor in one.observation.values()} == {len(one.action) + 1}


def test_equal_seeds_give_equal_demonstrations_and_more_do_not_change_the_first():
    np.testing.assert_array_equal(shown(2)[1].action, shown(3)[1].action)
    assert not np.array_equal(shown(1)[0].action[:20], shown(1, seed=1)[0].action[:20])


def test_backward_ones_begin_where_things_are_done():
    (one,) = shown(1, goals=[4])
    start = np.concatenate([one.observation["gripper_xy_m"][0], one.observation["mug_xy_m"][0]])
    assert start.tolist() in ENV.goal_vectors[:4, :4].tolist()


def test_a_buffer_holds_them_with_what_was_told():
    found = shown(2)
    buffer = ReplayBuffer(with_instruction(spec_of(ENV), 6), 1000)
    add_all(buffer, found, ENV.goal_vectors)
    rows = buffer.rows(np.arange(len(buffer)))
    assert len(buffer) == sum(len(one.action) for one in found)
    assert (rows["mask"] == 0).sum() == 2
    np.testing.assert_array_equal(rows["instruction"][0], ENV.goal_vectors[0])
    np.testing.assert_array_equal(rows["instruction"][-1], ENV.goal_vectors[1])


def test_the_states_of_all_are_one_table():
    found = shown(2)
    states = states_of(found)
    assert len(states["mug_xy_m"]) == sum(len(one.action) + 1 for one in found)
    assert states_of([]) == {}


def test_a_pilot_that_fails_time_and_again_is_named():
    with pytest.raises(InputError, match="failed 20 times at 'put the mug on the red coaster'"):
        demonstrate(ENV, lambda goal: expert(goal, speed=1e-3), [0], 1, 0)
