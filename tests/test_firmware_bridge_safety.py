"""The machine alone, to the microsecond; the conformance suite has it behind its wires."""

import math
from dataclasses import replace

import numpy as np
import pytest
from controller_tables import JOINT, TOLD, WHEEL

from firmware_bridge.configuration import HardwareLimits
from firmware_bridge.monitors import Sample
from firmware_bridge.safety import COUNTERS, SafetyMachine
from firmware_bridge.safety_words import AxisKind, Mode, Reaction, Reason, Wish
from firmware_bridge.setpoints import Motion

TICK_US = 5_000
GUARDED = replace(JOINT, max_jump=0.2, ramp_per_s=0.4)


class Desk:
    """A machine with a host that lives and a robot that is where its setpoint is."""

    def __init__(self, told=TOLD, axes=(JOINT, WHEEL), start=(0.5, 0.0)):
        self.machine = SafetyMachine(HardwareLimits())
        self.told = replace(told, reaction=int(told.reaction))  # plain numbers, as on the wire
        self.axes = [replace(axis, kind=int(axis.kind)) for axis in axes]
        self.now_us = 0
        self.values = list(start)
        self.effort = 0.0
        self.voltage_v = 12.0
        self.seq = 0
        self.beats = self.senses = self.moves = True
        self.wanted = None

    def configure(self):
        assert self.machine.configure(self.told) is Reason.NONE
        for axis in self.axes:
            assert self.machine.configure_axis(axis) is Reason.NONE
        return self

    def ready(self):
        self.configure().tick(2)
        assert self.machine.mode is Mode.DISARMED
        return self

    def armed(self):
        self.ready()
        assert self.wish(Wish.ARM) is Reason.NONE
        return self

    def active(self, *values):
        self.armed()
        self.wanted = values or tuple(self.values)
        self.tick()
        assert self.machine.mode is Mode.ACTIVE
        return self

    def wish(self, wish):
        return self.machine.wish(int(wish), self.now_us)

    def command(self, *values, age_us=0, seq=None):
        self.seq = self.seq + 1 if seq is None else seq
        return self.machine.command(values, self.now_us - age_us, self.seq, self.now_us)

    def sense(self, time_us=None):
        time_us = self.now_us if time_us is None else time_us
        sample = Sample(time_us, (*self.values, 0.0), (self.effort, 0.0, 0.0), self.voltage_v, 30.0)
        self.machine.sense(sample, self.now_us)

    def tick(self, ticks=1):
        for _ in range(ticks):
            self.now_us += TICK_US
            if self.beats:
                self.machine.heartbeat(int(self.machine.mode), self.now_us)
            if self.wanted is not None:
                self.command(*self.wanted)
            self.machine.tick(self.now_us)
            if self.moves and self.machine.torque:
                self.values = self.machine.setpoint.tolist()
            if self.senses:
                self.sense()
        return self

    @property
    def state(self):
        return self.machine.mode, self.machine.reason


def test_at_power_up_it_knows_nothing_and_has_no_torque():
    machine = SafetyMachine(HardwareLimits())
    assert (machine.mode, machine.reason) == (Mode.BOOT, Reason.NONE)
    assert not machine.torque
    assert machine.motion is Motion.FREE
    assert machine.setpoint.tolist() == []
    assert machine.command_seq == 0
    assert machine.counters == dict.fromkeys(COUNTERS, 0)
    machine.tick(5_000)
    assert machine.mode is Mode.BOOT


def test_it_is_disarmed_once_it_is_told_everything():
    machine = SafetyMachine(HardwareLimits())
    assert machine.configure_axis(JOINT) is Reason.NOT_CONFIGURED
    assert machine.configure(replace(TOLD, axes=9)) is Reason.BAD_VALUE
    assert machine.configure(TOLD) is Reason.NONE
    assert machine.configure_axis(JOINT) is Reason.NONE
    assert machine.mode is Mode.BOOT
    assert machine.configure_axis(WHEEL) is Reason.NONE
    assert machine.mode is Mode.DISARMED
    assert machine.configure(replace(TOLD, watchdog_ms=9_999)) is Reason.BEYOND_HARDWARE
    assert machine.configure_axis(replace(JOINT, minimum=-99)) is Reason.BEYOND_HARDWARE
    assert machine.mode is Mode.DISARMED
    assert machine.configure(TOLD) is Reason.NONE
    assert machine.mode is Mode.BOOT


