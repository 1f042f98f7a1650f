"""How much CPU and memory this process uses, from what the kernel keeps about it.

Two reads of the standard library and ``/proc``: a robot needs no further package for it.
"""

import os
import time
from pathlib import Path
from typing import NamedTuple

_STATM = Path("/proc/self/statm")
_PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")


class Load(NamedTuple):
    """One measurement."""

    cpu_share: float
    """CPU time, of all threads, per second of real time since the last measurement; 1 = a core."""
    memory_mb: float
    """Resident memory, 10^6 bytes, shared pages included."""


class ProcessLoad:
    """Measures this process, always by real time, also where the run's clock is virtual."""

    def __init__(self) -> None:
        self._wall_ns = time.monotonic_ns()
        self._cpu_ns = time.process_time_ns()

    def measure(self) -> Load:
        """The load since the last measurement."""
        wall_ns, cpu_ns = time.monotonic_ns(), time.process_time_ns()
        share = (cpu_ns - self._cpu_ns) / max(wall_ns - self._wall_ns, 1)
        self._wall_ns, self._cpu_ns = wall_ns, cpu_ns
        return Load(share, resident_bytes() / 1e6)


def resident_bytes() -> int:
    """Memory of this process that is in RAM now."""
    return int(_STATM.read_text().split()[1]) * _PAGE_BYTES
