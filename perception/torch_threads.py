"""How many threads torch works on."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch


@contextmanager
def one_thread() -> Iterator[None]:
    """Lets torch work on one thread.

    In small networks more threads wait for each other, and the robot's other cores are not the
    learner's. On one thread equal seeds also give equal sums.
    """
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)