def test_the_hardware_has_the_last_word():
    machine = SafetyMachine(HardwareLimits(watchdog_ms=50))
    assert machine.configure(TOLD) is Reason.BEYOND_HARDWARE


def test_an_axis_told_again_is_taken():
    desk = Desk().ready()
    assert desk.machine.configure_axis(replace(JOINT, maximum=0.7)) is Reason.NONE
    desk.tick(2)
    assert desk.wish(Wish.ARM) is Reason.NONE
    desk.wanted = (2.0, 0.0)
    desk.tick(100)
    assert desk.machine.setpoint[0] == np.float32(0.7)


@pytest.mark.parametrize("mode", [Mode.ARMED, Mode.ACTIVE, Mode.PROTECTIVE_STOP, Mode.ESTOP])
def test_it_is_told_nothing_while_it_has_something_to_do(mode):
    desk = Desk().active()
    desk.machine.mode = mode
    assert desk.machine.configure(TOLD) is Reason.WRONG_MODE
    assert desk.machine.configure_axis(JOINT) is Reason.WRONG_MODE
    assert desk.machine.mode is mode


# wishes

W, M, R = Wish, Mode, Reason
WISHES = [
    (M.DISARMED, W.ARM, R.NONE, M.ARMED),
    (M.DISARMED, W.DISARM, R.NONE, M.DISARMED),
    (M.DISARMED, W.STOP, R.NONE, M.DISARMED),
    (M.DISARMED, W.RESET, R.WRONG_MODE, M.DISARMED),
    (M.ARMED, W.ARM, R.WRONG_MODE, M.ARMED),
    (M.ARMED, W.DISARM, R.NONE, M.DISARMED),
    (M.ARMED, W.STOP, R.NONE, M.PROTECTIVE_STOP),
    (M.ARMED, W.RESET, R.WRONG_MODE, M.ARMED),
    (M.ACTIVE, W.ARM, R.WRONG_MODE, M.ACTIVE),
    (M.ACTIVE, W.DISARM, R.NONE, M.DISARMED),
    (M.ACTIVE, W.STOP, R.NONE, M.PROTECTIVE_STOP),
    (M.ACTIVE, W.RESET, R.WRONG_MODE, M.ACTIVE),
    (M.PROTECTIVE_STOP, W.ARM, R.WRONG_MODE, M.PROTECTIVE_STOP),
    (M.PROTECTIVE_STOP, W.DISARM, R.NONE, M.DISARMED),
    (M.PROTECTIVE_STOP, W.STOP, R.NONE, M.PROTECTIVE_STOP),
    (M.PROTECTIVE_STOP, W.RESET, R.NONE, M.ARMED),
    (M.ESTOP, W.ARM, R.WRONG_MODE, M.ESTOP),
    (M.ESTOP, W.DISARM, R.WRONG_MODE, M.ESTOP),
    (M.ESTOP, W.STOP, R.NONE, M.ESTOP),
    (M.ESTOP, W.RESET, R.NONE, M.DISARMED),
    *((mode, W.ESTOP, R.NONE, M.ESTOP) for mode in list(M)[1:]),
    *((mode, 0, R.BAD_VALUE, mode) for mode in list(M)[1:]),
    *((mode, 6, R.BAD_VALUE, mode) for mode in list(M)[1:]),
]


def reach(mode):
    desk = Desk()
    if mode is Mode.DISARMED:
        return desk.ready()
    if mode is Mode.ARMED:
        return desk.armed()
    desk.active()
    if mode is Mode.PROTECTIVE_STOP:
        desk.wish(Wish.STOP)
    if mode is Mode.ESTOP:
        desk.wish(Wish.ESTOP)
    return desk


