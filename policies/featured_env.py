"""A world whose cameras are also seen by a frozen network: what a policy of features practises in.

    observed before    front (H, W, 3) uint8, wrist, and numbers
    observed here      the same, and front_features (n,) float32, wrist_features

Images stay in the observation, because a reward may look at them; a policy need not read them.
"""

from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from firmware_bridge.axis_limits import Limits
from perception.goal import Goal
from perception.image_features import FeatureEye, FeaturesError, features_of
from perception.model_package import TensorSpec
from policies.observation import Observation
from policies.practice_env import PracticeEnv

IMAGE_AXES = 3


class FeaturedEnv:
    """A `PracticeEnv` that shows features of its images too; it practises as the one inside."""

    def __init__(self, env: PracticeEnv, eye: FeatureEye) -> None:
        """Checks that the eye takes the images.

        Args:
            env: with cameras.
            eye: who works features out.

        Raises:
            FeaturesError: it has no cameras, or images of another size.
        """
        self._env, self._eye = env, eye
        images = [t for t in env.tensors if t.dtype == "uint8" and len(t.shape) == IMAGE_AXES]
        if not images:
            raise FeaturesError(
                f"{eye.package.path} takes images, and this task shows none; choose one with "
                "cameras, such as lid_images"
            )
        if strange := [t for t in images if t.shape != eye.shape]:
            raise FeaturesError(
                f"{eye.package.path} takes images {eye.shape}, {strange[0].name!r} is "
                f"{strange[0].shape}"
            )
        self._views = tuple(tensor.name for tensor in images)
        self.tensors: tuple[TensorSpec, ...] = (*env.tensors, *eye.tensors(self._views))

    @property
    def limits(self) -> Limits:
        """Of its robot."""
        return self._env.limits

    @property
    def rate_hz(self) -> float:
        """Steps per second of its own time."""
        return self._env.rate_hz

    @property
    def goals(self) -> tuple[Goal, ...]:
        """Of the world inside."""
        return self._env.goals

    @property
    def episode_steps(self) -> int:
        """How many steps an attempt usually takes at most."""
        return self._env.episode_steps

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Observation, dict[str, Any]]:
        """As `PracticeEnv.reset`, with features."""
        observation, info = self._env.reset(seed=seed, options=options)
        return self._seen(observation), info

    def step(
        self, action: NDArray[np.float64]
    ) -> tuple[Observation, float, bool, bool, dict[str, Any]]:
        """As `PracticeEnv.step`, with features."""
        observation, reward, terminated, truncated, info = self._env.step(action)
        return self._seen(observation), reward, terminated, truncated, info

    def save(self) -> Any:
        """A moment of the world inside: features follow from it."""
        return self._env.save()

    def restore(self, state: Any) -> Any:
        """Goes back to a saved moment; gives what the world inside gives."""
        return self._env.restore(state)

    def _seen(self, observation: Observation) -> Observation:
        images = {view: cast("Any", observation[view]) for view in self._views}  # uint8
        seen = {features_of(view): self._eye.features(image) for view, image in images.items()}
        return {**observation, **seen}
