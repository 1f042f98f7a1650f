"""Ten million random and mutated byte strings through both decoders: Python with numba, and C.

    python -m benchmarks.decoder_fuzz [--out docs/results/decoder_fuzz.json]

Each string is garbage, then two good frames. Laws that are checked for every string: no exception,
the frame behind the first delimiter after the garbage comes out whole, and both decoders give equal
frames. After each seed's strings the counters of both must be equal, and those of the first
thousand are compared with the plain reference. A decoder lives as long as its seed: what garbage
leaves behind meets the next garbage.

The C code is compiled so that undefined behaviour (an index out of bounds, an overflow) ends the
process. A seed that takes more than two minutes of the processor counts as a hang and ends it too.
Each seed's counts are kept in ``runs/decoder_fuzz/``; a run that was stopped goes on with the next
seed. Counts are equal on every machine for equal seeds; the processor time is not.
"""

import argparse
import hashlib
import json
import random
import signal
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

from benchmarks.results import write_result
from firmware_bridge import framing_reference
from firmware_bridge.emulators.native_framing import SOURCES, NativeDecoder
from firmware_bridge.framing import MAX_PAYLOAD, Decoder, encode_frame

TOP = Path(__file__).resolve().parent.parent
RUNS = TOP / "runs" / "decoder_fuzz"
DECODERS = (
    *SOURCES,
    *(TOP / "firmware_bridge" / name for name in ("framing.py", "framing_reference.py")),
    Path(__file__),
)
SEEDS = 100
STRINGS = 100_000  # per seed
HANG_S = 120
TRAPS = ("-fsanitize=undefined", "-fsanitize-undefined-trap-on-error")
CHECKED_BY_REFERENCE = 1000  # strings per seed


def main() -> None:
    parser = argparse.ArgumentParser(description=str(__doc__).splitlines()[0])
    parser.add_argument("--seeds", type=int, default=SEEDS)
    parser.add_argument("--strings", type=int, default=STRINGS, help="per seed")
    parser.add_argument("--out", type=Path, help="write the numbers as JSON here")
    options = parser.parse_args()
    totals: Counter[str] = Counter()
    for seed in range(options.seeds):
        totals.update(kept_or_fuzzed(seed, options.strings))
        print(f"seed {seed}: {totals['strings']:,} strings", flush=True)
    numbers = {
        "seeds": [0, options.seeds - 1],
        "strings_per_seed": options.strings,
        **totals,
        "laws": "held for every string",  # the first that did not would have ended the program
    }
    if options.out:
        write_result(options.out, numbers)


def kept_or_fuzzed(seed: int, strings: int) -> dict[str, int]:
    """The counts of a seed, from an earlier run of the same decoders if there was one."""
    digest = hashlib.sha256(b"".join(path.read_bytes() for path in DECODERS)).hexdigest()[:12]
    kept = RUNS / f"{digest}-{strings}-{seed}.json"
    if not kept.exists():
        kept.parent.mkdir(parents=True, exist_ok=True)
        signal.setitimer(signal.ITIMER_PROF, HANG_S)  # its signal ends the process
        start_s = time.process_time()
        counts = fuzz(seed, strings)
        signal.setitimer(signal.ITIMER_PROF, 0)
        taken_s = round(time.process_time() - start_s)
        kept.write_text(json.dumps(counts | {"processor_s": taken_s}), encoding="utf-8")
    return json.loads(kept.read_text(encoding="utf-8"))


def fuzz(seed: int, strings: int) -> dict[str, int]:
    """One seed's strings.

    Raises:
        AssertionError: a law does not hold; the message has the string.
    """
    rng = random.Random(seed)
    python, native = Decoder(), NativeDecoder(TRAPS)
    begun, size = bytearray(), 0
    for number in range(strings):
        good = [encode_frame(rng.getrandbits(8), rng.getrandbits(16), b"good") for _ in range(2)]
        string = rng.choice(GARBAGE)(rng) + good[0] + good[1]
        frames = python.feed(string)
        if frames != native.feed(string):
            raise AssertionError(f"seed {seed}: the decoders disagree about {string.hex()}")
        if not frames or encode_frame(*frames[-1]) != good[1]:
            raise AssertionError(f"seed {seed}: not in step after {string.hex()}")
        size += len(string)
        if number < CHECKED_BY_REFERENCE:
            begun += string
            if number == CHECKED_BY_REFERENCE - 1:
                assert framing_reference.decode(bytes(begun))[1] == python.counters, seed
    assert python.counters == native.counters, seed
    return {"strings": strings, "bytes": size, **python.counters._asdict()}


def noise(rng: random.Random) -> bytes:
    """Up to 300 random bytes."""
    return rng.randbytes(rng.randrange(300))


def few_values(rng: random.Random) -> bytes:
    """Bytes that mean something to COBS."""
    return bytes(rng.choices((0, 1, 2, 3, 250, 251, 252, 255), k=rng.randrange(60)))


def long_run(rng: random.Random) -> bytes:
    """Around the longest frame, without a delimiter."""
    return bytes((rng.randrange(1, 256),)) * rng.choice((249, 250, 251, 252, 253, 600))


def changed(rng: random.Random) -> bytes:
    """A frame of which one bit was turned."""
    frame = bytearray(any_frame(rng))
    frame[rng.randrange(len(frame))] ^= 1 << rng.randrange(8)
    return bytes(frame)


def cut(rng: random.Random) -> bytes:
    """A frame of which a piece is missing."""
    frame = any_frame(rng)
    begin, end = sorted((rng.randrange(len(frame) + 1), rng.randrange(len(frame) + 1)))
    return frame[:begin] + frame[end:]


def spliced(rng: random.Random) -> bytes:
    """A frame with another, or noise, in its middle."""
    frame, other = any_frame(rng), any_frame(rng) if rng.getrandbits(1) else noise(rng)
    at = rng.randrange(len(frame) + 1)
    return frame[:at] + other + frame[at:]


def any_frame(rng: random.Random) -> bytes:
    size = rng.choice((0, 1, 40, 117, MAX_PAYLOAD, rng.randrange(MAX_PAYLOAD)))
    payload = rng.randbytes(size) if rng.getrandbits(1) else bytes(size)
    return encode_frame(rng.getrandbits(8), rng.getrandbits(16), payload)


GARBAGE: tuple[Callable[[random.Random], bytes], ...] = (
    *(noise, few_values, long_run, changed, cut, spliced),
)

if __name__ == "__main__":
    main()