@pytest.mark.parametrize(("mode", "wish", "says", "then"), WISHES)
def test_every_wish_in_every_mode(mode, wish, says, then):
    desk = reach(mode)
    stops = desk.machine.counters["stops"]
    assert desk.wish(wish) is says
    assert desk.machine.mode is then
    stopped = then in (M.PROTECTIVE_STOP, M.ESTOP)
    assert desk.machine.reason is (R.REQUESTED if stopped else R.NONE)
    assert desk.machine.counters["stops"] - stops == (stopped and then is not mode)
    assert desk.machine.torque == (then in (M.ARMED, M.ACTIVE, M.PROTECTIVE_STOP))


def test_wishes_before_it_is_configured():
    machine = SafetyMachine(HardwareLimits())
    for wish in (Wish.ARM, Wish.DISARM, Wish.STOP, Wish.RESET):
        assert machine.wish(wish, 0) is Reason.NOT_CONFIGURED
    assert machine.wish(Wish.ESTOP, 0) is Reason.NONE
    assert (machine.mode, machine.reason) == (Mode.ESTOP, Reason.REQUESTED)
    assert machine.wish(Wish.RESET, 0) is Reason.NONE
    assert (machine.mode, machine.reason) == (Mode.BOOT, Reason.NONE)


def test_an_e_stop_in_the_middle_of_a_configuration_leads_back_there():
    desk = Desk().ready()
    desk.machine.configure(TOLD)
    desk.wish(Wish.ESTOP)
    assert desk.wish(Wish.RESET) is Reason.NONE
    assert desk.machine.mode is Mode.BOOT


def test_the_first_cause_of_a_stop_stays():
    desk = Desk().active()
    desk.wanted = None
    desk.tick(21)
    assert desk.state == (Mode.PROTECTIVE_STOP, Reason.WATCHDOG)
    desk.wish(Wish.STOP)
    assert desk.state == (Mode.PROTECTIVE_STOP, Reason.WATCHDOG)
    assert desk.machine.counters["stops"] == 1


# arming


def test_arming_needs_a_heartbeat_not_older_than_its_time():
    desk = Desk()
    desk.beats = False
    desk.ready()
    assert desk.wish(Wish.ARM) is Reason.HEARTBEAT
    desk.machine.heartbeat(Mode.DISARMED, desk.now_us)
    desk.tick(100)
    assert desk.machine.wish(Wish.ARM, desk.now_us + 1) is Reason.HEARTBEAT
    assert desk.wish(Wish.ARM) is Reason.NONE


def test_arming_needs_health():
    desk = Desk().ready()
    desk.senses = False
    desk.tick(11)
    assert desk.wish(Wish.ARM) is Reason.SENSOR_LOST
    desk.sense()
    assert desk.wish(Wish.ARM) is Reason.NONE


def test_arming_and_resetting_begin_where_the_robot_is():
    desk = Desk().armed()
    desk.wish(Wish.STOP)
    desk.moves = False
    desk.values = [0.6, 0.1]
    desk.tick(2)
    assert desk.machine.setpoint.tolist() == [0.5, 0.0]
    assert desk.wish(Wish.RESET) is Reason.NONE
    assert desk.machine.setpoint.tolist() == pytest.approx([0.6, 0.0])
    desk.wish(Wish.DISARM)
    desk.values = [0.65, 0.1]
    desk.sense(desk.now_us)
    desk.tick()
    desk.tick()
    assert desk.machine.setpoint.tolist() == pytest.approx([0.65, 0.0])


def test_an_unwell_robot_stays_stopped():
    desk = Desk().active()
    desk.wish(Wish.STOP)
    desk.beats = False
    desk.tick(101)
    assert desk.wish(Wish.RESET) is Reason.HEARTBEAT
    desk.machine.heartbeat(Mode.PROTECTIVE_STOP, desk.now_us)
    assert desk.wish(Wish.RESET) is Reason.NONE


# commands


