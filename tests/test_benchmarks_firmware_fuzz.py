import shutil
import subprocess

import numpy as np
import pytest

from benchmarks import firmware_fuzz
from firmware_bridge.emulators import host_build

pytestmark = pytest.mark.skipif(
    shutil.which("gcc") is None, reason="sudo apt install gcc libc6-dev"
)
LIFE = firmware_fuzz.lived(seed=8, steps=400)


@pytest.fixture(scope="module")
def program(tmp_path_factory):
    try:
        return firmware_fuzz.build(tmp_path_factory.mktemp("sanitised"))
    except subprocess.CalledProcessError:
        pytest.skip("this compiler comes without the libraries of its sanitisers")


@pytest.mark.parametrize("seed", range(4))
def test_the_sanitisers_find_no_fault_in_a_damaged_life(program, seed):
    records = firmware_fuzz.damaged(LIFE, np.random.default_rng(seed))
    assert records != LIFE
    said = firmware_fuzz.sanitised(program, records)
    assert said == firmware_fuzz.plain(records)
    assert len(said) > 10_000


def test_a_sanitiser_ends_a_life_at_the_first_fault(tmp_path, monkeypatch):
    copy = tmp_path / "firmware"
    shutil.copytree(host_build.FIRMWARE, copy)
    outbox = copy / "outbox.c"
    text = outbox.read_text()
    assert "% RX_OUTBOX_BYTES] = frame[i]" in text
    outbox.write_text(text.replace("% RX_OUTBOX_BYTES] = frame[i]", "] = frame[i]"))
    monkeypatch.setattr(host_build, "FIRMWARE", copy)
    monkeypatch.setattr(
        firmware_fuzz, "SOURCES", [copy / source.name for source in firmware_fuzz.SOURCES]
    )
    try:
        broken = firmware_fuzz.build(tmp_path)
    except subprocess.CalledProcessError:
        pytest.skip("this compiler comes without the libraries of its sanitisers")
    with pytest.raises(RuntimeError, match=r"outbox\.c"):
        firmware_fuzz.sanitised(broken, LIFE)
