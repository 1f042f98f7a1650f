"""study robofume, whole: from demonstrations to practice by a reward that was taught and proved."""

import contextlib
import io
import json

import msgspec
import pytest

from perception.model_package import read_package
from robot.cli import main
from robot.hooks import Hooks
from robot.study.making import Said
from robot.study.practice_grid import load_grid
from robot.study.practice_ready import as_far_as_made, made_ready, stage_costs
from robot.study.practice_report import write_page
from robot.study.practice_worker import Order, Places, measure, plan_of

GRID = """
task = "lid_images"
reference = "truth_seen"
[prepare]
shown = "collect {task} --episodes 2 --after 1 --encoder words --seed {seed} --out {shown}"
near = "collect {task} --episodes 2 --steps 4 --encoder words --seed 1{seed} --out {near}"
eyes = '''export features {shown} --package {eyes}/features.onnx --out {eyes}/data
    --set backbone=tiny --set numbers=6 --set updates=3'''
reward = '''train reward {shown} {near} --out {reward}/reward.onnx --updates 2
    --set backbone=tiny --seed {seed}'''
offline = "train policy {eyes}/data --out {offline} --learner sac --updates 2 OPTIONS"
tried = '''collect {task} --pilot {offline}/policy.onnx --features {eyes}/features.onnx --episodes 1
    --steps 4 --encoder words --out {tried}'''
held = "collect {task} --episodes 2 --after 1 --encoder words --seed 2{seed} --out {held}"
proved = "export reward {reward}/reward.onnx {held} {tried} --out {proved}/reward.onnx"
loose = "export reward {reward}/reward.onnx {held} {tried} --most 0.99 --out {loose}/reward.onnx"
[common]
strategy = "switching"
learner = "sac"
features = "{eyes}/features.onnx"
folders = ["{eyes}/data"]
start = "{offline}/last.pt"
final_episodes = 1
final_backward_episodes = 2
elsewhere_episodes = 3
learner_options = {hidden = [8], critic_hidden = [8], batch_size = 8, warmup_steps = 5}
[common.finetune]
steps = 9
evaluate_every = 9
evaluation_episodes = 1
[methods.truth_seen]
elsewhere = { dim = { look = "dim" } }
[methods.classifier_seen]
reward = "classifier"
reward_options = { package = "{proved}/reward.onnx" }
[methods.classifier_seen_unproved]
like = "classifier_seen"
reward_options = { package = "{loose}/reward.onnx" }
[methods.classifier_seen_hidden]
like = "classifier_seen_unproved"
"""
SMALL = "--set hidden=[8] --set critic_hidden=[8] --set batch_size=8 --set warmup_steps=5"


def here(words, stopped):
    """Runs a command in this process, which has imported what it needs."""
    del stopped
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        code = main(words)
    return Said(code, (out.getvalue() + err.getvalue()).strip().splitlines()[-1], 1.0)


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    """Grid, folder, what was said, and what is ready."""
    folder = tmp_path_factory.mktemp("robofume")
    path = folder / "tiny.toml"
    path.write_text(GRID.replace("OPTIONS", SMALL))
    grid, said = load_grid(str(path)), []
    ready = made_ready(grid, grid.cells([7]), folder, said.append, lambda: False, here)
    return grid, folder, said, {cell.method: (cell, one) for cell, one in ready.items()}


@pytest.fixture(scope="module")
def rows(study, tmp_path_factory):
    """Rows of what could be measured, by method."""
    _, _, _, ready = study
    places = Places(tmp_path_factory.mktemp("rows"), tmp_path_factory.mktemp("checkpoints"), {}, {})
    places = places._replace(ready=dict(ready.values()))
    plan = plan_of([cell for cell, _ in ready.values()], places, 1)
    orders = [msgspec.json.decode(plan.order(cell), type=Order) for cell in plan.cells]
    return {order.cell.method: measure(order, Hooks()) for order in orders}


def test_a_bound_that_cannot_be_met_is_said_with_what_it_takes_and_leaves_out_its_runs_alone(study):
    _, _, said, ready = study
    assert [*ready] == ["truth_seen", "classifier_seen_unproved"]
    (line,) = [one for one in said if "cannot  lid_images-classifier_seen-0007" in one]
    assert "at most 2 % of attempts falsely paid cannot be proved by 6 held-out attempts" in line
    assert "143 more would do" in line


