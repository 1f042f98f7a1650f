"""The table of messages and what hangs on its rows."""

import importlib
import inspect
import pkgutil

import pytest

import robot.messages
from robot.messages import MESSAGES, ArraySpec, Message
from robot.nodes.simulator import SimulatorNode
from robot.views import VIEWS
from robot.wire import MAX_FRAMES, array_fields


def test_every_message_class_has_its_row():
    classes = {
        name
        for module in pkgutil.iter_modules(robot.messages.__path__, "robot.messages.")
        for name, kind in vars(importlib.import_module(module.name)).items()
        if inspect.isclass(kind) and issubclass(kind, Message) and kind is not Message
    }
    assert classes == MESSAGES.keys()


def test_every_view_is_used_by_a_message_and_every_message_names_a_view_there_is():
    assert {row.view for row in MESSAGES.values() if row.view is not None} == VIEWS.keys()


@pytest.mark.parametrize("name", MESSAGES)
def test_the_arrays_of_a_message_fit_into_its_frames(name):
    specs = array_fields(MESSAGES[name].type)
    assert len(specs) < MAX_FRAMES
    assert all(isinstance(spec, ArraySpec) for spec in specs.values())


@pytest.mark.parametrize("name", MESSAGES)
def test_a_message_is_frozen_and_carries_the_header(name):
    kind = MESSAGES[name].type
    assert kind.__struct_config__.frozen
    assert {"captured_ns", "seq", "sent_ns", "source", "valid"} <= set(kind.__struct_fields__)


def test_what_only_the_simulator_knows_is_marked_as_truth():
    truth = {port for port, output in SimulatorNode.outputs.items() if output.truth}
    assert truth == {"pose", "room", "collision", "put_back"}
