"""What was asked of a controller, until it has answered."""

from types import SimpleNamespace

import pytest

from firmware_bridge.protocol import BY_NAME
from firmware_bridge.safety_words import Mode, Reason, Wish
from firmware_bridge.wishes import AGAIN_NS, STOPS, UNANSWERED_NS, Wishes

TORQUE = (Wish.ARM, Wish.RESET)


def _verdict(wish, reason=Reason.NONE):
    return SimpleNamespace(about=BY_NAME["wish"].id, index=wish, reason=reason, mode=Mode.BOOT)


@pytest.fixture
def wishes():
    return Wishes()


@pytest.mark.parametrize("wish", STOPS)
def test_a_wish_to_stop_is_said_again_until_it_is_answered(wishes, wish):
    wishes.ask(wish, 0)
    assert wishes.to_say(0) == [wish]
    assert wishes.to_say(AGAIN_NS - 1) == []
    assert wishes.to_say(AGAIN_NS) == [wish]
    wishes.verdict(_verdict(wish))
    assert wishes.to_say(2 * AGAIN_NS) == []
    assert not wishes.is_waiting


@pytest.mark.parametrize("wish", TORQUE)
def test_a_wish_for_torque_is_said_once_and_told_if_it_is_not_answered(wishes, wish):
    wishes.ask(wish, 0)
    assert wishes.to_say(0) == [wish]
    assert wishes.to_say(UNANSWERED_NS) == []
    assert wishes.take_refusals() == ()
    assert wishes.to_say(UNANSWERED_NS + 1) == []
    assert wishes.take_refusals() == (f"{wish.name.lower()}_refused_unanswered",)
    assert wishes.take_refusals() == ()


@pytest.mark.parametrize("wish", STOPS)
def test_who_wants_to_stop_believes_in_it_at_once(wishes, wish):
    assert wishes.believed(Mode.ACTIVE) is Mode.ACTIVE
    wishes.ask(wish, 0)
    assert wishes.believed(Mode.ACTIVE) is STOPS[wish]
    assert not wishes.believed(Mode.ACTIVE).is_engaged
    wishes.verdict(_verdict(wish))
    assert wishes.believed(Mode.ACTIVE) is Mode.ACTIVE


def test_a_wish_for_torque_does_not_replace_a_stop_but_a_stop_replaces_it(wishes):
    wishes.ask(Wish.ARM, 0)
    wishes.ask(Wish.STOP, 0)
    assert wishes.to_say(0) == [Wish.STOP]
    wishes.ask(Wish.RESET, 0)
    assert wishes.take_refusals() == ("reset_refused_wrong_mode",)
    assert wishes.to_say(AGAIN_NS) == [Wish.STOP]
    wishes.ask(Wish.ESTOP, AGAIN_NS)
    assert wishes.to_say(AGAIN_NS) == [Wish.ESTOP]


def test_an_emergency_stop_is_not_replaced_by_a_gentler_one(wishes):
    wishes.ask(Wish.ESTOP, 0)
    wishes.ask(Wish.STOP, 0)
    assert wishes.to_say(0) == [Wish.ESTOP]


def test_a_verdict_on_something_else_answers_nothing(wishes):
    wishes.ask(Wish.ARM, 0)
    wishes.verdict(_verdict(Wish.STOP, Reason.WRONG_MODE))
    wishes.verdict(SimpleNamespace(about=BY_NAME["configure"].id, index=Wish.ARM))
    assert wishes.is_waiting
    wishes.verdict(_verdict(Wish.ARM, Reason.SENSOR_LOST))
    assert wishes.take_refusals() == ("arm_refused_sensor_lost",)


def test_a_controller_that_is_gone_leaves_no_wish_for_the_one_that_comes(wishes):
    wishes.ask(Wish.ARM, 0)
    wishes.forget()
    assert wishes.to_say(0) == []
    assert wishes.take_refusals() == ("arm_refused_no_link",)
