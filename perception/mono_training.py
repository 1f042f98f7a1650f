"""A single camera learns depth from stereo: long from a recording, or a little after each frame.

`MonoLearner` is the object that a program holds. It keeps a ring of the newest labelled frames and
does small updates from it, so it may run beside a flying robot, or it fits a whole recording at
once. All chance comes from its seed, and all arithmetic runs on one thread: equal seeds and equal
frames give equal networks.
"""

import copy
import hashlib
import json
from collections import deque
from dataclasses import asdict
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import torch

from perception.geometry import RectifiedView
from perception.lightning_fit import Progress
from perception.model_package import Manifest, ModelPackage, write_package
from perception.mono import (
    HASH_DIGITS,
    IMAGE,
    INVERSE_DEPTH,
    KIND,
    SCALE,
    MonoDepth,
    MonoModelError,
    MonoSpec,
    spec_of,
)
from perception.mono_fit import fit_module
from perception.mono_labels import LabelledFrame, stacked
from perception.mono_life import KEY as NORMALISATION
from perception.mono_life import load_weights, normalisation_of
from perception.mono_module import Config, MonoModule, tensors_of
from perception.mono_net import MonoNet, NetConfig
from perception.onnx_export import check_parity
from perception.onnx_template import OnnxTemplate
from perception.torch_threads import one_thread

PARITY_FRAMES = 8  # recorded frames on which an export is compared


