"""A full vision-language model that learns to see success: low-rank updates of any such model.

It reads the sentence itself and knows the world from its own training, so it may see what a small
network does not; it is too large for most robots, which carry what it taught
(`train reward --teacher`). It learns on the graphics card if there is one.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from perception.quantities import FloatArray
from perception.reward import Images, Looks, LookSpec, Progress, Question, require_both_kinds
from perception.reward_disturb import Disturbance, disturbed
from perception.reward_module import balanced
from perception.vlm_model import Asked, Vlm, VlmConfig
from perception.vlm_package import VlmPackage, answers, write_vlm


@dataclass(frozen=True)
class Config(VlmConfig, Disturbance):
    """Choices of the maker, and how far the images it learns from are disturbed."""

    batch_size: int = 8  # looks, half of them successes
    learning_rate: float = 2e-4  # AdamW's, of the updates; falls to 0 along a cosine
    weight_decay: float = 0.0
    smoothing: float = 0.02  # labels are this far from 0 and 1: a few of them are wrong
    max_gradient: float = 1.0  # norm

    def __post_init__(self) -> None:
        """Refuses what its parts refuse."""
        VlmConfig.__post_init__(self)
        Disturbance.__post_init__(self)


class VlmMaker:
    """Owns the model and its updates."""

    Config = Config
    ending = ""  # it writes a folder

    def __init__(self, spec: LookSpec, config: Config, seed: int) -> None:
        """Loads the model.

        Args:
            spec: what the images are.
            config: the choices.
            seed: of the updates, their dropout, and batches.

        Raises:
            VlmError: the model is not there, or cannot be asked.
        """
        self.spec, self.config, self.seed = spec, config, seed
        self._rng = np.random.default_rng(seed)
        with torch.random.fork_rng():
            torch.manual_seed(seed)
            self.vlm = Vlm(config)
        self.vlm.to("cuda" if torch.cuda.is_available() else "cpu")
        self.updates = 0

    def fit(self, looks: Looks, updates: int, on_progress: Progress | None = None) -> None:
        """Learns from labelled looks.

        Raises:
            RewardInputError: all of them are successes, or none is.
        """
        require_both_kinds(looks)
        config, weights = self.config, [w for w in self.vlm.parameters() if w.requires_grad]
        optimiser = torch.optim.AdamW(
            weights, config.learning_rate, weight_decay=config.weight_decay
        )
        cosine = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, updates)
        self.vlm.train()
        with torch.random.fork_rng():
            torch.manual_seed(self.seed + self.updates)
            for done in range(1, updates + 1):
                loss = self._loss(looks, balanced(looks, config.batch_size, self._rng))
                optimiser.zero_grad()
                loss.backward()
                nn.utils.clip_grad_norm_(weights, config.max_gradient)
                optimiser.step()
                cosine.step()
                if on_progress is not None:
                    on_progress(done, {"loss": float(loss.detach())})
        self.updates += updates

    def log_odds(self, images: Images, view: str, questions: tuple[Question, ...]) -> FloatArray:
        """(N, q) as `perception.reward.Answerer`."""
        return answers(self.vlm, self.spec, images, view, questions)

    def export(self, path: Path, looks: Looks, extra: Mapping[str, Any]) -> VlmPackage:
        """Writes the updates as a folder; the model stays where it is.

        Raises:
            VlmError: the folder cannot be written.
        """
        del looks
        origin = {"updates": self.updates, "seed": self.seed}
        return write_vlm(path, self.vlm, {**origin, **extra})

    def _loss(self, looks: Looks, chosen: NDArray[np.intp]) -> Tensor:
        """Cross-entropy of the answer among yes and no."""
        rows = [(int(looks.row[one]), int(looks.asked[one])) for one in chosen]
        seen = disturbed(looks.image[[row for row, _ in rows]], self.config, self._rng)
        asked = [
            Asked(image, self.spec.views[looks.view[row]], looks.text[question])
            for image, (row, question) in zip(seen, rows, strict=True)
        ]
        said = self.vlm(asked)
        margin = self.config.smoothing
        target = torch.from_numpy(looks.success[chosen]).to(said) * (1 - 2 * margin) + margin
        return nn.functional.binary_cross_entropy_with_logits(said, target)
