"""Compiling the few loops of the bridge that NumPy is too slow for at 50 Hz on a small computer.

The compiled code is kept on disk, or each process of a robot would compile at start. Where nothing
may be written (a read-only root file system), numba refuses to cache; then it compiles each time.
`perception.kernels` says the same of its own: neither library may import the other.
"""

from collections.abc import Callable
from typing import Any, TypeVar, cast

import numba

F = TypeVar("F", bound=Callable[..., Any])


def kernel(function: F) -> F:
    """`numba.njit`, cached on disk where a folder is writable; NUMBA_CACHE_DIR names another."""
    try:
        return cast("F", numba.njit(cache=True)(function))
    except RuntimeError:  # "no locator available": neither the package nor the home is writable
        return cast("F", numba.njit(function))
