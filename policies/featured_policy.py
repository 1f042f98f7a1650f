"""A policy of features where images are observed: it brings its eye with it.

For whoever keeps what the world shows, such as a collection, whose episodes go on holding images.
"""

from dataclasses import replace
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from perception.image_features import FEATURES, FeatureEye, features_of
from perception.model_package import TensorSpec
from policies.observation import Observation
from policies.policy import Policy
from policies.spec import PolicySpec

ENDING = f"_{FEATURES}"


class FeaturedPolicy:
    """A `Policy` that reads images in place of the features that the one inside reads."""

    def __init__(self, policy: Policy, eye: FeatureEye) -> None:
        """Both as they were opened.

        Args:
            policy: reads features by the names of `features_of`.
            eye: by which it learned.
        """
        self._policy, self._eye = policy, eye
        read = {tensor.name: tensor for tensor in policy.spec.observation}
        self._views = tuple(name.removesuffix(ENDING) for name in read if name.endswith(ENDING))
        seen = {features_of(view): view for view in self._views}
        self.spec: PolicySpec = replace(
            policy.spec,
            observation=tuple(
                TensorSpec(seen[name], eye.shape, "uint8", "1") if name in seen else tensor
                for name, tensor in read.items()
            ),
        )

    def reset(self, rng: np.random.Generator) -> None:
        """As the policy inside."""
        self._policy.reset(rng)

    def act(self, observation: Observation) -> NDArray[np.float64]:
        """The action (n,) for the newest observation, which holds images."""
        images = {view: cast("Any", observation[view]) for view in self._views}  # uint8
        seen = {features_of(view): self._eye.features(image) for view, image in images.items()}
        return self._policy.act({**observation, **seen})
