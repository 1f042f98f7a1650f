"""What a data set is made of: which pilots try which goals how often, fixed before they begin.

A recipe is all that the data hang on: equal recipes give equal episodes to the bit, one by one, so
a collection that was stopped goes on where it was, and the hash of a recipe in a table of results
says which data its learners began with. Goals take turns, so that any beginning of a collection
holds about as many attempts at each.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any, Literal, NamedTuple

import numpy as np

from perception.goal import Goal
from perception.quantities import InputError

Goals = Literal["both", "forward", "backward"]
EXPERT = "expert"  # the pilot of the task
UNSEEN = 1  # stream of an attempt's seed that draws whether its success ends it


class RecipeError(InputError):
    """A recipe that nothing can be made by."""


@dataclass(frozen=True)
class RecipeRow:
    """Attempts of one pilot at the goals of one task."""

    task: str
    episodes: int  # per goal
    name: str = ""  # of a variant of the task; default: the task's own
    goals: Goals = "both"
    pilot: str = EXPERT  # "expert": that of the task; else a pilot, a package, or a device
    noise: float | None = None  # of its actions; None: as the pilot has it
    steps: int | None = None  # longest attempt; None: as the task has it
    after: int = 0  # further steps that the goal has to stay reached
    unseen: float = 0.0  # part of attempts whose success ends nothing: they go on until time is up
    chained: bool = False  # forward and backward by turns, each from where the last one ended
    features: str = ""  # package by which a policy sees that acts as pilot
    reset_every: int = 0  # attempts of a chain, then things are put back; 0: only if all is lost
    package: str = ""  # sha256 of the pilot, where that is a package: what it was then
    options: Mapping[str, Any] = field(default_factory=dict)  # of the world, a variant of the task

    def __post_init__(self) -> None:
        """Refuses numbers that mean nothing.

        Raises:
            RecipeError: naming the field.
        """
        if self.episodes < 1:
            raise RecipeError(f"{self.label}: episodes = {self.episodes}; must be 1 or more")
        if self.noise is not None and not 0 <= self.noise < float("inf"):
            raise RecipeError(f"{self.label}: noise = {self.noise}; must be 0 or more and finite")
        if self.steps is not None and self.steps < 1:
            raise RecipeError(f"{self.label}: steps = {self.steps}; must be 1 or more")
        if self.after < 0:
            raise RecipeError(f"{self.label}: after = {self.after}; must be 0 or more")
        if not 0 <= self.unseen <= 1:
            raise RecipeError(f"{self.label}: unseen = {self.unseen}; must be 0 to 1")
        if self.reset_every < 0 or (self.reset_every and not self.chained):
            raise RecipeError(
                f"{self.label}: reset_every = {self.reset_every}; must be 0 or more, and is for "
                "chained attempts: others begin with a reset each"
            )
        if self.chained and self.goals != "both":
            raise RecipeError(f"{self.label}: chained attempts go both ways; leave out goals")
        if self.options and not self.name:
            raise RecipeError(f"{self.label}: options make another variant; give it a name")

    @property
    def label(self) -> str:
        """What its episodes call the task."""
        return self.name or self.task

    def to_json(self) -> dict[str, Any]:
        """All of it as JSON values; what is younger than published hashes only where it is used."""
        values = {**asdict(self), "options": dict(self.options)}
        for young in ("after", "unseen", "chained", "features", "reset_every", "package"):
            if not values[young]:
                del values[young]
        return values

    @property
    def operator(self) -> str:
        """Who acts, as its episodes say it."""
        return self.pilot if self.noise is None else f"{self.pilot}, noise {self.noise:g}"


@dataclass(frozen=True)
class Recipe:
    """A data set to be made."""

    rows: tuple[RecipeRow, ...]
    seed: int = 0
    encoder: str = "minilm"  # of the instructions
    description: str = ""  # for people

    def __post_init__(self) -> None:
        """Refuses what names nothing, or two things alike.

        Raises:
            RecipeError: naming the fault.
        """
        if not self.rows:
            raise RecipeError("a recipe needs at least one row: [[rows]] with task and episodes")
        if self.seed < 0:
            raise RecipeError(f"seed = {self.seed}; must be 0 or more")
        variants: dict[str, tuple[str, Mapping[str, Any]]] = {}
        for row in self.rows:
            made = (row.task, row.options)
            if variants.setdefault(row.label, made) != made:
                raise RecipeError(f"two rows call different things {row.label!r}; give other names")

    def to_json(self) -> dict[str, Any]:
        """All that the data hang on, as JSON values."""
        return {
            "rows": [row.to_json() for row in self.rows],
            "seed": self.seed,
            "encoder": self.encoder,
        }


class Attempt(NamedTuple):
    """One attempt that a recipe asks for."""

    number: int  # of its episode in the data set
    row: RecipeRow
    goal: int
    seed: int
    follows: bool = False  # it begins where the one before it ended

    @property
    def after(self) -> int | None:
        """Further steps that the goal has to stay reached; None: until time is up, reached or not.

        Drawn from its own seed: an attempt is made again alike to the bit.
        """
        is_unseen = np.random.default_rng([self.seed, UNSEEN]).random() < self.row.unseen
        return None if is_unseen else self.row.after


def attempts_of(recipe: Recipe, goals: Mapping[str, Sequence[Goal]]) -> list[Attempt]:
    """All attempts of a recipe in their order.

    Args:
        recipe: what is asked for.
        goals: of each task by its label.

    Raises:
        RecipeError: a task without a goal of the direction that is asked for.
    """
    planned: list[tuple[RecipeRow, int, int, bool]] = []
    for number, row in enumerate(recipe.rows):
        turns = (_chain if row.chained else _turns)(row, goals[row.label])
        planned += [
            (row, goal, _seed(recipe.seed, number, goal, repeat), _follows(row, turn))
            for turn, (goal, repeat) in enumerate(turns)
        ]
    return [Attempt(number, *rest) for number, rest in enumerate(planned)]


def _turns(row: RecipeRow, goals: Sequence[Goal]) -> list[tuple[int, int]]:
    """Goals and which attempt at each it is; raises a RecipeError if there is none."""
    chosen = [n for n, goal in enumerate(goals) if row.goals in ("both", goal.direction)]
    if not chosen:
        raise RecipeError(f"task {row.label!r} has no {row.goals} goal")
    return [(goal, repeat) for repeat in range(row.episodes) for goal in chosen]


def _chain(row: RecipeRow, goals: Sequence[Goal]) -> list[tuple[int, int]]:
    """Each forward goal `row.episodes` times, and after each of these the way back."""
    forward = _turns(replace(row, goals="forward", chained=False, reset_every=0), goals)
    back = [n for n, goal in enumerate(goals) if goal.direction == "backward"]
    if not back:
        raise RecipeError(f"task {row.label!r} has no backward goal, so nothing can be chained")
    both = ((turn, (back[n % len(back)], n)) for n, turn in enumerate(forward))
    return [turn for pair in both for turn in pair]


def _follows(row: RecipeRow, turn: int) -> bool:
    """Whether an attempt of a row begins where the one before it ended."""
    return row.chained and turn > 0 and (not row.reset_every or turn % row.reset_every > 0)


def _seed(*parts: int) -> int:
    return int(np.random.SeedSequence(parts).generate_state(1)[0])