@pytest.mark.parametrize("mode", [Mode.DISARMED, Mode.PROTECTIVE_STOP, Mode.ESTOP])
def test_commands_are_refused_unless_it_is_engaged(mode):
    desk = reach(mode)
    before = dict(desk.machine.counters)
    assert desk.command(0.5, 0.0) is Reason.WRONG_MODE
    assert desk.machine.mode is mode
    assert desk.machine.counters == before | {"refused": before["refused"] + 1}


def test_commands_before_it_is_configured_are_refused():
    assert SafetyMachine(HardwareLimits()).command((0.0,), 0, 1, 0) is Reason.WRONG_MODE


def test_good_commands_are_counted_and_their_number_is_kept():
    desk = Desk().armed()
    assert desk.command(0.5, 0.0, seq=7) is Reason.NONE
    assert desk.machine.mode is Mode.ACTIVE
    assert desk.machine.command_seq == 7
    assert desk.command(0.5, 0.0, seq=7) is Reason.STALE
    assert desk.command(0.5, 0.0, seq=9) is Reason.NONE
    assert desk.command(math.nan, 0.0, seq=10) is Reason.NON_FINITE
    assert desk.machine.command_seq == 9
    assert desk.machine.counters["commands"] == 2
    assert desk.machine.counters["refused"] == 2
    assert desk.machine.counters["clipped"] == 0


def test_what_stands_beyond_the_axes_is_not_looked_at():
    desk = Desk().armed()
    assert desk.command(0.5, 0.0, math.nan) is Reason.NONE


def test_a_command_in_its_time_passes():
    desk = Desk(replace(TOLD, max_command_age_ms=20)).active()
    desk.tick(10)
    assert desk.command(0.5, 0.0, age_us=20_000) is Reason.NONE
    assert desk.command(0.5, 0.0, age_us=20_001) is Reason.STALE


def test_a_command_out_of_range_is_clipped_and_counted_once():
    desk = Desk().armed()
    assert desk.command(9.0, -9.0) is Reason.NONE
    assert desk.machine.counters["clipped"] == 1
    desk.wanted = (9.0, -9.0)
    desk.tick(200)
    assert desk.machine.setpoint.tolist() == [2.0, -1.0]
    assert desk.machine.counters["clipped"] == 201


# first commands


@pytest.mark.parametrize("sign", [1, -1])
def test_a_first_command_far_away_is_ramped(sign):
    desk = Desk(axes=(GUARDED, WHEEL)).armed()
    desk.wanted = (0.5 + sign * 0.3, 0.8)
    desk.tick()
    assert desk.machine.setpoint.tolist() == pytest.approx([0.5 + sign * 0.002, 0.02])
    desk.tick(160)
    desk.wanted = (0.5, 0.8)
    before = desk.machine.setpoint[0]
    desk.tick()
    assert desk.machine.setpoint[0] - before == pytest.approx(-sign * 0.01, rel=1e-3)


def test_a_first_command_of_just_max_jump_is_not():
    desk = Desk(axes=(replace(GUARDED, max_jump=0.25), WHEEL)).armed()
    desk.wanted = (0.75, 0.0)
    desk.tick()
    assert desk.machine.setpoint[0] == pytest.approx(0.51)


def test_a_first_command_far_away_can_stop_it():
    desk = Desk(replace(TOLD, first_command=1), (GUARDED, WHEEL)).armed()
    assert desk.command(0.8, 0.0, seq=5) is Reason.JUMP
    assert desk.state == (Mode.PROTECTIVE_STOP, Reason.JUMP)
    counters = desk.machine.counters
    assert (counters["commands"], counters["refused"], counters["clipped"]) == (0, 1, 0)
    assert desk.machine.command_seq == 0


def test_a_first_command_is_measured_after_it_was_clipped():
    desk = Desk(replace(TOLD, first_command=1), (GUARDED, WHEEL), start=(1.9, 0.0)).armed()
    assert desk.command(9.0, 0.0) is Reason.NONE


