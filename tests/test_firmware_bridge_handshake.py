"""From hello to agreement, one answer after the other."""

from types import SimpleNamespace

import pytest

from firmware_bridge.axis_limits import AxisLimit, Limits
from firmware_bridge.errors import LimitsRefusedError, SchemaMismatchError
from firmware_bridge.handshake import AGAIN_NS, DISORDER_US, Handshake, Stage
from firmware_bridge.mcu_options import McuOptions
from firmware_bridge.mcu_setup import setup_of
from firmware_bridge.protocol import BY_NAME, SCHEMA_HASH
from firmware_bridge.safety_words import Mode, Reason

LIMITS = Limits(
    (
        AxisLimit("speed", "m/s", 0.0, 1.0, slew_per_s=4.0, stop=0.0),
        AxisLimit("shoulder", "rad", -1.5, 1.5, slew_per_s=2.0),
    ),
    max_command_age_s=0.25,
)
SETUP = [("configure", 0), ("configure_axis", 0), ("configure_axis", 1)]


def _identity(mode=Mode.BOOT, uptime_us=1_000_000, schema_hash=SCHEMA_HASH):
    return SimpleNamespace(schema_hash=schema_hash, uptime_us=uptime_us, mode=mode)


def _verdict(about, index, reason=Reason.NONE):
    return SimpleNamespace(about=BY_NAME[about].id, index=index, reason=reason)


def _names(said):
    return [(name, fields.get("index", 0)) for name, fields in said]


@pytest.fixture
def handshake():
    return Handshake(setup_of(LIMITS, McuOptions("/dev/nobody")), "'/dev/nobody'")


@pytest.fixture
def agreed(handshake):
    handshake.to_say(0)
    handshake.identity(_identity())
    handshake.to_say(0)
    for packet, index in SETUP:
        handshake.verdict(_verdict(packet, index))
    assert handshake.stage is Stage.DONE
    return handshake


def test_hello_is_said_until_it_is_answered(handshake):
    assert _names(handshake.to_say(0)) == [("hello", 0)]
    assert handshake.to_say(AGAIN_NS - 1) == []
    assert _names(handshake.to_say(AGAIN_NS)) == [("hello", 0)]
    handshake.identity(_identity())
    assert _names(handshake.to_say(AGAIN_NS)) == SETUP


@pytest.mark.parametrize("lost", range(len(SETUP)))
def test_no_verdict_may_be_missing_and_all_is_said_again(handshake, lost):
    handshake.identity(_identity())
    handshake.to_say(0)
    for number, answer in enumerate(SETUP):
        if number != lost:
            handshake.verdict(_verdict(*answer))
    assert handshake.stage is Stage.CONFIGURING
    assert _names(handshake.to_say(AGAIN_NS)) == SETUP


def test_verdicts_on_what_was_not_asked_are_left_out(handshake):
    handshake.identity(_identity())
    handshake.to_say(0)
    for index in range(255):
        handshake.verdict(_verdict("wish", index, Reason.BAD_VALUE))
    handshake.verdict(_verdict("configure_axis", 200, Reason.BAD_VALUE))
    assert handshake.stage is Stage.CONFIGURING


def test_another_schema_ends_it_until_it_is_begun_anew(handshake):
    handshake.identity(_identity(schema_hash=1))
    assert (handshake.stage, type(handshake.error)) == (Stage.REFUSED, SchemaMismatchError)
    assert handshake.to_say(AGAIN_NS) == []
    handshake.begin()
    assert handshake.error is None


@pytest.mark.parametrize("mode", [Mode.PROTECTIVE_STOP, Mode.ESTOP])
def test_a_stopped_controller_keeps_what_this_link_told_it(agreed, mode):
    agreed.begin()
    agreed.identity(_identity(mode, uptime_us=2_000_000))
    assert agreed.stage is Stage.DONE


@pytest.mark.parametrize("mode", [Mode.PROTECTIVE_STOP, Mode.ESTOP])
def test_a_stopped_controller_that_was_reset_since_was_told_by_somebody_else(agreed, mode):
    agreed.begin()
    agreed.identity(_identity(mode, uptime_us=900_000))
    assert (agreed.stage, agreed.resets) == (Stage.FOREIGN, 1)
    agreed.mode(mode)
    assert agreed.stage is Stage.FOREIGN
    agreed.mode(Mode.DISARMED)
    assert _names(agreed.to_say(0)) == SETUP


def test_stamps_that_are_a_little_out_of_order_are_no_reset(agreed):
    assert not agreed.is_at(1_200_000)
    assert not agreed.is_at(1_190_000)
    assert not agreed.is_at(1_200_000 - DISORDER_US)
    assert agreed.is_at(1_200_000 - DISORDER_US - 1)
    assert agreed.resets == 1


def test_a_setup_that_was_not_finished_is_none(agreed):
    agreed.begin()
    agreed.identity(_identity(Mode.DISARMED, uptime_us=2_000_000))  # told anew, without answer
    agreed.begin()
    agreed.identity(_identity(Mode.PROTECTIVE_STOP, uptime_us=3_000_000))
    assert agreed.stage is Stage.FOREIGN


def test_a_controller_that_was_armed_meanwhile_is_greeted_anew(handshake):
    handshake.identity(_identity())
    handshake.to_say(0)
    handshake.verdict(_verdict("configure", 0, Reason.WRONG_MODE))
    assert handshake.stage is Stage.GREETING


def test_a_refused_axis_is_asked_about_one_limit_after_the_other(handshake):
    handshake.identity(_identity())
    handshake.to_say(0)
    handshake.verdict(_verdict("configure_axis", 1, Reason.BEYOND_HARDWARE))
    asked = []
    while handshake.stage is Stage.ASKING:
        ((name, fields),) = handshake.to_say(0)
        asked.append((name, fields.get("minimum")))
        beyond = name == "configure_axis" and fields["minimum"] == -1.5
        reason = Reason.BEYOND_HARDWARE if beyond else Reason.NONE
        handshake.verdict(_verdict("configure_axis", 0, Reason.BEYOND_HARDWARE))  # of the set-up
        handshake.verdict(_verdict(name, fields.get("index", 0), reason))
    assert asked[-1][0] == "configure"  # which makes it forget the questions
    assert isinstance(handshake.error, LimitsRefusedError)
    assert "axis 'shoulder': minimum -1.5 is beyond" in str(handshake.error)
