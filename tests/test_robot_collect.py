"""``reflexarc collect``: what is kept, how it goes on, and what is refused."""

import json
import os
import pty
import signal

import numpy as np
import pytest

from policies.data_set import DataSet
from policies.offline_data import open_offline
from policies.pilots import PILOTS
from policies.practice_env import spec_of
from policies.recipe import Recipe, RecipeRow
from robot.cli import main
from robot.collecting import CollectError, Collection
from robot.config import list_configs
from robot.practising import shown_states
from robot.recipes import load_recipe
from robot.worlds import WORLDS, make_world

TABLETOP = ("collect", "tabletop", "--encoder", "words", "--episodes", 2)


@pytest.fixture
def call(capsys):
    """Runs a command line; gives exit code, standard output, lines of standard error."""

    def run(*arguments):
        try:
            code = main([str(argument) for argument in arguments])
        except SystemExit as end:
            code = end.code
        out, err = capsys.readouterr()
        return code, out, err.splitlines()

    return run


@pytest.fixture
def refused(call):
    """Runs a command line that is wrong; gives the one line that says so."""

    def run(*arguments):
        code, out, err = call(*arguments)
        assert (code, out) == (2, "")
        (line,) = err
        return line

    return run


def contents(folder):
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}


def test_every_attempt_is_kept_and_counted(tmp_path, call):
    code, out, _ = call(*TABLETOP, "--out", tmp_path / "d", "--json")
    outcome = json.loads(out)
    assert code == 0
    assert (outcome["wanted"], outcome["episodes"]) == (10, 10)  # five goals
    data = DataSet(tmp_path / "d")
    assert outcome["successes"] == sum(about.ended == "success" for about in data.abouts())
    assert outcome["recipe_sha256"] == data.about.recipe_sha256
    assert [about.goal for about in data.abouts()] == [0, 1, 2, 3, 4] * 2
    for episode in data:
        assert episode.about.operator == "expert"
        assert data.about.instruction(episode.about.instruction).shape == (16,)


def test_a_person_reads_how_each_goal_went(tmp_path, call):
    code, out, _ = call(*TABLETOP, "--goal", "backward", "--out", tmp_path / "d")
    assert code == 0
    assert out.startswith("tabletop, backward: 2 of 2 succeeded (100 %): bring the mug back")
    assert "2 episodes, recipe" in out


def test_failures_are_kept(tmp_path, call):
    command = (*TABLETOP, "--steps", 3, "--out", tmp_path / "d", "--json")
    outcome = json.loads(call(*command)[1])
    assert (outcome["episodes"], outcome["successes"]) == (10, 0)
    assert all(len(episode) == 3 for episode in DataSet(tmp_path / "d"))


def test_what_was_stopped_goes_on_and_ends_as_if_it_had_not_been(tmp_path, call):
    whole, parts = tmp_path / "whole", tmp_path / "parts"
    assert call(*TABLETOP, "--out", whole)[0] == 0
    recipe = Recipe((RecipeRow("tabletop", 2),), 0, "words")
    asked = iter([False] * 400)
    with Collection(recipe, parts) as collection:
        assert not collection.run(lambda _: None, lambda: next(asked, True))
    assert 0 < len(DataSet(parts)) < 10
    assert call(*TABLETOP, "--out", parts)[0] == 0
    assert contents(whole) == contents(parts)
    (parts / "episode-000004.npz").unlink()  # and what was lost is made again
    assert call(*TABLETOP, "--out", parts)[0] == 0
    assert contents(whole) == contents(parts)


