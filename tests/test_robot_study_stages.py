"""What is made before the runs of a grid: commands, their folders, and what stands on them."""

from pathlib import Path

import pytest

from perception.quantities import InputError
from robot.config import list_configs
from robot.study.making import (
    STOPPED,
    Said,
    StageFailedError,
    StagesStoppedError,
    in_process,
    made,
    make,
)
from robot.study.practice_grid import load_grid, method_named
from robot.study.stages import Stages

COMMANDS = {
    "shown": "collect {task} --seed {seed} --out {shown}",
    "near": "collect {task} --seed 1{seed} --noise 2 --out {near}",
    "taught": "train reward {shown} {near} --out {taught}/reward.onnx",
    "alone": "train reward {shown} --out {alone}/reward.onnx",
}
GRID = """
task = "lid_images"
[prepare]
shown = "collect {task} --seed {seed} --out {shown}"
taught = "train reward {shown} --out {taught}/reward.onnx"
[common]
strategy = "switching"
learner = "bc"
[methods.first]
folders = ["{shown}"]
[methods.second]
like = "first"
reward = "classifier"
reward_options = { package = "{taught}/reward.onnx" }
"""


def stages(root=Path("made"), seed=3, **commands):
    return Stages({**COMMANDS, **commands}, "lid_images", seed, root)


@pytest.fixture
def ran():
    """Commands that were run; each writes a package that holds its own words."""
    found = []

    def run(words, stopped):
        del stopped
        found.append([*words])
        Path(words[words.index("--out") + 1]).with_name("reward.onnx").write_text(words[0])
        return Said(0, '{"bound": {"limit": 0.02}, "seconds": 3}', 2.5)

    found.append(run)
    return found


def made_by(ran, one, name):
    return make(one, name, lambda _: None, lambda: False, ran[0])


def written(tmp_path, text=GRID):
    path = tmp_path / "tiny.toml"
    path.write_text(text)
    return str(path)


def test_a_stage_is_a_command_with_folders_task_and_seed_in_their_places():
    shown, near = (stages().path(name) for name in ("shown", "near"))
    assert stages().words("near") == [
        *("collect", "lid_images", "--seed", "13", "--noise", "2", "--out", str(near))
    ]
    assert stages().words("taught")[2:4] == [str(shown), str(near)]
    assert shown.parent == Path("made/lid_images-0003")


def test_a_value_stands_on_its_stages_and_all_that_these_read_in_the_order_of_the_file():
    assert stages().needed({"reward_options": {"package": "{taught}/reward.onnx"}}) == [
        *("shown", "near", "taught")
    ]
    assert stages().needed(["{alone}"]) == ["shown", "alone"]
    assert stages().needed({"features": ""}) == []


def test_a_changed_command_makes_other_folders_of_all_that_stand_on_it_and_of_no_others():
    before, after = stages(), stages(near="collect {task} --seed 1{seed} --out {near}")
    moved = [name for name in COMMANDS if before.token(name) != after.token(name)]
    assert moved == ["near", "taught"]
    assert {stages(seed=4).token(name) for name in COMMANDS}.isdisjoint(
        before.token(name) for name in COMMANDS
    )
    assert stages(root=Path("elsewhere")).token("taught") == before.token("taught")


def test_what_was_made_is_not_made_again_and_says_by_what(tmp_path, ran):
    one = stages(tmp_path)
    first = made_by(ran, one, "alone")
    assert made_by(ran, one, "alone") == first == made(one, "alone")
    assert ran[1:] == [[*one.words("alone"), "--json"]]
    assert first.for_row() == {
        "made_from": one.made_from("alone"),
        "packages": {"reward.onnx": first.packages["reward.onnx"]},
        "bound": {"limit": 0.02},
    }
    assert first.cpu_seconds == 2.5
    assert made(stages(tmp_path, seed=4), "alone") is None


@pytest.mark.parametrize(("name", "stays"), [("shown", True), ("alone", False)])
def test_a_stage_that_was_stopped_begins_anew_but_a_collection_goes_on(tmp_path, ran, name, stays):
    one = stages(tmp_path)
    left = one.path(name) / "left"
    with pytest.raises(StagesStoppedError):
        make(one, name, lambda _: None, lambda: True, lambda *_: Said(STOPPED, "", 1.0))
    assert made(one, name) is None
    left.touch()
    made_by(ran, one, name)
    assert left.exists() == stays


