import itertools
import json

import msgspec
import numpy as np
import pytest

from perception.quantities import InputError
from policies.recipe import EXPERT
from robot.actors import actor_for
from robot.cli import main
from robot.config import list_configs
from robot.hooks import Hooks
from robot.practice_method import Method, Offline, config_hash, resolved
from robot.practising import collect_recipes, practice_run
from robot.study.practice_grid import PracticeCell, load_grid
from robot.study.practice_report import table
from robot.study.practice_worker import SPENT, Order, Places, measure, plan_of, practice_of
from robot.study.prepared_method import Ready
from robot.study.rows import is_finished, row_path, write_row
from robot.worlds import WORLDS, make_world

GRID = """
task = "tabletop"
seeds = "0-1"
[common]
learner = "sac"
data = ["RECIPE"]
final_episodes = 4
learner_options = {hidden = [8], critic_hidden = [8], batch_size = 8, warmup_steps = 5}
[common.finetune]
steps = 40
evaluate_every = 40
evaluation_episodes = 4
checkpoint_every = 10
[methods.switching]
strategy = "switching"
[methods.medal]
strategy = "medal"
finetune = {steps = 20}
reward = "noisy_truth"
"""
RECIPE = """
encoder = "world"
[[rows]]
task = "tabletop"
goals = "forward"
episodes = 1
[[rows]]
task = "tabletop"
goals = "backward"
episodes = 2
"""
CELL = PracticeCell("tabletop", "switching", 1001)


@pytest.fixture(scope="module")
def recipe(tmp_path_factory):
    path = tmp_path_factory.mktemp("recipes") / "shown.toml"
    path.write_text(RECIPE)
    return path


@pytest.fixture(scope="module")
def data(recipe):
    """Folder of the data that the recipe asks for."""
    (made,) = collect_recipes([str(recipe)], recipe.parent, lambda _: None, lambda: False)
    return made


def written(tmp_path, recipe, text=GRID):
    path = tmp_path / "tiny.toml"
    path.write_text(text.replace("RECIPE", str(recipe)))
    return str(path)


@pytest.fixture
def grid(tmp_path, recipe):
    return load_grid(written(tmp_path, recipe))


@pytest.fixture
def methods(grid):
    return grid.tasks["tabletop"]


@pytest.fixture
def ordered(data, tmp_path):
    """An order to measure the one cell by some method."""
    return lambda method, name="a": Order(CELL, method, str(tmp_path / name), (str(data),))


def comparable(row):
    """Without what two equal runs differ in."""
    return {k: v for k, v in row.items() if k not in ("wall_seconds", "cpu_seconds", "commit")}


@pytest.mark.parametrize("task", WORLDS)
def test_every_task_has_a_world_and_an_expert_for_each_goal(task):
    world = make_world(task)
    assert {goal.direction for goal in world.goals} == {"forward", "backward"}
    for goal in range(len(world.goals)):
        actor_for(task, world, EXPERT, goal).spec.check_observation(world.reset(seed=0)[0])


def test_a_grid_is_tasks_methods_and_seeds(grid):
    assert grid.cells([0, 1]) == [
        PracticeCell("tabletop", method, seed)
        for seed in (0, 1)
        for method in ("switching", "medal")
    ]
    assert CELL.name == "tabletop-switching-1001"


def test_methods_share_what_is_common_and_may_say_otherwise(methods):
    switching, medal = (resolved(methods[name]) for name in ("switching", "medal"))
    assert (switching["finetune"]["steps"], medal["finetune"]["steps"]) == (40, 20)
    assert medal["finetune"]["evaluate_every"] == 40
    assert medal["reward_options"] == {"false_positive_rate": 0.06, "false_negative_rate": 0.7}
    assert switching["learner_options"]["critics"] == 2  # a default


