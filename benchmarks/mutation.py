"""Mutation testing of the safety code: what small changes of it do the tests not notice?

    python -m benchmarks.mutation framing.py --out docs/results/mutation_framing_py.json
    python -m benchmarks.mutation framing.c --out docs/results/mutation_framing_c.json

cosmic-ray makes the mutants of Python, universalmutator those of C; both live in an environment of
their own, ``benchmarks/.peers-mutation/``. Their runners start an interpreter for each mutant; here
each is tried in a fork of one that has the heavy imports behind it, so that thousands take minutes.
Numba's compiler is off. A mutant is killed by a failing test, by a crash, or by 60 s of processor
time. What was tried is kept in ``runs/mutation/`` and is not tried again while the source and its
tests are the same.

Not counted: what the compiler refuses, what differs in annotations alone, what compiles to the
instructions of the original or of another mutant, and the removal of `@kernel`, which changes the
speed alone.
"""

import argparse
import difflib
import hashlib
import importlib
import json
import os
import resource
import signal
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from benchmarks.mutants import Mutant, c_mutants, install_tools, python_mutants

TOP = Path(__file__).resolve().parent.parent
RUNS = TOP / "runs" / "mutation"
PROCESSOR_S, WALL_S = 60, 900  # per mutant


class Target(NamedTuple):
    """A file and the tests that are to notice any change of it; the quickest first."""

    source: str
    tests: tuple[str, ...]


def _python(name: str, *tests: str) -> Target:
    return Target(
        f"firmware_bridge/{name}.py",
        tuple(f"tests/test_firmware_bridge_{test}.py" for test in tests),
    )


TARGETS = {
    "safety.py": _python("safety", "safety"),
    "monitors.py": _python("monitors", "monitors", "safety"),
    "axis_monitor.py": _python("axis_monitor", "monitors", "safety"),
    "command_gate.py": _python("command_gate", "monitors", "safety"),
    "configuration.py": _python("configuration", "setpoints", "safety"),
    "setpoints.py": _python("setpoints", "setpoints", "safety"),
    "motion.py": _python("motion", "setpoints"),
    "limits.py": _python("limits", "limits"),
    "jump_guard.py": _python("jump_guard", "limits"),
    "axis_limits.py": _python("axis_limits", "limits"),
    "framing.py": Target("firmware_bridge/framing.py", ("tests/test_firmware_bridge_framing.py",)),
    "framing.c": Target(
        "firmware_bridge/firmware/framing.c", ("tests/test_firmware_bridge_framing_c.py",)
    ),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=str(__doc__).splitlines()[0])
    parser.add_argument("target", choices=TARGETS)
    parser.add_argument("--jobs", type=int, default=1)
    parser.add_argument("--out", type=Path, help="write the numbers as JSON here")
    options = parser.parse_args()
    os.environ["NUMBA_DISABLE_JIT"] = "1"
    target = TARGETS[options.target]
    mutants, left_out = mutants_of(TOP / target.source)
    print(f"{len(mutants)} mutants; left out: {left_out}", flush=True)
    killed = try_all(target, mutants, options.jobs)
    report(options.target, mutants, killed, left_out, options.out)


def mutants_of(source: Path) -> tuple[list[Mutant], dict[str, int]]:
    """The mutants, and how many were left out for which reason; made once for each source."""
    digest = hashlib.sha256(source.read_bytes()).hexdigest()[:12]
    kept = RUNS / f"{source.name}-{digest}.mutants.json"
    if not kept.exists():
        make = python_mutants if source.suffix == ".py" else c_mutants
        kept.parent.mkdir(parents=True, exist_ok=True)
        kept.write_text(json.dumps(make(source, install_tools())), encoding="utf-8")
    mutants, left_out = json.loads(kept.read_text(encoding="utf-8"))
    return [Mutant(*mutant) for mutant in mutants], left_out