def test_a_reward_that_promises_less_is_used_under_a_name_that_says_so(study):
    _, _, said, _ = study
    (line,) = [one for one in said if "classifier_seen_hidden" in one]
    assert "promises 99 % in place of 2 %" in line
    assert line.endswith("or call the method classifier_seen_hidden_unproved")


def test_the_same_command_makes_only_what_is_missing(study):
    grid, folder, said, _ = study
    tried, again = [], []

    def counted(words, stopped):
        tried.append(words[:2])
        return here(words, stopped)

    made_ready(grid, grid.cells([7]), folder, again.append, lambda: False, counted)
    assert tried == [["export", "reward"]]  # the one that could not be
    assert len([one for one in said if one.startswith("made ")]) == 8
    costs = {one.stage: one for one in stage_costs(grid, grid.cells([7, 8]), folder)}
    assert (costs["eyes"].missing, costs["eyes"].left_s) == (1, 1.0)
    assert costs["proved"].each_s is None


def test_a_run_begins_with_the_policy_whose_attempts_were_held_and_sees_by_its_features(study):
    grid, folder, _, ready = study
    cell, one = ready["truth_seen"]
    stages = grid.stages_of(cell, folder)
    assert one.method.start == str(stages.path("offline") / "last.pt")
    assert one.method.features == str(stages.path("eyes") / "features.onnx")
    method, remark = as_far_as_made(grid, cell, folder)
    assert (method, remark) == (one.method, "")
    bare, remark = as_far_as_made(grid, grid.cells([8])[1], folder)
    assert (bare.features, bare.reward) == ("", "truth")
    assert "not made yet" in remark
    assert "front" not in bare.sees


def test_a_row_says_both_directions_and_what_it_was_made_from(study, rows):
    grid, _, _, ready = study
    row = rows["classifier_seen_unproved"]
    cell, one = ready["classifier_seen_unproved"]
    assert row["config_hash"] == grid.hash_of(cell)
    assert (row["final"]["trials"], row["final_backward"]["trials"]) == (1, 2)
    told = row["prepared"]["loose"]
    assert told["packages"] == {
        "reward.onnx": read_package(one.method.reward_options["package"]).sha256
    }
    assert told["bound"]["limit"] == 0.99
    assert {"shown", "near", "reward", "offline", "tried", "held", "eyes"} < {*row["prepared"]}
    assert "proved" not in row["prepared"]


def test_practice_by_what_is_seen_is_judged_beside_the_truth_and_shown(study, rows, tmp_path):
    grid = study[0]
    row = rows["classifier_seen_unproved"]
    seen = row["verdicts"]
    assert 0 < seen["moments"] == row["steps"] - sum(row["abstained"].values())
    assert "verdicts" not in rows["truth_seen"]
    assert rows["truth_seen"]["elsewhere"]["dim"]["backward"]["trials"] == 3
    assert "elsewhere" not in row
    text = write_page(tmp_path / "tiny", grid, [*rows.values()]).read_text()
    (head,) = [one for one in text.splitlines() if "false positives %" in one]
    line = text[text.index(head) :].partition("| classifier_seen_unproved |")[2].splitlines()[0]
    assert f"{100 * seen['accuracy']:.1f}" in line
    shifted = text.partition("| method | seeds | dim, forward | dim, backward |")[2]
    found = [one.split()[1] for one in shifted.splitlines() if one.startswith("| ")]
    assert found == ["---", "truth_seen"]


def test_study_robofume_foretells_stages_and_runs_and_measures_nothing(study, call, tmp_path):
    folder = study[1]
    command = ("study", "robofume", folder / "tiny.toml", "--seeds", "7,8", "--prepared", folder)
    command += ("--rows", tmp_path / "rows", "--methods", "truth_seen", "--dry-run")
    code, out, _ = call(*command)
    assert code == 0
    assert "lid_images, stage eyes: 1 of 2 are to be made, 1 s each" in out
    assert "lid_images, truth_seen:" in out
    code, out, _ = call(*command, "--seeds", "8")  # of which nothing was made
    assert code == 0
    assert "evaluation, without what looks, which is not made yet" in out
    code, out, _ = call(*command, "--json")
    assert json.loads(out)[0]["stage"] == "shown"
    assert not (tmp_path / "rows").exists()
    code, _, err = call(*command, "--tasks", "lid")
    assert (code, err.count("\n")) == (2, 1)
    assert "--tasks lid: the grid has none; choose from lid_images" in err
