"""``reflexarc train policy``: episodes teach a policy, which becomes a model package."""

import json
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

import tyro

from perception.atomic_file import write_atomically
from policies.learner import Learner, make_learner
from policies.offline_data import OfflineData, open_offline
from robot.console import Console
from robot.options import parsed_options, require_at_least, require_folders
from robot.policy_reads import data_read
from robot.training_library import training_library, with_training

DISCOUNT = 0.99  # of learners that have none, such as those that imitate
PACKAGE, TRAINING = "policy.onnx", "training.json"  # in the folder


@dataclass(frozen=True)
class TrainPolicy:
    """Teach a policy by recorded episodes, without acting; write checkpoints and a model package.

    Several data sets teach together, such as demonstrations of a task and those of others; they
    must be of one robot and one spec.

    Example: reflexarc train policy data/lid data/lid_prior --learner calql --out runs/lid
    """

    data: tyro.conf.Positional[tuple[Path, ...]]
    """Folders that reflexarc collect filled."""
    out: Path = Path("runs/policy")
    """Folder of checkpoints (last.pt), curves for TensorBoard, and policy.onnx."""
    learner: str = "bc"
    """The algorithm; a wrong name lists those there are."""
    sees: tuple[str, ...] = ()
    """Tensors that the policy reads, such as front gripper_m; default: all that were observed, of
    data with features these and what the arm feels."""
    updates: int = 20_000
    """Batches to learn from."""
    failures: Literal["auto", "keep", "drop"] = "auto"
    """Whether to learn from attempts that failed; auto: not where the learner imitates."""
    set: Annotated[tyro.conf.UseAppendAction[tuple[str, ...]], tyro.conf.arg(metavar="K=V")] = ()
    """An option of the learner, such as hidden=[128,128]; may be given several times."""
    seed: int = 0
    """Of weights and batches."""
    checkpoint_every: int = 5_000
    """Updates between two checkpoints."""
    resume: bool = False
    """Go on from last.pt in the folder."""
    json: bool = False
    """Print the outcome as JSON, and no progress."""

    def __call__(self) -> int:
        """Reads, learns, writes."""
        self._check()
        library = training_library("policies.pretrain")
        data = open_offline(self.data)
        data = data.seeing(data_read(data, self.sees))
        options = parsed_options(self.set)
        learner = with_training(lambda: make_learner(self.learner, data.spec, options, self.seed))
        keeps = self.failures == "keep" or (
            self.failures == "auto" and learner.practice.learns_online
        )
        discount = getattr(getattr(learner, "config", None), "discount", DISCOUNT)
        buffer = data.buffer(discount, self.seed, failures=keeps)
        plan = library.Plan(self.updates, self.checkpoint_every, seed=self.seed)
        began_s = time.monotonic()
        with Console(quiet=self.json).progress("learning", self.updates, "updates") as progress:
            metrics = library.pretrain(
                learner,
                buffer,
                plan,
                self.out,
                resume=self.resume,
                on_progress=lambda done, _: progress(done),
            )
        outcome = {
            "package": str(self.out / PACKAGE),
            "learner": self.learner,
            "options": options,
            "updates": learner.updates,
            "transitions": len(buffer),
            "seconds": round(time.monotonic() - began_s, 1),
            "metrics": metrics,
        }
        self._write(learner, data, outcome)
        self._report(outcome)
        return 0

    def _check(self) -> None:
        require_at_least(self, {"updates": 1, "checkpoint_every": 1, "seed": 0})
        require_folders(self.data)

    def _write(self, learner: Learner, data: OfflineData, outcome: dict[str, Any]) -> None:
        """What came of what, beside the checkpoints, and the package."""
        training = {**outcome, "seed": self.seed, **data.described()}
        content = json.dumps(training, indent=1) + "\n"
        write_atomically(self.out / TRAINING, content.encode())
        learner.export(self.out / PACKAGE, extra=training)

    def _report(self, outcome: dict[str, Any]) -> None:
        if self.json:
            sys.stdout.write(json.dumps(outcome) + "\n")
            return
        metrics = ", ".join(f"{name} {value:.4g}" for name, value in outcome["metrics"].items())
        sys.stdout.write(
            f"{self.learner}: {outcome['updates']} updates on {outcome['transitions']} transitions "
            f"in {outcome['seconds']} s; {metrics}\npackage: {outcome['package']}\n"
        )
