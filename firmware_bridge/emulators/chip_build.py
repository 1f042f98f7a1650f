"""The reference firmware as a program for the chip: the one place that knows how it is built.

`make firmware` calls this module, the emulator does so on demand. It needs only Python's own
library, so that the firmware can be built where nothing is installed.
"""

import hashlib
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from firmware_bridge.emulators.host_build import (
    FIRMWARE,
    LANGUAGE,
    WARNINGS,
    cache_folder,
    first_error,
)
from firmware_bridge.errors import FirmwareBuildError

COMPILER = "arm-none-eabi-gcc"
SIZE = "arm-none-eabi-size"  # of binutils, which the compiler needs
INSTALL = "sudo apt install gcc-arm-none-eabi libnewlib-arm-none-eabi"
FLAGS = (
    *LANGUAGE,
    *WARNINGS,
    *("-mcpu=cortex-m4", "-mthumb", "-mfpu=fpv4-sp-d16", "-mfloat-abi=hard"),
    *("-Os", "-g", "-ffunction-sections", "-fdata-sections", "-Wl,--gc-sections"),
    *("-nostartfiles", "--specs=nano.specs", "-Wl,--fatal-warnings"),
    *("-T", str(FIRMWARE / "stm32f405.ld")),
)


def build(elf: Path) -> None:
    """Compiles and links the firmware; the file appears whole or not at all.

    Raises:
        FirmwareBuildError: there is no compiler, or it finds fault with the sources.
    """
    compiler = shutil.which(COMPILER)
    if compiler is None:
        raise FirmwareBuildError(f"{COMPILER} is needed to build the firmware: {INSTALL}")
    elf.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=elf.parent) as folder:
        fresh = Path(folder) / elf.name
        sources = sorted(map(str, FIRMWARE.glob("*.c")))
        command = [compiler, *FLAGS, *sources, "-o", str(fresh)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            raise FirmwareBuildError(f"the firmware does not build: {first_error(done.stderr)}")
        fresh.replace(elf)


def cached() -> Path:
    """The firmware of these sources, built now unless it was before.

    Raises:
        FirmwareBuildError: see `build`.
    """
    elf = cache_folder() / f"reflexarc-{_fingerprint()}.elf"
    if not elf.exists():
        build(elf)
    return elf


def sizes(elf: Path) -> str:
    """Bytes of flash and memory, as a line."""
    tool = shutil.which(SIZE) or SIZE
    done = subprocess.run([tool, str(elf)], capture_output=True, text=True, check=True)
    text, data, bss = done.stdout.splitlines()[1].split()[:3]
    flash, memory = int(text) + int(data), int(data) + int(bss)
    return f"{elf}: {flash} bytes of flash, {memory} bytes of memory with its stack"


def main(arguments: list[str]) -> int:
    """`python -m firmware_bridge.emulators.chip_build OUT.elf`."""
    elf = Path(arguments[0])
    try:
        build(elf)
    except FirmwareBuildError as error:
        print(error, file=sys.stderr)  # noqa: T201 - a command of the Makefile
        return error.exit_code
    print(sizes(elf))  # noqa: T201 - likewise
    return 0


def _fingerprint() -> str:
    """Changes with any source, header, linker script or flag."""
    digest = hashlib.sha256(" ".join(FLAGS).encode())
    for path in sorted(FIRMWARE.iterdir()):
        if path.suffix in (".c", ".h", ".ld"):
            digest.update(path.name.encode() + b"\0" + path.read_bytes())
    return digest.hexdigest()[:16]


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
