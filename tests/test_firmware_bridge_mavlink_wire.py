import itertools
import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from firmware_bridge.mavlink.asking import Asker
from firmware_bridge.mavlink.autopilots import PX4
from firmware_bridge.mavlink.stream import Stream
from firmware_bridge.mavlink.vehicle import ARMING_CHECKS, Vehicle
from firmware_bridge.mavlink.wire import (
    LARGEST_READ,
    KeyFileError,
    MissingLibraryError,
    Sender,
    Wire,
    dialect,
    read_key,
)

HOST, VEHICLE = Sender(245, 191), Sender(1, 1)
KEY = bytes(range(32))
LONGEST_FRAME = 280  # of MAVLink 2, signed


def _heartbeat(wire):
    return wire.pack(wire.encoder.heartbeat_encode(2, 12, 129, 6 << 16, 4))


pieces = st.one_of(
    st.binary(max_size=60),
    st.sampled_from([b"\xfd", b"\xfe", b"\xfd\xff\x01", b"\xfe\xff"]),
    st.builds(lambda _: _heartbeat(Wire(VEHICLE, None)), st.none()),
    st.builds(
        lambda place, flip: _flipped(_heartbeat(Wire(VEHICLE, None)), place, flip),
        st.integers(0, 20),
        st.integers(1, 255),
    ),
)


def _flipped(frame, place, flip):
    return frame[:place] + bytes([frame[place] ^ flip]) + frame[place + 1 :]


@given(st.lists(pieces, max_size=30), st.sampled_from([None, KEY]))
def test_any_bytes_give_messages_or_counted_errors_in_bounded_memory(parts, key):
    wire = Wire(HOST, VEHICLE, key)
    for part in parts:
        for message in wire.feed(part):
            assert message.get_srcSystem() == VEHICLE.system
    assert len(wire.encoder.buf) <= LONGEST_FRAME + 16
    assert all(count >= 0 for count in wire.counters.values())
    if key:
        assert wire.counters["messages"] == 0  # nothing of it was signed


@given(st.binary(max_size=400))
def test_it_is_back_in_step_within_one_longest_frame(garbage):
    wire, sender = Wire(HOST, VEHICLE), Wire(VEHICLE, None)
    wire.feed(garbage)
    wasted = 0
    while not wire.feed(frame := _heartbeat(sender)):
        wasted += len(frame)
    assert wasted <= LONGEST_FRAME + len(frame)


@given(st.integers(0, 20), st.integers(1, 255))
def test_a_frame_with_a_wrong_byte_is_never_a_message(place, flip):
    wire, sender = Wire(HOST, None), Wire(VEHICLE, None)
    good = _heartbeat(sender)
    heard = wire.feed(_flipped(good, place, flip))
    for _ in range(20):  # so that a length that was flipped up is reached
        heard += wire.feed(b"\x00" * 30)
    assert heard == []


def test_bytes_that_nobody_could_parse_in_time_are_dropped_and_counted():
    wire = Wire(HOST, VEHICLE)
    wire.feed(b"\x00" * (LARGEST_READ + 500))
    assert wire.counters["overflow"] == 500


@settings(max_examples=30)
@given(st.integers(1, 30))
def test_frames_come_whole_however_they_are_cut(size):
    wire, sender = Wire(HOST, VEHICLE), Wire(VEHICLE, None)
    stream = b"".join(_heartbeat(sender) for _ in range(20))
    heard = [m for i in range(0, len(stream), size) for m in wire.feed(stream[i : i + size])]
    assert len(heard) == 20
    assert wire.counters["lost"] == 0


def test_a_line_that_never_pauses_between_frames_does_not_fill_the_memory():
    wire, sender = Wire(HOST, VEHICLE), Wire(VEHICLE, None)
    rest = b""
    for _ in range(1000):  # there is always a piece of the next one
        stream = rest + _heartbeat(sender)
        wire.feed(stream[:-5])
        rest = stream[-5:]
        assert len(wire.encoder.buf) <= LONGEST_FRAME
    assert wire.counters["messages"] == 999


def test_lost_messages_are_counted_by_their_sequence_around_its_end():
    wire, sender = Wire(HOST, VEHICLE), Wire(VEHICLE, None)
    frames = [_heartbeat(sender) for _ in range(300)]
    for index in (0, 1, 5, 254, 258):
        wire.feed(frames[index])
    assert wire.counters["lost"] == 3 + 248 + 3