def test_a_configuration_is_all_that_a_method_resolves_to(methods):
    def changed(**changes):
        return config_hash(CELL.task, msgspec.structs.replace(methods["switching"], **changes))

    same = changed()
    assert changed(finetune={**methods["switching"].finetune, "updates_per_step": 1.0}) == same
    others = {
        changed(data=[]),
        changed(strategy="naive"),
        changed(reward="noisy_truth"),
        changed(finetune={"steps": 41}),
        changed(learner_options={}),
    }
    assert len(others | {same}) == 6


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ('"tabletop"', '"kitchen"', r"no task is called 'kitchen'; valid tasks: bin_bench"),
        ('strategy = "switching"', 'strategy = "vaprl"', "no strategy is called 'vaprl'"),
        ('learner = "sac"', 'learner = "td3"', "no learner is called 'td3'"),
        ("batch_size = 8", "batch = 8", "learner sac has no option batch; valid options"),
        ("evaluation_episodes = 4", "episodes = 4", "finetune has no option episodes"),
        ('data = ["RECIPE"]', 'data = "two"', r"Expected `array`, got `str`"),
        ('data = ["RECIPE"]', 'data = ["kitchen"]', r"no data named 'kitchen'"),
        ("final_episodes", "trials", "unknown field `trials`"),
        ('task = "tabletop"', "", "either task = NAME or a table"),
    ],
)
def test_a_wrong_grid_is_one_line(tmp_path, recipe, old, new, said):
    assert old in GRID
    with pytest.raises(InputError, match=said) as refused:
        load_grid(written(tmp_path, recipe, GRID.replace(old, new)))
    assert "\n" not in str(refused.value)


def test_every_grid_of_the_repository_can_be_read():
    grids = {name: load_grid(name) for name in list_configs("studies")}
    assert {"naive", "forward_backward", "medal", "switching"} <= {*grids["tabletop"].method_names}


def test_what_is_particular_to_a_task_is_said_once_for_all_methods(tmp_path, recipe):
    tasks = GRID.replace('task = "tabletop"', "") + "[tasks.lid]\ndata = []\n[tasks.tabletop]\n"
    grid = load_grid(written(tmp_path, recipe, tasks))
    assert [cell.name for cell in grid.cells([1])] == [
        f"{task}-{method}-0001" for task in ("lid", "tabletop") for method in grid.method_names
    ]
    assert grid.tasks["lid"]["medal"].data == ()
    assert grid.tasks["tabletop"]["medal"].data == (str(recipe),)


def test_a_grid_like_another_says_what_differs_alone(tmp_path, recipe):
    fewer = 'like = "robofume"\ntask = "lid_images"\n[prepare]\n'
    fewer += 'shown = "collect {task} --episodes 5 --seed {seed} --out {shown}"\n'
    grid, whole = load_grid(written(tmp_path, recipe, fewer)), load_grid("robofume")
    assert ([*grid.tasks], len(whole.tasks)) == (["lid_images"], 5)
    assert grid.tasks["lid_images"] == whole.tasks["lid_images"]
    one, other = (each.stages_of(PracticeCell("lid_images", "bc", 0)) for each in (grid, whole))
    differ = [name for name in whole.prepare if one.token(name) != other.token(name)]
    alike = {*whole.prepare} - {*differ}  # all else stands on what was shown
    assert alike == {"near", "far", "lost"}
    with pytest.raises(InputError, match="like = 'robofume_5': that is like another itself"):
        load_grid(written(tmp_path, recipe, fewer.replace("robofume", "robofume_5")))


def test_data_are_made_once_and_their_folder_names_the_recipe(recipe, data):
    assert data.name.startswith("shown-")
    told = []
    assert collect_recipes([str(recipe)], data.parent, told.append, lambda: False) == [data]
    assert told == []  # nothing was missing
    assert collect_recipes([str(recipe)], data.parent / "b", told.append, lambda: True) is None


def test_a_run_becomes_a_row_and_goes_on_where_it_was_stopped(methods, ordered, tmp_path):
    method = methods["switching"]
    whole = measure(ordered(method), Hooks())
    asked = iter(range(1000))
    order = ordered(method, "b")
    assert measure(order, Hooks(should_stop=lambda: next(asked) >= 23)) is None
    spent = tmp_path / "b" / SPENT
    before = msgspec.json.decode(spent.read_bytes())
    spent.write_bytes(msgspec.json.encode({name: took + 1000 for name, took in before.items()}))
    steps = []
    row = measure(order, Hooks(steps.append))
    assert min(row["wall_seconds"], row["cpu_seconds"]) > 1000  # what came before counts
    assert steps == list(range(24, 41))
    assert comparable(row) == comparable(whole)
    write_row(tmp_path, CELL, row)
    assert is_finished(tmp_path, CELL, config_hash(CELL.task, method))
    assert {"commit", "hardware", "seed", "curve", "settings", "regret"} <= row.keys()
    assert row["final"]["trials"] == 4
    assert [point["step"] for point in row["curve"]] == [0, 40]
    assert row_path(tmp_path, CELL).stat().st_size < 10_000
    assert not (tmp_path / "b").exists()  # its checkpoints


