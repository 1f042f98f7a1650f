"""The process at one end of a transport, for ``benchmarks.messaging``.

    python -m benchmarks.messaging_ends send|receive TRANSPORT FOLDER

It connects to the benchmark's control socket in FOLDER and obeys, line by line. A frame carries
its number and the time at which it was handed over in its first 16 bytes; its age is taken once
the receiver has a NumPy view and has touched every page of it.
"""

import json
import os
import signal
import socket
import sys
import threading
import time
from contextlib import suppress
from pathlib import Path
from typing import IO, Any

import numpy as np

from benchmarks.messaging_hosts import BETWEEN_HOSTS
from benchmarks.messaging_transports import TRANSPORTS, Receiver, Sender

PAGE = 4096  # bytes
STAMP = 16  # bytes at the start of a frame: its number, the time in ns


def main() -> None:
    role, transport, folder = sys.argv[1], sys.argv[2], Path(sys.argv[3])
    control = socket.socket(socket.AF_UNIX)
    control.connect(str(folder / "control"))
    stream = control.makefile("rw")
    row = (TRANSPORTS | BETWEEN_HOSTS)[transport]
    if role == "send":
        sender = row.sender(folder)
        tell(stream, {"role": role, "transport": transport, "pid": os.getpid()})
        obey(sender, stream)
    else:
        receiver = row.receiver(folder)
        ages_us: list[tuple[int, float]] = []
        threading.Thread(target=hand_over, args=(stream, ages_us), daemon=True).start()
        tell(stream, {"role": role, "transport": transport, "pid": os.getpid()})
        with suppress(KeyboardInterrupt):
            collect(receiver, ages_us)


def tell(stream: IO[str], answer: Any) -> None:
    stream.write(json.dumps(answer) + "\n")
    stream.flush()


def obey(sender: Sender, stream: IO[str]) -> None:
    """Sends a burst for each order: ``count`` frames of ``size`` bytes at ``rate_hz``."""
    for line in stream:
        order = json.loads(line)
        period_ns = round(1e9 / order["rate_hz"])
        next_ns = time.monotonic_ns()
        for number in range(order["first"], order["first"] + order["count"]):
            send_one(sender, order["size"], number)
            next_ns += period_ns
            time.sleep(max(0, next_ns - time.monotonic_ns()) / 1e9)
        tell(stream, "sent")


def send_one(sender: Sender, size: int, number: int) -> None:
    """Makes a frame, stamps it, sends it; making it is the camera's work and not counted."""
    frame = sender.frame(size)
    frame[:] = number % 251
    stamp = frame[:STAMP].view(np.int64)
    stamp[0] = number
    stamp[1] = time.monotonic_ns()
    sender.send(frame)


def collect(receiver: Receiver, ages_us: list[tuple[int, float]]) -> None:
    """Notes number and age of every frame."""
    while True:
        pixels = receiver.receive()
        touched = int(pixels[::PAGE].sum())
        number, sent_ns = pixels[:STAMP].view(np.int64)
        age_us = (time.monotonic_ns() - int(sent_ns)) / 1e3
        ages_us.append((int(number), age_us))
        del pixels, touched


def hand_over(stream: IO[str], ages_us: list[tuple[int, float]]) -> None:
    """Answers each line with what was noted since the last; ends with the benchmark.

    By an interrupt, so that a library that leaves files behind gets its chance to clean up.
    """
    for _ in stream:
        count = len(ages_us)
        tell(stream, ages_us[:count])
        del ages_us[:count]
    os.kill(os.getpid(), signal.SIGINT)


if __name__ == "__main__":
    main()
