"""Where a measurement comes from: the code and the machine that made it."""

import os
import platform
import subprocess
from pathlib import Path
from typing import Any

TOP = Path(__file__).resolve().parent.parent


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


def hardware() -> dict[str, Any]:
    """The machine that measured."""
    return {
        "machine": platform.machine(),
        "processor": processor(),
        "cores": os.cpu_count(),
        "python": platform.python_version(),
    }


def processor() -> str:
    """The name of the processor, as far as the system tells."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor()
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor()


def _git(*arguments: str) -> str:
    command = ["git", *arguments]
    done = subprocess.run(command, cwd=TOP, capture_output=True, text=True, check=True)
    return done.stdout.strip()