def test_a_real_learner_goes_on_to_the_bit(methods, ordered, tmp_path):
    method = methods["medal"]  # learns who has been where, too, and is lied to
    whole = practice_run(practice_of(ordered(method)), Hooks())
    whole.run()
    asked = iter(range(1000))
    stopped = Hooks(should_stop=lambda: next(asked) >= 13)
    assert not practice_run(practice_of(ordered(method, "b")), stopped).run()
    rest = practice_run(practice_of(ordered(method, "b")), Hooks())
    assert rest.log.tally.steps == 13
    rest.run()
    assert rest.log == whole.log
    states = [run._parts.learner.parts["actor"].state_dict() for run in (whole, rest)]
    assert flat(states[0]) == flat(states[1])
    for name, column in whole._parts.online._columns.items():
        np.testing.assert_array_equal(column, rest._parts.online._columns[name])


def flat(state):
    """All numbers of a state dict."""
    if isinstance(state, dict):
        return [number for part in state.values() for number in flat(part)]
    if isinstance(state, list | tuple):
        return [number for part in state for number in flat(part)]
    return state.flatten().tolist() if hasattr(state, "flatten") else [state]


def test_learning_offline_can_be_stopped(methods, ordered, tmp_path):
    method = msgspec.structs.replace(methods["switching"], offline=Offline(updates=10**9))
    asked = iter(range(1000))
    hooks = Hooks(should_stop=lambda: next(asked) >= 3)
    assert measure(ordered(method), hooks) is None


def test_a_learner_that_begins_from_nobody_is_refused(methods, ordered, tmp_path):
    offline = Offline(updates=1, learner="bc", options={"hidden": [8]})
    method = msgspec.structs.replace(methods["switching"], offline=offline)
    with pytest.raises(InputError, match="learner sac begins from no other"):
        measure(ordered(method), Hooks())


def test_offline_learning_hands_over_to_the_learner_that_practises(methods, ordered, tmp_path):
    offline = {"learner": "calql", "updates": 2, "options": {**SMALL, "sampled_actions": 1}}
    method = msgspec.convert(
        {
            "strategy": "switching",
            "learner": "wsrl",
            "learner_options": {**SMALL, "warmup_steps": 5},
            "finetune": {"steps": 10, "evaluate_every": 10, "evaluation_episodes": 4},
            "offline": offline,
            "final_episodes": 4,
        },
        Method,
    )
    row = measure(ordered(method), Hooks())
    assert row["updates"] == 5
    assert row["settings"]["offline"]["options"]["sampled_actions"] == 1


SMALL = {"hidden": [8], "critic_hidden": [8], "batch_size": 8}


def test_an_order_says_all_that_a_process_needs(grid, methods, recipe, tmp_path):
    data = {(str(recipe), ""): tmp_path / "shown"}
    ready = {cell: Ready(grid.method_of(cell), grid.hash_of(cell)) for cell in grid.cells([3])}
    places = Places(tmp_path / "rows", tmp_path / "checkpoints", data, ready)
    plan = plan_of([*ready], places, 1)
    order = msgspec.json.decode(plan.order(plan.cells[0]), type=Order)
    assert order.cell == PracticeCell("tabletop", "switching", 3)
    assert order.method == methods["switching"]
    assert order.checkpoints.endswith("checkpoints/tabletop-switching-0003")
    assert order.data == (str(tmp_path / "shown"),)


