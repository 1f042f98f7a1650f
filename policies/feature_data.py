"""A data set of images as one of features: what a policy learns from that sees by a frozen network.

Worked out once for each image and kept, so that learning reads a few numbers in place of 30 kB.
"""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import msgspec
import numpy as np

from perception.image_features import FeatureEye, features_of
from policies.data_set import DataSet, DataSetWriter
from policies.data_set_about import DataSetAbout
from policies.episodes import Episode
from policies.reward_frames import look_spec

FEATURES = "features"  # in a recipe: hash of the package that made them


def with_features(
    data: DataSet, eye: FeatureEye, out: Path, progress: Callable[[int], None]
) -> DataSet:
    """Writes the same episodes with features in place of images; goes on where it was stopped.

    Args:
        data: episodes with images.
        eye: who works features out.
        out: folder of the new data set.
        progress: told how many episodes are done.

    Raises:
        RewardInputError: the episodes hold no images.
        FeaturesError: images of another size.
        DataSetError: the folder holds another data set, or cannot be written.
        EpisodeError: a file is damaged, or the disk does not take one.
    """
    views = look_spec(data.about).views
    with DataSetWriter(out, _about(data.about, eye, views)) as writer:
        for number, episode in enumerate(data):
            if not writer.has(number):
                writer.append(_seen(episode, eye, views), number)
            progress(number + 1)
    return DataSet(out)


def _about(about: DataSetAbout, eye: FeatureEye, views: tuple[str, ...]) -> DataSetAbout:
    kept = tuple(tensor for tensor in about.spec.observation if tensor.name not in views)
    spec = replace(about.spec, observation=(*kept, *eye.tensors(views)))
    recipe = {**about.recipe, FEATURES: eye.sha256}
    return msgspec.structs.replace(about, spec=spec, recipe=recipe)


def _seen(episode: Episode, eye: FeatureEye, views: tuple[str, ...]) -> Episode:
    observation = {name: value for name, value in episode.observation.items() if name not in views}
    for view in views:
        images = episode.observation[view]  # (T+1, H, W, 3)
        observation[features_of(view)] = np.stack([eye.features(image) for image in images])
    return replace(episode, observation=observation)
