"""Laws of named tensors on the bus."""

import msgspec
import numpy as np
import pytest

from robot.messages import Observed
from robot.observed import ObservedError, observed_of, tensors_in
from robot.wire import decode, encode

TENSORS = {
    "tool_m": np.array([1, 2, 3], np.float32),
    "object_m": np.arange(6, dtype=np.float32).reshape(2, 3),
    "none": np.empty((0, 3), np.float32),
}


def test_tensors_come_back_from_the_wire_as_they_went():
    back = tensors_in(decode(Observed, encode(observed_of(TENSORS, 7))))
    assert list(back) == list(TENSORS)
    for name, value in TENSORS.items():
        np.testing.assert_array_equal(back[name], value, strict=True)


def test_nothing_observed_is_a_message_too():
    assert tensors_in(observed_of({}, 0)) == {}


@pytest.mark.parametrize(
    "change",
    [
        {"shapes": ((3,), (2, 4), (0, 3))},
        {"shapes": ((3,), (2, 3))},
        {"shapes": ((3,), (-2, -3), (0, 3))},
        {"names": ("tool_m",)},
        {"values": np.zeros(8, np.float32)},
    ],
)
def test_a_message_that_does_not_hold_what_it_names_is_refused(change):
    message = msgspec.structs.replace(observed_of(TENSORS, 0), source="world", **change)
    with pytest.raises(ObservedError, match=r"world: \d values are not the tensors"):
        tensors_in(message)
