"""Frozen image features as a package: what a network learned to look at, in a few numbers."""

import hashlib
import json
from dataclasses import asdict
from pathlib import Path

import numpy as np

from perception.features_net import FeaturesNet, NetConfig
from perception.image_features import FEATURES, IMAGE, KIND, tensors_of
from perception.model_package import Manifest, ModelPackage, write_package
from perception.onnx_export import check_parity, export_onnx
from perception.torch_threads import one_thread

PARITY_IMAGES = 4


def export_features(
    path: Path, net: FeaturesNet, height: int, width: int, config: NetConfig, taught_by: str = ""
) -> ModelPackage:
    """Writes the package, if it answers as torch does.

    Args:
        path: of the package, ends in .onnx.
        net: that learned, or that knows nothing.
        height: of the images, px.
        width: of the images, px.
        config: by which the network was made.
        taught_by: hash of the recipe of the data that taught it; empty: it knows nothing.

    Raises:
        ExportParityError: torch and onnxruntime differ on a random image.
        ModelPackageError: the package cannot be written.
    """
    rng = np.random.default_rng(config.seed)
    shape = (1, height, width, 3)
    images = [rng.integers(256, size=shape, dtype=np.uint8) for _ in range(PARITY_IMAGES)]
    with one_thread():
        onnx_bytes = export_onnx(net.eval(), {IMAGE: images[0]}, [FEATURES])
        worst = max(check_parity(net, onnx_bytes, {IMAGE: image}) for image in images)
    image, features = tensors_of(height, width, config.numbers)
    choices = json.dumps(asdict(config))
    manifest = Manifest(
        kind=KIND,
        inputs=(image,),
        outputs=(features,),
        training_config_hash=hashlib.sha256(choices.encode()).hexdigest(),
        extra={"features": asdict(config), "taught_by": taught_by, "parity_worst": worst},
    )
    return write_package(path, onnx_bytes, manifest)
