"""Makes what stages name: one process each, one after the other; what is there is not made again.

A stage that ended well leaves a file beside its folder, `NAME-HASH.json`. Without that its folder
is unfinished: a collection goes on in it, all else begins anew.
"""

import contextlib
import hashlib
import queue
import resource
import shutil
import sys
from collections import deque
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from perception.atomic_file import write_atomically
from robot.provenance import commit
from robot.study.processes import Processes
from robot.study.stages import Stages
from robot.study.visibly import duration

GOES_ON = "collect"  # the verb that takes up what it left
STOPPED = 130  # exit code of a command that was interrupted, as shells have it
TOLD = ("bound", "held", "attempts", "successes", "false_successes")  # of an outcome, to a row
WAIT_S = 0.5  # between two looks at who wants to stop


class Said(NamedTuple):
    """How a command ended."""

    code: int
    line: str  # its last
    cpu_seconds: float


Run = Callable[[Sequence[str], Callable[[], bool]], Said]
"""Runs what stands after `reflexarc`, and asks now and then whether it is to stop."""


class Made(msgspec.Struct, frozen=True):
    """A stage that ended well."""

    made_from: str  # hash of its command and of what it reads
    command: list[str]
    commit: str | None  # of the code that made it
    cpu_seconds: float
    packages: dict[str, str]  # sha256 by name in the folder
    outcome: dict[str, Any]  # what the command says of itself

    def for_row(self) -> dict[str, Any]:
        """What a row says of it: what it was made from, promises, practised; and its packages."""
        told = {name: self.outcome[name] for name in TOLD if name in self.outcome}
        return {"made_from": self.made_from, "packages": self.packages, **told}


class StageFailedError(Exception):
    """A stage did not make its folder; says which and why. No fault of an argument: a finding."""


class StagesStoppedError(Exception):
    """Somebody stopped it; the same command goes on."""


def made(stages: Stages, name: str) -> Made | None:
    """What is known of a stage; None: it was not made yet."""
    path = _record(stages, name)
    return msgspec.json.decode(path.read_bytes(), type=Made) if path.is_file() else None


def make(
    stages: Stages,
    name: str,
    say: Callable[[str], None],
    stopped: Callable[[], bool],
    run: Run,
) -> Made:
    """A stage, made now or before; those that it reads were made.

    Args:
        stages: of a task and seed.
        name: which.
        say: told what is made.
        stopped: asked now and then.
        run: runs its command, such as `in_process`.

    Raises:
        StageFailedError: it ended with a fault, or said that it cannot promise what is asked.
        StagesStoppedError: it was stopped.
    """
    one = made(stages, name)
    if one is None:
        say(f"makes   {stages.path(name)}")
        one = _make(stages, name, stopped, run)
        say(f"made    {stages.path(name)} ({duration(one.cpu_seconds)} of one core)")
    return one


def in_process(words: Sequence[str], stopped: Callable[[], bool]) -> Said:
    """Runs a command in a process of its own, on one thread; Ctrl-C is passed on to it."""
    before_s = _children_s()
    last, ended = deque([""], maxlen=1), queue.Queue[int](1)
    command = [sys.executable, "-m", "robot.cli", *words]
    running = Processes().start(command, last.append, ended.put)
    code = None
    try:
        while code is None and not stopped():
            with contextlib.suppress(queue.Empty):
                code = ended.get(timeout=WAIT_S)
    finally:
        if code is None:
            running.interrupt()
        running.wait()
    return Said(STOPPED if code is None else code, last[0].strip(), _children_s() - before_s)


def _make(stages: Stages, name: str, stopped: Callable[[], bool], run: Run) -> Made:
    folder, words = stages.path(name), stages.words(name)
    if words[0] != GOES_ON:
        shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True, exist_ok=True)
    code = commit()
    said = run([*words, "--json"], stopped)
    if said.code and stopped():
        raise StagesStoppedError
    outcome = _outcome(said.line)
    if said.code:
        raise StageFailedError(f"{folder}: {outcome.get('refusal') or said.line}")
    one = Made(
        made_from=stages.made_from(name),
        command=words,
        commit=code,
        cpu_seconds=round(said.cpu_seconds, 1),
        packages={str(p.relative_to(folder)): _sha256(p) for p in sorted(folder.rglob("*.onnx"))},
        outcome=outcome,
    )
    write_atomically(_record(stages, name), msgspec.json.encode(one))
    return one


def _outcome(line: str) -> dict[str, Any]:
    """What a command printed as JSON; nothing if it printed none."""
    try:
        return msgspec.json.decode(line, type=dict[str, Any])
    except msgspec.MsgspecError:
        return {}


def _record(stages: Stages, name: str) -> Path:
    return stages.folder / f"{stages.token(name)}.json"


def _sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _children_s() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime
