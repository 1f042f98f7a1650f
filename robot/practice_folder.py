"""The folder of a practice run: settings, checkpoints, package, learner, outcome and curve."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from perception.atomic_file import write_atomically
from perception.quantities import InputError
from policies.finetune import PracticeRun
from policies.offline_data import OfflineData
from policies.practice_checkpoint import latest_checkpoint
from robot.study import charts
from robot.worlds import world_row

PACKAGE, SETTINGS, OUTCOME, CURVE = "policy.onnx", "settings.json", "practice.json", "curve.svg"
CHECKPOINTS = "checkpoints"
LAST = "last.pt"  # who learned, at the end: another run may start from it, as from train policy's


class PracticeFolder:
    """Where one run is kept."""

    def __init__(self, path: Path) -> None:
        """Looks at nothing yet."""
        self.path = path
        self.checkpoints = path / CHECKPOINTS
        self.package = path / PACKAGE

    def check(self, *, resume: bool) -> None:
        """Passes if a run can begin here, or go on.

        Raises:
            InputError: nothing to go on from, or a run that was begun.
        """
        has_checkpoint = latest_checkpoint(self.checkpoints) is not None
        if resume and not has_checkpoint:
            raise InputError(f"--resume: {self.path} holds no checkpoint; leave it out to begin")
        if has_checkpoint and not resume:
            raise begun(self.path)

    def begin(self, settings: dict[str, Any], *, resume: bool) -> None:
        """Keeps the settings, or compares them with those of the run that goes on.

        Raises:
            InputError: they differ; the line names the first difference.
        """
        self.path.mkdir(parents=True, exist_ok=True)
        path = self.path / SETTINGS
        content = json.dumps(settings, indent=1) + "\n"
        if resume and path.is_file():
            before, now = json.loads(path.read_text()), json.loads(content)
            for name in now:
                old, new = (_without_length(name, each.get(name)) for each in (before, now))
                if old != new:
                    raise InputError(f"{self.path} was begun with {name} = {old}, now it is {new}")
        write_atomically(path, content.encode())

    def write(
        self, run: PracticeRun, task: str, data: OfflineData | None, outcome: dict[str, Any]
    ) -> None:
        """Package, learner, outcome and curve.

        Args:
            run: at its end.
            task: row of WORLDS.
            data: that it learned from.
            outcome: its figures and, under `settings`, all that was chosen.
        """
        curve = [(point.step, point.success) for point in run.log.curve]
        axes = charts.Axes(f"{task}: deployed policy", "steps", "success")
        series = {outcome["settings"]["learner"]: curve}
        (self.path / CURVE).write_text(charts.lines(axes, series, {}))
        extra = {
            **({} if data is None else data.described()),
            "task": world_row(task).name_in(task),
            "instructions": run.vectors(),
            **_short(outcome),
        }
        run.learner.export(self.package, extra=extra)
        run.learner.save(self.path / LAST)
        write_atomically(self.path / OUTCOME, (json.dumps(outcome, indent=1) + "\n").encode())


def begun(path: Path) -> InputError:
    """To be raised where a folder is taken."""
    return InputError(
        f"{path} holds a run that was begun; go on with --resume, or give another --out"
    )


def reported(outcome: Mapping[str, Any]) -> str:
    """An outcome for a person: three lines, and more where the reward abstained or was broken."""
    low, high = outcome["final_interval"]
    doubts = ", ".join(f"{why} {count} times" for why, count in outcome["abstained"].items())
    return (
        f"deployed: {100 * outcome['first_success']:.0f} % before practice, "
        f"{100 * outcome['final_success']:.0f} % after {outcome['steps']} steps (95 %: "
        f"{100 * low:.0f} to {100 * high:.0f})\n"
        f"practice: {outcome['successes']} of {outcome['attempts']} attempts were said to "
        f"succeed, {outcome['false_successes']} of these in vain; "
        f"{outcome['resets_per_1000_steps']:.2f} resets and "
        f"{outcome['interventions_per_1000_steps']:.2f} interventions per 1000 steps\n"
        + _broken(outcome)
        + (f"the reward abstained at steps that taught nothing: {doubts}\n" if doubts else "")
        + f"package: {outcome['package']}\n"
    )


def _broken(outcome: Mapping[str, Any]) -> str:
    """What to do if a promise was not kept."""
    promise = outcome["promise"]
    if promise is None or not promise["broken"]:
        return ""
    return (
        f"the promise of at most {100 * promise['limit']:g} % in vain was not kept: attempts are "
        "no longer like those that proved it; collect others with --pilot and this package, and "
        "prove the reward again ('reflexarc export reward')\n"
    )


def _without_length(name: str, value: Any) -> Any:
    """A setting without the number of steps: a run may be made longer."""
    return {**value, "steps": None} if name == "finetune" and value else value


def _short(outcome: Mapping[str, Any]) -> dict[str, Any]:
    """What the manifest of a package says of its practice."""
    names = ("settings", "steps", "updates", "final_success", "final_interval")
    return {"practice": {name: outcome[name] for name in names}}