def test_only_the_first_command_and_only_positions_are_guarded():
    axes = (GUARDED, replace(WHEEL, max_jump=0.1))
    desk = Desk(replace(TOLD, first_command=1), axes).armed()
    assert desk.command(0.5, 1.0) is Reason.NONE
    assert desk.command(1.5, 1.0) is Reason.NONE


def test_guards_go_by_axis_even_if_their_order_was_another():
    desk = Desk(replace(TOLD, first_command=1), (WHEEL, GUARDED)).armed()
    assert desk.command(0.5, 1.0) is Reason.NONE
    desk = Desk(replace(TOLD, first_command=1), (WHEEL, GUARDED)).armed()
    assert desk.command(0.8, 0.0) is Reason.JUMP


# the host


def test_the_watchdog_bites_in_time_and_is_counted():
    desk = Desk().active()
    desk.wanted = None
    desk.tick(20)
    assert desk.machine.mode is Mode.ACTIVE
    desk.tick()
    assert desk.state == (Mode.PROTECTIVE_STOP, Reason.WATCHDOG)
    assert desk.machine.counters["watchdogs"] == 1
    assert desk.machine.counters["stops"] == 1
    desk.tick(50)
    assert desk.machine.counters["watchdogs"] == 1


def test_an_armed_robot_has_no_watchdog():
    desk = Desk().armed().tick(300)
    assert desk.machine.mode is Mode.ARMED


def test_a_refused_command_renews_nothing():
    desk = Desk().active()
    desk.wanted = (math.nan, 0.0)
    desk.tick(21)
    assert desk.machine.reason is Reason.WATCHDOG


@pytest.mark.parametrize("is_active", [False, True])
def test_a_host_that_falls_silent_is_noticed_in_time(is_active):
    desk = Desk().active() if is_active else Desk().armed()
    desk.beats = False
    desk.tick(100)
    assert desk.machine.mode.is_engaged
    desk.tick()
    assert desk.state == (Mode.PROTECTIVE_STOP, Reason.HEARTBEAT)
    assert desk.machine.counters["watchdogs"] == 0


def test_silence_of_the_host_stops_nothing_that_is_not_engaged():
    desk = Desk().ready()
    desk.beats = False
    desk.tick(300)
    assert desk.state == (Mode.DISARMED, Reason.NONE)
    assert desk.machine.counters["stops"] == 0


def test_three_heartbeats_in_a_row_that_disagree_stop_it():
    desk = Desk().armed()
    beat = desk.machine.heartbeat
    for mode in (Mode.BOOT, Mode.DISARMED, Mode.ACTIVE, Mode.PROTECTIVE_STOP, Mode.ESTOP):
        beat(mode, desk.now_us)
    assert desk.machine.mode is Mode.ARMED
    beat(Mode.DISARMED, desk.now_us)
    assert desk.state == (Mode.PROTECTIVE_STOP, Reason.MISMATCH)
    assert desk.machine.counters["mismatches"] == 5


def test_heartbeats_that_disagree_are_counted_when_disarmed_and_not_before():
    machine = SafetyMachine(HardwareLimits())
    machine.heartbeat(Mode.ACTIVE, 0)
    assert machine.counters["mismatches"] == 0
    desk = Desk().ready()
    for _ in range(5):
        desk.machine.heartbeat(Mode.ARMED, desk.now_us)
    assert desk.machine.mode is Mode.DISARMED
    assert desk.machine.counters["mismatches"] == 5
    assert desk.wish(Wish.ARM) is Reason.NONE
    for _ in range(2):
        desk.machine.heartbeat(Mode.DISARMED, desk.now_us)
    assert desk.machine.mode is Mode.ARMED
    desk.wish(Wish.STOP)
    desk.machine.heartbeat(Mode.ARMED, desk.now_us)
    desk.wish(Wish.RESET)
    for _ in range(2):
        desk.machine.heartbeat(Mode.DISARMED, desk.now_us)
    assert desk.machine.mode is Mode.ARMED


