"""Writing a measurement down so that it can be repeated: command, code, machine, numbers."""

import json
import shlex
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from robot.provenance import commit, hardware

__all__ = ["commit", "hardware", "write_result"]


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