def test_others_are_counted_by_name_and_dropped():
    wire = Wire(HOST, VEHICLE)
    for sender in (Sender(1, 154), Sender(2, 1), Sender(2, 1)):
        assert wire.feed(_heartbeat(Wire(sender, None))) == []
    assert wire.others == {Sender(1, 154): 1, Sender(2, 1): 2}
    assert wire.counters["foreign"] == 3


def test_with_a_key_only_what_is_signed_with_it_is_taken():
    wire = Wire(HOST, VEHICLE, KEY)
    assert len(wire.feed(_heartbeat(Wire(VEHICLE, None, KEY)))) == 1
    assert wire.feed(_heartbeat(Wire(VEHICLE, None))) == []
    assert wire.feed(_heartbeat(Wire(VEHICLE, None, bytes(32)))) == []
    assert wire.counters["unsigned"] == 2


def test_a_signed_message_that_is_played_again_is_dropped():
    wire, frame = Wire(HOST, VEHICLE, KEY), _heartbeat(Wire(VEHICLE, None, KEY))
    assert len(wire.feed(frame)) == 1
    assert wire.feed(frame) == []


def test_a_forged_time_stamp_locks_nobody_out():
    wire, sender = Wire(HOST, VEHICLE, KEY), Wire(VEHICLE, None, KEY)
    forger = Wire(VEHICLE, None, bytes(32))
    forger.encoder.signing.timestamp += 10**9
    assert wire.feed(_heartbeat(forger)) == []
    assert len(wire.feed(_heartbeat(sender))) == 1


def test_a_key_file_is_its_owners_alone_and_64_digits(tmp_path):
    file = tmp_path / "key"
    file.write_text(KEY.hex() + "\n")
    file.chmod(0o640)
    with pytest.raises(KeyFileError, match="chmod 600"):
        read_key(str(file))
    file.chmod(0o600)
    assert read_key(str(file)) == KEY
    file.write_text("secret")
    with pytest.raises(KeyFileError, match="64 hexadecimal digits"):
        read_key(str(file))
    with pytest.raises(KeyFileError, match="No such file"):
        read_key(str(tmp_path / "none"))


def test_checksums_that_are_switched_off_are_refused(monkeypatch):
    monkeypatch.setattr(dialect(), "MAVLINK_IGNORE_CRC", "1")
    with pytest.raises(MissingLibraryError, match="MAV_IGNORE_CRC"):
        Wire(HOST, VEHICLE)


def test_without_pymavlink_the_cure_is_told(monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "pymavlink.dialects.v20.common", None)
    with pytest.raises(MissingLibraryError, match=r"pip install reflexarc\[mavlink\]"):
        dialect()


SECOND = 1_000_000_000


def _telemetry(encoder):
    """What a vehicle that may be armed says."""
    return {
        "HEARTBEAT": encoder.heartbeat_encode(2, 12, 1, 3 << 16, 3),
        "EXTENDED_SYS_STATE": encoder.extended_sys_state_encode(0, 1),
        "SYS_STATUS": encoder.sys_status_encode(*[0x10000000] * 3, 0, 12_000, -1, 80, *[0] * 6),
        "LOCAL_POSITION_NED": encoder.local_position_ned_encode(0, *[0.0] * 6),
        "ATTITUDE": encoder.attitude_encode(0, *[0.0] * 6),
        "HOME_POSITION": encoder.home_position_encode(0, 0, 0, *[0.0] * 3, [1, 0, 0, 0], 0, 0, 0),
    }


def _why_not(changes, missing=(), ages_s=()):
    vehicle, encoder = Vehicle(PX4), Wire(VEHICLE, None).encoder
    messages = {**_telemetry(encoder), **{k: make(encoder) for k, make in changes.items()}}
    for kind, message in messages.items():
        if kind not in missing:
            vehicle.hear(message, -round(dict(ages_s).get(kind, 0) * SECOND))
    return vehicle.why_not_arm(0, oldest_s=0.5, min_battery=0.2)


