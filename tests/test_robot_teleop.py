"""Hands on devices: what keys, sticks and buttons command, and what is given back."""

import errno
import os
import pty
import struct
import termios

import numpy as np
import pytest

from firmware_bridge.axis_limits import AxisLimit, Limits
from perception.tables import ChoiceError
from robot.operators import OPERATORS
from robot.operators.gamepad import Config as PadConfig
from robot.operators.gamepad import Gamepad, GamepadError, GamepadState
from robot.operators.keyboard import Config as KeyConfig
from robot.operators.keyboard import Keyboard, KeyboardError, hand_of
from robot.teleop import Hand, Teleoperated, commanded, open_device, wall_pace

SPEED = AxisLimit("x_speed", "m/s", -0.1, 0.3, 10.0, stop=0.0)
GRIPPER = AxisLimit("gripper", "m", 0.0, 0.08, 1.0)  # holds what it has
LIMITS = Limits((SPEED, GRIPPER), 0.5)
ARM = Limits((*(AxisLimit(n, "m/s", -1, 1, 1, stop=0.0) for n in "xyz"), GRIPPER), 0.5)


# commands


@pytest.mark.parametrize(
    ("deflection", "expected"), [(0.0, 0.0), (1.0, 0.3), (0.5, 0.15), (-1.0, -0.1), (-0.5, -0.05)]
)
def test_an_axis_with_a_stop_goes_back_to_it_when_the_hand_is_off(deflection, expected):
    assert commanded(SPEED, deflection, held=0.2, travel=0.2) == pytest.approx(expected)


@pytest.mark.parametrize(
    ("deflection", "expected"), [(0.0, 0.04), (1.0, 0.056), (-0.5, 0.032), (-1.0, 0.024)]
)
def test_an_axis_without_a_stop_holds_and_is_moved_through_its_range(deflection, expected):
    assert commanded(GRIPPER, deflection, held=0.04, travel=0.2) == pytest.approx(expected)


def test_no_axis_leaves_its_limits():
    assert commanded(GRIPPER, 1.0, held=0.079, travel=0.2) == 0.08
    assert commanded(GRIPPER, -1.0, held=0.001, travel=0.2) == 0.0


class Scripted:
    """A device that says what it was told to."""

    help = "none"

    def __init__(self, hands):
        self._hands = iter(hands)

    def read(self):
        return next(self._hands)

    def close(self):
        """Nothing."""


def test_a_person_acts_once_per_period_and_begins_with_an_open_gripper():
    before, *hands = (
        Hand(np.array([9.0, -9.0]), "stop"),  # pressed between two attempts: not for this one
        Hand(np.array([1.0, -1.0])),
        Hand(np.array([0.0, -1.0]), "end"),
        Hand(np.array([9.0, 0.0])),  # a device that says too much
    )
    waits = []
    person = Teleoperated(Scripted([before, before, *hands]), LIMITS, 5.0, lambda: waits.append(1))
    person.reset(np.random.default_rng(0))
    assert person.wish is None
    commands = [person.act({}) for _ in range(2)]
    np.testing.assert_allclose(commands, [[0.3, 0.064], [0.0, 0.048]])
    assert person.wish == "end"
    np.testing.assert_allclose(person.act({}), [0.3, 0.048])
    assert person.wish is None
    assert len(waits) == 3


def test_a_period_is_waited_for_by_deadlines(monkeypatch):
    now_ns, slept_s = [0], []

    def sleep(seconds):
        slept_s.append(round(seconds, 3))
        now_ns[0] += round(seconds * 1e9)

    monkeypatch.setattr("robot.teleop.time.monotonic_ns", lambda: now_ns[0])
    monkeypatch.setattr("robot.teleop.time.sleep", sleep)
    wait = wall_pace(5.0)
    wait()
    now_ns[0] += 50_000_000  # acting took so long
    wait()
    now_ns[0] += 350_000_000  # late by three quarters of a period
    wait()
    wait()
    assert slept_s == [0.0, 0.15, 0.0, 0.05]


@pytest.mark.parametrize("name", OPERATORS)
def test_every_device_that_is_not_there_is_refused_in_one_line(name, tmp_path, monkeypatch):
    with (tmp_path / "no_terminal").open("w") as file:
        monkeypatch.setattr("sys.stdin", file)
        options = {"path": str(tmp_path / "js0")} if name == "gamepad" else {}
        with pytest.raises((GamepadError, KeyboardError)) as raised:
            open_device(name, LIMITS, options)
    assert "\n" not in str(raised.value)


def test_a_device_that_does_not_exist_is_refused():
    with pytest.raises(ChoiceError, match="gamepad, keyboard"):
        open_device("spoon", LIMITS)
    with pytest.raises(ChoiceError, match="no option speed"):
        open_device("keyboard", LIMITS, {"speed": 1})


# keys


