"""The reward that a robot carries: a small network on frozen features, exported without its words.

Its package takes vectors of sentences, so the robot needs no sentence encoder. All chance comes
from the seed and all arithmetic runs on one thread: equal seeds and looks give equal networks.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import torch

from perception.lightning_fit import fit
from perception.model_package import Manifest, ModelPackage, write_package
from perception.onnx_export import check_parity, export_onnx
from perception.quantities import FloatArray
from perception.reward import Images, Looks, LookSpec, Progress, Question, require_both_kinds
from perception.reward_backbones import BACKBONES
from perception.reward_module import Config, RewardModule, batches, kept_maps
from perception.reward_net import RewardNet
from perception.reward_package import (
    IMAGE,
    INSTRUCTION,
    KIND,
    LOG_ODDS,
    QUESTIONS,
    VIEW,
    tensors_of,
)
from perception.tables import load_item
from perception.torch_threads import one_thread

PARITY_LOOKS = 16  # on which an export is compared


class EmbeddedMaker:
    """Owns the network."""

    Config = Config
    ending = ".onnx"

    def __init__(self, spec: LookSpec, config: Config, seed: int) -> None:
        """Knows images, and nothing of the task.

        Args:
            spec: what the images are.
            config: the choices.
            seed: of weights, batches and disturbances.

        Raises:
            ChoiceError: no such backbone.
            BackboneError: it is not installed, or is damaged.
        """
        self.spec, self.config, self.seed = spec, config, seed
        self._rng = np.random.default_rng(seed)
        with torch.random.fork_rng():
            torch.manual_seed(seed)
            backbone = load_item(BACKBONES, "backbone", config.backbone)()
            self.module = RewardModule(RewardNet(spec, backbone, config.head), config)
        self.updates = 0

    def fit(self, looks: Looks, updates: int, on_progress: Progress | None = None) -> None:
        """Learns from labelled looks.

        Raises:
            RewardInputError: all of them are successes, or none is.
        """
        require_both_kinds(looks)
        with one_thread(), torch.random.fork_rng():
            torch.manual_seed(self.seed)
            kept = kept_maps(self.module.net, self.spec, looks, self.config, self._rng)
            self.module.updates = updates
            stream = batches(kept, looks, self.config, self._rng)
            fit(self.module, stream, updates, self.config.max_gradient, on_progress)
        self.updates += updates

    def log_odds(self, images: Images, view: str, questions: tuple[Question, ...]) -> FloatArray:
        """(N, q) as `perception.reward.Answerer`."""
        self.spec.check(view, images.shape[1:], str(images.dtype))
        vectors = torch.from_numpy(np.array([one.vector for one in questions], np.float32))
        eye = torch.eye(len(self.spec.views))[[self.spec.views.index(view)]]
        net = self.module.net.eval()
        with one_thread(), torch.no_grad():
            said = [net(torch.tensor(image[np.newaxis]), eye, vectors) for image in images]
        return torch.stack(said).numpy()

    def export(self, path: Path, looks: Looks, extra: Mapping[str, Any]) -> ModelPackage:
        """Writes the network as a model package, if it answers there as it does here.

        Args:
            path: of the package, ends in .onnx.
            looks: some of them are compared.
            extra: of the manifest.

        Raises:
            ExportParityError: torch and onnxruntime differ on a look.
            ModelPackageError: the package cannot be written.
        """
        net = self.module.net.eval()
        compared = [self._inputs(looks, row) for row in self._spread(looks)]
        with one_thread():
            onnx_bytes = export_onnx(net, compared[0], [LOG_ODDS])
            worst = max(check_parity(net, onnx_bytes, inputs) for inputs in compared)
        inputs, outputs = tensors_of(self.spec)
        origin = {"updates": self.updates, "seed": self.seed, "parity_worst": worst}
        choices = json.dumps(asdict(self.config)).encode()
        manifest = Manifest(
            kind=KIND,
            inputs=inputs,
            outputs=outputs,
            training_config_hash=hashlib.sha256(choices).hexdigest(),
            extra={**origin, **extra},
        )
        return write_package(path, onnx_bytes, manifest)

    def _spread(self, looks: Looks) -> list[int]:
        """Rows of looks, evenly over all."""
        rows = np.linspace(0, len(looks.row) - 1, PARITY_LOOKS).astype(int)
        return [*map(int, np.unique(rows))]

    def _inputs(self, looks: Looks, row: int) -> dict[str, np.ndarray[Any, Any]]:
        """What the graph takes to answer one look."""
        image = int(looks.row[row])
        asked = [int(looks.asked[row])] * QUESTIONS
        eye = np.eye(len(self.spec.views), dtype=np.float32)
        return {
            IMAGE: looks.image[image][np.newaxis],
            VIEW: eye[[int(looks.view[image])]],
            INSTRUCTION: looks.vector[asked],
        }
