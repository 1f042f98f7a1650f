"""Laws of the MAVLink driver under all wishes, pilots and faults that Hypothesis finds."""

import math

import numpy as np
from hypothesis import Phase, given, settings
from hypothesis import strategies as st
from mavlink_flight import Flight

from firmware_bridge.mavlink.autopilots import AUTOPILOTS
from firmware_bridge.safety import Mode, Wish

PHASES = (Phase.explicit, Phase.reuse, Phase.generate, Phase.shrink)  # explaining takes minutes
AXES = st.one_of(
    st.tuples(st.floats(0.0, 1.0), st.floats(-2.0, 2.0), st.floats(0.5, 2.3)),
    st.tuples(*[st.floats()] * 3),
)
FAULTS = {
    "silent": [True, False],
    "deaf": [True, False],
    "delay_s": [0.0, 0.3],
    "corrupt_share": [0.0, 0.3],
    "lose_share": [0.0, 0.5],
    "deny_arming": ["", "compass"],
    "battery": [0.9, 0.1],
    "no_position": [True, False],
    "refuse": [None, 1, 4],
}
EVENTS = st.one_of(
    st.tuples(st.just("wish"), st.sampled_from(Wish)),
    st.tuples(st.just("pilot"), st.sampled_from(["loiter", "land", "rtl"])),
    st.tuples(
        st.just("fault"),
        st.sampled_from([(name, value) for name, values in FAULTS.items() for value in values]),
    ),
)
STORY = st.lists(st.tuples(EVENTS, AXES, st.floats(0.0, 3.0)), max_size=6)


class Watch:
    """Looks at everything that passes between driver and vehicle, and at what the driver says."""

    def __init__(self, flight):
        self.flight = flight
        self.may_ask = False  # somebody wished for the controls since they were last lost
        self.seen = self.taken = 0

    def wish(self, wish):
        self.flight.carry()  # what was sent before the wish is judged as before it
        self.look()
        self.may_ask = wish in (Wish.ARM, Wish.RESET) or (self.may_ask and wish is Wish.DISARM)

    def look(self):
        state = self.flight.state
        assert np.isfinite(state.values).all()
        assert state.stopped == (state.mode not in (Mode.ARMED, Mode.ACTIVE))
        if state.counters["modes_taken"] > self.taken:
            self.may_ask, self.taken = False, state.counters["modes_taken"]
        heard = list(self.flight.vehicle.heard)
        for message in heard[self.seen :]:
            self.look_at(message)
        self.seen = len(heard)

    def look_at(self, message):
        kind = message.get_type()
        if kind == "SET_POSITION_TARGET_LOCAL_NED":
            speed_m_s = math.hypot(message.vx, message.vy)
            assert speed_m_s <= 1.0 + 1e-6
            assert abs(message.vz) <= 0.5 + 1e-6
            assert abs(message.yaw_rate) <= 2.0 + 1e-6
        elif kind == "COMMAND_LONG" and message.command == 400 and message.param1 == 1:
            assert self.may_ask, "armed unasked"
        elif kind == "COMMAND_LONG" and message.command == 176:
            autopilot = self.flight.driver._autopilot
            asked = (message.param1, message.param2, message.param3)
            lands = asked == autopilot.mode_params(autopilot.land)
            assert lands or self.may_ask, "took the controls unasked"


@settings(max_examples=20, deadline=None, phases=PHASES)
@given(st.sampled_from(sorted(AUTOPILOTS)), STORY)
def test_it_never_arms_or_takes_the_controls_unasked_and_sends_only_what_is_allowed(
    autopilot, story
):
    flight = Flight(autopilot).ready()
    watch = Watch(flight)
    for (kind, what), command, seconds in story:
        if kind == "wish":
            watch.wish(what)
            flight.ask(what)
        elif kind == "pilot":
            flight.vehicle.pilot(what)
        else:
            setattr(flight.vehicle.faults, *what)
        for _ in range(round(seconds / 0.02)):
            flight.tick(command)
            watch.look()


@settings(max_examples=12, deadline=None, phases=PHASES)
@given(st.sampled_from(sorted(AUTOPILOTS)), STORY)
def test_whatever_happened_an_e_stop_ends_with_the_motors_off(autopilot, story):
    flight = Flight(autopilot).flying(seconds=6.0)
    for (kind, what), command, seconds in story:
        if kind == "wish":
            flight.ask(what)
        elif kind == "pilot":
            flight.vehicle.pilot(what)
        elif what[0] != "refuse":
            setattr(flight.vehicle.faults, *what)
        flight.run(seconds, command)
    flight.vehicle.faults.deaf, flight.vehicle.faults.refuse = False, None
    flight.ask(Wish.ESTOP)
    flight.run(0.2, (0.5, 0.0, 1.0))
    assert not flight.vehicle.rules.armed
    flight.run(3.0, (0.5, 0.0, 1.0))
    assert flight.state.mode is Mode.ESTOP
    assert not flight.vehicle.rules.armed


FLOATS = st.one_of(st.floats(width=32), st.floats(-5.0, 5.0, width=32))


@settings(max_examples=15, deadline=None, phases=PHASES)
@given(st.lists(st.tuples(st.lists(FLOATS, min_size=6, max_size=6), st.booleans()), max_size=12))
def test_lies_of_a_vehicle_about_itself_neither_break_the_driver_nor_its_limits(lies):
    flight = Flight().flying(seconds=3.0)
    watch = Watch(flight)
    encoder, pack = flight.vehicle.wire.encoder, flight.vehicle.wire.pack
    for numbers, is_position in lies:
        encode = encoder.local_position_ned_encode if is_position else encoder.attitude_encode
        flight.port.to_driver.append(pack(encode(0, *numbers)))
        flight.driver.read(flight.now_ns)
        flight.tick((0.5, 0.3, 1.0))
        watch.may_ask = True
        watch.look()
