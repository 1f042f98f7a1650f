"""A vision-language model as one who answers yes or no, of any family that transformers knows.

It is shown an image, asked in words, and its answer is read where it would write it: the log-odds
of the tokens of "yes" against those of "no" at the next place. Families spell it "Yes", " yes" and
so on, so all spellings count. Models come from a folder; the hub is asked only if told so, code of
a model is never run, and weights are read from safetensors alone.
"""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from huggingface_hub import constants, snapshot_download
from huggingface_hub.errors import HFValidationError, LocalEntryNotFoundError
from numpy.typing import NDArray
from peft import LoraConfig, inject_adapter_in_model
from peft.utils import get_peft_model_state_dict, set_peft_model_state_dict
from torch import Tensor, nn
from transformers import AutoModelForImageTextToText, AutoProcessor

from perception.quantities import InputError

FILES = ("*.json", "*.jinja", "*.model", "*.txt", "*.safetensors")  # of a hub's folder


class VlmError(InputError):
    """A model that is not there, or cannot be used as one who answers yes or no."""


@dataclass(frozen=True)
class VlmConfig:
    """Which model, how it is asked, and what of it learns."""

    model: str = ""  # a folder as transformers saves it, or a name on the hub
    hub: bool = False  # whether what is not on disk may be downloaded
    prompt: str = (
        "The image is from the {view} camera of a robot that was told: {instruction}. "
        "Is this done now? Answer yes or no."
    )
    yes: tuple[str, ...] = ("yes", "Yes", " yes", " Yes")  # spellings of the answer
    no: tuple[str, ...] = ("no", "No", " no", " No")
    dtype: str = "float32"  # of the frozen weights; bfloat16 halves the memory
    rank: int = 8  # of the low-rank updates (LoRA, Hu et al. 2021, arXiv 2106.09685)
    alpha: int = 16  # their scale times the rank
    dropout: float = 0.05  # before them, while it learns
    targets: tuple[str, ...] = ("q_proj", "k_proj", "v_proj", "o_proj")  # layers that get them

    def __post_init__(self) -> None:
        """Refuses what cannot be asked.

        Raises:
            VlmError: naming the option.
        """
        if not self.model:
            raise VlmError(
                "the maker vlm needs a model: give --set model=FOLDER, as transformers saves it"
            )
        if "{instruction}" not in self.prompt:
            raise VlmError(f"prompt = {self.prompt!r}: it must hold {{instruction}}")
        if self.dtype not in ("float32", "bfloat16", "float16"):
            raise VlmError(f"dtype = {self.dtype!r}: give float32, bfloat16 or float16")
        if self.rank < 1 or not self.targets:
            raise VlmError("give a rank of 1 or more and at least one of targets")


class Asked(NamedTuple):
    """One image with one question."""

    image: NDArray[np.uint8]  # (H, W, 3) RGB
    view: str  # name of the camera
    text: str  # the instruction


