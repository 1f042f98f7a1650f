"""The firmware's framing says what the Python twin says."""

import shutil
import subprocess

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from test_firmware_bridge_framing import PAYLOADS, SEQS, STREAMS, TYPES, decode_in_pieces

from firmware_bridge import framing
from firmware_bridge.emulators import host_build, native_framing
from firmware_bridge.framing import MAX_ENCODED, MAX_PAYLOAD, FrameCounters, encode_frame
from firmware_bridge.protocol import PACKETS, payload_size

pytestmark = pytest.mark.skipif(
    not any(map(shutil.which, host_build.COMPILERS)), reason="sudo apt install gcc libc6-dev"
)


def test_a_frame_has_these_bytes():
    assert native_framing.encode_frame(7, 258, b"\x04").hex(" ") == "07 07 02 01 04 38 c8 00"
    encoded = native_framing.encode_frame(3, 0, b"\x01\x00")
    assert encoded.hex(" ") == "02 03 01 02 01 03 ef cc 00"
    assert native_framing.NativeDecoder().feed(encoded) == [framing.Frame(3, 0, b"\x01\x00")]


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
