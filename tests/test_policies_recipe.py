"""What a recipe asks for, and that it asks for the same every time."""

import dataclasses

import pytest

from perception.goal import Goal
from policies.recipe import Recipe, RecipeError, RecipeRow, attempts_of

GOALS = {
    "lid": (Goal("on", "forward"), Goal("off", "backward")),
    "mugs": (Goal("red", "forward"), Goal("blue", "forward"), Goal("back", "backward")),
    "one_way": (Goal("on", "forward"),),
}
RECIPE = Recipe((RecipeRow("lid", 2), RecipeRow("mugs", 3, goals="forward")), seed=5)


def test_goals_take_turns_row_after_row():
    attempts = attempts_of(RECIPE, GOALS)
    assert [attempt.number for attempt in attempts] == [*range(10)]
    assert [attempt.row.task for attempt in attempts] == ["lid"] * 4 + ["mugs"] * 6
    assert [attempt.goal for attempt in attempts] == [0, 1, 0, 1, 0, 1, 0, 1, 0, 1]


def test_every_attempt_has_a_seed_of_its_own_and_the_same_every_time():
    seeds = [attempt.seed for attempt in attempts_of(RECIPE, GOALS)]
    assert len(set(seeds)) == 10
    assert seeds == [attempt.seed for attempt in attempts_of(RECIPE, GOALS)]
    other = dataclasses.replace(RECIPE, seed=6)
    assert not {*seeds} & {attempt.seed for attempt in attempts_of(other, GOALS)}


def test_a_longer_recipe_begins_as_the_shorter_one():
    longer = Recipe((RecipeRow("lid", 3),), seed=5)
    found = [(a.goal, a.seed) for a in attempts_of(longer, GOALS)]
    assert found[:4] == [(a.goal, a.seed) for a in attempts_of(RECIPE, GOALS)][:4]


def test_only_goals_of_the_direction_are_tried():
    recipe = Recipe((RecipeRow("mugs", 2, goals="backward"),))
    assert [attempt.goal for attempt in attempts_of(recipe, GOALS)] == [2, 2]
    with pytest.raises(RecipeError, match="'one_way' has no backward goal"):
        attempts_of(Recipe((RecipeRow("one_way", 1, goals="backward"),)), GOALS)


def test_chained_attempts_go_there_and_back_from_where_the_last_one_ended():
    recipe = Recipe((RecipeRow("lid", 1), RecipeRow("mugs", 2, chained=True)), seed=5)
    attempts = attempts_of(recipe, GOALS)
    assert [attempt.goal for attempt in attempts] == [0, 1, *([0, 2, 1, 2] * 2)]
    assert [attempt.follows for attempt in attempts] == [False] * 3 + [True] * 7
    assert len({attempt.seed for attempt in attempts}) == 10
    with pytest.raises(RecipeError, match="'one_way' has no backward goal"):
        attempts_of(Recipe((RecipeRow("one_way", 1, chained=True),)), GOALS)


def test_a_chain_begins_anew_after_so_many_attempts():
    recipe = Recipe((RecipeRow("lid", 1), RecipeRow("lid", 3, chained=True, reset_every=4)))
    follows = [attempt.follows for attempt in attempts_of(recipe, GOALS)]
    assert follows == [False, False, *(False, True, True, True), *(False, True)]


@pytest.mark.parametrize(
    ("fields", "fragment"),
    [
        ({"episodes": 0}, "episodes = 0"),
        ({"episodes": 1, "noise": -0.1}, "noise = -0.1"),
        ({"episodes": 1, "noise": float("nan")}, "noise = nan"),
        ({"episodes": 1, "steps": 0}, "steps = 0"),
        ({"episodes": 1, "unseen": 1.5}, "unseen = 1.5; must be 0 to 1"),
        ({"episodes": 1, "chained": True, "goals": "forward"}, "leave out goals"),
        ({"episodes": 1, "chained": True, "reset_every": -1}, "reset_every = -1"),
        ({"episodes": 1, "reset_every": 2}, "for chained attempts"),
        ({"episodes": 1, "options": {"mass_kg": 1}}, "give it a name"),
    ],
)
def test_a_row_that_means_nothing_is_refused(fields, fragment):
    with pytest.raises(RecipeError, match="lid: ") as raised:
        RecipeRow("lid", **fields)
    assert fragment in str(raised.value)


def test_a_recipe_that_means_nothing_is_refused():
    with pytest.raises(RecipeError, match="at least one row"):
        Recipe(())
    with pytest.raises(RecipeError, match="seed = -1"):
        Recipe((RecipeRow("lid", 1),), seed=-1)
    two = (RecipeRow("lid", 1), RecipeRow("mugs", 1, name="lid"))
    with pytest.raises(RecipeError, match="two rows call different things 'lid'"):
        Recipe(two)


def test_what_people_read_does_not_change_what_the_data_hang_on():
    described = dataclasses.replace(RECIPE, description="for a talk")
    assert described.to_json() == RECIPE.to_json()
    young = {"chained", "after", "unseen", "reset_every", "package"}
    assert not young & {*RecipeRow("lid", 1).to_json()}
    whole = RecipeRow("lid", 1, chained=True, after=1, unseen=0.5, reset_every=4, package="ab")
    assert young <= {*whole.to_json()}
    assert RecipeRow("lid", 1, noise=0.25).operator == "expert, noise 0.25"


def test_of_a_part_of_the_attempts_nobody_sees_the_success_and_the_same_ones_each_time():
    def after(unseen):
        row = RecipeRow("lid", 100, after=5, unseen=unseen)
        return [attempt.after for attempt in attempts_of(Recipe((row,)), GOALS)]

    assert after(0) == [5] * 200
    assert after(1) == [None] * 200
    assert 40 < after(0.3).count(None) < 80
    assert {*after(0.3)} == {5, None}
    assert after(0.3) == after(0.3)


def test_steps_after_success_are_hashed_only_where_there_are_some():
    plain, longer = RecipeRow("lid", 1), RecipeRow("lid", 1, after=2)
    assert "after" not in plain.to_json()
    assert longer.to_json() == {**plain.to_json(), "after": 2}
    with pytest.raises(RecipeError, match="after = -1; must be 0 or more"):
        RecipeRow("lid", 1, after=-1)
