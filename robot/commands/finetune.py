"""``reflexarc finetune``: a policy gets better by practice in a world that nobody puts back."""

import json
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

import msgspec
import tyro

from perception.model_package import read_package
from perception.quantities import InputError
from perception.reward_package import about_of
from policies.evaluate import success_rate
from policies.finetune import PracticeRun
from policies.offline_data import OfflineData, open_offline
from robot.commands.run import interruptible
from robot.console import Console
from robot.graph_practice import Wishes, last_checkpoint, practise_through_graph, runs_of
from robot.hooks import Hooks, Interrupted
from robot.options import Options, parsed_options, require_at_least
from robot.practice_folder import LAST, PracticeFolder, begun, reported
from robot.practice_method import Method, Offline, finetune_config, resolved
from robot.practising import (
    Beginning,
    Practice,
    collect_recipes,
    practice_run,
    refuse_unfit,
    world_of,
)
from robot.study.practice_grid import method_named
from robot.training_library import training_library, with_training
from robot.worlds import world_row

STEPS = 30_000
GIVEN = ("learner", "strategy", "sees", "updates", "start", "capacity", "graph")
UNTOLD = ("updates", "sees", "evaluation_episodes", "final_episodes", "keep")  # to a graph


@dataclass(frozen=True)
class Finetune:
    """Let a policy practise a task and learn from it; write a model package, settings and curves.

    It begins with data, with a checkpoint of train policy, with both, or with nothing. Ctrl-C keeps
    a checkpoint; the same command with --resume goes on from it, to the bit.

    With --graph it practises through the nodes of a graph, as a robot does, by messages that are
    logged and can be replayed.

    Example: reflexarc finetune lid --method lid_five/rlpd --out runs/lid
    """

    task: tyro.conf.Positional[str]
    """What is practised; a wrong task lists those there are."""
    method: str = ""
    """All settings of a method of a grid, such as lid_five/rlpd; --set and the like change them."""
    data: tuple[Path, ...] = ()
    """Folders that reflexarc collect filled."""
    recipe: str = ""
    """In place of folders: a name in configs/data, collected into data/ if it is not there."""
    start: Path | None = None
    """A checkpoint (last.pt) of train policy or of another practice, or its folder, to go on from:
    who learned it, not what was seen."""
    learner: str = "calql"
    """The algorithm; a wrong name lists those there are."""
    set: Options = ()
    """An option of the learner, such as hidden=[128,128]; may be given several times."""
    sees: tuple[str, ...] = ()
    """Tensors that the policy reads, such as front gripper_m; default: all that are observed, with
    --features these and what the arm feels."""
    updates: int = 0
    """Batches of the data to learn from before the first step."""
    strategy: str = "switching"
    """Which goal is tried next: episodic, naive, forward_backward, medal, switching."""
    strategy_set: Options = ()
    """An option of the strategy."""
    reward: str = "truth"
    """Who says whether a goal is reached: truth, noisy_truth, vice, or a package of export reward,
    which says nothing where its no may be a success ('classifier' with --reward-set
    package=PACKAGE says no there)."""
    reward_set: Options = ()
    """An option of the reward source, such as false_negative_rate=0.7."""
    steps: int | None = None
    """Of the world. (default: 30000, or those of --method)"""
    capacity: int = 250_000
    """Steps of practice that are learned from, the newest; with images 60 kB for each camera."""
    practice_set: Options = ()
    """How it practises, such as updates_per_step=0.5 or reset_every_attempts=25."""
    evaluation_episodes: int = 10
    """Attempts of the evaluations before the first step and while it practises."""
    graph: str = ""
    """Practise through this graph, such as practice_sim; a wrong one lists those there are."""
    features: Path | None = None
    """Package of export features by which the policy sees: it reads them and what the arm feels of
    itself, and not where objects are. --data are then episodes with features."""
    final_episodes: int = 100
    """Attempts of the last evaluation."""
    keep: int = 60
    """Attempts whose images are kept for 'reflexarc label', the most doubtful and some by chance,
    where the reward is a package; 0: none. With two cameras 60 take about 100 MB."""
    seed: int = 0
    """Of worlds, weights and chance; equal seeds are equal runs."""
    out: Path | None = None
    """Folder; default: runs/finetune-TASK."""
    resume: bool = False
    """Go on from the newest checkpoint in the folder."""
    json: bool = False
    """Print the outcome as JSON, and no progress."""

    def __call__(self) -> int:
        """Makes data if need be, practises, judges, writes."""
        self._check()
        out = self.out or Path("runs") / f"finetune-{self.task}"
        if self.graph:
            return self._through_graph(out)
        method = self._method()
        checkpoint = self._checkpoint() or (Path(method.start) if method.start else None)
        refuse_unfit(self.task, world_of(self.task, method), method, self.seed, checkpoint)
        settings = {"task": self.task, "seed": self.seed, **with_training(lambda: resolved(method))}
        folder = PracticeFolder(out)
        folder.check(resume=self.resume)
        console = Console(quiet=self.json)
        with (
            interruptible() as interrupted,
            console.progress("judging", None, "attempts") as judging,
        ):
            data = self._opened(method, console, interrupted)
            if data is not None:
                settings |= {"data": [each.about.recipe_sha256 for each in data.sets]}
            folder.begin(settings, resume=self.resume)
            beginning = Beginning(data, checkpoint)
            told = Practice(self.task, method, self.seed, beginning, folder.checkpoints, self.keep)
            began_s = time.monotonic()
            run = self._practised(told, out, console, Hooks(lambda _: None, interrupted, judging))
            if run is None:
                console.say(f"stopped; go on with the same command and --resume (folder {out})")
                return 1
            trials = run.evaluate(self.final_episodes)
        rate = success_rate(trials)
        outcome = {
            "package": str(folder.package),
            "settings": settings,
            **run.log.figures(),
            "promise": _promise(method, run),
            "final_success": rate.value,
            "final_interval": [rate.low, rate.high],
            "seconds": round(time.monotonic() - began_s, 1),
        }
        folder.write(run, self.task, data, outcome)
        sys.stdout.write(json.dumps(outcome) + "\n" if self.json else reported(outcome))
        return 0

    def _through_graph(self, out: Path) -> int:
        """Practises by messages; what a graph cannot be told is refused."""
        practice = parsed_options(self.practice_set, "--practice-set")
        reset_every = practice.pop("reset_every_attempts", None)
        self._refuse_for_graph(out, practice)
        console = Console(quiet=self.json)
        with interruptible() as interrupted:
            folders = self._folders(console, interrupted, str(self.features or ""))
        start = last_checkpoint(out) if self.resume else self._checkpoint()
        wishes = Wishes(
            graph=self.graph,
            task=self.task,
            reward=self.reward,
            reward_options=self.reward_set,
            features=self.features,
            data=folders,
            start=start,
            learner=self.learner,
            learner_options=self.set,
            strategy=self.strategy,
            strategy_options=self.strategy_set,
            capacity=self.capacity,
            reset_every_attempts=reset_every,
        )
        steps = STEPS if self.steps is None else self.steps
        return practise_through_graph(wishes, steps, self.seed, out, as_json=self.json)

    def _changed(self, names: tuple[str, ...]) -> list[str]:
        """Of these flags, those that were given."""
        usual = {field.name: field.default for field in fields(self)}
        return [name for name in names if getattr(self, name) != usual[name]]

    def _refuse_for_graph(self, out: Path, practice: Mapping[str, Any]) -> None:
        """Raises an InputError for the first thing that a graph cannot be told."""
        changed = self._changed(UNTOLD)
        if practice:
            changed.append("practice_set")
        if changed:
            raise InputError(
                f"--graph takes no --{', --'.join(changed).replace('_', '-')}; learn before with "
                "'reflexarc train policy' and give --start, see by the graph's own nodes, and of "
                "--practice-set give reset_every_attempts alone"
            )
        if runs_of(out) and not self.resume:
            raise begun(out)

    def _check(self) -> None:
        world_row(self.task)
        if self.method and (given := self._changed(GIVEN)):
            raise InputError(
                f"--{given[0]} does not go with --method {self.method}: it says that already, or "
                "cannot; leave one of them out"
            )
        least = {"updates": 0, "final_episodes": 1, "seed": 0, "capacity": 1, "keep": 0}
        require_at_least(self, least)
        if self.data and self.recipe:
            raise InputError("give either --data FOLDERS or --recipe NAME")
        if self.updates and not self._data_are_given:
            raise InputError(f"--updates {self.updates} needs --data or --recipe to learn from")

    def _method(self) -> Method:
        """What is done: that of a grid with what flags change, or all of it by flags."""
        method = self._of_grid() if self.method else self._of_flags()
        reward = {}
        if self._changed(("reward", "reward_set")):
            source, options = self._reward()
            reward = {"reward": source, "reward_options": options}
        steps = {} if self.steps is None else {"steps": self.steps}
        changed = msgspec.structs.replace(
            method,
            strategy_options={
                **method.strategy_options,
                **parsed_options(self.strategy_set, "--strategy-set"),
            },
            learner_options={**method.learner_options, **parsed_options(self.set)},
            finetune={
                **method.finetune,
                **parsed_options(self.practice_set, "--practice-set"),
                **steps,
            },
            **reward,
        )
        finetune_config(changed)
        return changed

    def _of_grid(self) -> Method:
        """The method of a grid, raises an InputError if there is none."""
        method = method_named(self.method, self.task)
        judged = {name: getattr(self, name) for name in self._changed(("evaluation_episodes",))}
        final = {name: getattr(self, name) for name in self._changed(("final_episodes",))}
        data = () if self._data_are_given else method.data
        finetune = {**method.finetune, **judged}
        seen = {"features": str(self.features)} if self.features else {}
        folders = () if self._data_are_given else method.folders
        return msgspec.structs.replace(
            method, data=data, folders=folders, finetune=finetune, **seen, **final
        )

    def _of_flags(self) -> Method:
        return Method(
            strategy=self.strategy,
            learner=self.learner,
            finetune={"evaluation_episodes": self.evaluation_episodes, "steps": STEPS},
            sees=self.sees,
            features=str(self.features or ""),
            online_capacity=self.capacity,
            offline=Offline(self.updates) if self.updates else None,
            final_episodes=self.final_episodes,
        )

    @property
    def _data_are_given(self) -> bool:
        return bool(self.data or self.recipe)

    def _reward(self) -> tuple[str, dict[str, Any]]:
        """Row of REWARDS and its options; a package hesitates if it knows where it may miss."""
        options = parsed_options(self.reward_set, "--reward-set")
        if not self.reward.endswith(".onnx"):
            return self.reward, options
        package = read_package(self.reward)
        named = {"package": self.reward, "sha256": package.sha256}
        hesitates = about_of(package).unsure is not None
        return "hesitant_classifier" if hesitates else "classifier", {**options, **named}

    def _checkpoint(self) -> Path | None:
        """The file to start from.

        Raises:
            InputError: a package, which holds no critics and no optimisers.
        """
        start = self.start
        if start is None:
            return None
        if start.suffix == ".onnx":
            raise InputError(
                f"--start {start}: a package holds the actor alone; give the checkpoint beside it, "
                f"{start.with_name(LAST)}"
            )
        return start / LAST if start.is_dir() else start

    def _opened(
        self, method: Method, console: Console, interrupted: Callable[[], bool]
    ) -> OfflineData | None:
        folders = self._folders(console, interrupted, method.features, method.data)
        folders += map(Path, method.folders)
        return open_offline(folders) if folders else None

    def _folders(
        self,
        console: Console,
        interrupted: Callable[[], bool],
        features: str,
        recipes: tuple[str, ...] = (),
    ) -> list[Path]:
        """Where the data are, made now or before.

        Args:
            console: told what is made.
            interrupted: asked now and then.
            features: package by which images of recipes are seen; empty: none.
            recipes: that are followed if no other data are given.
        """
        if self.data:
            return [*self.data]
        names = [self.recipe] if self.recipe else [*recipes]
        made = collect_recipes(names, Path("data"), console.say, interrupted, features)
        if made is None:
            raise InputError("stopped while data were collected; the same command goes on")
        return made

    def _practised(
        self, told: Practice, out: Path, console: Console, hooks: Hooks
    ) -> PracticeRun | None:
        """The run at its end; None if it was stopped."""
        curves = training_library("policies.training_curves")
        method = told.method
        updates = 0 if method.offline is None else method.offline.updates
        steps = finetune_config(method).steps
        with curves.curves(out) as log, _progress(console, updates, steps) as progress:
            try:
                run = practice_run(told, replace(hooks, progress=progress), log)
            except Interrupted:
                return None
            return run if run.run() else None


def _promise(method: Method, run: PracticeRun) -> dict[str, Any] | None:
    """What the reward had promised, and whether practice shows that it was not kept; for JSON."""
    package = method.reward_options.get("package")
    bound = about_of(read_package(package)).bound if package else None
    if bound is None:
        return None
    tally = run.log.tally
    broken = bound.is_broken_by(tally.false_successes, tally.attempts)
    return {"limit": bound.limit, "broken": broken}


@contextmanager
def _progress(console: Console, updates: int, steps: int) -> Iterator[Callable[[float], None]]:
    """One bar for both phases: what is learned offline counts from minus `updates` to 0."""
    with (
        console.progress("learning from data", updates or None, "updates") as offline,
        console.progress("practising", steps, "steps") as online,
    ):
        yield lambda done: offline(updates + done) if done < 0 else online(done)