def row_of(method, seed, successes, **more):
    figures = {
        "steps": 1000,
        "first_success": 0.0,
        "mean_success": 0.5,
        "regret": 0.5,
        "continuing_reward": 0.01,
        "practice_at_first": None if seed == 0 else 0.1,
        "practice_at_last": 0.2 * seed,
        "resets_per_1000_steps": 0.0,
        "interventions_per_1000_steps": 2.0,
        "wall_seconds": 120.0,
    }
    final = {"trials": 100, "successes": successes}
    return {"task": "tabletop", "method": method, "seed": seed, "final": final, **figures, **more}


def test_the_table_has_a_line_for_each_method_whether_it_failed_or_not():
    successes = (0, 90, 92, 94, 100)
    rows = [row_of("switching", seed, hits) for seed, hits in enumerate(successes)]
    head, _, naive, switching = table([*rows, row_of("naive", 0, 0)]).splitlines()
    assert head.startswith("| method | seeds | steps | final |")
    assert naive.startswith("| naive | 1 | 1,000 | 0.00 (0.00–0.00) | 0.00 (0.00–0.04) |")
    assert switching.startswith("| switching | 5 | 1,000 | 0.92 (")  # the middle three
    assert "| 0.75 (0.71–0.79) |" in switching  # all 500 attempts
    assert switching.endswith("| 0.00 | 0.50 | 0.50 | 0.0100 | 0.10 | 0.40 | 0.00 | 2.00 | 2 |")
    assert "| 0.0100 | - | 0.00 | 0.00 |" in naive  # no attempt had ended by then
    lid = table([*rows, {**rows[0], "task": "lid"}]).splitlines()[2:]
    assert [line.split(" | ")[0] for line in lid] == ["| lid: switching", "| tabletop: switching"]


def test_the_command_measures_what_is_missing_and_writes_the_page(
    recipe, tmp_path, capsys, monkeypatch
):
    path, rows = written(tmp_path, recipe), tmp_path / "rows"
    arguments = ["study", "practice", path, "--seeds", "3", "--methods", "switching", "--json"]
    folders = ["--rows", str(rows), "--checkpoints", str(tmp_path / "checkpoints")]
    folders += ["--data", str(tmp_path / "data")]
    assert main([*arguments, *folders]) == 0
    (row,) = json.loads(capsys.readouterr().out)
    assert (row["cell"], row["steps"]) == ("tabletop-switching-0003", 40)
    assert "| switching | 1 | 40 |" in rows.with_suffix(".md").read_text()
    monkeypatch.setattr("robot.commands.study.practice.conduct_visibly", None)  # nothing is missing
    assert main([*arguments, *folders]) == 0


def test_a_dry_run_says_what_each_run_takes(recipe, tmp_path, capsys, monkeypatch):
    seconds = itertools.count()  # whatever is timed takes one second
    monkeypatch.setattr("robot.study.practice_cost.time.process_time", lambda: next(seconds))
    command = ["study", "practice", written(tmp_path, recipe), "--dry-run"]
    assert main([*command, "--methods", "switching", "--json"]) == 0
    (cost,) = json.loads(capsys.readouterr().out)
    assert (cost["task"], cost["method"], cost["seeds"]) == ("tabletop", "switching", 2)
    step_s, judge_s, update_s = 1 + 1 / 25, 1, 1 / 6  # world and an action of 25; an update of six
    practised_s = 40 * (step_s + judge_s) + 35 * update_s  # 5 of warm-up
    assert cost["practice_s"] == pytest.approx(practised_s)
    assert cost["evaluation_s"] == pytest.approx((2 * 4 + 4) * 200 * step_s)
    assert cost["offline_s"] == 0
    assert not (tmp_path / "docs").exists()
    assert main(command) == 0
    assert "4 runs, " in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["kitchen"], "no study named 'kitchen'"),
        (["tabletop", "--methods", "vaprl"], "choose from naive, "),
        (["tabletop", "--seeds", "x"], "--seeds 'x'"),
        (["tabletop", "--jobs", "0"], "--jobs 0"),
        (["tabletop", "--report"], "no rows in "),
    ],
)
def test_bad_input_is_one_line_and_exit_code_2(arguments, said, tmp_path, capsys):
    assert main(["study", "practice", *arguments, "--rows", str(tmp_path / "rows")]) == 2
    error = capsys.readouterr().err
    assert said in error
    assert error.count("\n") == 1
