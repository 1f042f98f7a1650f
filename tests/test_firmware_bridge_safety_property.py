"""No sequence of commands, wishes, faults and restarts makes a controller dangerous.

A witness sits at the controller itself, behind every fault of the link: it knows what arrived there
and what the controller said. An actuator that goes elsewhere by itself (garbage, wrong) is left
out: nobody can keep that one in its range.
"""

import math
from dataclasses import replace

import pytest
from controller_bench import TICK_S, Bench, make_rig
from controller_tables import JOINT, TOLD, WHEEL
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule

from firmware_bridge.emulators import BOARDS
from firmware_bridge.emulators.faults import FAULTS, Place, Word
from firmware_bridge.framing import Decoder
from firmware_bridge.protocol import BY_NAME, SCHEMA_HASH, unpack
from firmware_bridge.safety_words import Mode, Reaction, Wish

FAULTY = sorted(
    f"{place}:{word}"
    for place, word in FAULTS
    if (place, word) not in ((Place.ACTUATOR, Word.GARBAGE), (Place.ACTUATOR, Word.WRONG))
)
STOPS = (Mode.PROTECTIVE_STOP, Mode.ESTOP)
LAND_PER_S = 4.0
AXES = (JOINT, WHEEL)
LANDING_S = (JOINT.maximum - JOINT.minimum) / 2.0 + 2 * TICK_S  # its slew is less than LAND_PER_S

seconds = st.sampled_from([0.004, 0.02, 0.06, 0.12, 0.3])
anything = st.floats(width=32)
in_range = st.floats(-2, 2, width=32)


class Witness:
    """A rig that is watched at every millisecond."""

    def __init__(self, rig, told):
        self._rig = rig
        self._told = told
        self.actuators_obey = True
        self.power_cycle()

    @property
    def now_us(self):
        return self._rig.now_us

    @property
    def plant(self):
        return self._rig.plant

    def power_cycle(self):
        self._rig.power_cycle()
        self._heard, self._said = Decoder(), Decoder()
        self._wishes = set()  # that have arrived since the last telemetry
        self._last = None  # telemetry
        self._stopped_us = math.inf

    def step(self, to_board):
        for frame in self._heard.feed(to_board):
            if frame.type == BY_NAME["wish"].id:
                self._wishes |= set(frame.payload)
        came = self._rig.step(to_board)
        self._check_plant()
        for frame in self._said.feed(came):
            if frame.type == BY_NAME["telemetry"].id:
                self._check(unpack(frame.type, frame.payload))
        return came

    def _check_plant(self):
        for axis, value in zip(AXES, self.plant.values, strict=True):
            assert axis.minimum - 1e-6 <= value <= axis.maximum + 1e-6

    def _check(self, now):
        mode, before, wishes = Mode(now.mode), self._last, self._wishes
        if self.actuators_obey:
            assert self.plant.torque == bool(now.torque)
        assert not (now.torque and mode in (Mode.BOOT, Mode.DISARMED, Mode.ESTOP))
        self._check_stop(mode, now)
        if before is not None:
            self._check_change(before, now, mode, wishes)
        self._last, self._wishes = now, set()

    def _check_stop(self, mode, now):
        if mode is not Mode.PROTECTIVE_STOP:
            self._stopped_us = math.inf
            return
        self._stopped_us = min(self._stopped_us, now.time_us)
        if self._told.reaction == Reaction.LIMP:
            assert not now.torque
        if self._told.reaction == Reaction.LAND:
            assert not now.torque or now.time_us - self._stopped_us <= LANDING_S * 1e6

    def _check_change(self, before, now, mode, wishes):
        if before.mode in STOPS and mode not in STOPS:
            assert wishes & {Wish.RESET, Wish.DISARM}
        if before.mode == Mode.ESTOP and mode is not Mode.ESTOP:
            assert Wish.RESET in wishes
        if now.torque and not before.torque:
            assert wishes & {Wish.ARM, Wish.RESET}
        if now.torque and before.torque and not wishes:
            most = (now.time_us - before.time_us) / 1e6 * 1.001
            for axis, a, b in zip(AXES, before.setpoint, now.setpoint, strict=False):
                assert abs(b - a) <= axis.slew_per_s * most


