"""A servo arm under the actuator: what is demanded at the command line, and what it then does."""

from dataclasses import replace

import numpy as np
import pytest
from feetech_rig import LIMITS, START_VALUES, TICK_NS, Rig

from firmware_bridge.axis_limits import Limits
from firmware_bridge.emulators.feetech_servo import ServoFault
from firmware_bridge.limits import CommandLimiter
from firmware_bridge.safety_words import Mode, Wish
from robot.wishes import Asked, Demand, Requests

GUARDED = Limits(
    tuple(replace(axis, max_jump=0.1, ramp_per_s=0.5) for axis in LIMITS.axes),
    max_command_age_s=0.5,
)


class Actuator:
    """The arm as the actuator node drives it: demands, limiter, driver, once a tick."""

    def __init__(self, folder):
        self.rig = Rig(folder, GUARDED)
        self.rig.driver.open(self.rig.now_ns)
        self.state = self.rig.driver.read(self.rig.now_ns)
        self.requests = Requests(self.rig.driver)
        self.limiter = CommandLimiter(self.rig.limits)
        self.number = 0

    def demand(self, demand, ticks=150):
        """A demand, and the ticks until it is answered; its outcome and how many they were."""
        self.number += 1
        self.requests.add(Asked(self.number, demand), self.state)
        for tick in range(ticks):
            self.tick()
            if self.requests.outcomes:
                return self.requests.outcomes.pop(0), tick
        raise AssertionError("nobody answered")

    def tick(self, command=None):
        self.rig.now_ns += TICK_NS
        now_ns = self.rig.now_ns
        self.state = self.requests.serve(self.state, now_ns)
        if not self.state.mode.is_engaged:
            self.limiter.rebase(self.state.measured, now_ns)
        elif command is None:
            self.rig.driver.send(self.limiter.follow(now_ns).values, now_ns)
        else:
            self.rig.driver.send(self.limiter.apply(command, now_ns, now_ns).values, now_ns)
        self.state = self.rig.driver.read(now_ns)


@pytest.fixture
def actuator(tmp_path):
    return Actuator(tmp_path)


def test_every_demand_is_answered_once_the_servos_say_so(actuator):
    for demand, torque, within in (
        (Demand.ARM, True, 6),
        (Demand.DISARM, False, 6),
        (Demand.ARM, True, 6),
        (Demand.ESTOP, False, 6),
        (Demand.REARM, True, 12),
    ):
        outcome, ticks = actuator.demand(demand)
        assert outcome.done, outcome
        assert ticks <= within
        actuator.tick()
        assert actuator.rig.torques() == [torque] * 3


def test_an_arm_that_must_not_be_armed_says_why_and_which_servo(actuator):
    actuator.rig.servo("elbow").faults.add(ServoFault.OVERHEATED)
    for _ in range(10):
        actuator.tick()
    outcome, _ = actuator.demand(Demand.ARM)
    assert not outcome.done
    assert "temperature" in outcome.text
    assert actuator.rig.torques() == [False] * 3


def test_a_policy_goes_on_from_where_the_arm_stands_after_every_stop(actuator):
    actuator.demand(Demand.ARM)
    for _ in range(60):
        actuator.tick(START_VALUES + 0.05)
    actuator.rig.driver.request(Wish.ESTOP, actuator.rig.now_ns)
    actuator.tick()
    shoulder = actuator.rig.servo("shoulder")
    shoulder.encoder_steps -= 300  # it fell
    for _ in range(20):
        actuator.tick()
    outcome, _ = actuator.demand(Demand.REARM)
    assert outcome.done
    stands = np.array(actuator.rig.positions())
    for _ in range(3):
        actuator.tick()
    np.testing.assert_allclose(actuator.rig.positions(), stands, atol=1)
    before = stands[0]
    for _ in range(40):
        actuator.tick(START_VALUES + 0.05)
        after = shoulder.position_steps
        assert abs(after - before) <= 0.5 * 1.3 * TICK_NS / 1e9 * 4096 / (2 * np.pi)  # the ramp
        before = after
    assert actuator.state.mode is Mode.ACTIVE
