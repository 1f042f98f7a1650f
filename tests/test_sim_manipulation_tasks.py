"""Every manipulation task: its goals undo each other, its expert does both, its truth is true."""

import numpy as np
import pytest
from arm_loops import attempt, make_env, make_expert

from perception.quantities import InputError
from perception.tables import ChoiceError
from sim.manipulation import Scene, is_free, out_of_reach, tipped
from sim.manipulation_tasks import MANIPULATION_TASKS, make_manipulation

UP = np.array([0.0, 0.0, 1.0])
LYING = np.array([1.0, 0.0, 0.0])


@pytest.fixture(scope="module", params=MANIPULATION_TASKS)
def task_and_env(request):
    return request.param, make_env(request.param)


def scene_of(task, positions_m, ups=None, slides_m=(), gripper_m=0.07):
    """Things somewhere, the gripper far above and open."""
    ups = np.tile(UP, (len(positions_m), 1)) if ups is None else np.array(ups)
    return Scene(
        np.array([0.25, 0.0, 0.19]),
        np.array([0.25, 0.0, 0.19]),
        gripper_m,
        gripper_m,
        np.array(positions_m, np.float64),
        ups,
        np.array(slides_m, np.float64),
    )


def test_goals_are_said_in_words_that_differ_and_go_both_ways():
    texts = []
    for name in MANIPULATION_TASKS:
        goals = make_manipulation(name).goals
        assert {goal.direction for goal in goals} == {"forward", "backward"}
        texts += [goal.text for goal in goals]
    assert len(set(texts)) == len(texts)


@pytest.mark.parametrize("goal", [0, 1])
def test_an_attempt_begins_with_its_goal_to_do_and_the_other_done(task_and_env, goal):
    _, env = task_and_env
    for seed in range(5):
        _, info = env.reset(seed=seed, options={"goal": goal})
        assert info["achieved"].tolist() == [goal == 1, goal == 0]
        assert not info["irreversible"]


@pytest.mark.parametrize("goal", [0, 1])
def test_the_expert_reaches_both_goals_well_within_an_attempt(task_and_env, goal):
    name, env = task_and_env
    expert = make_expert(name, env, goal)
    for seed in (11, 12):
        observation, _ = env.reset(seed=seed, options={"goal": goal})
        steps, _ = attempt(env, expert, goal, observation, seed)
        assert steps is not None, (name, goal, seed)
        assert steps < 0.8 * env.episode_steps


def test_the_expert_does_and_undoes_without_a_reset(task_and_env):
    name, env = task_and_env
    experts = [make_expert(name, env, goal) for goal in (0, 1)]
    observation, _ = env.reset(seed=3, options={"goal": 0})
    for turn in range(6):
        steps, observation = attempt(env, experts[turn % 2], turn % 2, observation, turn)
        assert steps is not None, (name, turn)


def test_noise_makes_another_demonstration_of_the_same(task_and_env):
    name, env = task_and_env
    ends = []
    for noise in (0.0, 0.05):
        observation, _ = env.reset(seed=5, options={"goal": 0})
        expert = make_expert(name, env, 0, noise)
        expert.reset(np.random.default_rng(1))
        for _ in range(3):
            observation, *_ = env.step(expert.act(observation))
        ends.append(observation["tool_position_m"])
    assert 1e-4 < np.linalg.norm(ends[0] - ends[1]) < 0.1


@pytest.mark.parametrize("name", MANIPULATION_TASKS)
def test_an_expert_reads_what_the_environment_shows(name):
    env = make_env(name)
    expert = make_expert(name, env, 0)
    shown = {tensor.name: tensor for tensor in env.tensors}
    assert all(shown[tensor.name] == tensor for tensor in expert.spec.observation)


@pytest.mark.parametrize("name", MANIPULATION_TASKS)
def test_what_cannot_be_put_back_is_told(name):
    task = make_manipulation(name)
    count = len(task.objects)
    fine = [[0.27, -0.08, 0.005]] + [[0.27, 0.08, 0.0]] * (count - 1)
    slides_m = [0.05] * len(task.slides)
    assert not task.irreversible(scene_of(task, fine, slides_m=slides_m))
    gone = [[0.6, 0.0, 0.005], *fine[1:]]
    never = name == "drawer"
    assert task.irreversible(scene_of(task, gone, slides_m=slides_m)) != never
    if task.tips:
        lying = [LYING] + [UP] * (count - 1)
        assert task.irreversible(scene_of(task, fine, lying))


@pytest.mark.parametrize("name", MANIPULATION_TASKS)
def test_nothing_is_achieved_half_way(name):
    task = make_manipulation(name)
    half_way = [[0.27, 0.02, 0.1]] + [[0.27, 0.08, 0.0]] * (len(task.objects) - 1)
    slides_m = [0.05] * len(task.slides)
    assert not task.achieved(scene_of(task, half_way, slides_m=slides_m)).any()


def test_a_lid_in_the_fingers_is_not_yet_on_the_pot():
    task = make_manipulation("lid")
    scene = scene_of(task, [[0.28, 0.08, 0.06], [0.28, 0.08, 0.0]])
    assert task.achieved(scene).tolist() == [True, False]
    held = scene._replace(tool_position_m=np.array([0.28, 0.08, 0.085]), gripper_m=0.024)
    assert not task.achieved(held).any()


def test_one_piece_beside_the_tray_is_not_all_pieces():
    task = make_manipulation("sweep")
    pieces_m = np.tile([0.28, 0.1, 0.011], (8, 1))
    assert task.achieved(scene_of(task, pieces_m)).tolist() == [True, False]
    pieces_m[5, 1] = 0.04
    assert not task.achieved(scene_of(task, pieces_m)).any()


def test_reach_tilt_and_grip_are_measured_as_said():
    assert not out_of_reach(np.array([[0.2, 0.1, 0.0]]))
    assert out_of_reach(np.array([[0.2, 0.1, 0.0], [0.2, 0.3, 0.0]]))
    leaning = np.array([[np.sin(0.5), 0.0, np.cos(0.5)]])
    assert tipped(leaning, 0.4)
    assert not tipped(leaning, 0.6)
    scene = scene_of(None, [[0.25, 0.0, 0.0]], gripper_m=0.02)
    assert not is_free(scene, (0.25, 0.0, 0.18), 0.024)
    assert is_free(scene, (0.25, 0.0, 0.10), 0.024)
    assert is_free(scene._replace(gripper_m=0.05), (0.25, 0.0, 0.18), 0.024)


def test_unknown_tasks_options_and_items_are_refused_listing_the_choices():
    with pytest.raises(ChoiceError, match=r"valid names: .*lid.*sweep"):
        make_manipulation("juggle")
    with pytest.raises(ChoiceError, match=r"no option colour; valid options: .*spread_m"):
        make_manipulation("lid", {"colour": "red"})
    with pytest.raises(InputError, match="valid pots: pot, low pot, tall pot"):
        make_manipulation("lid", {"pot": "kettle"})
    with pytest.raises(InputError, match="valid items: weight, vase, bench"):
        make_manipulation("bin_vase", {"item": "sofa"})
