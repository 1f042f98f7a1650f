"""What a policy sees of an image: some numbers that a network taught on other images makes of it.

    image     (1, H, W, 3)  uint8, RGB
    features  (n,)          float32, about 1 in size

The network never changes while a robot practises, so features are worked out once per image: the
policy reads them, and the replay buffer keeps them in place of images. Where things are in the
image is in them: they are mixed from a coarse map and not from its mean.
"""

from typing import cast

import numpy as np
from numpy.typing import NDArray

from perception.model_package import ModelPackage, TensorSpec
from perception.quantities import FloatArray, InputError

KIND = "features"
IMAGE, FEATURES = "image", "features"


class FeaturesError(InputError):
    """A package of no features, or images that it does not take."""


class FeatureEye:
    """Features by a package."""

    def __init__(self, package: ModelPackage) -> None:
        """Reads what it takes.

        Raises:
            FeaturesError: the package is none of features.
        """
        manifest = package.manifest
        if manifest.kind != KIND:
            raise FeaturesError(
                f"{package.path} is a {manifest.kind} package; needed is one of kind {KIND}, as "
                "'reflexarc export features' writes it"
            )
        self.package, self.sha256 = package, package.sha256
        (image,), (features,) = manifest.inputs, manifest.outputs
        self.shape = cast("tuple[int, ...]", image.shape[1:])  # (H, W, 3)
        self.numbers = int(cast("int", features.shape[0]))

    def features(self, image: NDArray[np.uint8]) -> FloatArray:
        """(n,) of an image (H, W, 3) uint8.

        Raises:
            FeaturesError: an image of another size or kind.
        """
        if image.shape != self.shape or image.dtype != np.uint8:
            raise FeaturesError(
                f"the image is {image.dtype} {image.shape}; {self.package.path} takes uint8 "
                f"{self.shape}"
            )
        return self.package.model.infer({IMAGE: image[np.newaxis]})[FEATURES]

    def tensors(self, views: tuple[str, ...]) -> tuple[TensorSpec, ...]:
        """What is observed of some cameras."""
        return tuple(
            TensorSpec(features_of(view), (self.numbers,), "float32", "1") for view in views
        )


def features_of(view: str) -> str:
    """The tensor of a camera's features: front_features."""
    return f"{view}_features"


def tensors_of(height: int, width: int, numbers: int) -> tuple[TensorSpec, TensorSpec]:
    """Input and output of the graph."""
    return (
        TensorSpec(IMAGE, (1, height, width, 3), "uint8", "1"),
        TensorSpec(FEATURES, (numbers,), "float32", "1"),
    )
