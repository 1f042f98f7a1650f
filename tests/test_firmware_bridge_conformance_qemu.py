"""The laws of `test_firmware_bridge_conformance` for the firmware on the emulated chip.

It runs in real time. A law that fails while the computer kept the chip waiting is tried again, as
`qemu_rig` says.
"""

import functools
import shutil

import pytest
import test_firmware_bridge_conformance as conformance
from controller_bench import PLANT, Bench
from qemu_rig import QemuRig

from firmware_bridge.emulators import chip_build, qemu

MISSING = [
    tool.INSTALL
    for tool, program in ((qemu, qemu.PROGRAM), (chip_build, chip_build.COMPILER))
    if shutil.which(program) is None
]
pytestmark = pytest.mark.skipif(bool(MISSING), reason=" && ".join(MISSING))

ATTEMPTS = 8


@pytest.fixture(scope="module")
def rig():
    rig = QemuRig(PLANT)
    yield rig
    rig.close()


@pytest.fixture
def bench(rig):
    return Bench(rig)


def on_the_chip(law):
    @functools.wraps(law)
    def test(bench, **arguments):
        for attempt in range(1, ATTEMPTS + 1):
            bench.rig.begin_anew()
            Bench.__init__(bench, bench.rig)
            try:
                law(bench, **arguments)
                break
            except AssertionError:
                if attempt == ATTEMPTS or not bench.rig.was_disturbed:
                    raise

    return test


for name, law in list(vars(conformance).items()):
    if name.startswith("test_"):
        globals()[name.replace("test_", "test_qemu_", 1)] = on_the_chip(law)
