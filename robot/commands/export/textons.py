"""``reflexarc export textons``: what a texton student learns from a recording."""

import json
import sys
from dataclasses import dataclass
from pathlib import Path

import tyro

from perception.quantities import InputError
from robot.console import Console
from robot.texton_lesson import export_lesson


@dataclass(frozen=True)
class ExportTextons:
    """Write what a texton student, nearness by its looks, learns from a recording.

    The package answers as the student does, on recorded frames, or is not written.

    Example: reflexarc export textons runs/a --out textons.onnx
    """

    data: tyro.conf.Positional[Path]
    """A recording to learn from: a run folder, its log, or a EuRoC/ASL folder."""
    out: Path = Path("textons.onnx")
    """The package to write."""
    json: bool = False
    """Print the outcome as JSON, and no progress."""

    def __call__(self) -> int:
        """Reads, learns, writes."""
        if self.out.suffix != ".onnx":
            raise InputError(f"--out {self.out}: the name of a package ends in .onnx")
        with Console(quiet=self.json).progress("stereo looks", None, "pairs") as progress:
            package = export_lesson(self.data, self.out, progress)
        outcome = {"written": str(self.out), "sha256": package.sha256, **package.manifest.extra}
        if self.json:
            sys.stdout.write(json.dumps(outcome) + "\n")
        else:
            sys.stdout.write(
                f"learned from {outcome['pairs']} frames; an obstacle is above "
                f"{outcome['threshold_px']:g} px, and {100 * outcome['learned_fpr']:.0f} % of the "
                f"free frames are taken for one\npackage: {self.out}\n"
            )
        return 0
