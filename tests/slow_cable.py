"""A cable between two network namespaces that delays and loses frames, in user space.

    python slow_cable.py NAMESPACE NAMESPACE DEVICE DELAY_MS JITTER_MS LOSS SEED

Linux can do this with ``tc netem``, where the kernel was built with it; TAP devices are everywhere.
Each end is a TAP device in its namespace; this process carries the frames between them until its
standard input ends, and says "ready" once both are there.
"""

import ctypes
import fcntl
import heapq
import os
import random
import select
import struct
import sys
import time
from pathlib import Path

TUNSETIFF, IFF_TAP, IFF_NO_PI, CLONE_NEWNET = 0x400454CA, 0x0002, 0x1000, 0x40000000
MAX_FRAME = 65_536  # bytes
MAX_WAITING = 2000  # frames on the way, as a long cable's queue; more are lost


def tap(namespace: str, device: str) -> int:
    """The open end of a new TAP device; this process stays in its namespace."""
    libc = ctypes.CDLL(None, use_errno=True)
    with Path("/var/run/netns", namespace).open() as there:
        if libc.setns(there.fileno(), CLONE_NEWNET) != 0:
            raise OSError(ctypes.get_errno(), f"cannot enter {namespace}")
    end = os.open("/dev/net/tun", os.O_RDWR | os.O_NONBLOCK)
    fcntl.ioctl(end, TUNSETIFF, struct.pack("16sH22x", device.encode(), IFF_TAP | IFF_NO_PI))
    return end


def carry(ends: tuple[int, int], delay_s: float, jitter_s: float, loss: float, seed: int) -> None:
    """Until standard input ends; frames keep their order, as on one path."""
    rng, count, waiting, last_s = random.Random(seed), 0, [], dict.fromkeys(ends, 0.0)
    other = dict(zip(ends, reversed(ends), strict=True))
    while True:
        wait_s = max(0.0, waiting[0][0] - time.monotonic()) if waiting else None
        ready = select.select([*ends, sys.stdin], [], [], wait_s)[0]
        if sys.stdin in ready:
            return
        for end in ready:
            frame = os.read(end, MAX_FRAME)
            if rng.random() >= loss and len(waiting) < MAX_WAITING:
                due_s = time.monotonic() + delay_s + rng.uniform(-jitter_s, jitter_s)
                due_s = last_s[end] = max(due_s, last_s[end])
                count += 1
                heapq.heappush(waiting, (due_s, count, other[end], frame))
        while waiting and waiting[0][0] <= time.monotonic():
            _, _, end, frame = heapq.heappop(waiting)
            os.write(end, frame)


if __name__ == "__main__":
    first, second, name = sys.argv[1:4]
    delay_ms, jitter_ms, share, number = map(float, sys.argv[4:])
    both = tap(first, name), tap(second, name)
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    carry(both, delay_ms / 1e3, jitter_ms / 1e3, share, int(number))
