import pytest

from sim.mishaps import MishapConfig, Mishaps

CONFIG = MishapConfig()
STEP_S = 0.01


@pytest.fixture
def mishaps():
    mishaps = Mishaps(CONFIG)
    mishaps.start(0.0, (0.0, 0.0, 1.4, 0.0))
    return mishaps


def contacts_at(mishaps, *times_s):
    return [mishaps.note_contact(time_s) for time_s in times_s]


def fly(mishaps, start_s, end_s, in_contact=lambda time_s: False, up=1.0):
    """Flies along x at 1 m/s; returns when and why it had to be put back."""
    for step in range(round(start_s / STEP_S), round(end_s / STEP_S)):
        time_s = step * STEP_S
        reason = mishaps.find_trouble(time_s, in_contact(time_s), up, inside=True)
        if reason:
            return time_s, reason
        mishaps.remember(time_s, (time_s, 0.0, 1.4, 0.0))
    return None


def test_contacts_within_a_second_of_each_other_are_one_collision(mishaps):
    assert contacts_at(mishaps, 1.0, 1.5, 2.4, 3.3) == [True, False, False, False]


def test_a_contact_after_a_second_without_is_another_collision(mishaps):
    assert contacts_at(mishaps, 1.0, 2.01) == [True, True]


def test_free_flight_is_no_trouble(mishaps):
    assert fly(mishaps, 0.0, 10.0) is None


def test_a_short_contact_is_no_trouble(mishaps):
    assert fly(mishaps, 0.0, 10.0, in_contact=lambda t: 3.0 <= t < 4.5) is None


def test_contact_of_two_seconds_is_trouble_though_it_flickers(mishaps):
    found = fly(mishaps, 0.0, 10.0, in_contact=lambda t: t >= 3.0 and round(t / STEP_S) % 10 == 0)
    assert found == (pytest.approx(3.0 + CONFIG.patience_s, abs=0.11), "stuck")


def test_lying_without_contact_is_trouble(mishaps):
    assert fly(mishaps, 0.0, 3.0, up=-1.0) == (pytest.approx(CONFIG.patience_s, abs=0.02), "lying")


def test_leaving_the_room_is_trouble_at_once(mishaps):
    assert mishaps.find_trouble(0.1, False, 1.0, inside=False) == "out of the room"


def test_it_is_put_back_to_where_it_was_well_before_the_trouble(mishaps):
    time_s, _ = fly(mishaps, 0.0, 10.0, in_contact=lambda t: t >= 5.0)
    x, *_ = mishaps.put_back(time_s)
    assert x == pytest.approx(5.0 - CONFIG.rewind_s, abs=CONFIG.track_period_s + 0.01)


def test_early_trouble_puts_it_back_to_the_start(mishaps):
    time_s, _ = fly(mishaps, 0.0, 10.0, in_contact=lambda t: t >= 0.5)
    assert mishaps.put_back(time_s)[0] == 0.0


def test_being_put_back_ends_the_trouble_but_not_the_collision(mishaps):
    mishaps.note_contact(4.9)
    time_s, _ = fly(mishaps, 0.0, 10.0, in_contact=lambda t: t >= 3.0)
    mishaps.put_back(time_s)
    assert fly(mishaps, time_s, time_s + 1.5) is None
    assert mishaps.note_contact(5.5) is False
