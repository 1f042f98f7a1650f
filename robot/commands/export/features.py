"""``reflexarc export features``: images as a few numbers, for policies that see by them."""

import json
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import tyro
from numpy.typing import NDArray

from perception.image_features import FeatureEye
from perception.model_package import ModelPackage, read_package
from perception.quantities import InputError
from perception.tables import config_from_options
from policies.data_set import DataSet
from policies.feature_data import with_features
from policies.reward_frames import look_spec
from policies.spec_difference import spec_difference
from robot.console import Console
from robot.options import parsed_options
from robot.training_library import training_library
from sim.bench_observation import FELT


@dataclass(frozen=True)
class ExportFeatures:
    """Write episodes with image features in place of images, and the package that makes them.

    Where there is no package yet, it learns from the episodes that succeeded what to look at,
    by what was done. A package that is there already is used as it is: robot, data
    and buffer must see alike.

    Example: reflexarc export features data/lid_seen --out data/lid_features
    """

    data: tyro.conf.Positional[Path]
    """Folder that reflexarc collect filled, with cameras."""
    out: Path
    """Folder of the episodes with features."""
    package: Path = Path("features.onnx")
    """The model package; it is written if it is not there."""
    held: Path | None = None
    """Other demonstrations, by which it is told what a package that learns sees: how far off it
    says where the hand will first open or close."""
    set: Annotated[tuple[str, ...], tyro.conf.arg(metavar="K=V"), tyro.conf.UseAppendAction] = ()
    """A choice for a package that learns, such as numbers=32; may be given several times."""
    json: bool = False
    """Print the outcome as JSON, and no progress."""

    def __call__(self) -> int:
        """Makes the package if need be, looks at every image, writes."""
        if self.package.suffix != ".onnx":
            raise InputError(f"--package {self.package}: the name of a package ends in .onnx")
        data = DataSet(self.data)
        data.require_episodes()
        console = Console(quiet=self.json)
        package, sight = self._opened(data, console)
        eye = FeatureEye(package)
        with console.progress("looking", len(data), "episodes") as progress:
            made = with_features(data, eye, self.out, progress)
        outcome = {
            "package": str(self.package),
            "sha256": eye.sha256,
            "numbers": eye.numbers,
            "folder": str(self.out),
            "episodes": len(made),
            "sight": sight,
        }
        if self.json:
            sys.stdout.write(json.dumps(outcome) + "\n")
        else:
            sys.stdout.write(
                f"{len(made)} episodes with {eye.numbers} numbers an image: {self.out}\n"
                + _told(sight)
                + f"package: {self.package}\n"
            )
        return 0

    def _opened(
        self, data: DataSet, console: Console
    ) -> tuple[ModelPackage, dict[str, Any] | None]:
        """The package, taught now or before, and what it sees of held-out demonstrations.

        Raises:
            InputError: choices for one that is there already, or that cannot be taught, or
                held-out demonstrations of another kind.
        """
        if self.package.exists():
            for option, given in (("--set", self.set), ("--held", self.held)):
                if given:
                    raise InputError(
                        f"{option}: {self.package} is there already; leave {option} out, or give "
                        "another --package"
                    )
            return read_package(self.package), None
        training: Any = training_library("perception.features_training")
        lessons: Any = training_library("policies.feature_lessons")
        config = config_from_options(training.FeaturesConfig, parsed_options(self.set), "features")
        spec = look_spec(data.about)
        moments = lessons.feature_lessons(data, FELT)
        held = self._held(data, lessons)
        with console.progress("learning", config.updates, "updates") as progress:
            net = training.taught(moments, config, progress)
        sight = None
        if held is not None:
            asked: Any = training_library("perception.features_sight")
            with console.progress("asking what they see", asked.UPDATES, "updates") as progress:
                sight = sight_of(asked.sight_m(net, moments, held, config.seed, progress))
        export: Any = training_library("perception.features_export")
        taught_by = data.about.recipe_sha256
        package = export.export_features(
            self.package, net, spec.height, spec.width, config, taught_by
        )
        return package, sight

    def _held(self, data: DataSet, lessons: Any) -> Any:
        """What the features will be asked; None: nothing.

        Raises:
            InputError: those that teach, of another robot or camera, or of one without a hand.
        """
        if self.held is None:
            return None
        held = DataSet(self.held)
        held.require_episodes()
        if held.about.recipe_sha256 == data.about.recipe_sha256:
            raise InputError(
                f"--held {self.held}: these teach; collect others, with another --seed"
            )
        if difference := spec_difference(held.about.spec, data.about.spec):
            raise InputError(f"--held {self.held} has {difference} as in {self.data}")
        asked = lessons.feature_lessons(held, FELT)
        if not asked.way.shape[1]:
            raise InputError(
                f"--held {self.held}: the turns of an arm's hand tell; these have none"
            )
        return asked


def sight_of(off_m: NDArray[np.float32]) -> dict[str, Any]:
    """How far off, (R,) m, in mm, for JSON."""
    half, most = (round(1000 * float(np.quantile(off_m, part)), 1) for part in (0.5, 0.9))
    return {"moments": len(off_m), "half_within_mm": half, "nine_in_ten_within_mm": most}


def _told(sight: dict[str, Any] | None) -> str:
    """The same for a person."""
    if sight is None:
        return ""
    return (
        f"where the hand will first turn is told to within {sight['half_within_mm']} mm by half of "
        f"{sight['moments']} held-out moments, {sight['nine_in_ten_within_mm']} mm by nine in ten\n"
    )