def test_a_stop_begins_a_new_row_of_disagreement():
    desk = Desk().armed()
    for _ in range(2):
        desk.machine.heartbeat(Mode.DISARMED, desk.now_us)
    desk.wish(Wish.STOP)
    desk.machine.heartbeat(Mode.ARMED, desk.now_us)
    assert desk.state == (Mode.PROTECTIVE_STOP, Reason.REQUESTED)


@pytest.mark.parametrize("mode", [Mode.ARMED, Mode.ACTIVE])
def test_a_new_host_stops_what_another_one_has_armed(mode):
    desk = reach(mode)
    desk.machine.hello(desk.now_us)
    assert desk.state == (Mode.PROTECTIVE_STOP, Reason.RESTARTED)


@pytest.mark.parametrize("mode", [Mode.DISARMED, Mode.PROTECTIVE_STOP, Mode.ESTOP])
def test_a_new_host_changes_nothing_else(mode):
    desk = reach(mode)
    before = desk.state
    desk.machine.hello(desk.now_us)
    assert desk.state == before


def test_a_new_hosts_frames_count_from_anywhere():
    desk = Desk().armed()
    desk.command(0.5, 0.0, seq=500)
    desk.machine.hello(desk.now_us)
    desk.tick()
    desk.wish(Wish.RESET)
    assert desk.command(0.5, 0.0, seq=3) is Reason.NONE


# what stops do


def braking(reaction, **limits):
    desk = Desk(replace(TOLD, reaction=reaction, land_per_s=1.0), (replace(JOINT, **limits), WHEEL))
    desk.active(2.0, 1.0).tick(60)
    desk.wish(Wish.STOP)
    desk.wanted = None
    return desk


def test_hold_keeps_positions():
    desk = braking(Reaction.HOLD, acceleration_per_s2=8.0)
    before = desk.machine.setpoint[0]
    desk.tick(60)
    assert desk.machine.setpoint.tolist() == [before, 0.0]
    assert desk.machine.torque


def test_decelerate_brakes():
    desk = braking(Reaction.DECELERATE, acceleration_per_s2=8.0)
    before = desk.machine.setpoint[0]
    desk.tick(60)
    assert desk.machine.setpoint[0] - before == pytest.approx(0.25, rel=0.05)
    assert desk.machine.torque


def test_limp_has_no_torque_at_once():
    desk = braking(Reaction.LIMP)
    assert not desk.machine.torque
    assert desk.machine.motion is Motion.FREE


def test_land_has_torque_until_it_is_down_and_lands_anew_after_a_reset():
    desk = braking(Reaction.LAND, minimum=0.45)
    way = desk.machine.setpoint[0] - 0.45
    desk.tick(int(way / 0.005))
    assert desk.machine.torque
    desk.tick(2)
    assert desk.machine.setpoint[0] == np.float32(0.45)
    assert not desk.machine.torque
    assert desk.machine.mode is Mode.PROTECTIVE_STOP
    assert desk.wish(Wish.RESET) is Reason.NONE
    assert desk.machine.torque
    desk.wish(Wish.STOP)
    assert desk.machine.motion is Motion.LAND


def test_disarming_and_e_stops_end_a_landing():
    for wish in (Wish.DISARM, Wish.ESTOP):
        desk = braking(Reaction.LAND)
        desk.wish(wish)
        assert not desk.machine.torque


# monitors


def test_a_lost_sensor_stops_it_and_lets_go():
    for reaction in (Reaction.HOLD, Reaction.DECELERATE):
        desk = Desk(replace(TOLD, reaction=reaction)).active()
        desk.senses = False
        desk.tick(10)
        assert desk.machine.mode is Mode.ACTIVE
        desk.tick()
        assert desk.state == (Mode.PROTECTIVE_STOP, Reason.SENSOR_LOST)
        assert not desk.machine.torque
        assert desk.machine.counters["sensor_faults"] == 1
        assert desk.machine.counters["stops"] == 1
        desk.tick(30)
        assert desk.machine.counters["sensor_faults"] == 1