class Vlm(nn.Module):
    """A frozen model with low-rank updates that learn."""

    def __init__(self, config: VlmConfig) -> None:
        """Loads it; the updates begin at nothing and draw from torch's own generator.

        Raises:
            VlmError: it is not there, not of this kind, has no such layers, or its words for yes
                and no begin alike.
        """
        super().__init__()
        self.config = config
        self.folder = model_folder(config)
        self.processor: Any
        self.processor, model = _loaded(self.folder, config)
        self.processor.tokenizer.padding_side = "left"  # so that the answer's place is the last
        self._yes, self._no = self._spelled()
        updates = LoraConfig(
            r=config.rank,
            lora_alpha=config.alpha,
            lora_dropout=config.dropout,
            target_modules=[*config.targets],
        )
        try:
            self.model = inject_adapter_in_model(updates, model)
        except ValueError as error:
            names = ", ".join(
                sorted({n.split(".")[-1] for n, m in model.named_modules() if _linear(m)})
            )
            raise VlmError(
                f"{self.folder} has no layers called {', '.join(config.targets)}; it has {names}: "
                "give --set targets=[...]"
            ) from error

    def forward(self, asked: Sequence[Asked]) -> Tensor:
        """(B,) log-odds of yes."""
        said = self.model(**self._inputs(asked)).logits[:, -1].float()  # (B, vocabulary)
        return said[:, self._yes].logsumexp(-1) - said[:, self._no].logsumexp(-1)

    def updates(self) -> dict[str, Tensor]:
        """The weights that learn, by name."""
        state = get_peft_model_state_dict(self.model)
        return {name: weight.detach().clone().contiguous() for name, weight in state.items()}

    def take(self, updates: dict[str, Tensor]) -> None:
        """Puts weights that were learned in place.

        Raises:
            VlmError: they are of another model or rank.
        """
        own = self.updates()
        if {n: w.shape for n, w in own.items()} != {n: w.shape for n, w in updates.items()}:
            raise VlmError(f"the updates are not of the model in {self.folder}")
        set_peft_model_state_dict(self.model, updates)

    def prompt(self, asked: Asked) -> str:
        """What the model reads before it answers."""
        words = self.config.prompt.format(instruction=asked.text, view=asked.view)
        if getattr(self.processor, "chat_template", None):
            content = [{"type": "image"}, {"type": "text", "text": words}]
            messages = [{"role": "user", "content": content}]
            return self.processor.apply_chat_template(messages, add_generation_prompt=True)
        return f"{getattr(self.processor, 'image_token', '<image>')}{words}"

    def _inputs(self, asked: Sequence[Asked]) -> dict[str, Tensor]:
        device = next(self.model.parameters()).device
        inputs = self.processor(
            text=[self.prompt(one) for one in asked],
            images=[[one.image] for one in asked],
            padding=True,
            return_tensors="pt",
        )
        dtype = getattr(torch, self.config.dtype)
        return {
            name: value.to(device, dtype) if value.is_floating_point() else value.to(device)
            for name, value in inputs.items()
        }

    def _spelled(self) -> tuple[list[int], list[int]]:
        """Tokens that an answer may begin with: of yes, and of no."""
        tokenizer = self.processor.tokenizer
        found = [
            {token for word in words for token in _first(tokenizer, word)}
            - {tokenizer.unk_token_id}
            for words in (self.config.yes, self.config.no)
        ]
        yes, no = found[0] - found[1], found[1] - found[0]  # a lone space begins both
        if not yes or not no:
            raise VlmError(
                f"{self.folder} has no token that begins only yes, or none that begins only no; "
                "give --set yes=[...] and no=[...] as its tokenizer spells them"
            )
        return sorted(yes), sorted(no)


def model_folder(config: VlmConfig) -> Path:
    """Where the model is on disk.

    Raises:
        VlmError: it is not; the line names the folder that was looked in.
    """
    folder = Path(config.model)
    if folder.is_dir():
        return folder
    try:
        found = snapshot_download(
            config.model, allow_patterns=[*FILES], local_files_only=not config.hub
        )
    except (HFValidationError, LocalEntryNotFoundError) as error:
        raise VlmError(
            f"there is no model {config.model!r}: no such folder, and nothing in "
            f"{os.fspath(constants.HF_HUB_CACHE)}; give a folder, or allow a download with "
            "--set hub=true"
        ) from error
    except OSError as error:
        raise VlmError(f"{config.model!r} cannot be downloaded: {_line(error)}") from error
    return Path(found)


def _loaded(folder: Path, config: VlmConfig) -> tuple[Any, nn.Module]:
    """Processor and model; no code of theirs is run and nothing is unpickled."""
    if not [*folder.glob("*.safetensors")]:
        raise VlmError(
            f"{folder} holds no .safetensors; weights in other files are not read, as that may run "
            "code"
        )
    options = {"local_files_only": True, "trust_remote_code": False}
    try:
        processor = AutoProcessor.from_pretrained(folder, **options)
        model = AutoModelForImageTextToText.from_pretrained(
            folder, use_safetensors=True, dtype=config.dtype, **options
        )
    except (OSError, ValueError, KeyError, RuntimeError, ImportError) as error:
        raise VlmError(f"{folder} is no model that answers about images: {_line(error)}") from error
    if not hasattr(processor, "tokenizer"):
        raise VlmError(
            f"{folder} has no processor of images and text, only {type(processor).__name__}"
        )
    return processor, model


def _first(tokenizer: Any, word: str) -> list[int]:
    """The token that a word begins with; nothing where it has none."""
    return tokenizer.encode(word, add_special_tokens=False)[:1]


def _linear(module: nn.Module) -> bool:
    return isinstance(module, nn.Linear)


def _line(error: BaseException) -> str:
    return " ".join(str(error).split())[:200]
