import itertools
import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from firmware_bridge.axis_limits import GUARDS, AxisLimit, Limits
from firmware_bridge.errors import BridgeInputError, CommandShapeError, LimitsTableError
from firmware_bridge.limits import REASONS, CommandLimiter
from firmware_bridge.robot_files import read_robot_file
from firmware_bridge.safety_words import AxisKind

SPEED = AxisLimit("speed", "m/s", -0.5, 1.0, slew_per_s=4.0, stop=0.0)
ALTITUDE = AxisLimit("altitude", "m", 0.5, 2.5, slew_per_s=0.5)
LIMITS = Limits((SPEED, ALTITUDE), max_command_age_s=0.3)
TABLE = {
    "max_command_age_s": 0.3,
    "axes": [
        {
            "name": "speed",
            "unit": "m/s",
            "minimum": -0.5,
            "maximum": 1.0,
            "slew_per_s": 4,
            "stop": 0,
        },
        {"name": "altitude", "unit": "m", "minimum": 0.5, "maximum": 2.5, "slew_per_s": 0.5},
    ],
}
TICK_NS = 100_000_000

values = st.tuples(st.floats(width=64), st.floats(width=64))  # NaN, infinities and huge included
ticks_ns = st.integers(min_value=-TICK_NS, max_value=20 * TICK_NS)  # late, early, or long silence
calls = st.lists(
    st.tuples(ticks_ns, st.none() | st.tuples(values, ticks_ns)), min_size=1, max_size=40
)


def play(limiter, calls):
    """Yields (now_ns, offered values or None, what came out) for drawn time steps and commands."""
    now_ns = 0
    for step_ns, command in calls:
        now_ns += step_ns
        if command is None:
            yield now_ns, None, limiter.follow(now_ns)
        else:
            offered, age_ns = command
            yield now_ns, offered, limiter.apply(offered, now_ns - age_ns, now_ns)


@given(calls)
def test_no_sequence_of_calls_leaves_the_range_or_exceeds_the_slew(calls):
    limiter = CommandLimiter(LIMITS)
    latest_ns, last = None, np.array([0.0, 1.5])
    for now_ns, _, limited in play(limiter, calls):
        elapsed_s = 0 if latest_ns is None else max(0, now_ns - latest_ns) / 1e9
        for axis, value, before in zip(LIMITS.axes, limited.values, last, strict=True):
            assert axis.minimum <= value <= axis.maximum
            assert abs(value - before) <= axis.slew_per_s * min(elapsed_s, 0.3) + 1e-12
        latest_ns = now_ns if latest_ns is None else max(latest_ns, now_ns)
        last = limited.values


@given(calls)
def test_counters_add_up_to_what_was_returned(calls):
    limiter = CommandLimiter(LIMITS)
    played = list(play(limiter, calls))
    counters = limiter.counters
    assert counters["sent"] == len(played)
    assert counters["offered"] == sum(offered is not None for _, offered, _ in played)
    assert counters["accepted"] <= counters["offered"] - counters["non_finite"]
    for reason in REASONS:
        assert counters[reason] == sum(reason in limited.reasons for *_, limited in played)


@given(calls)
def test_after_any_sequence_silence_moves_to_stop_and_stays(calls):
    limiter = CommandLimiter(LIMITS)
    now_ns = max([now_ns for now_ns, *_ in play(limiter, calls)] + [0]) + 10 * TICK_NS
    settled = [limiter.follow(now_ns + tick * TICK_NS) for tick in range(60)][-10:]
    assert all(limited.values[0] == 0.0 for limited in settled)  # speed stops
    assert len({limited.values[1] for limited in settled}) == 1  # altitude holds
    assert all(limited.reasons == ("stale",) for limited in settled)


@given(
    st.tuples(st.sampled_from([math.nan, math.inf, -math.inf]), st.floats()).flatmap(
        st.permutations
    )
)
def test_a_non_finite_command_leaves_the_last_accepted_one_followed(bad):
    limiter, twin = CommandLimiter(LIMITS), CommandLimiter(LIMITS)
    for each in (limiter, twin):
        each.apply([0.8, 1.6], 0, 0)
    refused, followed = limiter.apply(bad, TICK_NS, TICK_NS), twin.follow(TICK_NS)
    assert refused.reasons[0] == "non_finite"
    np.testing.assert_array_equal(refused.values, followed.values)
    stopping = limiter.follow(4 * TICK_NS)  # the refused command renewed nothing
    assert "stale" in stopping.reasons


