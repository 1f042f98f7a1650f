"""Fills a data set with what a recipe asks for: worlds and pilots are made here, episodes kept.

What is there already is not made again: a collection that was stopped goes on with its first
attempt that is missing.
"""

import contextlib
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from perception.model_package import read_package
from perception.quantities import InputError
from policies.collection import Cancelled, Told, Wish, record_attempt
from policies.data_set import DataSetWriter
from policies.data_set_about import ABOUT_FILE, DataSetAbout, robot_about
from policies.episodes import Episode, EpisodeAbout
from policies.observation import Observation
from policies.policy import Policy
from policies.practice_env import spec_of
from policies.recipe import Attempt, Recipe, RecipeRow, attempts_of
from policies.spec_difference import spec_difference
from robot.actors import actor_for
from robot.operators import OPERATORS
from robot.teleop import Teleoperated, open_device, wall_pace
from robot.worlds import instructions_of, make_world, world_row


class CollectError(InputError):
    """Rows of a recipe that cannot be in one data set."""


class Counted(NamedTuple):
    """How attempts at one goal ended."""

    task: str
    instruction: str
    direction: str
    attempts: int
    successes: int
    irreversible: int


class Collection:
    """One recipe, its worlds, and the data set that it fills; a context manager."""

    def __init__(
        self, recipe: Recipe, folder: Path, say: Callable[[str], None] = lambda _: None
    ) -> None:
        """Makes the worlds and opens the folder.

        Args:
            recipe: what is asked for.
            folder: of the data set, new or begun by the same recipe.
            say: told what a person at a device should know.

        Raises:
            InputError: a task, option, pilot or encoder that there is not; rows of different
                robots or specs; a folder with other data.
        """
        self._say = say
        self._last: tuple[int, Episode | None] = (-1, None)  # made here: its number, and itself
        self._people: dict[str, Teleoperated] = {}  # by the name of their device
        self._rows = {row.label: row for row in recipe.rows}
        self._worlds = {
            label: make_world(row.task, row.options) for label, row in self._rows.items()
        }
        self.attempts = attempts_of(recipe, {n: world.goals for n, world in self._worlds.items()})
        self.folder = folder
        self._closing = contextlib.ExitStack()
        with contextlib.ExitStack() as opened:
            for row in recipe.rows:
                self._try_operator(row, opened)
            self._writer = opened.enter_context(DataSetWriter(folder, self._about(recipe, folder)))
            self._closing = opened.pop_all()  # all went well
        self.missing = [one for one in self.attempts if not self._writer.has(one.number)]

    def __enter__(self) -> "Collection":
        """The collection itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """Lets others write to the folder, and gives devices back."""
        self._closing.close()

    def run(self, progress: Callable[[int], None], interrupted: Callable[[], bool]) -> bool:
        """Makes what is missing; False if it was stopped before all was there.

        An attempt that is interrupted is forgotten, and made again the next time.
        """
        begun = len(self.attempts) - len(self.missing)
        for done, attempt in enumerate(self.missing):
            progress(begun + done)
            if not self._attempt(attempt, interrupted):
                return False
        progress(len(self.attempts))
        return True

    def counted(self) -> list[Counted]:
        """All episodes of the data set, also of earlier times, by task and goal."""
        kinds: dict[tuple[str, str, str], Counter[str]] = {}
        for about in self._writer.data.abouts():
            kinds.setdefault(_kind(about), Counter())[about.ended] += 1
        return [
            Counted(*kind, ends.total(), ends["success"], ends["irreversible"])
            for kind, ends in kinds.items()
        ]

    @property
    def about(self) -> DataSetAbout:
        """What the data set is."""
        return self._writer.data.about

    def _attempt(self, attempt: Attempt, interrupted: Callable[[], bool]) -> bool:
        episode = self._made(attempt, interrupted)
        if episode is None:
            return False
        self._writer.append(episode, attempt.number)
        return True

    def _found(self, attempt: Attempt, interrupted: Callable[[], bool]) -> Observation | None:
        """What is observed where the attempt begins; None: things are put in their places first.

        Where the one before it was made at another time, it is made again, alike to the bit.
        """
        if not attempt.follows:
            return None
        made, last = self._last
        if made != attempt.number - 1:
            last = self._made(self.attempts[attempt.number - 1], interrupted)
        if last is None or last.about.ended == "irreversible":
            return None
        return {name: values[-1] for name, values in last.observation.items()}

    def _made(self, attempt: Attempt, interrupted: Callable[[], bool]) -> Episode | None:
        """The attempt as it was recorded; None if it was stopped before its end."""
        found = self._found(attempt, interrupted)
        row, world = attempt.row, self._worlds[attempt.row.label]
        goal = world.goals[attempt.goal]
        told = Told(
            row.label,
            self.about.robot.name,
            attempt.goal,
            row.operator,
            attempt.seed,
            self.about.instruction(goal.text),
        )
        person = self._people.get(row.pilot)
        policy = person or self._pilot(row, attempt.goal)
        if person:
            self._say(f"{attempt.number + 1} of {len(self.attempts)}: {goal.text}")

        def wish() -> Wish | None:
            return "stop" if interrupted() else person.wish if person else None

        steps = row.steps or world.episode_steps
        while not interrupted():
            try:
                episode = record_attempt(world, policy, told, steps, wish, attempt.after, found)
            except Cancelled as cancelled:
                if cancelled.wish == "again":
                    continue
                return None
            self._last = (attempt.number, episode)
            return episode
        return None

    def _try_operator(self, row: RecipeRow, opened: contextlib.ExitStack) -> None:
        """Opens a person's device; refuses a pilot that does not fit, before anything is made."""
        if row.pilot not in OPERATORS:
            self._pilot(row, goal=0)
            return
        if row.chained:
            raise CollectError(
                f"{row.label!r}: attempts are chained for pilots, which make a lost one again; "
                f"the {row.pilot} cannot"
            )
        if row.noise is not None:
            raise CollectError(f"{row.label!r}: noise is for pilots, not for the {row.pilot}")
        if row.pilot not in self._people:
            world = self._worlds[row.label]
            device = open_device(row.pilot, world.limits)
            opened.callback(device.close)
            pace = wall_pace(world.rate_hz)
            self._people[row.pilot] = Teleoperated(device, world.limits, world.rate_hz, pace)
            self._say(device.help)

    def _pilot(self, row: RecipeRow, goal: int) -> Policy:
        """Who acts; raises a CollectError if the package is not the one that was meant."""
        if row.package and (found := read_package(row.pilot).sha256) != row.package:
            raise CollectError(
                f"{row.label!r}: {row.pilot} is {found[:12]} and not {row.package[:12]}: it was "
                "replaced since this began; put the old one back, or collect into another folder"
            )
        world = self._worlds[row.label]
        return actor_for(row.task, world, row.pilot, goal, row.noise, row.features)

    def _about(self, recipe: Recipe, folder: Path) -> DataSetAbout:
        worlds = self._worlds
        first = next(iter(worlds))
        for label in worlds:
            self._refuse_mixture(first, label)
        goals = {label: tuple(world.goals) for label, world in worlds.items()}
        is_begun = (folder / ABOUT_FILE).exists()  # the vectors there serve
        vectors = {} if is_begun else instructions_of(worlds.values(), recipe.encoder)
        return DataSetAbout(
            robot=robot_about(world_row(self._rows[first].task).robot, worlds[first].limits),
            spec=spec_of(worlds[first]),
            tasks=goals,
            encoder=recipe.encoder,
            instructions=vectors,
            recipe=recipe.to_json(),
            seed=recipe.seed,
        )

    def _refuse_mixture(self, first: str, label: str) -> None:
        robots = [world_row(self._rows[one].task).robot for one in (first, label)]
        if robots[0] != robots[1]:
            raise CollectError(
                f"{first!r} is for the robot {robots[0]} and {label!r} for {robots[1]}; "
                "give each a recipe of its own"
            )
        specs = [spec_of(self._worlds[one]) for one in (label, first)]
        if difference := spec_difference(specs[0], specs[1]):
            raise CollectError(
                f"{label!r} has {difference} as in {first!r}; give each a recipe of its own"
            )


def _kind(about: EpisodeAbout) -> tuple[str, str, str]:
    return about.task, about.instruction, about.direction
