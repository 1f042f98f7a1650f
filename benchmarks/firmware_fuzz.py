"""Damaged lives of a controller, against the firmware with the compiler's sanitisers.

    python -m benchmarks.firmware_fuzz --out docs/results/firmware_fuzz.json

Each life is one of `tests/controller_walks.py`, lived by the twin in Python: handshake, arming,
motion, faults. Then its bytes are damaged many times over (bits flipped, bytes dropped, added and
said twice, pieces swapped with those of other moments) and given to a build of the firmware with
gcc's address and undefined-behaviour sanitisers, which end it at the first fault. What it says must
be what the ordinary build says, byte for byte. Counts are equal on every machine for equal seeds.
"""

import argparse
import importlib
import struct
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from firmware_bridge.emulators import host_build
from firmware_bridge.emulators.native import SOURCES, NativeBoard
from firmware_bridge.protocol import Link

TOP = Path(__file__).resolve().parent.parent
DRIVER = Path(__file__).with_suffix(".c")
SANITISE = ("-fsanitize=address,undefined", "-fno-sanitize-recover=all", "-g", "-O1")
STEP = 2
STEPS = 1_000

Record = tuple[int, int, bytes]  # 0 host, 1 plant or STEP; time in microseconds; bytes


def main() -> None:
    parser = argparse.ArgumentParser(description=str(__doc__).splitlines()[0])
    parser.add_argument("--lives", type=int, default=20)
    parser.add_argument("--damages", type=int, default=50, help="of each life")
    parser.add_argument("--out", type=Path, help="write the numbers as JSON here")
    options = parser.parse_args()
    counts = {"lives": 0, "records": 0, "bytes_in": 0, "bytes_out": 0}
    with tempfile.TemporaryDirectory() as folder:
        program = build(Path(folder))
        for seed in range(options.lives):
            life = lived(seed, STEPS)
            for damage in range(options.damages):
                records = damaged(life, np.random.default_rng((seed, damage)))
                said = sanitised(program, records)
                if said != plain(records):
                    sys.exit(f"life {seed}, damage {damage}: two builds say different things")
                counts["lives"] += 1
                counts["records"] += len(records)
                counts["bytes_in"] += sum(len(data) for _, _, data in records)
                counts["bytes_out"] += len(said)
            print(seed, counts, flush=True)
    if options.out:
        from benchmarks.results import write_result

        write_result(options.out, {**counts, "faults": 0})


def build(folder: Path) -> Path:
    """The sanitised program.

    Raises:
        subprocess.CalledProcessError: the compiler has no sanitisers here.
    """
    program = folder / "firmware_fuzz"
    flags = [*host_build.LANGUAGE, *host_build.WARNINGS, *SANITISE, "-I", str(host_build.FIRMWARE)]
    command = ["gcc", *flags, *map(str, SOURCES), str(DRIVER), "-o", str(program)]
    subprocess.run(command, check=True, capture_output=True)
    return program


def lived(seed: int, steps: int) -> list[Record]:
    """A life in records."""
    sys.path.insert(0, str(TOP / "tests"))
    Walk = importlib.import_module("controller_walks").Walk

    records: list[Record] = []
    for event in Walk(seed).events(steps):
        for link, data, now_us in event.received:
            records.append((list(Link).index(link), now_us, data))
        records.append((STEP, event.step_us, b""))
    return records


def damaged(life: Sequence[Record], rng: np.random.Generator) -> list[Record]:
    """The same life with bytes that are others; times stay, so that they never go back."""
    share = rng.choice([0.001, 0.01, 0.1])
    pieces = [data for _, _, data in life if data]
    records: list[Record] = []
    for what, now_us, data in life:
        if what != STEP and rng.random() < share:
            data = damage(data, pieces, rng)
        records.append((what, now_us, data))
    return records


def damage(data: bytes, pieces: Sequence[bytes], rng: np.random.Generator) -> bytes:
    changed, at = bytearray(data), int(rng.integers(len(data)))
    match rng.integers(6):
        case 0:
            changed[at] ^= 1 << int(rng.integers(8))
        case 1:
            del changed[at:]
        case 2:
            changed[at:at] = rng.bytes(int(rng.integers(1, 400)))
        case 3:
            changed += data
        case 4:
            changed[:] = pieces[rng.integers(len(pieces))]
        case _:
            changed[at] = 0
    return bytes(changed)


def sanitised(program: Path, records: Sequence[Record]) -> bytes:
    """What the sanitised program says.

    Raises:
        RuntimeError: a sanitiser found a fault.
    """
    packed = [struct.pack("<BQI", what, now_us, len(data)) + data for what, now_us, data in records]
    done = subprocess.run([program], input=b"".join(packed), capture_output=True, check=False)
    if done.returncode:
        raise RuntimeError(done.stderr.decode(errors="replace"))
    return done.stdout


def plain(records: Sequence[Record]) -> bytes:
    """What the ordinary build says."""
    board, links, said = NativeBoard(), list(Link), []
    for what, now_us, data in records:
        if what == STEP:
            board.step(now_us)
            said += [board.take(link) for link in links]
        else:
            board.receive(links[what], data, now_us)
    return b"".join(said)


if __name__ == "__main__":
    main()
