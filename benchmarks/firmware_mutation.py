"""Which small changes of the firmware's safety code do random lives of a controller not notice?

    python -m benchmarks.firmware_mutation safety.c --out docs/results/mutation_safety_c.json

universalmutator makes the mutants. Each is linked with the rest of the firmware, lives the lives of
`tests/controller_walks.py` and must say what the twin in Python said, byte for byte: the law of
`tests/test_firmware_bridge_native.py`, with more lives. What survives that is tried by the
conformance suite. As no interpreter is started for the first step, hundreds are tried in a minute.

Not counted: what the compiler refuses, and what compiles to the instructions of the original or of
another mutant. A mutant is killed by another answer, a crash, or 10 s of time.
"""

import argparse
import importlib
import random
import shutil
import struct
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

from benchmarks.mutants import Mutant, install_tools
from benchmarks.mutation import change
from firmware_bridge.emulators import host_build
from firmware_bridge.emulators.native import SOURCES
from firmware_bridge.protocol import Link

TOP = Path(__file__).resolve().parent.parent
DRIVER = Path(__file__).parent / "firmware_fuzz.c"
FILES = ("limits.c", "safety.c", "monitors.c", "configuration.c", "command_gate.c")
FLAGS = (*host_build.LANGUAGE, "-w", "-O1", "-fPIC")
LIVES, STEPS = 16, 1_200
TIME_OUT_S = 10
STEP = 2


class Life(NamedTuple):
    """What a controller lives, packed for the driver, and what it says."""

    records: bytes
    said: bytes


def main() -> None:
    parser = argparse.ArgumentParser(description=str(__doc__).splitlines()[0])
    parser.add_argument("file", choices=FILES)
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--most", type=int, help="try a sample of so many (seed 0)")
    parser.add_argument("--out", type=Path, help="write the numbers as JSON here")
    options = parser.parse_args()
    source = host_build.FIRMWARE / options.file
    lives = [lived(seed) for seed in range(LIVES)]
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        rest = compiled_rest(source, folder)
        made = list(universal_mutants(source, install_tools(), folder))
        if options.most and len(made) > options.most:
            made = random.Random(0).sample(made, options.most)
        left_out, objects = distinct(source, made, folder, options.jobs)
        if not survives(objects.pop("original"), rest, lives):
            sys.exit("the firmware does not say what its twin says")
        with ThreadPoolExecutor(options.jobs) as pool:
            tried = list(pool.map(lambda path: survives(path, rest, lives), objects.values()))
            by_lives = [
                made[int(key)] for key, lives_on in zip(objects, tried, strict=True) if lives_on
            ]
    left_out["refused by the linker"] = tried.count(None)
    count = len(objects) - tried.count(None)
    print(f"{count} mutants, {len(by_lives)} survive all lives; left out: {left_out}")
    survivors = [mutant for mutant in by_lives if survives_conformance(source, mutant)]
    report(source, len(made), count, left_out, survivors, options.out)


def lived(seed: int) -> Life:
    sys.path.insert(0, str(TOP / "tests"))
    Walk = importlib.import_module("controller_walks").Walk

    records, said = [], []
    for event in Walk(seed).events(STEPS):
        for link, data, now_us in event.received:
            head = struct.pack("<BQI", list(Link).index(link), now_us, len(data))
            records.append(head + data)
        records.append(struct.pack("<BQI", STEP, event.step_us, 0))
        said += [event.said[link] for link in Link]
    return Life(b"".join(records), b"".join(said))


def universal_mutants(source: Path, tools: Path, folder: Path) -> Iterator[Mutant]:
    """Those of universalmutator."""
    made = folder / "mutants"
    made.mkdir()
    command = [tools / "mutate", source, "c", "--noCheck", "--mutantDir", made]
    subprocess.run(command, check=True, capture_output=True, cwd=folder)
    files = made.glob("*.mutant.*")
    for path in sorted(files, key=lambda path: int(path.suffixes[-2][1:])):
        yield Mutant(path.suffixes[-2][1:], path.read_text(encoding="utf-8"))


def compiled(text: str, target: Path) -> bytes | None:
    """The object's bytes; None if the compiler refuses."""
    command = ["gcc", *FLAGS, "-I", str(host_build.FIRMWARE), "-c", "-x", "c", "-"]
    done = subprocess.run([*command, "-o", target], input=text.encode(), stderr=subprocess.DEVNULL)
    return target.read_bytes() if done.returncode == 0 else None


