"""Named tensors on the bus: what an environment observes, as one message, and back.

Tasks differ in how many things there are to observe, so a message type for each would say little
and be many. One float32 vector holds all, so that a robot's observation is one small buffer.
"""

import math
from collections.abc import Mapping
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from perception.quantities import InputError
from robot.messages import Observed

MOST_TENSORS = 64


class ObservedError(InputError):
    """A message that does not hold the tensors that it names."""


def observed_of(tensors: Mapping[str, NDArray[np.float32]], captured_ns: int) -> Observed:
    """A message of float32 tensors of any shape."""
    flat = [np.asarray(value, np.float32).ravel() for value in tensors.values()]
    return Observed(
        captured_ns=captured_ns,
        names=tuple(tensors),
        shapes=tuple(value.shape for value in tensors.values()),
        values=np.concatenate(flat) if flat else np.empty(0, np.float32),
    )


def tensors_in(message: Observed) -> dict[str, NDArray[np.float32]]:
    """The tensors of a message, by name; views on its vector.

    Raises:
        ObservedError: shapes and vector do not fit to each other.
    """
    sizes = [math.prod(shape) for shape in message.shapes]
    fits = len(message.names) == len(sizes) <= MOST_TENSORS
    if any(size < 0 for shape in message.shapes for size in shape):
        fits = False
    if not fits or sum(sizes) != len(message.values):
        raise ObservedError(
            f"{message.source}: {len(message.values)} values are not the tensors "
            f"{dict(zip(message.names, message.shapes, strict=False))}"
        )
    ends = np.cumsum([0, *sizes]).tolist()
    parts = (message.values[first:last] for first, last in pairwise(ends))
    named = zip(message.names, parts, message.shapes, strict=True)
    return {name: part.reshape(shape) for name, part, shape in named}


def tensor_of(message: Observed, name: str) -> NDArray[np.float32]:
    """One tensor of a message.

    Raises:
        ObservedError: it is not in it; the line lists those that are.
    """
    tensors = tensors_in(message)
    if name not in tensors:
        raise ObservedError(f"{name!r} is not observed; there are: {', '.join(tensors)}")
    return tensors[name]