def test_chained_attempts_begin_where_things_were_left_also_after_a_stop(tmp_path):
    row = RecipeRow("tabletop", 1, chained=True)
    recipe, whole, parts = Recipe((row,), 3, "words"), tmp_path / "whole", tmp_path / "parts"
    with Collection(recipe, whole) as collection:
        assert collection.run(lambda _: None, lambda: False)
    before, *after = [*DataSet(whole)]
    assert [one.about.goal for one in (before, *after)] == [0, 4, 1, 4, 2, 4, 3, 4]
    for episode in after:
        for name, values in episode.observation.items():
            np.testing.assert_array_equal(values[0], before.observation[name][-1])
        before = episode
    asked = iter([False] * 300)
    with Collection(recipe, parts) as collection:
        assert not collection.run(lambda _: None, lambda: next(asked, True))
    with Collection(recipe, parts) as collection:
        assert 0 < len(collection.missing) < 8
        assert collection.run(lambda _: None, lambda: False)
    assert contents(whole) == contents(parts)


def test_attempts_whose_success_nobody_sees_go_on_until_their_time_is_up(tmp_path, call, refused):
    told = ("collect", "tabletop", "--encoder", "words", "--episodes", 1, "--goal", "backward")
    seen, unseen = tmp_path / "seen", tmp_path / "unseen"
    assert call(*told, "--steps", 200, "--out", seen)[0] == 0
    assert call(*told, "--steps", 200, "--unseen", 1, "--out", unseen)[0] == 0
    (ended,), (went_on,) = DataSet(seen), DataSet(unseen)
    assert ended.about.ended == "success"
    assert len(ended) < len(went_on) == 200
    np.testing.assert_array_equal(went_on.action[: len(ended)], ended.action)
    assert went_on.success[len(ended) - 1]
    line = refused(*told, "--unseen", 2, "--out", tmp_path / "wrong")
    assert line.endswith("tabletop: unseen = 2.0; must be 0 to 1")


def test_a_person_is_not_asked_to_do_the_same_again(tmp_path):
    row = RecipeRow("tabletop", 1, pilot="keyboard", chained=True)
    with pytest.raises(CollectError, match=r"chained for pilots.*the keyboard cannot"):
        Collection(Recipe((row,), 0, "words"), tmp_path / "d")


def test_ctrl_c_keeps_whole_episodes_and_says_how_to_go_on(tmp_path, call, monkeypatch):
    real = Collection.run

    def interrupted_run(self, progress, interrupted):
        def press(done):
            progress(done)
            if done == 3:
                signal.raise_signal(signal.SIGINT)

        return real(self, press, interrupted)

    monkeypatch.setattr(Collection, "run", interrupted_run)
    code, out, err = call(*TABLETOP, "--out", tmp_path / "d")
    assert code == 1
    assert "3 episodes" in out
    assert any("the same command goes on" in line for line in err)
    assert len([*DataSet(tmp_path / "d")]) == 3


def test_another_command_on_the_same_folder_is_refused(tmp_path, call, refused):
    call(*TABLETOP, "--out", tmp_path / "d")
    before = contents(tmp_path / "d")
    line = refused(*TABLETOP, "--seed", 1, "--out", tmp_path / "d")
    assert "recipe.seed = 0 and not 1; give another --out" in line
    assert contents(tmp_path / "d") == before


