"""What the hour of flight is judged by: a leak or a slow minute fails it, by the node's name."""

import pytest

from benchmarks.flight_hour import (
    FlightError,
    Sample,
    Watched,
    good,
    judge,
    keep,
    main,
    picture,
    table,
)

MINUTES = 60


def _flight(memory_mb, step_hz, *, minutes=MINUTES):
    """Samples every ten seconds; memory and rate of the one node as functions of the minute."""
    samples, steps = [], 0.0
    for number in range(minutes * 6 + 1):
        minute = number / 6
        samples.append(
            Sample(
                at_s=10.0 * number,
                run_bytes=1000 * number,
                alerts=0,
                memory_mb={"mind": memory_mb(minute)},
                steps={"mind": round(steps)},
                told_ns={"mind": 10_000_000_000 * number},
            )
        )
        steps += 10 * step_hz(minute)
    return Watched("command", "commit", _MACHINE, "room", 3600.0, {"mind": 50.0}, samples, 0, {})


_MACHINE = {"processor": "none", "cores": 2, "python": "3"}


def test_a_steady_flight_is_good():
    flight = _flight(lambda _: 100.0, lambda _: 50.0)
    (verdict,) = judge(flight)
    assert (verdict.growth, verdict.least_hz) == (0.0, 50.0)
    assert good(flight, [verdict])


def test_what_grows_in_the_first_five_minutes_is_no_leak():
    flight = _flight(lambda minute: 60.0 + 8 * min(minute, 5), lambda _: 50.0)
    assert good(flight, judge(flight))


def test_memory_that_goes_on_growing_fails():
    flight = _flight(lambda minute: 100.0 + 0.05 * minute, lambda _: 50.0)
    (verdict,) = judge(flight)
    # medians of minutes 5 to 10 and 55 to 60: 100.38 and 102.88 MB
    assert verdict.growth == pytest.approx(0.0249, abs=3e-4)
    assert not good(flight, [verdict])
    assert "| mind | 100.4 | 102.9 | +2.4" in table(flight, [verdict], "x.svg")


def test_one_slow_minute_fails():
    flight = _flight(lambda _: 100.0, lambda minute: 48.0 if 30 <= minute < 31 else 50.0)
    (verdict,) = judge(flight)
    assert verdict.least_hz == pytest.approx(48.0)
    assert not good(flight, [verdict])


@pytest.mark.parametrize(
    ("exit_code", "unaccounted"), [(None, {}), (1, {}), (0, {"a.b -> c.d": 2}), (0, None)]
)
def test_a_flight_that_did_not_end_well_is_not_good(exit_code, unaccounted):
    flight = _flight(lambda _: 100.0, lambda _: 50.0, minutes=2)
    flight.exit_code, flight.unaccounted = exit_code, unaccounted
    assert not good(flight, judge(flight))


def test_too_few_samples_are_refused():
    flight = _flight(lambda _: 100.0, lambda _: 50.0, minutes=1)
    flight.samples = flight.samples[:3]
    with pytest.raises(FlightError, match="at least 4"):
        judge(flight)


def test_what_was_kept_is_judged_again(tmp_path, capsys):
    path = tmp_path / "flight.json"
    keep(_flight(lambda _: 100.0, lambda _: 50.0, minutes=3), path)
    assert main(["--judge", str(path)]) == 0
    assert "| mind | 100.0 | 100.0 | +0.00% | 50.00 | 50.00 | yes |" in capsys.readouterr().out
    assert path.with_suffix(".svg").read_text().count("<polyline") == 1


def test_the_picture_names_every_node():
    assert ">mind</text>" in picture(_flight(lambda _: 100.0, lambda _: 50.0, minutes=2))