class Life(RuleBasedStateMachine):
    """What may happen to a controller."""

    board = ""

    @initialize(
        reaction=st.sampled_from(Reaction),
        first_command=st.integers(0, 1),
        guarded=st.booleans(),
    )
    def begin(self, reaction, first_command, guarded):
        told = replace(TOLD, reaction=reaction, land_per_s=LAND_PER_S, first_command=first_command)
        joint = replace(JOINT, max_jump=0.3, ramp_per_s=0.5, max_following=0.3, max_effort=0.5)
        self.rig = make_rig(self.board)
        axes = (joint, WHEEL) if guarded else AXES
        self.bench = Bench(Witness(self.rig, told), told, axes)
        self.go()

    def teardown(self):
        if hasattr(self, "rig"):
            self.rig.close()

    @rule()
    def go(self):
        """What a host does to make the robot move, whether it is obeyed or not."""
        self.bench.send("hello", schema_hash=SCHEMA_HASH)
        self.bench.send("wish", wish=Wish.DISARM)
        self.bench.send("configure", **vars(self.bench.told))
        for axis in self.bench.axes:
            self.bench.send("configure_axis", **vars(axis))
        self.bench.advance(0.08)
        self.bench.send("wish", wish=Wish.ARM)
        self.bench.advance(0.02)

    @rule(values=st.tuples(in_range, in_range), wait_s=seconds)
    def follow(self, values, wait_s):
        self.bench.follow(*values, seconds=wait_s)

    @rule(values=st.tuples(anything, anything), age_s=st.floats(-0.5, 0.5), wait_s=seconds)
    def command(self, values, age_s, wait_s):
        stamped_us = max(0, self.bench.now_us - round(age_s * 1e6))
        self.bench.send("command", values=values, stamped_us=stamped_us)
        self.bench.advance(wait_s)

    @rule(wait_s=seconds)
    def fall_silent(self, wait_s):
        self.bench.wanted = None
        self.bench.advance(wait_s)

    @rule(wish=st.sampled_from(Wish), wait_s=seconds)
    def wish(self, wish, wait_s):
        self.bench.send("wish", wish=wish)
        self.bench.advance(wait_s)

    @rule(beats=st.booleans(), believed=st.none() | st.sampled_from(Mode), wait_s=seconds)
    def believe(self, beats, believed, wait_s):
        self.bench.beats, self.bench.believed = beats, believed
        self.bench.advance(wait_s)

    @rule(text=st.sampled_from(FAULTY), lasts_s=seconds, wait_s=seconds)
    def fail(self, text, lasts_s, wait_s):
        self.bench.rig.actuators_obey &= not text.startswith(Place.ACTUATOR)
        self.bench.fail(text, lasts_s)
        self.bench.advance(wait_s)

    @rule(data=st.binary(max_size=300))
    def hear_noise(self, data):
        self.bench.send_bytes(data)
        self.bench.advance(0.01)

    @rule(load=st.floats(-1, 1))
    def lean_on_it(self, load):
        self.bench.plant.load[0] = load
        self.bench.advance(0.02)

    @rule()
    def restart_host(self):
        self.bench.restart_host()
        self.bench.advance(0.05)

    @rule()
    def lose_power(self):
        self.bench.rig.power_cycle()
        self.bench.advance(0.05)


@pytest.mark.parametrize("board", sorted(BOARDS))
def test_no_life_takes_the_plant_outside_its_limits_or_leaves_torque_on_after_a_stop(board):
    make_rig(board).close()  # or it is skipped
    life = type("Life", (Life,), {"board": board})
    case = life.TestCase()
    case.settings = settings(max_examples=12, stateful_step_count=25, deadline=None)
    case.runTest()
