"""``reflexarc collect``: a pilot or a person tries the goals of a task, and episodes are kept."""

import dataclasses
import json
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import tyro

from perception.model_package import read_package
from perception.quantities import InputError
from policies.policy import PACKAGE
from policies.recipe import Goals, Recipe, RecipeRow
from robot.collecting import Collection, Counted
from robot.commands.run import interruptible
from robot.console import Console
from robot.operators import OPERATORS
from robot.options import Options, parsed_options
from robot.recipes import load_recipe

OF_A_TASK = (
    *("pilot", "features", "episodes", "goal", "noise", "steps", "after", "unseen"),
    *("chain", "set", "seed", "encoder"),
)


@dataclass(frozen=True)
class Collect:
    """Record episodes of a task: a pilot tries its goals, and every attempt is kept.

    Failures are kept too, and marked. A collection that was stopped goes on by the same command;
    equal commands give equal episodes. With --recipe the tasks, pilots and numbers come from a file
    of configs/data.

    Example: reflexarc collect tabletop --pilot expert --episodes 12 --out data/tabletop
    """

    task: tyro.conf.Positional[str] = ""
    """What is tried; a wrong name lists those there are."""
    recipe: str = ""
    """In place of a task: a name in configs/data, or the path of a .toml file."""
    pilot: str = "expert"
    """Who acts: expert (that of the task), another pilot, a package (.onnx), or a person by
    keyboard or gamepad."""
    features: str = ""
    """Package of export features, for a policy as pilot that sees by it; episodes keep images."""
    episodes: int = 10
    """Attempts at each goal."""
    goal: Goals = "both"
    """Which goals: both, forward, backward."""
    noise: float | None = None
    """Of the pilot's actions, as its own option says; default: as the pilot has it. A package tries
    actions so far aside as its learner's practice_noise would."""
    steps: int | None = None
    """Longest attempt; default: as the task has it."""
    after: int = 0
    """Further steps that the goal has to stay reached; a reward learns from what is seen then."""
    unseen: float = 0.0
    """Part of the attempts whose success ends nothing, as when a reward misses it: they go on until
    time is up. What such a reward is proved on must hold both kinds."""
    chain: int = 0
    """As a robot practises: forward and backward by turns, each attempt from where the one before
    it ended, and things are put back after so many; 0: before each."""
    set: Options = ()
    """An option of the world, such as look=dim or look=moved_camera; may be given several times."""
    seed: int = 0
    """Of worlds and pilots."""
    encoder: str = "minilm"
    """What turns instructions into vectors: minilm, or words (knows no meaning; for tests)."""
    out: Path | None = None
    """Folder of the data set; default: data/TASK or data/RECIPE."""
    json: bool = False
    """Print the outcome as JSON, and no progress."""

    def __call__(self) -> int:
        """Makes what is missing."""
        name, recipe = self._recipe()
        folder = self.out or Path("data") / name
        console = Console(quiet=self.json)
        is_by_hand = any(row.pilot in OPERATORS for row in recipe.rows)
        with Collection(recipe, folder, console.say) as collection:
            total = len(collection.attempts)
            with (
                interruptible() as interrupted,
                Console(quiet=self.json or is_by_hand).progress(
                    "collecting", total, "episodes"
                ) as progress,
            ):
                complete = collection.run(progress, interrupted)
            if not complete:
                console.say("stopped; whole episodes are kept, the same command goes on")
            self._report(collection)
        return 0 if complete else 1

    def _recipe(self) -> tuple[str, Recipe]:
        if bool(self.task) == bool(self.recipe):
            raise InputError("give either a TASK or --recipe NAME; see reflexarc collect --help")
        if self.recipe:
            self._refuse_options()
            return Path(self.recipe).stem, load_recipe(self.recipe)
        row = RecipeRow(
            task=self.task,
            episodes=self.episodes,
            name=" ".join((self.task, *self.set)) if self.set else "",
            options=parsed_options(self.set),
            goals=self.goal,
            pilot=self.pilot,
            features=self.features,
            noise=self.noise,
            steps=self.steps,
            after=self.after,
            unseen=self.unseen,
            chained=self.chain > 0,
            reset_every=self.chain,
            package=read_package(self.pilot).sha256 if self.pilot.endswith(PACKAGE) else "",
        )
        return self.task, Recipe((row,), self.seed, self.encoder)

    def _refuse_options(self) -> None:
        """A recipe says all by itself; an option beside it would be silently without effect."""
        for field in dataclasses.fields(self):
            if field.name in OF_A_TASK and getattr(self, field.name) != field.default:
                raise InputError(f"--{field.name} belongs to a TASK; the recipe says it itself")

    def _report(self, collection: Collection) -> None:
        counted = collection.counted()
        if self.json:
            sys.stdout.write(json.dumps(_outcome(collection, counted)) + "\n")
            return
        for one in counted:
            lost = f", {one.irreversible} beyond repair" if one.irreversible else ""
            sys.stdout.write(
                f"{one.task}, {one.direction}: {one.successes} of {one.attempts} succeeded"
                f" ({100 * one.successes / one.attempts:.0f} %){lost}: {one.instruction}\n"
            )
        sys.stdout.write(
            f"data set: {collection.folder}, {sum(one.attempts for one in counted)} episodes, "
            f"recipe {collection.about.recipe_sha256[:12]}\n"
        )


def _outcome(collection: Collection, counted: list[Counted]) -> dict[str, Any]:
    return {
        "folder": str(collection.folder),
        "wanted": len(collection.attempts),
        "episodes": sum(one.attempts for one in counted),
        "successes": sum(one.successes for one in counted),
        "recipe_sha256": collection.about.recipe_sha256,
        "goals": [one._asdict() for one in counted],
    }