ARMING_CASES = [
    ("not_ready", {"HEARTBEAT": lambda e: e.heartbeat_encode(2, 12, 1, 0, 2)}, (), ()),
    ("failsafe", {"HEARTBEAT": lambda e: e.heartbeat_encode(2, 12, 1, 0, 5)}, (), ()),
    ("no_status", {}, ("SYS_STATUS",), ()),
    ("no_status", {}, (), [("SYS_STATUS", 6)]),
    (
        "battery_low",
        {"SYS_STATUS": lambda e: e.sys_status_encode(0, 0, 0, 0, 0, -1, 19, *[0] * 6)},
        (),
        (),
    ),
    ("no_landed_state", {}, ("EXTENDED_SYS_STATE",), ()),
    ("no_home", {}, ("HOME_POSITION",), ()),
    ("no_position", {}, ("LOCAL_POSITION_NED",), ()),
    ("no_position", {}, (), [("LOCAL_POSITION_NED", 0.6)]),
    (
        "no_position",
        {"LOCAL_POSITION_NED": lambda e: e.local_position_ned_encode(0, *[math.nan] * 6)},
        (),
        (),
    ),
    ("no_attitude", {}, ("ATTITUDE",), ()),
    ("no_attitude", {"ATTITUDE": lambda e: e.attitude_encode(0, *[math.inf] * 6)}, (), ()),
    ("ground_unknown", {"EXTENDED_SYS_STATE": lambda e: e.extended_sys_state_encode(0, 2)}, (), ()),
]


@pytest.mark.parametrize(("word", "changes", "missing", "ages_s"), ARMING_CASES)
def test_each_arming_check_bites(word, changes, missing, ages_s):
    assert _why_not({}) is None
    assert _why_not(changes, missing, ages_s) == word


def test_every_arming_check_has_a_case():
    assert {case[0] for case in ARMING_CASES} == set(ARMING_CHECKS)


def test_an_unknown_charge_does_not_forbid_arming():
    unknown = {"SYS_STATUS": lambda e: e.sys_status_encode(0, 0, 0, 0, 0, -1, -1, *[0] * 6)}
    assert _why_not(unknown) is None


def test_a_question_is_asked_until_it_is_answered_or_patience_ends():
    sent = []
    asker = Asker(lambda command, confirmation, params: sent.append((command, confirmation)))
    asker.ask(400, (1.0,), patience=3)
    answers = []
    for tenth in range(20):
        asker.tick(tenth * SECOND // 10)
        answers.append(asker.answer(400))
    assert sent == [(400, 0), (400, 1), (400, 2)]
    assert [a for a in answers if a] == ["no_answer"]


def test_an_answer_that_nobody_asked_for_changes_nothing():
    encoder = Wire(VEHICLE, None).encoder
    asker = Asker(lambda *_: None)
    asker.hear(encoder.command_ack_encode(400, 0))
    assert asker.answer(400) is None
    asker.ask(400, (1.0,))
    asker.hear(encoder.command_ack_encode(176, 0))
    asker.hear(encoder.command_ack_encode(400, 5))  # in progress
    assert asker.answer(400) is None
    asker.hear(encoder.command_ack_encode(400, 99))
    assert asker.answer(400) == "rejected"
    assert asker.answer(400) is None


@given(st.lists(st.integers(0, 700), min_size=1, max_size=200), st.sampled_from([5.0, 20.0, 50.0]))
def test_a_stream_is_proof_only_after_a_second_without_a_gap_and_never_bursts(gaps_ms, rate_hz):
    stream, now_ns, sent_ns = Stream(rate_hz), 0, []
    for gap_ms in gaps_ms:
        now_ns += gap_ms * 1_000_000
        if stream.is_due(now_ns):
            stream.sent(now_ns)
            sent_ns.append(now_ns)
        if stream.is_proof(now_ns):
            recent = [t for t in sent_ns if t >= now_ns - 1_000_000_000]
            edges = [now_ns - 1_000_000_000, *recent, now_ns]
            assert max(b - a for a, b in itertools.pairwise(edges)) < 500_000_000
    if len(sent_ns) > 1:
        least_ns = min(b - a for a, b in itertools.pairwise(sent_ns))
        assert least_ns >= 0.5e9 / rate_hz


def test_a_heading_is_carried_on_for_as_long_as_its_message_is_old():
    vehicle, encoder = Vehicle(PX4), Wire(VEHICLE, None).encoder
    for message in _telemetry(encoder).values():
        vehicle.hear(message, 0)
    vehicle.hear(encoder.attitude_encode(0, 0.0, 0.0, 1.0, 0.0, 0.0, 2.0), 0)
    headings = [vehicle.motion(round(age_s * SECOND), 0.5).heading_rad for age_s in (0, 0.04, 0.4)]
    assert headings == pytest.approx([1.0, 1.08, 1.2])  # for 0.1 s at most