def test_the_example_of_the_module_docstring():
    limiter = CommandLimiter(Limits((replace(SPEED, slew_per_s=4.0),), 0.3))
    outputs = [limiter.apply([1.0], 0, 0)]
    outputs += [limiter.follow(tick * TICK_NS) for tick in (1, 2)]
    outputs += [limiter.apply([math.nan], 3 * TICK_NS, 3 * TICK_NS)]
    outputs += [limiter.follow(tick * TICK_NS) for tick in (4, 5, 6, 7)]
    sent = [float(limited.values[0]) for limited in outputs]
    assert sent == pytest.approx([0.0, 0.4, 0.8, 1.0, 0.6, 0.2, 0.0, 0.0])
    reasons = [limited.reasons for limited in outputs]
    assert reasons[:4] == [("slew",), ("slew",), ("slew",), ("non_finite",)]
    assert reasons[4:] == [("slew", "stale")] * 2 + [("stale",)] * 2


def test_a_command_in_range_arrives_exactly_and_without_a_reason():
    limiter = CommandLimiter(LIMITS, start=[0.1, 1.5])
    limiter.follow(0)
    limited = limiter.apply([0.3, 1.54], TICK_NS, TICK_NS)
    assert limited.reasons == ()
    np.testing.assert_array_equal(limited.values, [0.3, 1.54])


def test_out_of_range_is_clipped_and_said():
    limiter = CommandLimiter(LIMITS, start=[1.0, 2.5])
    assert limiter.apply([1e300, 1e300], 0, 0).reasons == ("range",)
    np.testing.assert_array_equal(limiter.follow(TICK_NS).values, [1.0, 2.5])


def test_before_any_command_it_commands_rest():
    limited = CommandLimiter(LIMITS).follow(0)
    np.testing.assert_array_equal(limited.values, [0.0, 1.5])  # stop, and the middle of the range
    assert limited.reasons == ("stale",)


def test_the_first_command_is_ramped_from_where_the_robot_stands():
    limiter = CommandLimiter(LIMITS, start=[0.0, 0.7])
    limiter.apply([0.0, 2.0], 0, 0)
    assert limiter.follow(TICK_NS).values[1] == pytest.approx(0.75)


def test_a_command_captured_before_the_followed_one_is_refused():
    limiter = CommandLimiter(LIMITS, start=[0.5, 1.5])
    limiter.apply([0.5, 1.5], 2 * TICK_NS, 2 * TICK_NS)
    assert "stale" in limiter.apply([1.0, 1.5], TICK_NS, 2 * TICK_NS).reasons
    assert limiter.follow(3 * TICK_NS).values[0] == 0.5


def test_a_command_whose_sender_does_not_trust_it_is_refused():
    limiter = CommandLimiter(LIMITS, start=[0.5, 1.5])
    limiter.apply([0.5, 1.5], 0, 0)
    assert limiter.apply([1.0, 1.5], TICK_NS, TICK_NS, valid=False).reasons == ("invalid",)
    assert limiter.follow(2 * TICK_NS).values[0] == 0.5
    assert limiter.counters["accepted"] == 1
    assert limiter.counters["offered"] == 2


def test_a_stamp_from_the_future_keeps_no_command_alive():
    limiter = CommandLimiter(LIMITS)
    limiter.apply([1.0, 1.5], 10**18, 0)
    assert "stale" in limiter.follow(4 * TICK_NS).reasons


def test_a_command_too_old_on_arrival_never_moves_the_robot():
    limiter = CommandLimiter(LIMITS)
    limiter.apply([1.0, 1.5], 0, 4 * TICK_NS)
    assert limiter.follow(5 * TICK_NS).values[0] == 0.0


def test_a_halt_stops_at_once_and_afterwards_the_slew_counts_from_there():
    limiter = CommandLimiter(LIMITS, start=(1.0, 1.5))
    limiter.apply((1.0, 2.0), 0, 0)
    limiter.apply((1.0, 2.0), TICK_NS, TICK_NS)
    halted = limiter.halt(2 * TICK_NS)
    assert halted.reasons == ("halted",)
    assert halted.values[0] == 0.0
    assert halted.values[1] == pytest.approx(1.55)  # an axis without stop holds what was sent
    assert limiter.counters["halted"] == 1
    again = limiter.apply((1.0, 2.0), 3 * TICK_NS, 3 * TICK_NS)
    assert again.values[0] == pytest.approx(0.4)


def test_after_a_rebase_it_begins_where_the_robot_stands_and_what_was_commanded_is_forgotten():
    limiter = CommandLimiter(LIMITS)
    limiter.apply([1.0, 2.5], 0, 0)
    moving = limiter.follow(TICK_NS)
    np.testing.assert_allclose(moving.values, [0.4, 1.55])
    limited = limiter.rebase([0.7, 0.9], 2 * TICK_NS)  # an axis that stops stands at its stop
    np.testing.assert_array_equal(limited.values, [0.0, 0.9])
    assert limited.reasons == ("halted",)
    for tick in (3, 4, 5):  # the old command would be fresh at 3
        np.testing.assert_array_equal(limiter.follow(tick * TICK_NS).values, [0.0, 0.9])
    ramped = limiter.apply([1.0, 2.5], 6 * TICK_NS, 6 * TICK_NS)
    np.testing.assert_allclose(ramped.values, [0.4, 0.95])


