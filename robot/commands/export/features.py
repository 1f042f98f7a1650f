"""``reflexarc export features``: images as a few numbers, for policies that see by them."""

import json
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import tyro

from perception.image_features import FeatureEye
from perception.model_package import ModelPackage, read_package
from perception.quantities import InputError
from perception.tables import config_from_options
from policies.data_set import DataSet
from policies.feature_data import with_features
from policies.reward_frames import look_spec
from robot.console import Console
from robot.options import parsed_options
from robot.training_library import training_library
from sim.bench_observation import FELT


@dataclass(frozen=True)
class ExportFeatures:
    """Write episodes with image features in place of images, and the package that makes them.

    Where there is no package yet, it learns from the episodes that succeeded what to look at: where
    the hand went, and what it did. A package that is there already is used as it is: robot, data
    and buffer must see alike.

    Example: reflexarc export features data/lid_seen --out data/lid_features
    """

    data: tyro.conf.Positional[Path]
    """Folder that reflexarc collect filled, with cameras."""
    out: Path
    """Folder of the episodes with features."""
    package: Path = Path("features.onnx")
    """The model package; it is written if it is not there."""
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
        eye = FeatureEye(self._opened(data, console))
        with console.progress("looking", len(data), "episodes") as progress:
            made = with_features(data, eye, self.out, progress)
        outcome = {
            "package": str(self.package),
            "sha256": eye.sha256,
            "numbers": eye.numbers,
            "folder": str(self.out),
            "episodes": len(made),
        }
        if self.json:
            sys.stdout.write(json.dumps(outcome) + "\n")
        else:
            sys.stdout.write(
                f"{len(made)} episodes with {eye.numbers} numbers an image: {self.out}\n"
                f"package: {self.package}\n"
            )
        return 0

    def _opened(self, data: DataSet, console: Console) -> ModelPackage:
        """The package, taught now or before.

        Raises:
            InputError: choices for one that is there already, or that cannot be taught.
        """
        if self.package.exists():
            if self.set:
                raise InputError(
                    f"--set: {self.package} is there already; leave --set out, or give another "
                    "--package"
                )
            return read_package(self.package)
        training: Any = training_library("perception.features_training")
        lessons: Any = training_library("policies.feature_lessons")
        config = config_from_options(training.FeaturesConfig, parsed_options(self.set), "features")
        spec = look_spec(data.about)
        moments = lessons.feature_lessons(data, FELT)
        with console.progress("learning", config.updates, "updates") as progress:
            net = training.taught(moments, config, progress)
        export: Any = training_library("perception.features_export")
        taught_by = data.about.recipe_sha256
        return export.export_features(self.package, net, spec.height, spec.width, config, taught_by)
