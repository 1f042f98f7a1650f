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
    """The commit of the working tree, with "+changes" where it differs; None outside of git."""
    command = ["git", "describe", "--always", "--abbrev=12", "--dirty=+changes", "--exclude=*"]
    try:
        found = subprocess.run(command, capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        return None
    return found.stdout.strip()


def processor() -> str:
    """The name of the processor, as far as the system tells."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor()
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor()