@pytest.mark.parametrize(
    ("measured", "held"), [(None, 1.5), ([0.0, math.nan], 1.5), ([0.0, 9.0], 2.5)]
)
def test_a_rebase_holds_what_is_not_measured_and_leaves_no_range(measured, held):
    limiter = CommandLimiter(LIMITS)
    np.testing.assert_array_equal(limiter.rebase(measured, 0).values, [0.0, held])


JOINT = AxisLimit("joint", "rad", -2.0, 2.0, slew_per_s=2.0)
BRAKED = replace(JOINT, acceleration_per_s2=5.0)
GUARDED = replace(JOINT, max_jump=0.2)
RAMPED = replace(GUARDED, ramp_per_s=0.4)
FAST_NS = 20_000_000


def one(axis, start=(0.0,)):
    return CommandLimiter(Limits((axis,), 0.3), start)


def outputs(limiter, target, ticks):
    """What is sent while the same is commanded at 50 Hz, after what was sent before."""
    first_ns = limiter.counters["sent"] * FAST_NS
    for tick in range(ticks):
        now_ns = first_ns + tick * FAST_NS
        yield float(limiter.apply([target], now_ns, now_ns).values[0])


@given(st.lists(st.tuples(st.floats(-3, 3), st.integers(1, 60)), min_size=1, max_size=6))
def test_the_rate_changes_no_faster_than_the_acceleration_and_the_range_is_kept(legs):
    limiter = one(BRAKED)
    sent = [0.0] + [value for leg in legs for value in outputs(limiter, *leg)]
    rates = [(b - a) / 0.02 for a, b in itertools.pairwise([0.0, *sent])]
    assert max(map(abs, sent)) <= 2.0
    assert max(map(abs, rates)) <= 2.0 + 1e-9
    assert max(abs(b - a) / 0.02 for a, b in itertools.pairwise(rates)) <= 5.0 + 1e-6


def test_with_an_acceleration_the_target_is_reached_exactly_without_going_beyond():
    sent = list(outputs(one(BRAKED), 1.5, 90))
    assert max(sent) == sent[-1] == 1.5
    assert sent == sorted(sent)
    assert max(b - a for a, b in itertools.pairwise(sent)) == pytest.approx(0.04)


def test_what_is_held_back_by_the_acceleration_counts_as_slew():
    limiter = one(BRAKED)
    limiter.follow(0)
    assert limiter.apply([0.01], FAST_NS, FAST_NS).reasons == ("slew",)
    assert limiter.counters["slew"] == 1


def test_an_axis_without_acceleration_beside_one_with_it_is_what_it_is_alone():
    limiter = CommandLimiter(Limits((replace(BRAKED, name="other"), JOINT), 0.3), (0.0, 0.0))
    alone = one(JOINT)
    for tick in range(50):
        now_ns = tick * FAST_NS
        both = limiter.apply([1.0, 0.7], now_ns, now_ns).values
        assert both[1] == alone.apply([0.7], now_ns, now_ns).values[0]


def test_after_a_halt_the_rate_begins_at_rest():
    limiter = one(BRAKED)
    list(outputs(limiter, 1.5, 30))
    halted = limiter.halt(30 * FAST_NS).values[0]
    assert limiter.follow(31 * FAST_NS).values[0] - halted == pytest.approx(5.0 * 0.02**2)


def test_a_first_command_far_away_is_approached_slowly_until_it_is_reached_once():
    limiter = one(RAMPED)
    sent = list(outputs(limiter, 1.0, 140))
    assert max(b - a for a, b in itertools.pairwise(sent)) == pytest.approx(0.4 * 0.02)
    assert sent[-1] == 1.0
    assert limiter.counters["jump"] == 126  # at 0.4 rad/s, and the tick in which time began
    after = list(outputs(limiter, 0.0, 10))
    assert after[1] - after[0] == pytest.approx(-2.0 * 0.02)
    assert limiter.counters["jump"] == 126


def test_the_ramp_is_never_faster_than_the_slew():
    sent = list(outputs(one(replace(RAMPED, ramp_per_s=9.0)), 1.0, 10))
    assert max(b - a for a, b in itertools.pairwise(sent)) == pytest.approx(2.0 * 0.02)


def test_without_a_ramp_a_first_command_far_away_is_refused():
    limiter = one(GUARDED)
    assert limiter.apply([1.0], 0, 0).reasons == ("jump", "stale")
    assert limiter.apply([1.0], FAST_NS, FAST_NS).values[0] == 0.0
    assert limiter.counters["accepted"] == 0
    assert limiter.apply([0.2], 2 * FAST_NS, 2 * FAST_NS).values[0] == pytest.approx(0.04)
    later = limiter.apply([1.0], 3 * FAST_NS, 3 * FAST_NS)  # no first one any more
    assert later.reasons == ("slew",)


