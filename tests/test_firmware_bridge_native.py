"""The firmware in C and its twin in Python are one controller: they say the same, come what may."""

import re
from functools import cache

import pytest
from controller_walks import Walk

from firmware_bridge.configuration import HardwareLimits
from firmware_bridge.emulators.controller import FIRMWARE_VERSION
from firmware_bridge.emulators.host_build import FIRMWARE
from firmware_bridge.emulators.native import NativeBoard
from firmware_bridge.framing import Decoder
from firmware_bridge.protocol import BY_ID, Link, unpack
from firmware_bridge.safety_words import Mode

SEEDS = (1, 2, 3, 5, 8, 9)
STEPS = 1_200


def spelled(data):
    """Frames as words, so that a failure tells which field differs."""
    frames = Decoder().feed(data)
    return [(BY_ID[one.type].name, one.seq, unpack(one.type, one.payload)) for one in frames]


@cache
def life(seed):
    """A walk that was lived, and what happened."""
    walk = Walk(seed)
    return walk, walk.events(STEPS)


@pytest.mark.parametrize("seed", SEEDS)
def test_the_firmware_says_the_same_as_its_twin_in_every_life_to_the_bit(seed):
    board = NativeBoard()
    for event in life(seed)[1]:
        for link, data, now_us in event.received:
            board.receive(link, data, now_us)
        board.step(event.step_us)
        for link, said in event.said.items():
            heard = board.take(link)
            if heard != said:
                assert spelled(heard) == spelled(said), f"at {event.step_us} µs"
            assert heard == said  # not-a-number is equal to itself on the wire


@pytest.mark.parametrize("mode", list(Mode), ids=lambda mode: mode.name)
def test_lives_get_into_every_mode(mode):
    assert sum(life(seed)[0].modes[mode] for seed in SEEDS) > 5


def defined(header):
    """Names and numbers of a header, without suffixes."""
    found = re.findall(r"#define RX_(\w+) \(?(-?[\d.]+)[UF]?\)?", (FIRMWARE / header).read_text())
    return {name: float(number) for name, number in found}


def test_the_firmware_has_the_hardware_limits_of_its_twin():
    limits = vars(HardwareLimits())
    assert defined("hardware_limits.h") == {
        f"HARDWARE_{name.upper()}": value for name, value in limits.items()
    }
    assert defined("controller.h")["FIRMWARE_VERSION"] == FIRMWARE_VERSION


def test_what_waits_can_be_taken_in_pieces():
    whole, pieces = NativeBoard(), NativeBoard()
    for board in (whole, pieces):
        board.step(20_000)
    said = whole.take(Link.PLANT)
    assert len(said) > 100
    bits = b"".join(pieces.take_at_most(Link.PLANT, 7) for _ in range(len(said)))
    assert bits == said
    assert pieces.take(Link.PLANT) == b""


def test_what_nobody_takes_is_dropped_by_whole_frames():
    board = NativeBoard()
    for now_us in range(0, 2_000_000, 5_000):
        board.step(now_us)
    decoder = Decoder()
    frames = decoder.feed(board.take(Link.PLANT))
    assert 80 < len(frames) <= 4096 // 46
    assert decoder.counters == (len(frames), 0, 0, 0, 0)
    board.step(2_000_000)
    decoder.feed(board.take(Link.PLANT))
    assert decoder.counters.lost > 200
