"""Decoding packets: our frames with numba and in plain Python, beside MAVLink 2 by pymavlink.

    python -m benchmarks.decoder_speed [--out docs/results/decoder_speed.json]

The packet is a command for eight axes: a time and eight floats, on the wire 47 bytes of ours and 55
of SET_ACTUATOR_CONTROL_TARGET. Each decoder gets the same number of packets in the same reads, of
one packet or of 4096 bytes (the plain reference: always of one packet), in turns within a round, so
that a slow moment of the machine hits all. Times are the processor's, not the wall's; the ratio is
that of the times within a round. "messages" is from bytes to named values, which is what pymavlink
gives; "frames" leaves payloads packed.
"""

import argparse
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pymavlink.dialects.v20.common as mavlink

from benchmarks.results import write_result
from firmware_bridge import framing_reference
from firmware_bridge.framing import Decoder, Encoder
from firmware_bridge.protocol import BY_NAME, pack, unpack

PACKETS = 4000  # per decoder and round
ROUNDS = 40
READ_BYTES = 4096
AXES = 8

Feed = Callable[[bytes], int]  # packets that came out


def main() -> None:
    parser = argparse.ArgumentParser(description=str(__doc__).splitlines()[0])
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    parser.add_argument("--out", type=Path, help="write the numbers as JSON here")
    options = parser.parse_args()
    numbers: dict[str, object] = {"rounds": options.rounds, "packets_per_round": PACKETS, "seed": 0}
    for reads in ("packet", f"{READ_BYTES} bytes"):
        seconds = measure(reads, options.rounds)
        per_s = {name: spread(PACKETS / taken) for name, taken in seconds.items()}
        ratios = {name: spread(seconds["pymavlink"] / taken) for name, taken in seconds.items()}
        print(f"\na read is a {reads}: packets/s, p05 .. p95, times as many as pymavlink")
        for name in seconds:
            rate, ratio = per_s[name], ratios[name]["median"]
            print(f"{name:20} {rate['median']:10,.0f} {rate['p05']:10,.0f} .. ", end="")
            print(f"{rate['p95']:9,.0f} {ratio:6.2f}")
        numbers[f"read of a {reads}"] = {"packets_per_s": per_s, "ratio_to_pymavlink": ratios}
    if options.out:
        write_result(options.out, numbers)


def measure(reads: str, rounds: int) -> dict[str, np.ndarray]:
    """Processor seconds for PACKETS packets, (rounds,) for each decoder."""
    ours, theirs = streams(np.random.default_rng(0))
    pieces = dict.fromkeys(("messages", "frames"), in_reads(ours, reads))
    pieces |= {"plain reference": ours, "pymavlink": in_reads(theirs, reads)}
    seconds: dict[str, list[float]] = {name: [] for name in pieces}
    for number in range(rounds + 1):
        for name, feed in decoders().items():
            taken = time_of(feed, pieces[name])
            if number:  # the first round compiles
                seconds[name].append(taken)
    return {name: np.array(taken) for name, taken in seconds.items()}


def streams(rng: np.random.Generator) -> tuple[list[bytes], list[bytes]]:
    """The same commands as frames of ours and of MAVLink 2."""
    encoder, sender = Encoder(), mavlink.MAVLink(None, srcSystem=1, srcComponent=1)
    command = BY_NAME["command"].id
    ours, theirs = [], []
    for stamped_us in range(1_000_000, 1_000_000 + PACKETS):
        values = rng.uniform(-1, 1, AXES).tolist()
        ours.append(encoder.encode(command, pack("command", stamped_us=stamped_us, values=values)))
        message = mavlink.MAVLink_set_actuator_control_target_message(stamped_us, 0, 1, 1, values)
        theirs.append(message.pack(sender))
        sender.seq = (sender.seq + 1) % 256
    return ours, theirs


def decoders() -> dict[str, Feed]:
    """A fresh decoder of each kind."""
    messages, frames, parser = Decoder(), Decoder(), mavlink.MAVLink(None)

    def to_messages(data: bytes) -> int:
        return len([unpack(frame.type, frame.payload) for frame in messages.feed(data)])

    return {
        "messages": to_messages,
        "frames": lambda data: len(frames.feed(data)),
        "plain reference": lambda data: len(framing_reference.decode(data)[0]),
        "pymavlink": lambda data: len(parser.parse_buffer(data) or ()),
    }


def in_reads(packets: list[bytes], reads: str) -> list[bytes]:
    """The stream as a port hands it over."""
    if reads == "packet":
        return packets
    stream = b"".join(packets)
    return [stream[at : at + READ_BYTES] for at in range(0, len(stream), READ_BYTES)]


def time_of(feed: Feed, pieces: list[bytes]) -> float:
    """Processor seconds; every packet must come out."""
    start = time.process_time()
    came_out = sum(map(feed, pieces))
    taken = time.process_time() - start
    assert came_out == PACKETS, came_out
    return taken


def spread(values: np.ndarray) -> dict[str, float]:
    quantiles = np.quantile(values, [0.5, 0.05, 0.95])
    return {
        name: round(float(q), 2)
        for name, q in zip(("median", "p05", "p95"), quantiles, strict=True)
    }


if __name__ == "__main__":
    main()
