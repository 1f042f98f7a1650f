"""A single camera learns depth from stereo: long from a recording, or a little after each frame.

`MonoModule` is the loss around the network, for Lightning; `MonoLearner` is the object that a
program holds. It keeps a ring of the newest labelled frames and does small updates from it, so it
may run beside a flying robot, or it fits a whole recording at once. All chance comes from its
seed, and all arithmetic runs on one thread: equal seeds and equal frames give equal networks.
"""

import copy
import hashlib
import json
import logging
import warnings
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import pytorch_lightning as pl
import torch
from torch import Tensor
from torch.utils.data import DataLoader, IterableDataset

from perception.geometry import RectifiedView
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
from perception.mono_labels import LabelledFrame, rows_of, stacked
from perception.mono_life import KEY as NORMALISATION
from perception.mono_life import load_weights, normalisation_of
from perception.mono_losses import laplace_nll, log_ratio, photometric, smoothness
from perception.mono_net import MonoNet, NetConfig, upsampled
from perception.mono_optimiser import MonoOptimiser
from perception.onnx_export import check_parity
from perception.onnx_template import OnnxTemplate
from perception.torch_threads import one_thread

PARITY_FRAMES = 8  # recorded frames on which an export is compared
WHITE = 255.0
ANSWERS = ("target_per_m", "weight")

Progress = Callable[[int, dict[str, float]], None]
"""Told the updates done and the last metrics."""


@dataclass(frozen=True)
class LossWeights:
    """How much each term counts."""

    regression: float = 1.0  # |log ratio| to the teacher; 1 is an error by a factor of e
    doubt: float = 0.1  # likelihood of the teacher's answer; teaches the scale alone
    photometric: float = 0.1  # the right image must explain the left one
    smooth: float = 0.02  # fills what the teacher left open, without rounding off obstacles


@dataclass(frozen=True)
class Config:
    """Choices of the learner."""

    net: NetConfig = field(default_factory=NetConfig)
    loss: LossWeights = field(default_factory=LossWeights)
    learning_rate: float = 2e-3  # AdamW's in `fit`, falls to 0 along a cosine
    online_loss: LossWeights = field(  # of single updates: a third cheaper without the second image
        default_factory=lambda: LossWeights(photometric=0.0, smooth=0.0)
    )
    online_learning_rate: float = 5e-4  # of single updates, which have no end to fall towards
    online_memory: float = 0.995  # of the mean over the weights of single updates: the newest 200
    weight_decay: float = 1e-4
    max_gradient: float = 5.0  # norm; one odd batch does not throw the network over
    batch_size: int = 4  # frames; more updates teach faster than larger ones
    ring_frames: int = 2000  # newest frames kept for online updates, about 60 MB
    brightness: float = 15.0  # grey levels, random offset per frame
    contrast: float = 0.2  # random gain per frame, 1/(1 + c) to 1 + c


