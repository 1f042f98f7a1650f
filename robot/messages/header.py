"""What every message is: a frozen msgspec struct with a header, and arrays of a stated kind.

Schema'd, quick to encode, and never pickled. Arrays travel beside the header as raw buffers (see
``robot.wire``), which is why an array field states its dtype and number of axes: the decoder checks
both before anything else sees the array.
"""

from typing import Annotated, NamedTuple

import msgspec
import numpy as np
from numpy.typing import NDArray


class ArraySpec(NamedTuple):
    """What an array field must hold, checked by the decoder."""

    dtype: str
    """NumPy dtype, little-endian."""
    ndim: int
    """Number of axes."""


GreyImage = Annotated[NDArray[np.uint8], ArraySpec("uint8", 2)]  # (H, W)
FloatMap = Annotated[NDArray[np.float32], ArraySpec("float32", 2)]  # (H, W)
ColourImage = Annotated[NDArray[np.uint8], ArraySpec("uint8", 3)]  # (H, W, 3) RGB
FloatVector = Annotated[NDArray[np.float32], ArraySpec("float32", 1)]  # (n,)


class Message(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The header that every message carries; a node fills ``captured_ns``, the bus the rest."""

    captured_ns: int
    """When the data was taken (a camera: read-out finished), in ns of the run's clock."""
    seq: int = -1
    """Counts the messages of one topic from 0; a gap is a loss."""
    sent_ns: int = -1
    """When the writer handed it to the bus, in ns of the run's clock."""
    source: str = ""
    """Name of the node that wrote it."""
    valid: bool = True
    """False when the writer itself does not trust the content."""
