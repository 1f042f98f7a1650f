"""Puts what cameras see into what is observed, as a few numbers each: a shell over a feature eye.

Downstream there is one observation per moment, whole, and no image: policy and replay buffer need
not know that there are cameras. An observation is not passed on without images of its moment, nor
with images that are not to be believed (black, covered, or the same although the tool has moved):
who sees nothing does nothing, and the actuator stops.
"""

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from perception.image_features import FeatureEye, features_of
from perception.image_trust import ImageTrust, TrustConfig
from perception.model_package import read_package
from perception.quantities import InputError
from robot.clock import SECOND_NS
from robot.messages import CameraImage, Observed
from robot.node import Emission, Input, Inputs, Node, NodeContext, Output
from robot.observed import observed_of, tensor_of, tensors_in

VIEWS = ("front", "wrist")  # cameras, each a port


@dataclass(frozen=True)
class FeaturesNodeConfig:
    """Parameters of one who looks for others."""

    package: str = ""  # path of a package that 'reflexarc export features' wrote
    views: tuple[str, ...] = VIEWS  # cameras; empty: observations are passed on as they are
    tool: str = "tool_position_m"  # tensor by which the robot feels whether it moves
    most_apart_s: float = 0.05  # s between an observation and its images
    trust: TrustConfig = field(default_factory=TrustConfig)

    def __post_init__(self) -> None:
        """Refuses cameras that there are not."""
        if strange := [view for view in self.views if view not in VIEWS]:
            raise InputError(f"views: there is no camera {strange[0]!r}; give {', '.join(VIEWS)}")


class FeaturesNode(Node[FeaturesNodeConfig]):
    """One observation per observation, with features."""

    inputs = {
        "observed": Input(Observed),
        "front": Input(CameraImage, required=False),
        "wrist": Input(CameraImage, required=False),
    }
    outputs = {"observed": Output(Observed)}
    Config = FeaturesNodeConfig

    def __init__(self, config: FeaturesNodeConfig, context: NodeContext) -> None:
        """Opens the package, so that one that does not fit is refused before anything moves.

        Raises:
            InputError: none is given, it is damaged, or it is none of features.
        """
        super().__init__(config, context)
        if config.views and not config.package:
            raise InputError("features need their package: give package=features.onnx")
        self._eye = FeatureEye(read_package(config.package)) if config.views else None
        self._trust = ImageTrust(config.trust, {})
        self._images: dict[str, CameraImage] = {}  # newest by camera
        self._passed = self._doubted = 0
        self._observed: Observed | None = None  # newest, not passed on

    def step(self, now_ns: int, inputs: Inputs) -> list[Emission]:
        """Passes the newest observation on once the images of its moment are there.

        Raises:
            FeaturesError: images that the package does not take.
            InputError: the tool is not observed.
        """
        del now_ns
        self._observed = inputs.newest("observed") or self._observed
        for view in self.config.views:
            if (image := inputs.newest(view)) is not None:
                self._images[view] = image
        observed = self._observed
        if observed is None:
            return []
        images = {view: self._of_moment(view, observed) for view in self.config.views}
        seen = {view: image for view, image in images.items() if image is not None}
        if len(seen) < len(images):
            return []
        self._observed = None
        if seen and self._trust.doubt(images, tensor_of(observed, self.config.tool)) is not None:
            self._doubted += 1
            return []
        self._passed += 1
        tensors = {**tensors_in(observed), **self._features(seen)}
        return [("observed", observed_of(tensors, observed.captured_ns))]

    def gauges(self) -> dict[str, float]:
        """How many observations were passed on, and how many were not for what cameras showed."""
        return {"passed": float(self._passed), "doubted": float(self._doubted)}

    def _features(self, images: dict[str, NDArray[np.uint8]]) -> dict[str, NDArray[np.float32]]:
        if self._eye is None:
            return {}
        return {features_of(view): self._eye.features(image) for view, image in images.items()}

    def _of_moment(self, view: str, observed: Observed) -> NDArray[np.uint8] | None:
        """The image of a camera that belongs to an observation; None: there is none."""
        message = self._images.get(view)
        if message is None:
            return None
        apart_s = abs(observed.captured_ns - message.captured_ns) / SECOND_NS
        return message.image if apart_s <= self.config.most_apart_s else None
