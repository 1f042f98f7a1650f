"""Line and branch coverage of the safety code by its own tests, in Python and in C.

    python -m benchmarks.safety_coverage [TARGET ...] --out docs/results/safety_coverage.json

The targets and their tests are those of `benchmarks.mutation`. Python is measured by coverage.py
with numba's compiler off; C by gcov, without optimisation, summed up by gcovr (a Debian package).
Ends with 1 if anything is not covered.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

from benchmarks.mutation import TARGETS, TOP, Target
from benchmarks.results import write_result

ENVIRONMENT = {**os.environ, "NUMBA_DISABLE_JIT": "1"}
PYTEST = ("-q", "-p", "no:cacheprovider")


def main() -> None:
    parser = argparse.ArgumentParser(description=str(__doc__).splitlines()[0])
    parser.add_argument("targets", nargs="*", metavar="TARGET", help="all, if none is named")
    parser.add_argument("--out", type=Path, help="write the numbers as JSON here")
    options = parser.parse_args()
    unknown = set(options.targets) - set(TARGETS)
    if unknown:
        parser.error(f"no target {', '.join(unknown)}: there are {', '.join(TARGETS)}")
    rows = {}
    for name in options.targets or TARGETS:
        target = TARGETS[name]
        measure = of_python if target.source.endswith(".py") else of_c
        with tempfile.TemporaryDirectory() as folder:
            rows[name] = row = measure(target, Path(folder))
        print(
            f"{name:12} lines {row['lines_covered']} of {row['lines']}, "
            f"branches {row['branches_covered']} of {row['branches']}",
            flush=True,
        )
    if options.out:
        write_result(options.out, rows)
    sys.exit(not all(is_whole(row) for row in rows.values()))


def is_whole(row: dict[str, int]) -> bool:
    return row["lines_covered"] == row["lines"] and row["branches_covered"] == row["branches"]


def of_python(target: Target, folder: Path) -> dict[str, int]:
    """Counts of coverage.py."""
    data, told = folder / "data", folder / "told.json"
    coverage = [sys.executable, "-m", "coverage"]
    run = [*coverage, "run", "--branch", f"--include={target.source}", f"--data-file={data}"]
    run_quietly([*run, "-m", "pytest", *PYTEST, *target.tests])
    run_quietly([*coverage, "json", f"--data-file={data}", "-o", str(told)])
    totals = json.loads(told.read_text(encoding="utf-8"))["totals"]
    return {
        "lines": totals["num_statements"],
        "lines_covered": totals["covered_lines"],
        "branches": totals["num_branches"],
        "branches_covered": totals["covered_branches"],
    }


def of_c(target: Target, folder: Path) -> dict[str, int]:
    """Counts of gcov."""
    told = folder / "told.json"
    run_quietly([sys.executable, "-m", "benchmarks.c_coverage_trial", str(folder), *target.tests])
    source = TOP / target.source
    where = ("-r", str(source.parent), str(folder), "--filter", str(source))
    run_quietly(["gcovr", *where, "--json-summary", str(told)])
    totals = json.loads(told.read_text(encoding="utf-8"))
    return {
        "lines": totals["line_total"],
        "lines_covered": totals["line_covered"],
        "branches": totals["branch_total"],
        "branches_covered": totals["branch_covered"],
    }


def run_quietly(command: list[str]) -> None:
    done = subprocess.run(
        command, cwd=TOP, env=ENVIRONMENT, capture_output=True, text=True, check=False
    )
    if done.returncode:
        sys.exit(f"{' '.join(command)} failed:\n{done.stdout[-2000:]}{done.stderr[-2000:]}")


if __name__ == "__main__":
    main()