@pytest.mark.parametrize("axis", [RAMPED, GUARDED], ids=["ramp", "refuse"])
def test_a_first_command_nearby_goes_at_its_own_pace(axis):
    limited = one(axis).apply([0.2], 0, 0)
    assert limited.reasons == ("slew",)


def test_after_a_rebase_the_next_command_is_a_first_one():
    limiter = one(GUARDED)
    limiter.apply([0.1], 0, 0)
    limiter.rebase([-1.0], FAST_NS)
    assert "jump" in limiter.apply([0.1], 2 * FAST_NS, 2 * FAST_NS).reasons
    ramped = one(RAMPED)
    ramped.apply([1.0], 0, 0)
    ramped.rebase([0.9], FAST_NS)
    ramped.apply([1.0], 2 * FAST_NS, 2 * FAST_NS)
    assert ramped.follow(3 * FAST_NS).values[0] == pytest.approx(0.98)


def test_a_velocity_has_no_first_command_to_guard():
    limiter = one(replace(GUARDED, unit="rad/s", stop=0.0))
    assert limiter.apply([1.0], 0, 0).reasons == ("slew",)


def test_the_kind_of_an_axis_follows_from_its_unit():
    assert [SPEED.kind, ALTITUDE.kind] == [AxisKind.VELOCITY, AxisKind.POSITION]


def test_a_table_without_the_new_keys_is_what_it_was():
    assert LIMITS.as_table() == {
        "max_command_age_s": 0.3,
        "axes": [TABLE["axes"][0], {**TABLE["axes"][1], "stop": None}],
    }


def test_a_table_with_all_keys_goes_round():
    row = {**TABLE["axes"][1], "stop": 1.0} | dict.fromkeys(GUARDS, 0.5)
    table = {"axes": [row], "max_command_age_s": 0.3}
    assert Limits.from_table(table).as_table() == table


def test_outputs_are_not_aliased():
    limiter = CommandLimiter(LIMITS)
    limiter.follow(0).values[:] = 99.0
    np.testing.assert_array_equal(limiter.follow(0).values, [0.0, 1.5])


@pytest.mark.parametrize("shape", [(), (1,), (3,), (2, 1)])
def test_a_command_of_another_shape_is_an_error(shape):
    with pytest.raises(CommandShapeError, match=r"speed, altitude"):
        CommandLimiter(LIMITS).apply(np.zeros(shape), 0, 0)


def test_table_round_trip():
    assert Limits.from_table(TABLE) == LIMITS


def test_limits_of_every_robot_are_valid():
    folder = Path(__file__).parents[1] / "configs" / "robots"
    robots = sorted(folder.glob("*.toml"))
    assert robots
    for path in robots:
        Limits.from_table(read_robot_file(path.stem)["limits"])


def axis(**changes):
    return TABLE | {"axes": [{**TABLE["axes"][0], **changes}]}


@pytest.mark.parametrize(
    ("table", "says"),
    [
        ({**TABLE, "max_age": 1}, "unknown key 'max_age'.*axes, max_command_age_s"),
        ({"axes": TABLE["axes"]}, "lacks the key 'max_command_age_s'"),
        ({**TABLE, "axes": []}, "no axes"),
        ({**TABLE, "axes": 3}, "list of tables"),
        ({**TABLE, "axes": TABLE["axes"][:1] * 2}, "twice"),
        ({**TABLE, "max_command_age_s": 0}, "positive"),
        ({**TABLE, "max_command_age_s": math.nan}, "positive"),
        (axis(slew=1), "unknown key 'slew'.*slew_per_s"),
        (axis(minimum="0"), "minimum is '0', not a number"),
        (axis(maximum=math.inf), "must be finite"),
        (axis(minimum=1.0), "not below maximum"),
        (axis(slew_per_s=0), "must be > 0"),
        (axis(stop=2), "outside"),
        (axis(max_jump=0), "max_jump 0 must be > 0"),
        (axis(acceleration_per_s2=-1.0), "acceleration_per_s2 -1.0 must be > 0"),
        (axis(max_effort=math.inf), "max_effort is inf, must be finite"),
        (axis(ramp_per_s=1.0), "ramp_per_s without max_jump"),
    ],
)
def test_a_bad_table_is_refused_in_one_line(table, says):
    with pytest.raises(LimitsTableError, match=says) as refused:
        Limits.from_table(table)
    assert "\n" not in str(refused.value)
    assert isinstance(refused.value, BridgeInputError)
    assert refused.value.exit_code == 2