def test_a_stage_that_fails_leaves_no_record_and_says_why(tmp_path):
    for line in ('{"refusal": "69 more would do"}', "reflexarc: export: 69 more would do"):
        said = Said(1, line, 1.0)
        with pytest.raises(StageFailedError, match=r"alone-.*: .*69 more would do"):
            make(stages(tmp_path), "alone", print, lambda: False, lambda *_, told=said: told)
    assert made(stages(tmp_path), "alone") is None


def test_a_command_runs_in_a_process_of_its_own_whose_last_line_and_time_are_told():
    said = in_process(["collect", "kitchen", "--json"], lambda: False)
    assert said.code == 2
    assert "no task is called 'kitchen'" in said.line
    assert said.cpu_seconds > 0


def test_a_command_that_is_stopped_ends_at_once(tmp_path):
    endless = ["collect", "tabletop", "--episodes", "100000", "--out", str(tmp_path / "x")]
    said = in_process(endless, lambda: True)
    assert said.code == STOPPED


def test_a_row_is_that_of_what_was_asked_for_wherever_it_was_made(tmp_path):
    grid = load_grid(written(tmp_path))
    first, second, other = *grid.cells([1]), grid.cells([2])[0]
    assert len({grid.hash_of(cell) for cell in (first, second, other)}) == 3
    noisy = load_grid(written(tmp_path, GRID.replace("--seed {seed}", "--seed {seed} --noise 1")))
    assert noisy.hash_of(first) != grid.hash_of(first)
    longer = GRID.replace("train reward", "train reward --updates 9")
    taught = load_grid(written(tmp_path, longer))
    assert taught.hash_of(first) == grid.hash_of(first)
    assert taught.hash_of(second) != grid.hash_of(second)


def test_a_method_says_like_another_what_it_does_not_say_itself(tmp_path):
    grid = load_grid(written(tmp_path))
    first, second = grid.tasks["lid_images"].values()
    assert second.folders == first.folders == ("{shown}",)
    assert (first.reward, second.reward) == ("truth", "classifier")


def test_what_commands_say_alike_is_written_once_and_is_the_same_stage(tmp_path):
    spelled = GRID.replace("--seed {seed}", "--noise 1 --seed {seed}")
    shared = GRID.replace("--seed {seed}", "{drawn}").replace(
        "[prepare]", '[words]\ndrawn = "--noise 1 --seed {seed}"\n[prepare]'
    )
    cell = load_grid(written(tmp_path)).cells([1])[0]
    first, second = (load_grid(written(tmp_path, text)) for text in (spelled, shared))
    assert second.prepare == first.prepare
    assert second.hash_of(cell) == first.hash_of(cell)


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("[prepare]", '[words]\nmore = "x"\n[prepare]', r"no command of \[prepare\] says \{more\}"),
        ("[prepare]", '[words]\nseed = "1"\n[prepare]', r"\{seed\} is something else; choose"),
        ('["{shown}"]', '["{seen}"]', r"\{seen\} is not made before it; there are: task, seed"),
        ("train reward {shown}", "train reward {later}", r"taught: \{later\} is not made before"),
        ('"train reward', '"rm -r', r"taught: no stage begins with 'rm'; collect, train, export"),
        (" --out {shown}", "", r"shown: it must write to its folder, \{shown\}"),
        ("taught =", "task =", r"task: \{task\} is that of the run; choose another name"),
        ("folders = [", "data = [", r"folders of stages stand in features, folders, start and"),
        ('like = "first"', 'like = "third"', "second: like = 'third' is no method above it"),
    ],
)
def test_stages_that_cannot_be_are_one_line(tmp_path, old, new, said):
    assert old in GRID
    with pytest.raises(InputError, match=said) as refused:
        load_grid(written(tmp_path, GRID.replace(old, new)))
    assert "\n" not in str(refused.value)


def test_finetune_is_told_that_a_method_stands_on_what_a_study_makes(tmp_path):
    with pytest.raises(InputError, match=r"stands on what 'reflexarc study practice .*' makes"):
        method_named(f"{written(tmp_path)}/second", "lid_images")


def test_every_stage_of_the_repository_is_a_command_that_there_is():
    from robot.cli import parse

    for name in list_configs("studies"):
        grid = load_grid(name)
        for cell in grid.cells([0])[:1]:
            made_of = grid.stages_of(cell, Path("runs"))
            for stage in grid.prepare:
                verb, *words = made_of.words(stage)
                parse(verb, words)