class MonoModule(pl.LightningModule):
    """The network with its loss and optimiser."""

    def __init__(self, spec: MonoSpec, view: RectifiedView, config: Config) -> None:
        """An untrained network.

        Args:
            spec: what the network takes.
            view: the fitted view of the left camera.
            config: the choices.
        """
        super().__init__()
        self.net = MonoNet(spec, config.net)
        for weight in self.net.parameters():
            if weight.ndim == 4:  # of a convolution; a third faster on a CPU in this order
                weight.data = weight.data.contiguous(memory_format=torch.channels_last)
        self._config = config
        self._focal_baseline_px_m = view.focal_px * view.baseline_m
        self.metrics: dict[str, float] = {}  # terms of the loss on the last batch
        self.updates = 1  # of the fit to come: the cosine's length; set by `MonoLearner.fit`

    def loss(
        self, batch: dict[str, Tensor], terms: LossWeights | None = None
    ) -> tuple[Tensor, dict[str, float]]:
        """The sum of all terms, and each of them by name.

        Args:
            batch: the fields of `LabelledFrame`, images as float in 0..255.
            terms: how much each counts; None: as in a fit.
        """
        terms = terms or self._config.loss
        target, weight = batch["target_per_m"], batch["weight"]
        inverse, scale = self.net(batch["image"])
        found = {"regression": log_ratio(inverse, target, weight)}
        found["doubt"] = laplace_nll(inverse.detach(), scale, target, weight)
        image, other = batch["image"] / WHITE, batch["other"] / WHITE
        if terms.photometric or terms.smooth:
            dense = upsampled(inverse)  # (B, H, W)
            disparity_px = dense * self._focal_baseline_px_m
            found["photometric"] = photometric(image, other, disparity_px, batch["side"])
            found["smooth"] = smoothness(dense, image)
        weights = asdict(terms)
        total = torch.stack([weights[name] * value for name, value in found.items()]).sum()
        return total, {name: float(value.detach()) for name, value in found.items()}

    def training_step(self, batch: dict[str, Tensor], batch_idx: int) -> Tensor:
        """Lightning's hook."""
        del batch_idx
        total, self.metrics = self.loss(batch)
        return total

    def configure_optimizers(self) -> Any:
        """Lightning's hook: the optimiser, whose rates fall to 0 over the updates of the fit."""
        optimiser = self.optimiser(self._config.learning_rate)
        cosine = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, self.updates)
        return {"optimizer": optimiser, "lr_scheduler": {"scheduler": cosine, "interval": "step"}}

    def optimiser(self, learning_rate: float) -> torch.optim.Optimizer:
        """Of the network, at a rate that is AdamW's: see `perception.mono_optimiser`."""
        return MonoOptimiser(self.net, learning_rate, self._config.weight_decay)


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
            tensors = _tensors(batch, self.config, self._rng)
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
        self.module.updates = updates
        self.frames_seen += len(frames.image)
        source = DataLoader(_Batches(frames, self.config, self._rng), batch_size=None)
        watcher = _Watcher(on_progress)
        with one_thread(), _quiet("pytorch_lightning"):
            self.module.train()
            _trainer(updates, self.config.max_gradient, watcher).fit(self.module, source)
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
    with one_thread(), _quiet("torch.onnx"), torch.random.fork_rng():
        torch.manual_seed(0)
        return OnnxTemplate(MonoNet(spec, config), {IMAGE: blank}, [INVERSE_DEPTH, SCALE])


def config_hash(config: Config) -> str:
    """SHA-256 (hex) over every choice."""
    return hashlib.sha256(json.dumps(asdict(config)).encode()).hexdigest()


class _Batches(IterableDataset[dict[str, Tensor]]):
    """Random batches without end."""

    def __init__(self, frames: LabelledFrame, config: Config, rng: np.random.Generator) -> None:
        self._frames, self._config, self._rng = frames, config, rng

    def __iter__(self) -> Iterator[dict[str, Tensor]]:
        while True:
            rows = self._rng.integers(len(self._frames.image), size=self._config.batch_size)
            yield _tensors(rows_of(self._frames, rows), self._config, self._rng)


class _Watcher(pl.Callback):
    """Tells how far the fit is."""

    def __init__(self, on_progress: Progress | None) -> None:
        self._tell = on_progress

    def on_train_batch_end(
        self, trainer: Any, pl_module: Any, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        del outputs, batch, batch_idx
        if self._tell is not None:
            self._tell(trainer.global_step, pl_module.metrics)


@contextmanager
def _quiet(logger: str) -> Iterator[None]:
    """Without a library's advice about workers, devices and its own internals."""
    log = logging.getLogger(logger)
    level = log.level
    log.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        log.setLevel(level)


def _trainer(updates: int, max_gradient: float, watcher: pl.Callback) -> pl.Trainer:
    """Lightning's loop, bare: no logger, no checkpoint, no words of its own."""
    return pl.Trainer(
        max_steps=updates,
        accelerator="cpu",
        devices=1,
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        gradient_clip_val=max_gradient,
        callbacks=[watcher],
    )


def _tensors(batch: LabelledFrame, config: Config, rng: np.random.Generator) -> dict[str, Tensor]:
    """What the loss takes; gain and offset are random per frame, the same for both eyes."""
    shape = (len(batch.image), 1, 1, 1)
    span = np.log1p(config.contrast)
    gain = np.exp(rng.uniform(-span, span, shape))
    offset = rng.uniform(-config.brightness, config.brightness, shape) + (1 - gain) * WHITE / 2
    image, other = (
        torch.from_numpy(np.clip(gain * eye + offset, 0, WHITE).astype(np.float32))
        for eye in (batch.image, batch.other)
    )
    rest = {name: torch.from_numpy(getattr(batch, name)) for name in ("side", *ANSWERS)}
    return {"image": image, "other": other, **rest}
