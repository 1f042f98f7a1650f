"""A measured figure with the bounds that it is known within, for everyone who measures."""

import math
from typing import NamedTuple


class Interval(NamedTuple):
    """A figure with its bounds; NaN where there is nothing to count."""

    value: float
    low: float
    high: float


NOTHING = Interval(math.nan, math.nan, math.nan)
