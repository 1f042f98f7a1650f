"""The firmware's framing says what the Python twin says."""

import shutil
import subprocess

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from test_firmware_bridge_framing import PAYLOADS, SEQS, STREAMS, TYPES, decode_in_pieces

from firmware_bridge import framing
from firmware_bridge.emulators import host_build, native_framing
from firmware_bridge.errors import FirmwareBuildError
from firmware_bridge.framing import MAX_ENCODED, MAX_PAYLOAD, FrameCounters, encode_frame
from firmware_bridge.protocol import PACKETS, payload_size

pytestmark = pytest.mark.skipif(
    not any(map(shutil.which, host_build.COMPILERS)), reason="sudo apt install gcc libc6-dev"
)


@given(STREAMS, st.lists(st.integers(0, 2000), max_size=5))
@example(b"\1" * MAX_ENCODED + b"\1", [])
@example(b"\1" * MAX_ENCODED + b"\0", [MAX_ENCODED])
def test_any_bytes_in_any_pieces_give_what_the_twin_gives(stream, cuts):
    native = decode_in_pieces(stream, cuts, native_framing.NativeDecoder)
    assert native == decode_in_pieces(stream, cuts)


@given(TYPES, SEQS, PAYLOADS)
def test_a_frame_has_the_bytes_of_the_twin(frame_type, seq, payload):
    encoded = native_framing.encode_frame(frame_type, seq, payload)
    assert encoded == encode_frame(frame_type, seq, payload)


def test_a_payload_that_does_not_fit_a_frame_gives_no_bytes():
    assert len(native_framing.encode_frame(1, 0, bytes(MAX_PAYLOAD))) == MAX_ENCODED + 1
    assert native_framing.encode_frame(1, 0, bytes(MAX_PAYLOAD + 1)) == b""


def test_numbers_go_round_as_the_twin_s_do():
    for seq in (0, 1, 0xFF, 0xFFFE, 0xFFFF):
        assert native_framing.next_seq(seq) == framing.next_seq(seq)


def test_gaps_and_steps_back_are_counted_as_the_twin_counts_them():
    decoder = native_framing.NativeDecoder()
    for seq in (65533, 3, 3, 5, 0, 9, 4, 0x8004):
        decoder.feed(encode_frame(1, seq, b""))
    assert decoder.counters == FrameCounters(
        frames=8, crc_errors=0, framing_errors=0, lost=13, old=3
    )


@pytest.mark.parametrize("packet", PACKETS, ids=lambda packet: packet.name)
def test_every_packet_fits_the_firmware_s_frame(packet):
    assert native_framing.encode_frame(packet.id, 0, bytes(payload_size(packet)))


@pytest.mark.skipif(
    not shutil.which("arm-none-eabi-gcc"), reason="sudo apt install gcc-arm-none-eabi"
)
@pytest.mark.parametrize("name", ["framing.c", "protocol.h"])
def test_it_compiles_for_the_chip_without_a_warning(name):
    warnings = ("-Wall", "-Wextra", "-Werror", "-Wconversion")
    subprocess.run(
        ["arm-none-eabi-gcc", "-std=c11", "-fsyntax-only", *warnings, host_build.FIRMWARE / name],
        check=True,
    )


def test_without_a_compiler_one_line_says_how_to_get_one(monkeypatch):
    monkeypatch.setenv("PATH", "")
    with pytest.raises(FirmwareBuildError, match=r"^no C compiler is here .*apt install gcc.*$"):
        host_build.shared_library(native_framing.SOURCES)


def test_a_source_that_does_not_compile_is_named_in_one_line(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    source = tmp_path / "wrong.c"
    source.write_text("int wrong(long value);\nint wrong(long value) { return value; }\n")
    with pytest.raises(FirmwareBuildError, match=r"^the firmware does not build .*wrong\.c:2:.*$"):
        host_build.shared_library([source])
    assert not list((tmp_path / "cache" / "reflexarc").iterdir())


def test_a_library_is_built_anew_when_a_header_changes(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    source, header = tmp_path / "one.c", tmp_path / "one.h"
    source.write_text('#include "one.h"\nint one(void) { return ONE; }\n')
    header.write_text("int one(void);\n#define ONE 1\n")
    first = host_build.shared_library([source])
    assert host_build.shared_library([source]) == first
    header.write_text("int one(void);\n#define ONE 2\n")
    assert host_build.shared_library([source]) != first
