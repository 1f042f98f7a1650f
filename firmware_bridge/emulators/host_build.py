"""Compiles C sources of the firmware for this computer, where they can be tested and measured.

What was compiled once is kept, by a hash of all that went into it.
"""

import hashlib
import os
import platform
import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path

from firmware_bridge.errors import FirmwareBuildError

FIRMWARE = Path(__file__).resolve().parent.parent / "firmware"
COMPILERS = ("cc", "gcc", "clang")
LANGUAGE = ("-std=c11", "-ffp-contract=off", "-fno-math-errno")  # as for the chip: equal to the bit
WARNINGS = ("-Wall", "-Wextra", "-Werror", "-Wconversion", "-Wdouble-promotion", "-Wshadow")
FLAGS = (*LANGUAGE, *WARNINGS, "-O2", "-fPIC", "-shared")


def shared_library(sources: Sequence[Path], flags: Sequence[str] = ()) -> Path:
    """A shared library of some C files, built now unless it was before.

    Args:
        sources: the files; headers are found beside them and in `firmware/`.
        flags: further ones for the compiler, as `-fsanitize=undefined`.

    Raises:
        FirmwareBuildError: there is no compiler, or it finds fault with the sources.
    """
    compiler = _compiler()
    digest = _fingerprint(sources, (compiler, platform.machine(), *FLAGS, *flags))
    library = cache_folder() / f"{sources[0].stem}-{digest}.so"
    if not library.exists():
        _compile(compiler, sources, flags, library)
    return library


def cache_folder() -> Path:
    """$XDG_CACHE_HOME/reflexarc, else ~/.cache/reflexarc: only its user writes there."""
    home = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(home) / "reflexarc"


def first_error(text: str) -> str:
    """The line of a compiler's output that says what is wrong."""
    lines = [line for line in text.splitlines() if "error" in line]
    return (lines or text.splitlines() or ["the compiler says nothing"])[0]


def _compiler() -> str:
    for name in COMPILERS:
        found = shutil.which(name)
        if found:
            return found
    raise FirmwareBuildError(
        f"no C compiler is here (tried {', '.join(COMPILERS)}): sudo apt install gcc libc6-dev"
    )


def _compile(compiler: str, sources: Sequence[Path], flags: Sequence[str], library: Path) -> None:
    """The file appears whole or not at all, so that processes may build it at the same time."""
    library.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    with tempfile.TemporaryDirectory(dir=library.parent) as folder:
        fresh = Path(folder) / library.name
        include = ("-I", str(FIRMWARE))
        command = [compiler, *FLAGS, *include, *flags, *map(str, sources), "-o", str(fresh)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            raise FirmwareBuildError(
                f"the firmware does not build for this computer: {first_error(done.stderr)}"
            )
        fresh.replace(library)


def _fingerprint(sources: Sequence[Path], arguments: Sequence[str]) -> str:
    """Changes with any source, any header in reach, and any argument."""
    digest = hashlib.sha256("\0".join(arguments).encode())
    folders = {FIRMWARE, *(source.parent for source in sources)}
    headers = sorted(header for folder in folders for header in folder.glob("*.h"))
    for path in (*sources, *headers):
        digest.update(path.name.encode() + b"\0" + path.read_bytes())
    return digest.hexdigest()[:16]
