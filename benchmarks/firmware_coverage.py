"""Which lines and branches of the firmware do the tests on this computer run?

    python -m benchmarks.firmware_coverage --out docs/results/firmware_coverage.json

The sources are compiled for this computer with gcc's instruments, without optimisation, and the
tests of the library that comes of it are run: the conformance suite, random lives against the twin
in Python, framing. gcovr sums up. Ends with 1 if a line or a branch of the safety code was missed.
The board's own files run on the chip alone; the same suite runs there, without instruments.
"""

import argparse
import json
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from firmware_bridge.emulators import host_build

TOP = Path(__file__).resolve().parent.parent
TESTS = (
    "tests/test_firmware_bridge_framing_c.py",
    "tests/test_firmware_bridge_native.py",
    "tests/test_firmware_bridge_conformance.py",
)
SAFETY = ("framing.c", "limits.c", "safety.c", "monitors.c", "configuration.c", "command_gate.c")
INSTALL = "sudo apt install gcc gcovr"


def main() -> None:
    parser = argparse.ArgumentParser(description=str(__doc__).splitlines()[0])
    parser.add_argument("--out", type=Path, help="write the numbers as JSON here")
    parser.add_argument("--run-tests-in", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.run_tests_in:
        sys.exit(run_tests(options.run_tests_in))
    with tempfile.TemporaryDirectory() as folder:
        # In a process of its own: the instruments write what they counted when it ends.
        command = [sys.executable, "-m", "benchmarks.firmware_coverage", "--run-tests-in", folder]
        subprocess.run(command, cwd=TOP, check=True)
        files = summed_up(Path(folder))
    for name, numbers in files.items():
        print(f"{name:20} {numbers['lines']}, {numbers['branches']}, {numbers['missed']}")
    if options.out:
        from benchmarks.results import write_result  # pytest would find its modules imported

        write_result(options.out, {"tests": TESTS, "files": files})
    missed = [name for name in SAFETY if files[name]["missed"] != {"lines": [], "branches": []}]
    if missed:
        sys.exit(f"missed something of {', '.join(missed)}")


def run_tests(folder: Path) -> int:
    """The exit code of pytest with an instrumented library."""

    def instrumented(sources: Sequence[Path], flags: Sequence[str] = ()) -> Path:
        apart = Path(tempfile.mkdtemp(dir=folder))  # of builds with other flags
        library = apart / f"{sources[-1].stem}.so"
        objects = [compiled(source, flags, apart) for source in sources]
        link = ["gcc", "-shared", "--coverage", *map(str, objects), "-o", str(library)]
        subprocess.run(link, check=True)
        return library

    host_build.shared_library = instrumented  # before the modules that use it are imported
    arguments = ("-q", "-p", "no:cacheprovider", "-k", "not python")
    return pytest.main([*arguments, *(str(TOP / test) for test in TESTS)])


def compiled(source: Path, flags: Sequence[str], folder: Path) -> Path:
    target = folder / f"{source.stem}.o"
    warn = [flag for flag in host_build.FLAGS if flag not in ("-O2", "-shared")]
    command = ["gcc", *warn, *flags, "-O0", "--coverage", "-I", str(host_build.FIRMWARE)]
    command += ["-c", str(source), "-o", str(target)]
    subprocess.run(command, check=True)
    return target


def summed_up(folder: Path) -> dict[str, Any]:
    """Numbers of each file of the firmware, and what was missed of it."""
    gcovr = shutil.which("gcovr")
    if gcovr is None:
        sys.exit(f"gcovr is needed to sum up: {INSTALL}")
    command = [gcovr, "--root", str(host_build.FIRMWARE), str(folder), "--json"]
    found = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    return {one["file"]: numbers(one["lines"]) for one in json.loads(found)["files"]}


def numbers(listed: list[dict[str, Any]]) -> dict[str, Any]:
    lines = [line for line in listed if not line["gcovr/noncode"]]
    run = [line["line_number"] for line in lines if line["count"]]
    missed = [line["line_number"] for line in lines if not line["count"]]
    branches = [(line["line_number"], b["count"]) for line in lines for b in line["branches"]]
    untaken = [number for number, count in branches if not count]
    return {
        "lines": f"{len(run)} of {len(lines)} lines",
        "branches": f"{len(branches) - len(untaken)} of {len(branches)} branches",
        "missed": {"lines": missed, "branches": untaken},
    }


if __name__ == "__main__":
    main()
