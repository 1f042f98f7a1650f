"""What a goal's text stands for in an observation: a vector, made by an encoder chosen by name.

Data sets and packages carry the vectors by their texts. So an encoder is needed where data are
made, never on a robot. `words` knows no meaning; it is for tests and machines without the encoder,
and is never chosen by itself. `ids` knows no words either: it is what one-hot task ids are, and is
for studies of what language is worth.
"""

import hashlib
import re
from collections.abc import Iterable
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from perception.tables import load_item

ENCODERS = {
    "ids": "policies.instructions:SentenceIds",
    "minilm": "policies.sentence_encoder:SentenceEncoder",
    "words": "policies.instructions:HashedWords",
}
HASHED_SIZE = 16


class Encoder(Protocol):
    """Turns a text into a vector."""

    size: int  # numbers in a vector

    def encode(self, text: str) -> NDArray[np.float32]:
        """The vector (size,), of length 1; equal texts give equal vectors."""
        ...


class HashedWords:
    """The sum of a direction per word, drawn from a hash of the word: equal on every machine."""

    size = HASHED_SIZE

    def encode(self, text: str) -> NDArray[np.float32]:
        """The vector (16,), of length 1."""
        known = re.findall(r"\w+", text.lower()) or [""]
        total = np.sum([_direction(word) for word in known], axis=0)
        return (total / np.linalg.norm(total)).astype(np.float32)


class SentenceIds:
    """A direction per sentence, drawn from its hash: sentences are told apart and nothing else.

    A one-hot vector up to a rotation, and without a list of all sentences.
    """

    size = HASHED_SIZE

    def encode(self, text: str) -> NDArray[np.float32]:
        """The vector (16,), of length 1."""
        direction = _direction(text)
        return (direction / np.linalg.norm(direction)).astype(np.float32)


def encode_instructions(encoder: str, texts: Iterable[str]) -> dict[str, list[float]]:
    """Vectors by text, as a data set keeps them.

    Args:
        encoder: a row of ENCODERS.
        texts: of the goals; the same twice is encoded once.

    Raises:
        ChoiceError: no such encoder.
        EncoderError: it is not installed, or is damaged.
    """
    chosen: Encoder = load_item(ENCODERS, "encoder", encoder)()
    return {text: [*map(float, chosen.encode(text))] for text in dict.fromkeys(texts)}


def _direction(text: str) -> NDArray[np.float64]:
    seed = int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "little")
    return np.random.default_rng(seed).standard_normal(HASHED_SIZE)