@pytest.mark.parametrize(
    ("keys", "deflection", "wish"),
    [
        ("", [0, 0, 0, 0], None),
        ("w", [0.6, 0, 0, 0], None),
        ("ssss", [-0.6, 0, 0, 0], None),
        ("adrf", [0, 0, 0, 0], None),  # opposite keys cancel
        ("aq", [0, 0.6, 0, -0.6], None),
        ("re\n", [0, 0, 0.6, 0.6], "end"),
        ("\x7f", [0, 0, 0, 0], "again"),
        ("\nx", [0, 0, 0, 0], "stop"),
        ("Wz?\x1b[A", [0, 0, 0, 0], None),  # keys without a meaning
    ],
)
def test_keys_push_their_axis_and_wish(keys, deflection, wish):
    hand = hand_of(keys, 4, 0.6)
    np.testing.assert_allclose(hand.deflection, deflection)
    assert hand.wish == wish


@pytest.fixture
def terminal():
    """Both ends of a terminal: what a person types into, and what the program reads."""
    person, program = pty.openpty()
    yield person, program
    for descriptor in (person, program):
        os.close(descriptor)


def test_keys_come_without_enter_and_the_terminal_is_given_back(terminal):
    person, program = terminal
    before = termios.tcgetattr(program)
    keyboard = Keyboard(KeyConfig(deflection=0.5), ARM, program)
    assert termios.tcgetattr(program) != before
    assert keyboard.read().deflection.tolist() == [0, 0, 0, 0]
    os.write(person, b"wa")
    assert keyboard.read().deflection.tolist() == [0.5, 0.5, 0, 0]
    assert keyboard.read().deflection.tolist() == [0, 0, 0, 0]
    keyboard.close()
    assert termios.tcgetattr(program) == before
    assert "w/s x, a/d y, r/f z, e/q gripper" in keyboard.help


def test_a_robot_with_more_axes_than_keys_is_refused(terminal):
    many = Limits(tuple(AxisLimit(str(n), "1", 0, 1, 1) for n in range(8)), 0.5)
    with pytest.raises(KeyboardError, match="8 axes, the keys are for 7"):
        Keyboard(KeyConfig(), many, terminal[1])


# gamepad


def event(kind, number, value):
    return struct.pack("<IhBB", 1234, value, kind, number)


STICK, BUTTON, INITIAL = 2, 1, 0x80
RECORDED = b"".join(
    [
        *(event(BUTTON | INITIAL, n, 0) for n in range(9)),
        *(event(STICK | INITIAL, n, 0) for n in range(6)),
        event(STICK, 1, -32767),  # left stick up: ahead
        event(STICK, 0, 16384),  # and half to the right
        event(STICK, 4, -3000),  # right stick, inside of the dead zone
        event(BUTTON, 0, 1),  # A
    ]
)


def test_a_recorded_stream_is_read_event_by_event(tmp_path):
    path = tmp_path / "js0"
    path.write_bytes(RECORDED)
    pad = Gamepad(PadConfig(path=str(path), dead_zone=0.2), ARM)
    hand = pad.read()
    pad.close()
    half = (16384 / 32767 - 0.2) / 0.8
    np.testing.assert_allclose(hand.deflection, [1.0, -half, 0.0, -1.0])
    assert hand.wish is None


def test_an_event_in_two_pieces_is_one_event():
    whole, pieces = GamepadState(), GamepadState()
    whole.take(RECORDED)
    for start in range(0, len(RECORDED), 5):
        pieces.take(RECORDED[start : start + 5])
    hands = [state.hand(4, PadConfig()).deflection for state in (whole, pieces)]
    np.testing.assert_array_equal(*hands)


def test_a_released_button_and_a_centred_stick_rest():
    state = GamepadState()
    state.take(RECORDED + event(STICK, 1, 0) + event(STICK, 0, 5) + event(BUTTON, 0, 0))
    np.testing.assert_allclose(state.hand(4, PadConfig()).deflection, 0, atol=1e-12)


@pytest.mark.parametrize(("button", "wish"), [(7, "end"), (6, "again"), (8, "stop"), (3, None)])
def test_a_wish_is_told_once_when_its_button_goes_down(button, wish):
    state = GamepadState()
    state.take(event(BUTTON | INITIAL, button, 1))  # held while the device was opened
    assert state.hand(4, PadConfig()).wish is None
    state.take(event(BUTTON, button, 1) + event(BUTTON, button, 0))
    assert state.hand(4, PadConfig()).wish == wish
    assert state.hand(4, PadConfig()).wish is None


def test_an_unplugged_gamepad_is_an_error_and_not_a_stick_at_rest(tmp_path, monkeypatch):
    path = tmp_path / "js0"
    path.write_bytes(b"")
    pad = Gamepad(PadConfig(path=str(path)), ARM)

    def gone(*_):
        raise OSError(errno.ENODEV, "No such device")

    with monkeypatch.context() as patch:
        patch.setattr("robot.operators.gamepad.os.read", gone)
        with pytest.raises(GamepadError, match="was unplugged"):
            pad.read()
    pad.close()


def test_a_robot_with_more_axes_than_sticks_is_refused():
    many = Limits(tuple(AxisLimit(str(n), "1", 0, 1, 1) for n in range(6)), 0.5)
    with pytest.raises(GamepadError, match="6 axes, a gamepad serves 5"):
        Gamepad(PadConfig(), many)
