"""``reflexarc export policy``: the policy of a checkpoint as a model package."""

import json
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import tyro

from perception.quantities import InputError
from robot.commands.train.policy import TRAINING
from robot.training_library import training_library


@dataclass(frozen=True)
class ExportPolicy:
    """Write the policy of a checkpoint as a model package for the robot.

    The package acts as the checkpoint does, on recorded observations, or is not written. Normaliser
    and range of the action are inside.

    Example: reflexarc export policy runs/lid/last.pt --out lid.onnx
    """

    checkpoint: tyro.conf.Positional[Path]
    """A file that training or practice saved (.pt)."""
    out: Path = Path("policy.onnx")
    """The package to write; its hash goes beside it."""
    json: bool = False
    """Print the outcome as JSON."""

    def __call__(self) -> int:
        """Reads, compares, writes."""
        if self.out.suffix != ".onnx":
            raise InputError(f"--out {self.out}: the name of a package ends in .onnx")
        learner = training_library("policies.checkpoint_learner").learner_of(self.checkpoint)
        extra = {**_training(self.checkpoint.with_name(TRAINING)), "updates": learner.updates}
        learner.export(self.out, extra=extra)
        outcome = {"package": str(self.out), "updates": learner.updates}
        if self.json:
            sys.stdout.write(json.dumps(outcome) + "\n")
        else:
            sys.stdout.write(f"package: {self.out}, after {learner.updates} updates\n")
        return 0


def _training(path: Path) -> dict[str, Any]:
    """What training wrote beside its checkpoints; nothing where there is no such file."""
    if not path.exists():
        return {}
    try:
        found = json.loads(path.read_bytes())
    except (OSError, ValueError, RecursionError) as error:
        raise InputError(f"{path} cannot be read: {error}; remove it") from error
    return found if isinstance(found, dict) else {}
