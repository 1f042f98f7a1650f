"""What the emulator in Python has of its own; all else is in the conformance suite."""

from dataclasses import fields

import pytest

from firmware_bridge.configuration import AxisConfiguration, Configuration, HardwareLimits
from firmware_bridge.emulators.controller import PythonBoard
from firmware_bridge.emulators.outbox import CAPACITY
from firmware_bridge.emulators.plant_wire import Drive, Sense
from firmware_bridge.framing import Decoder, Encoder
from firmware_bridge.monitors import Sample
from firmware_bridge.protocol import BY_NAME, SCHEMA_HASH, Link, pack, unpack
from firmware_bridge.safety_words import Reason


@pytest.mark.parametrize(
    ("name", "names"),
    [
        ("configure", [field.name for field in fields(Configuration)]),
        ("configure_axis", [field.name for field in fields(AxisConfiguration)]),
        ("sense", Sample._fields),
        ("sense", Sense._fields),
        ("drive", Drive._fields),
    ],
)
def test_the_classes_of_packets_have_the_fields_of_the_table(name, names):
    assert list(names) == [field.name for field in BY_NAME[name].fields]


def greeted(**options):
    board = PythonBoard(**options)
    encoder = Encoder()
    hello = encoder.encode(BY_NAME["hello"].id, pack("hello", schema_hash=SCHEMA_HASH))
    board.receive(Link.HOST, hello, 0)
    return board, encoder


def said(board, name):
    frames = Decoder().feed(board.take(Link.HOST))
    return [unpack(*frame[::2]) for frame in frames if frame.type == BY_NAME[name].id]


def test_what_nobody_takes_is_bounded_and_counted():
    board, _ = greeted()
    for tick in range(1, 400):
        board.step(tick * 5000)
    assert len(board.take(Link.HOST)) <= CAPACITY
    assert len(board.take(Link.PLANT)) <= CAPACITY
    for tick in range(400, 600):
        board.step(tick * 5000)
    assert said(board, "counters")[-1].send_overflows > 200


def test_ticks_that_are_due_are_made_up_for_but_not_those_of_a_long_absence():
    board, _ = greeted()
    board.step(100_000)
    assert len(Decoder().feed(board.take(Link.PLANT))) == 20
    board.step(10**12 + 1)
    assert len(Decoder().feed(board.take(Link.PLANT))) == 1
    board.step(10**12 + 5_001)
    assert len(Decoder().feed(board.take(Link.PLANT))) == 1


def test_other_hardware_keeps_other_limits():
    board, encoder = greeted(hardware=HardwareLimits(watchdog_ms=50))
    told = pack(
        "configure",
        **{field.name: 1 for field in BY_NAME["configure"].fields} | {"watchdog_ms": 51},
    )
    board.receive(Link.HOST, encoder.encode(BY_NAME["configure"].id, told), 1)
    assert said(board, "verdict")[-1].reason == Reason.BEYOND_HARDWARE
