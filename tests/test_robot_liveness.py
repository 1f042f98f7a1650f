"""Alive, at its rate, valid: by stamps worked out by hand."""

from robot.liveness import ALIVE_PERIODS, FREQ_WINDOW, Liveness

MS = 1_000_000


def _fed(expected_hz, stamps_ms):
    liveness = Liveness(expected_hz, start_ns=0)
    for stamp in stamps_ms:
        liveness.message(round(stamp * MS), valid=True)
    return liveness


def test_an_input_is_alive_for_less_than_ten_periods_after_its_last_message():
    liveness = _fed(10, [100])
    assert ALIVE_PERIODS == 10
    assert liveness.alive(1099 * MS)
    assert not liveness.alive(1100 * MS)
    assert liveness.silence_s(1100 * MS) == 1.0


def test_before_the_first_message_silence_counts_from_the_start():
    liveness = Liveness(10, start_ns=500 * MS)
    assert liveness.alive(1499 * MS)
    assert not liveness.alive(1500 * MS)


def test_an_input_of_no_known_rate_is_always_alive_and_at_its_rate():
    liveness = _fed(None, [0, 1, 10_000])
    assert liveness.alive(10**18)
    assert liveness.freq_ok()


def test_the_rate_is_counted_in_periods_between_messages():
    assert _fed(10, []).rate_hz() == 0.0
    assert _fed(10, [100]).rate_hz() == 0.0
    assert _fed(10, [100, 100]).rate_hz() == 0.0
    assert _fed(10, [100, 200, 300]).rate_hz() == 10.0


def test_the_rate_is_judged_after_a_hundred_periods_and_may_be_a_tenth_too_low():
    slow = 1000 / 8.9  # ms; 8.9 Hz is below 90 % of 10 Hz
    assert _fed(10, [i * slow for i in range(FREQ_WINDOW)]).freq_ok()  # one too few to tell
    assert not _fed(10, [i * slow for i in range(FREQ_WINDOW + 1)]).freq_ok()
    enough = 1000 / 9.1
    assert _fed(10, [i * enough for i in range(FREQ_WINDOW + 1)]).freq_ok()


def test_only_the_last_hundred_periods_count():
    early = [i * 1000 for i in range(5)]  # 1 Hz
    late = [5000 + i * 100 for i in range(FREQ_WINDOW + 1)]  # 10 Hz
    assert _fed(10, early + late).freq_ok()


def test_an_input_is_as_valid_as_its_last_message():
    liveness = Liveness(10, 0)
    assert liveness.valid
    liveness.message(0, valid=False)
    assert not liveness.valid
    liveness.message(0, valid=True)
    assert liveness.valid
