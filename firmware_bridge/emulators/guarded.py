"""Processes of emulators: they never outlive who started them, and it is told how they ended."""

import shutil
import signal
import subprocess

DYING_S = 1.0  # for a process to be gone after its wires


def dies_with_us() -> list[str]:
    """What to put before a command so that it never outlives this process, however that ends."""
    setpriv = shutil.which("setpriv")  # util-linux; a distribution without it has no such guard
    return [setpriv, "--pdeathsig", "KILL"] if setpriv else []


def how_it_ended(process: subprocess.Popen[bytes]) -> str | None:
    """In words; None: it runs on. Asked when a wire has closed, which comes before the end."""
    try:
        code = process.wait(DYING_S)
    except subprocess.TimeoutExpired:
        return None
    return f"was killed by {signal.Signals(-code).name}" if code < 0 else f"ended with code {code}"
