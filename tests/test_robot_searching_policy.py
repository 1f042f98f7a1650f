"""A policy that looks around while nobody may be flown on: when it turns, and when it stands."""

import dataclasses

import numpy as np
import pytest

from perception.quantities import InputError
from robot.clock import VirtualClock
from robot.config import load_robot, to_config
from robot.edges import Arrival
from robot.messages import ProximityReading
from robot.node import Inputs, NodeContext
from robot.nodes.searching_policy import SearchingPolicyConfig, SearchingPolicyNode
from robot.wire import encode


@pytest.fixture
def context():
    return NodeContext(
        name="policy", robot=load_robot("ardrone"), seed=3, clock=VirtualClock(), rate_hz=10.0
    )


def commands(node, valid):
    """What it commands on readings of the open that are valid, or are not."""
    found = []
    for number, is_valid in enumerate(valid):
        reading = ProximityReading(
            captured_ns=number * 100_000_000,
            valid=is_valid,
            proximity_px=1.0,
            sectors_per_m=np.full(8, 0.1, np.float32),
            sector_valid=np.ones(8, np.float32),
            corridor_m=float("inf"),
            corridor_seen=1.0,
        )
        arrival = Arrival("w/proximity", reading, encode(reading))
        found.append(dict(node.step(0, Inputs({"proximity": [arrival]}, {})))["command"].values)
    return found


def node_of(context, **config):
    return SearchingPolicyNode(to_config("policy", config, SearchingPolicyConfig), context)


def test_it_stands_for_a_while_then_turns_in_place_and_keeps_its_altitude(context):
    node = node_of(context, rest_frames=3, search_rad_s=0.5)
    *_, flown = commands(node, [True] * 5)
    blind = commands(node, [False] * 6)
    assert [turn for _, turn, _ in blind] == [0.0, 0.0, 0.0, 0.5, 0.5, 0.5]
    assert {(speed, altitude) for speed, _, altitude in blind} == {(0.0, flown[2])}


def test_a_valid_reading_ends_the_search_and_the_next_blindness_begins_with_a_rest(context):
    node = node_of(context, rest_frames=2)
    commands(node, [False] * 5)
    *_, ahead = commands(node, [True] * 12)
    assert ahead[0] > 0
    assert [turn for _, turn, _ in commands(node, [False] * 3)] == [0.0, 0.0, 0.5]


def test_when_it_has_looked_everywhere_it_stands(context):
    node = node_of(context, rest_frames=0, search_rad_s=2.0, most_turns=1.0)
    turns = [turn for _, turn, _ in commands(node, [False] * 40)]
    assert sum(turns) / 10 == pytest.approx(2 * np.pi, abs=0.2)
    assert set(turns[-5:]) == {0.0}


def test_it_turns_no_faster_than_the_robot_may(context):
    node = node_of(context, rest_frames=0, search_rad_s=90.0)
    assert commands(node, [False])[0][1] == 2.0


def test_a_robot_that_cannot_turn_is_refused(context):
    tables = context.robot.tables
    axes = [axis for axis in tables["limits"]["axes"] if axis["name"] != "yaw_rate"]
    limits = {**tables["limits"], "axes": axes}
    still = dataclasses.replace(context.robot, tables={**tables, "limits": limits})
    with pytest.raises(InputError, match=r"no axis 'yaw_rate' .* axes: forward_speed, altitude"):
        node_of(dataclasses.replace(context, robot=still))


@pytest.mark.parametrize("wrong", [{"rest_frames": -1}, {"search_rad_s": 0.0}, {"most_turns": 0.0}])
def test_a_search_that_is_none_is_refused(wrong):
    with pytest.raises(InputError, match="take the class 'policy'"):
        to_config("policy", wrong, SearchingPolicyConfig)