@pytest.mark.parametrize(
    ("arguments", "fragments"),
    [
        (("collect", "tabeltop"), ["'tabeltop'", *WORLDS]),
        (("collect",), ["TASK or --recipe"]),
        (("collect", "lid", "--recipe", "lid"), ["TASK or --recipe"]),
        (("collect", "--recipe", "lid", "--noise", 0.1), ["--noise belongs to a TASK"]),
        (("collect", "--recipe", "lidd"), ["lidd", *list_configs("data")]),
        ((*TABLETOP, "--pilot", "experts"), ["experts", *PILOTS]),
        ((*TABLETOP, "--pilot", "none.onnx"), ["none.onnx"]),
        ((*TABLETOP, "--pilot", "reflex"), ["reflex", "'tabletop'"]),
        ((*TABLETOP, "--pilot", "wander"), ["wander", "tabletop"]),
        ((*TABLETOP, "--pilot", "lid_expert"), ["the robot takes (1, 1, 1)"]),
        ((*TABLETOP, "--noise", -1), ["noise = -1"]),
        ((*TABLETOP, "--noise", 0.1, "--pilot", "keyboard"), ["noise is for pilots"]),
        ((*TABLETOP, "--episodes", 0), ["episodes = 0"]),
        ((*TABLETOP, "--seed", -1), ["seed = -1"]),
        ((*TABLETOP, "--encoder", "bert"), ["bert", "minilm, words"]),
        ((*TABLETOP, "--out", "/proc/none"), ["/proc/none", "cannot be written"]),
    ],
)
def test_wrong_arguments_are_one_line_and_leave_no_folder(
    arguments, fragments, refused, tmp_path, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    line = refused(*arguments)
    assert all(fragment in line for fragment in fragments), line
    assert not [*tmp_path.iterdir()]


def test_without_mujoco_one_line_says_how_to_get_it(refused, monkeypatch):
    def missing(*_):
        raise ModuleNotFoundError("No module named 'mujoco'", name="mujoco")

    monkeypatch.setattr("robot.worlds.load_item", missing)
    assert "reflexarc[sim]" in refused(*TABLETOP)


def test_an_option_that_a_world_does_not_have_is_refused():
    for task in ("tabletop", "lid"):
        with pytest.raises(ValueError, match="no option colour"):
            make_world(task, {"colour": "red"})
    with pytest.raises(ValueError, match=r"is made by images = True, .* set one of goal, end_on"):
        make_world("lid_images", {"images": False})


def test_shown_states_end_where_the_goal_was_reached(tmp_path):
    recipe = Recipe((RecipeRow("lid", 1, after=5),), 0, "words")
    with Collection(recipe, tmp_path / "d", lambda _: None) as collection:
        collection.run(lambda _: None, lambda: False)
    data = open_offline([tmp_path / "d"])
    (forward,) = (one for one in data.episodes() if one.about.direction == "forward")
    shown = shown_states(make_world("lid"), data)
    reached = int(np.flatnonzero(forward.success)[0])
    assert reached + 5 < len(forward)
    assert len(shown["object_position_m"]) == reached + 2  # the start, and what each step led to
    assert set(shown) == set(forward.observation)


def test_shown_states_are_what_the_policy_reads(tmp_path):
    with Collection(Recipe((RecipeRow("lid", 1),), 0, "words"), tmp_path / "d") as collection:
        collection.run(lambda _: None, lambda: False)
    read = ("tool_position_m", "gripper_m")
    shown = shown_states(make_world("lid"), open_offline([tmp_path / "d"]).seeing(read))
    assert set(shown) == set(read)


@pytest.mark.parametrize("task", WORLDS)
def test_every_world_shows_what_its_expert_reads(task, tmp_path):
    with Collection(Recipe((RecipeRow(task, 1),), 0, "words"), tmp_path / "d") as collection:
        assert {attempt.goal for attempt in collection.attempts} >= {0, 1}
        assert collection.about.spec.rate_hz == 5.0


@pytest.mark.parametrize("task", ["bin_vase", "lid_low"])
def test_the_expert_of_a_variant_knows_which_it_is(task, tmp_path):
    recipe = Recipe((RecipeRow(task, 1, noise=0.0),), 0, "words")
    with Collection(recipe, tmp_path / "d") as collection:
        assert collection.run(lambda _: None, lambda: False)
        assert [one.successes for one in collection.counted()] == [1, 1]


def test_tasks_of_different_robots_or_specs_are_not_mixed(tmp_path):
    for other, fragment in (("tabletop", "robot arm6"), ("sweep", "object_position_m")):
        rows = (RecipeRow("lid", 1), RecipeRow(other, 1))
        with pytest.raises(CollectError, match=fragment):
            Collection(Recipe(rows, 0, "words"), tmp_path / "d")


# recipes


@pytest.mark.parametrize("name", list_configs("data"))
def test_every_recipe_can_be_begun(name, tmp_path, monkeypatch):
    monkeypatch.setattr("robot.collecting.instructions_of", lambda *_: {})
    with Collection(load_recipe(name), tmp_path / "d") as collection:
        assert len(collection.attempts) >= 10


@pytest.mark.parametrize("name", ["lid", "bin", "drawer", "place", "sweep"])
def test_prior_data_are_of_ten_other_variants_at_least_in_the_spec_of_their_task(name):
    target, prior = load_recipe(name), load_recipe(f"{name}_prior")
    (wanted,) = target.rows
    assert wanted.episodes == 50
    labels = {row.label for row in prior.rows}
    assert len(labels - {wanted.label}) >= 10
    assert wanted.label not in labels
    worlds = {row.task: make_world(row.task) for row in (wanted, *prior.rows)}
    assert {spec_of(world) for world in worlds.values()} == {spec_of(worlds[wanted.task])}
    assert prior.seed != target.seed


@pytest.mark.parametrize(
    ("text", "fragment"),
    [
        ("rows = 3", "list of tables"),
        ("seed = 1", "at least one row"),
        ("[[rows]]\ntask = 'lid'", "episodes"),
        ("[[rows]]\ntask = 'lid'\nepisode = 3", "unknown key 'episode' (did you mean 'episodes'?)"),
        ("colour = 1\n[[rows]]\ntask = 'lid'\nepisodes = 3", "unknown key 'colour'"),
        ("[[rows]]\ntask = 'lid'\nepisodes = 0", "episodes = 0"),
        ("[[rows]]\ntask = 'lid'\nepisodes = 'x'", "int"),
        ("[[rows]]\ntask = 'lid'\nepisodes = 1\ngoals = 'up'", "up"),
        ("[[rows", "not valid TOML"),
    ],
)
def test_a_recipe_that_is_wrong_is_refused_with_its_place(text, fragment, tmp_path, refused):
    path = tmp_path / "wrong.toml"
    path.write_text(text)
    line = refused("collect", "--recipe", path)
    assert str(path) in line
    assert fragment in line


# by hand


def test_a_person_at_the_keyboard_is_recorded_and_gets_the_terminal_back(tmp_path, monkeypatch):
    person, program = pty.openpty()
    said = []

    def wait():
        """Types the next keys: two steps to the right and an end, then a try that is repeated."""
        os.write(person, keys.pop(0))

    keys = [b"w", b"w\n", b"s", b"s\x7f", b"d\n"]
    monkeypatch.setattr("robot.collecting.wall_pace", lambda _: wait)
    with os.fdopen(program, "r") as terminal:
        monkeypatch.setattr("sys.stdin", terminal)
        row = RecipeRow("lid", 1, pilot="keyboard")
        with Collection(Recipe((row,), 0, "words"), tmp_path / "d", said.append) as collection:
            assert collection.run(lambda _: None, lambda: False)
    os.close(person)
    first, second = DataSet(tmp_path / "d")
    np.testing.assert_allclose(first.action[:, 0], [0.15, 0.15])  # 0.6 of 0.25 m/s
    np.testing.assert_allclose(second.action[:, 1], [-0.15])  # the try before was forgotten
    assert first.about.operator == "keyboard"
    assert first.about.ended == "timeout"
    assert any("Enter ends an attempt" in line for line in said)
    assert any("1 of 2: put the lid on the pot" in line for line in said)


def test_a_shifted_look_is_another_variant_of_the_task(tmp_path, call, refused):
    few = ("--episodes", 1, "--goal", "forward", "--steps", 1, "--encoder", "words")
    shades = {}
    for look in ("none", "dim"):
        out = tmp_path / look
        assert call("collect", "lid_images", *few, "--set", f"look={look}", "--out", out)[0] == 0
        (episode,) = DataSet(out)
        assert episode.about.task == f"lid_images look={look}"
        shades[look] = episode.observation["front"].mean()
    assert shades["dim"] < shades["none"] - 20
    line = refused("collect", "lid_images", *few, "--set", "look=night", "--out", tmp_path / "x")
    assert "no shift is called 'night'; valid: none, dim" in line
    assert not (tmp_path / "x").exists()