def compiled_rest(source: Path, folder: Path) -> list[Path]:
    """All of the firmware but one file, and the driver."""
    rest = []
    for path in (*(one for one in SOURCES if one != source), DRIVER):
        rest.append(folder / f"rest-{path.stem}.o")
        if compiled(path.read_text(encoding="utf-8"), rest[-1]) is None:
            sys.exit(f"{path} does not compile")
    return rest


def distinct(
    source: Path, made: list[Mutant], folder: Path, jobs: int
) -> tuple[dict[str, int], dict[str, Path]]:
    """The objects that differ, by the place of their mutant; the first is the original's."""

    def build(item: tuple[str, str]) -> tuple[str, bytes | None]:
        return item[0], compiled(item[1], folder / f"{item[0]}.o")

    texts: Iterable[tuple[str, str]] = [
        ("original", source.read_text(encoding="utf-8")),
        *((str(place), mutant.text) for place, mutant in enumerate(made)),
    ]
    seen: dict[bytes, str] = {}
    left_out: Counter[str] = Counter()
    objects: dict[str, Path] = {}
    with ThreadPoolExecutor(jobs) as pool:
        for key, code in pool.map(build, texts):
            if code is None:
                left_out["refused by the compiler"] += 1
            elif code in seen:
                same = seen[code] == "original"
                left_out["means the same" if same else "means what another one does"] += 1
            else:
                seen[code] = key
                objects[key] = folder / f"{key}.o"
    return dict(left_out), objects


def survives(changed: Path, rest: list[Path], lives: list[Life]) -> bool | None:
    """Whether the firmware with this object says in all lives what the twin said; None: no link."""
    program = changed.with_suffix(".exe")
    linked = subprocess.run(
        ["gcc", changed, *rest, "-o", program], capture_output=True, check=False
    )
    if linked.returncode:
        return None
    try:
        for life in lives:
            done = subprocess.run(
                [program], input=life.records, capture_output=True, timeout=TIME_OUT_S, check=False
            )
            if done.returncode or done.stdout != life.said:
                return False
    except subprocess.TimeoutExpired:
        return False
    finally:
        program.unlink()
    return True


def survives_conformance(source: Path, mutant: Mutant) -> bool:
    """Whether the conformance suite passes with it."""
    program = "import sys; from benchmarks import firmware_mutation as m; sys.exit(m.conform())"
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder) / "firmware"
        shutil.copytree(source.parent, copy)
        (copy / source.name).write_text(mutant.text, encoding="utf-8")
        done = subprocess.run(
            [sys.executable, "-c", program, copy], cwd=TOP, capture_output=True, check=False
        )
    return done.returncode == 0


def conform() -> int:
    """The exit code of pytest with the firmware of another folder, in a process of its own."""
    import pytest

    from firmware_bridge.emulators import native

    changed = Path(sys.argv[1])
    sources = [changed / source.name for source in SOURCES]
    flags = ["-shared", "-w", "-O1", "-fPIC", *host_build.LANGUAGE, "-I", str(changed)]
    library = changed / "library.so"
    subprocess.run(["gcc", *flags, *map(str, sources), "-o", str(library)], check=True)
    native.library = lambda: native.load(library)
    suite = str(TOP / "tests" / "test_firmware_bridge_conformance.py")
    return pytest.main(["-x", "-q", "-p", "no:cacheprovider", "-k", "native", suite])


def report(
    source: Path,
    made: int,
    tried: int,
    left_out: dict[str, int],
    survivors: list[Mutant],
    out: Path | None,
) -> None:
    original = source.read_text(encoding="utf-8")
    score = round(100 * (1 - len(survivors) / tried), 1)
    print(f"{source.name}: {score} % of {tried} mutants killed; survivors:")
    changes = [change(original, mutant) for mutant in survivors]
    for one in changes:
        print(f"  {one['line']}: {one['before']}\n      -> {one['after']}")
    if out:
        from benchmarks.results import write_result

        numbers = {"made": made, "left_out": left_out, "mutants": tried}
        numbers |= {"killed": tried - len(survivors), "score_percent": score}
        write_result(out, {**numbers, "lives": LIVES, "steps": STEPS, "survivors": changes})


if __name__ == "__main__":
    main()
