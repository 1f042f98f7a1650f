"""Writing a measurement down so that it can be repeated: command, code, machine, numbers."""

import json
import os
import platform
import shlex
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any


def write_result(path: Path, numbers: Mapping[str, Any]) -> None:
    """The numbers with command, commit and hardware, as JSON."""
    module = Path(sys.argv[0]).stem
    result = {
        "command": f"python -m benchmarks.{module} {shlex.join(sys.argv[1:])}".rstrip(),
        "commit": commit(),
        "hardware": hardware(),
        **numbers,
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(result, indent=2) + "\n")


def hardware() -> dict[str, Any]:
    """The machine that measured."""
    return {
        "machine": platform.machine(),
        "processor": processor(),
        "cores": os.cpu_count(),
        "python": platform.python_version(),
    }


def commit() -> str | None:
    """The commit of the working tree, with "+changes" where its code differs; None outside of git.

    Results do not count: a study writes its rows while it runs.
    """
    try:
        found = _git("rev-parse", "--short=12", "HEAD")
        changed = _git("status", "--porcelain", "--", ".", ":!docs/results")
    except (OSError, subprocess.CalledProcessError):
        return None
    return found + ("+changes" if changed else "")


def _git(*arguments: str) -> str:
    top = Path(__file__).parent.parent
    done = subprocess.run(["git", *arguments], cwd=top, capture_output=True, text=True, check=True)
    return done.stdout.strip()


def processor() -> str:
    """The name of the processor, as far as the system tells."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor()
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor()
