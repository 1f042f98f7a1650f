import math

import numpy as np
import pytest

from policies.dead_reckoning import DeadReckoning, Lag, Motion

STEP_S = 0.1
REST = (0.0, 0.0)
AT_ONCE = Lag(speed_s=1e-6, yaw_s=1e-6)


def test_a_command_acts_a_step_later():
    reckoning = DeadReckoning(AT_ONCE, STEP_S)
    assert reckoning.step((0.5, 1.0)) == Motion(0.0, 0.0)
    assert reckoning.step(REST) == pytest.approx((0.05, 0.1))
    assert reckoning.step(REST) == pytest.approx((0.0, 0.0))


def test_follows_a_step_of_its_command_as_a_first_order_lag():
    reckoning = DeadReckoning(Lag(speed_s=0.3, yaw_s=0.1), STEP_S)
    motions = [reckoning.step((1.0, 1.0)) for _ in range(5)]
    after_s = STEP_S * np.arange(5)
    speed_m_s, yaw_rad_s = (np.array(part) / STEP_S for part in zip(*motions, strict=True))
    np.testing.assert_allclose(speed_m_s, 1 - np.exp(-after_s / 0.3))
    np.testing.assert_allclose(yaw_rad_s, 1 - np.exp(-after_s / 0.1))


def test_forgets_its_speed_on_reset():
    reckoning = DeadReckoning(Lag(), STEP_S)
    for _ in range(3):
        reckoning.step((1.0, 1.0))
    reckoning.reset()
    assert reckoning.step(REST) == Motion(0.0, 0.0)


def test_what_stands_still_moves_back_and_turns_the_other_way():
    points = np.array([[1.0, 0.0], [0.0, 1.0]])
    np.testing.assert_allclose(Motion(0.4, 0.0).carry(points), [[0.6, 0.0], [-0.4, 1.0]])
    left = Motion(0.0, math.pi / 2).carry(points)
    np.testing.assert_allclose(left, [[0.0, -1.0], [1.0, 0.0]], atol=1e-12)
