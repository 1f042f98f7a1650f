"""The emulated chip as a program of this computer: how it starts, ends, and is lost and found."""

import os
import select
import shutil
import signal
import subprocess
import sys
import textwrap
import time

import pytest

from firmware_bridge.emulators import chip_build, qemu
from firmware_bridge.emulators.qemu import Qemu
from firmware_bridge.errors import EmulatorError, FirmwareBuildError
from firmware_bridge.framing import Decoder, Encoder
from firmware_bridge.port import open_port
from firmware_bridge.protocol import BY_NAME, SCHEMA_HASH, Link, pack, unpack

MISSING = [
    tool.INSTALL
    for tool, program in ((qemu, qemu.PROGRAM), (chip_build, chip_build.COMPILER))
    if shutil.which(program) is None
]
needs_qemu = pytest.mark.skipif(bool(MISSING), reason=" && ".join(MISSING))
PATIENCE_S = 60.0


class Host:
    """Asks the chip for its identity over a port, and waits for it."""

    def __init__(self, port):
        self._port = port
        self._encoder = Encoder()
        self._decoder = Decoder()

    def ask(self):
        hello = pack("hello", schema_hash=SCHEMA_HASH)
        assert self._port.write(self._encoder.encode(BY_NAME["hello"].id, hello))
        give_up = time.monotonic() + PATIENCE_S
        while time.monotonic() < give_up:
            for frame in self._decoder.feed(self._port.read()):
                if frame.type == BY_NAME["identity"].id:
                    return unpack(frame.type, frame.payload)
            select.select([], [], [], 0.001)
        raise AssertionError("the chip does not answer")


@needs_qemu
def test_qemu_is_found_again_by_a_host_that_went_away_and_keeps_its_clock():
    with Qemu() as chip:
        address = chip.address(Link.HOST)
        first = open_port(address, baud=0)
        before = Host(first).ask()
        first.close()
        second = open_port(address, baud=0)
        after = Host(second).ask()
        second.close()
    assert after.uptime_us > before.uptime_us


@needs_qemu
def test_qemu_begins_anew_when_it_is_reset():
    with Qemu() as chip:
        host = Host(chip.port(Link.HOST))
        before = host.ask().uptime_us
        while (late := host.ask().uptime_us) < before + 300_000:
            pass
        chip.reset()
        assert host.ask().uptime_us < late


@needs_qemu
def test_qemu_ends_with_its_starter_however_that_ends():
    program = """
        import sys
        from firmware_bridge.emulators.qemu import Qemu
        chip = Qemu()
        print(chip.pid, flush=True)
        sys.stdin.read()
    """
    starter = subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(program)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    with starter:
        pid = int(starter.stdout.readline())
        end = os.pidfd_open(pid)
        starter.send_signal(signal.SIGKILL)
        ended, _, _ = select.select([end], [], [], PATIENCE_S)
        os.close(end)
    assert ended


@needs_qemu
def test_qemu_is_closed_twice_without_harm():
    chip = Qemu()
    chip.close()
    chip.close()


def test_who_lacks_qemu_or_the_compiler_is_told_what_to_install(monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(EmulatorError, match=r"sudo apt install qemu-system-arm$"):
        Qemu(tmp_path / "any.elf")
    with pytest.raises(FirmwareBuildError, match="sudo apt install gcc-arm-none-eabi"):
        chip_build.build(tmp_path / "any.elf")


@needs_qemu
def test_a_program_that_qemu_cannot_load_is_said_in_one_line(tmp_path):
    elf = tmp_path / "none.elf"
    with pytest.raises(EmulatorError, match=r"does not start: .*none\.elf") as caught:
        Qemu(elf)
    assert "\n" not in str(caught.value)