def try_all(target: Target, mutants: Sequence[Mutant], jobs: int) -> dict[str, bool]:
    """Whether each mutant was killed, by its key."""
    rows = RUNS / f"{Path(target.source).name}-{fingerprint(target)}.jsonl"
    rows.parent.mkdir(parents=True, exist_ok=True)
    killed = read_rows(rows)
    waiting = [mutant for mutant in mutants if mutant.key not in killed]
    preload()
    if not passes(target, Mutant("as it is", (TOP / target.source).read_text(encoding="utf-8"))):
        sys.exit(f"the tests of {target.source} fail without any change")
    running: dict[int, Mutant] = {}
    with rows.open("a", encoding="utf-8") as file:
        while waiting or running:
            while waiting and len(running) < jobs:
                mutant = waiting.pop(0)
                running[start(target, mutant)] = mutant
            pid, status = os.wait()
            mutant = running.pop(pid)
            killed[mutant.key] = status != 0
            file.write(json.dumps({"key": mutant.key, "killed": status != 0}) + "\n")
            file.flush()
            if status == 0:
                print(f"survived: {mutant.name}", flush=True)
    return killed


def passes(target: Target, mutant: Mutant) -> bool:
    return os.waitpid(start(target, mutant), 0)[1] == 0


def start(target: Target, mutant: Mutant) -> int:
    """The process that tries a mutant; it ends with 0 if no test fails."""
    pid = os.fork()
    if pid:
        return pid
    try:
        resource.setrlimit(resource.RLIMIT_CPU, (PROCESSOR_S, PROCESSOR_S))
        signal.alarm(WALL_S)
        silence = os.open(os.devnull, os.O_WRONLY)
        os.dup2(silence, 1)
        os.dup2(silence, 2)
        from benchmarks import mutation_trial

        failed = mutation_trial.run(TOP / target.source, mutant.text, target.tests)
    except BaseException:  # noqa: BLE001 - a mutant may do anything, also on import
        failed = 1
    os._exit(1 if failed else 0)


def preload() -> None:
    """Imports what is heavy and not under test, so that forks need not."""
    for name in ("hypothesis.strategies", "numba", "numpy", "pytest"):
        importlib.import_module(name)


def fingerprint(target: Target) -> str:
    digest = hashlib.sha256()
    for name in (target.source, *target.tests):
        digest.update((TOP / name).read_bytes())
    return digest.hexdigest()[:12]


def read_rows(path: Path) -> dict[str, bool]:
    if not path.exists():
        return {}
    rows = map(json.loads, path.read_text(encoding="utf-8").splitlines())
    return {row["key"]: row["killed"] for row in rows}


def report(
    name: str,
    mutants: Sequence[Mutant],
    killed: dict[str, bool],
    left_out: dict[str, int],
    out: Path | None,
) -> None:
    from benchmarks.results import write_result

    original = (TOP / TARGETS[name].source).read_text(encoding="utf-8")
    survivors = [mutant for mutant in mutants if not killed[mutant.key]]
    score = 100 * (1 - len(survivors) / len(mutants))
    print(f"{name}: {score:.1f} % of {len(mutants)} mutants killed, {len(survivors)} survived")
    numbers = {
        "target": name,
        "left_out": left_out,
        "mutants": len(mutants),
        "killed": len(mutants) - len(survivors),
        "score_percent": round(score, 1),
        "survivors": [change(original, mutant) for mutant in survivors],
    }
    if out:
        write_result(out, numbers)


def change(original: str, mutant: Mutant) -> dict[str, object]:
    """The lines that a mutant changed."""
    before, after = original.splitlines(), mutant.text.splitlines()
    for kind, a, b, c, d in difflib.SequenceMatcher(None, before, after, False).get_opcodes():
        if kind != "equal":
            old = " ".join(line.strip() for line in before[a:b])
            new = " ".join(line.strip() for line in after[c:d])
            return {"by": mutant.name, "line": a + 1, "before": old, "after": new}
    raise AssertionError(f"{mutant.name} changes nothing")


if __name__ == "__main__":
    main()