def test_a_lost_sensor_does_not_end_a_landing():
    desk = Desk(replace(TOLD, reaction=Reaction.LAND)).active()
    desk.senses = False
    desk.tick(30)
    assert desk.state == (Mode.PROTECTIVE_STOP, Reason.SENSOR_LOST)
    assert desk.machine.motion is Motion.LAND
    assert desk.machine.counters["sensor_faults"] == 1


def test_a_sensor_that_is_lost_in_a_stop_lets_go():
    desk = Desk().active()
    desk.wish(Wish.STOP)
    desk.senses = False
    desk.tick(11)
    assert desk.state == (Mode.PROTECTIVE_STOP, Reason.REQUESTED)
    assert not desk.machine.torque
    assert desk.machine.counters["sensor_faults"] == 1
    assert desk.machine.counters["stops"] == 1


def test_a_robot_that_is_pushed_away_from_a_stop_is_let_go_and_one_that_strains_is_not():
    desk = Desk(axes=(replace(JOINT, max_following=0.05, max_effort=5.0), WHEEL)).active()
    desk.wish(Wish.STOP)
    desk.effort = 9.0
    desk.tick(50)
    assert desk.machine.torque
    desk.moves = False
    for tick in range(22):
        desk.values[0] = 0.56 + tick * 1e-4
        desk.tick()
    assert not desk.machine.torque
    assert desk.machine.counters["sensor_faults"] == 0


def test_a_robot_that_does_not_follow_is_stopped_and_held_for_the_same_time_again():
    desk = Desk(axes=(replace(JOINT, max_following=0.05), WHEEL)).active()
    desk.moves = False
    for tick in range(100):
        desk.values[0] = 0.56 + tick * 1e-4
        desk.tick()
        if desk.machine.mode is Mode.PROTECTIVE_STOP:
            break
    assert desk.machine.reason is Reason.FOLLOWING
    assert desk.machine.torque
    for _ in range(20):
        desk.values[0] += 1e-4
        desk.tick()
        assert desk.machine.torque
    desk.values[0] += 1e-4
    desk.tick()
    assert not desk.machine.torque
    desk.values[0] = 0.5
    desk.tick(3)
    assert desk.wish(Wish.RESET) is Reason.NONE
    assert desk.machine.torque
    desk.wish(Wish.STOP)
    assert desk.machine.torque


def test_strain_stops_it_and_what_it_holds_is_held():
    desk = Desk(axes=(replace(JOINT, max_effort=5.0), WHEEL)).active()
    desk.effort = 5.1
    desk.tick(2)
    assert desk.state == (Mode.PROTECTIVE_STOP, Reason.EFFORT)
    assert desk.machine.torque
    assert desk.machine.counters["sensor_faults"] == 0


def test_without_torque_nothing_is_met():
    desk = Desk().ready()
    desk.senses = False
    desk.tick(100)
    assert desk.state == (Mode.DISARMED, Reason.NONE)
    assert desk.machine.counters["sensor_faults"] == desk.machine.counters["stops"] == 0


def test_odd_things_from_before_the_arming_do_not_count():
    desk = Desk(axes=(replace(JOINT, max_following=0.01), WHEEL)).ready()
    desk.tick(200)
    desk.moves = False
    assert desk.wish(Wish.ARM) is Reason.NONE
    desk.tick(5)
    assert desk.machine.mode is Mode.ARMED


def test_a_sensor_that_was_still_while_disarmed_has_its_time_after_arming():
    desk = Desk(axes=(JOINT, WHEEL)).ready().tick(50)
    desk.values = [0.5, 0.0]
    desk.wish(Wish.ARM)
    desk.moves = False
    desk.wanted = (2.0, 0.0)
    desk.tick(14)
    assert desk.machine.mode is Mode.ACTIVE
    desk.tick(3)
    assert desk.machine.reason is Reason.SENSOR_STUCK


def test_the_words_are_numbers_on_the_wire():
    assert [int(kind) for kind in AxisKind] == [0, 1]
    assert [mode for mode in Mode if mode.is_engaged] == [Mode.ARMED, Mode.ACTIVE]