class MonoLearner:
    """Owns network, optimiser and the ring of recent frames."""

    Config = Config

    def __init__(self, spec: MonoSpec, view: RectifiedView, config: Config, seed: int) -> None:
        """An untrained learner.

        Args:
            spec: what the network takes; grey, as stereo pairs are.
            view: the fitted view, as `perception.mono_labels.Labeller.view` gives it.
            config: the choices.
            seed: of weights, batches and disturbances.
        """
        self.spec, self.view, self.config, self.seed = spec, view, config, seed
        self.updates = 0
        self.frames_seen = 0
        self.ring: deque[LabelledFrame] = deque(maxlen=config.ring_frames)
        self._drawn: deque[int] = deque(maxlen=config.ring_frames)  # times, of each in the ring
        self._rng = np.random.default_rng(seed)
        with torch.random.fork_rng():
            torch.manual_seed(seed)
            self.module = MonoModule(spec, view, config)
        self._optimiser = self.module.optimiser(config.online_learning_rate)
        self._mean_net: MonoNet | None = None  # of single updates, which have no end to settle at

    def resume(self, package: ModelPackage, calibration_hash: str) -> None:
        """Goes on from the weights of a package; its updates and frames count on.

        Args:
            package: that a learner of the same spec and size wrote.
            calibration_hash: of the rig that it learns behind.

        Raises:
            MonoModelError: it is of another kind, size or calibration, or tells too little.
        """
        manifest = package.manifest
        if spec_of(package) != self.spec:
            raise MonoModelError(
                f"{package.path} is for {spec_of(package)}; this learner for {self.spec}"
            )
        if manifest.calibration_hash != calibration_hash:
            known = (manifest.calibration_hash or "none")[:HASH_DIGITS]
            raise MonoModelError(
                f"{package.path} was trained behind calibration {known}, this rig is "
                f"{calibration_hash[:HASH_DIGITS]}; begin without it"
            )
        extra = manifest.extra
        load_weights(self.module.net, package.path.read_bytes(), extra.get(NORMALISATION))
        self.module.net.doubt.data.fill_(1.0)
        self.updates, self.frames_seen = (
            max(0, int(extra.get(name, 0))) for name in ("updates", "frames")
        )
        self._mean_net = copy.deepcopy(self.module.net)

    def observe(self, frame: LabelledFrame) -> None:
        """Takes one frame into the ring; the oldest leaves when it is full."""
        self.ring.append(frame)
        self._drawn.append(0)
        self.frames_seen += 1

    def sample(self) -> LabelledFrame:
        """A random batch from the ring; what was drawn less is drawn sooner.

        In a life that goes on, equal chances would draw the first frames hundreds of times and the
        newest, which show what it meets now, hardly at all. The chance of a frame is as
        1 / (1 + times drawn), so that all are drawn about as often.

        Raises:
            TooFewFramesError: if the ring holds fewer than two frames.
        """
        chances = 1 / (1 + np.array(self._drawn))  # (n,)
        count = min(self.config.batch_size, len(chances))
        chances /= chances.sum()
        rows = self._rng.choice(len(chances), count, replace=False, p=chances) if count else []
        for row in rows:
            self._drawn[row] += 1
        return stacked([self.ring[row] for row in rows])

    def update(self, batch: LabelledFrame) -> dict[str, float]:
        """One online step on a batch; the value of each term of the loss before it."""
        with one_thread():
            self.module.train()
            tensors = tensors_of(batch, self.config, self._rng)
            total, metrics = self.module.loss(tensors, self.config.online_loss)
            self._optimiser.zero_grad()
            total.backward()
            torch.nn.utils.clip_grad_norm_(self.module.parameters(), self.config.max_gradient)
            self._optimiser.step()
        self.updates += 1
        self._take_into_mean()
        return metrics

    @property
    def net(self) -> MonoNet:
        """What it would fly on: the mean over the newest weights, or those that a fit ended with.

        Weights that are learned in small batches at a constant rate jitter about what they know;
        their mean does not (Polyak and Juditsky 1992, doi 10.1137/0330046).
        """
        return self.module.net if self._mean_net is None else self._mean_net

    def _take_into_mean(self) -> None:
        if self._mean_net is None:
            self._mean_net = copy.deepcopy(self.module.net)
        memory = min(self.config.online_memory, (1 + self.updates) / (10 + self.updates))
        with torch.no_grad():
            means, newest = (
                [value for value in net.state_dict().values() if value.is_floating_point()]
                for net in (self._mean_net, self.module.net)
            )
            # as torch.optim does it: one call for all weights; there is no public one
            torch._foreach_lerp_(means, newest, 1 - memory)  # pyright: ignore[reportPrivateImportUsage]

    def fit(
        self, frames: LabelledFrame, updates: int, on_progress: Progress | None = None
    ) -> dict[str, float]:
        """Learns a whole recording, by Lightning.

        Args:
            frames: N of them.
            updates: batches to learn from.
            on_progress: called after each.

        Returns:
            The terms of the loss on the last batch.
        """
        self.frames_seen += len(frames.image)
        fit_module(self.module, frames, updates, self._rng, on_progress)
        self.updates += updates
        self._mean_net = None
        return self.module.metrics

    def infer(self, images: np.ndarray[Any, np.dtype[np.uint8]]) -> MonoDepth:
        """What is learned so far says of N frames (N, 1, H, W) uint8; arrays (N, H/4, W/4)."""
        with one_thread(), torch.no_grad():
            writable = torch.tensor(images)  # a copy: an image from the bus is not
            inverse, scale = self.net.eval()(writable)
        return MonoDepth(inverse.numpy(), scale.numpy())

    def export(
        self, path: Path, recorded: LabelledFrame, *, doubt: float = 1.0, **manifest: Any
    ) -> ModelPackage:
        """Writes the network as a model package, if it sees there what it sees here.

        Args:
            path: of the package, ends in .onnx.
            recorded: N frames; the first eight are compared.
            doubt: factor on the scale that it has learned, as frames that were new to it tell
                (`perception/operating_point.py`).
            manifest: further fields, such as `calibration_hash` and `parent`.

        Raises:
            ExportParityError: if torch and onnxruntime differ on a recorded frame.
            ModelPackageError: if the package cannot be written.
        """
        origin = {**self.origin(), NORMALISATION: normalisation_of(self.net)}
        extra = {**origin, **manifest.pop("extra", {})}
        filled = Manifest(
            kind=KIND,
            inputs=self.spec.inputs(),
            outputs=self.spec.outputs(),
            training_config_hash=config_hash(self.config),
            extra=extra,
            **manifest,
        )
        return write_package(path, self.onnx(recorded, doubt), filled)

    def onnx(self, recorded: LabelledFrame, doubt: float = 1.0) -> bytes:
        """The network as an ONNX graph that was compared with torch on recorded frames.

        Raises:
            ExportParityError: if they differ.
        """
        template = template_of(self.spec, self.config.net)
        with one_thread():
            net = copy.deepcopy(self.net).eval()  # learning goes on without the factor
            net.doubt.data.fill_(doubt)
            onnx_bytes = template.filled(net)
            for image in recorded.image[:PARITY_FRAMES]:
                check_parity(net, onnx_bytes, {IMAGE: image[np.newaxis]})
        return onnx_bytes

    def prepare_export(self) -> None:
        """Does once what takes seconds, so that exports between updates are quick."""
        template_of(self.spec, self.config.net)

    def origin(self) -> dict[str, Any]:
        """Where the weights come from, for the manifest."""
        return {
            "frames": self.frames_seen,
            "updates": self.updates,
            "seed": self.seed,
            "view": self.view._asdict(),
        }


@lru_cache(maxsize=8)
def template_of(spec: MonoSpec, config: NetConfig) -> OnnxTemplate:
    """The graph of all networks of this spec and size."""
    blank = np.zeros((1, spec.channels, spec.height, spec.width), np.uint8)
    with one_thread(), torch.random.fork_rng():
        torch.manual_seed(0)
        return OnnxTemplate(MonoNet(spec, config), {IMAGE: blank}, [INVERSE_DEPTH, SCALE])


def config_hash(config: Config) -> str:
    """SHA-256 (hex) over every choice."""
    return hashlib.sha256(json.dumps(asdict(config)).encode()).hexdigest()
