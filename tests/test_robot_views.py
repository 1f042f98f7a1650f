"""What Foxglove shows of each message."""

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from message_samples import messages, sample

from robot.messages import (
    MESSAGES,
    Alert,
    CollisionEvent,
    DepthMap,
    ProximityReading,
    PutBackEvent,
    StereoFrame,
)
from robot.views import DEPTH_RANGE_M, VIEWS, depth_colours, event_text, ramp_colours, views_of

SEEN = [row for row in MESSAGES.values() if row.view is not None]
rows = pytest.mark.parametrize("row", SEEN, ids=lambda row: row.type.__name__)


def _check(view, topic):
    assert view.topic.startswith(f"{topic}/")
    if view.message_encoding == "protobuf":
        assert view.schema.name.startswith("foxglove.")
        assert view.schema.encoding == "protobuf"
        assert view.schema.data
        assert view.data
    else:
        assert (view.message_encoding, view.schema.encoding) == ("json", "jsonschema")
        schema = json.loads(view.schema.data)
        assert schema["type"] == "object"
        assert json.loads(view.data).keys() <= schema["properties"].keys()


@rows
def test_every_view_is_in_a_schema_that_foxglove_knows(row):
    views = list(views_of(row.view, "node/port", sample(row.type)))
    assert views
    assert len({view.topic for view in views}) == len(views)
    for view in views:
        _check(view, "node/port")


@rows
@settings(max_examples=20)
@given(data=st.data())
def test_any_message_has_its_views_whatever_its_numbers(row, data):
    for view in views_of(row.view, "a/b", data.draw(messages(row.type, min_side=1))):
        _check(view, "a/b")


def test_a_message_without_a_view_has_none():
    assert list(views_of(None, "a/b", sample(Alert))) == []


def test_an_image_view_holds_the_pixels():
    frame = StereoFrame(
        captured_ns=2_000_000_003,
        left=np.arange(12, dtype=np.uint8).reshape(3, 4),
        right=np.full((3, 4), 200, np.uint8),
    )
    left, right = VIEWS["stereo_images"]("cam/frame", frame)
    assert (left.topic, right.topic) == ("cam/frame/left", "cam/frame/right")
    assert frame.left.tobytes() in left.data
    assert frame.right.tobytes() in right.data


def test_what_is_not_finite_is_null_in_json():
    reading = ProximityReading(
        captured_ns=0,
        proximity_px=float("nan"),
        sectors_per_m=np.array([1.0, np.nan], np.float32),
        sector_valid=np.ones(2, np.float32),
        corridor_m=float("inf"),
        corridor_seen=0.5,
    )
    (view,) = VIEWS["numbers"]("stereo/proximity", reading)
    shown = json.loads(view.data)
    assert shown["proximity_px"] is None
    assert shown["corridor_m"] is None
    assert shown["corridor_seen"] == 0.5
    assert shown["sectors_per_m"] == [1.0, None]


def test_a_distance_has_the_same_colour_in_every_picture():
    near, far = DEPTH_RANGE_M
    together = depth_colours(np.array([[near, 1.0, far]], np.float32))
    alone = depth_colours(np.array([[1.0]], np.float32))
    np.testing.assert_array_equal(together[0, 1], alone[0, 0])
    red, _, blue = together[0].T.astype(int)
    assert red[0] > blue[0]  # near is warm
    assert (red[2], blue[2]) != (red[0], blue[0])


def test_unknown_depth_is_black_and_known_depth_is_not():
    colours = depth_colours(np.array([[np.nan, 0.1, 1.0, 99.0]], np.float32))
    assert not colours[0, 0].any()
    assert colours[0, 1:].any(axis=-1).all()


@pytest.mark.parametrize("value", [np.nan, np.inf, 3.0])
def test_a_picture_of_one_value_is_drawn(value):
    assert ramp_colours(np.full((2, 3), value, np.float32)).shape == (2, 3, 3)


def test_depth_views_say_how_their_bytes_are_to_be_read():
    depth, colours = VIEWS["depth_image"]("stereo/depth", sample(DepthMap))
    assert b"32FC1" in depth.data
    assert b"rgb8" in colours.data


@pytest.mark.parametrize(
    ("event", "words"),
    [
        (Alert(captured_ns=0, text="battery low"), "battery low"),
        (
            CollisionEvent(captured_ns=0, position_w=(1.0, -2.0, 0.5), other="box 1"),
            "collision with box 1 at (1.00, -2.00, 0.50) m",
        ),
        (
            PutBackEvent(captured_ns=0, from_w=(0, 0, 0), to_w=(1.0, 2.0, 3.0), reason="upturned"),
            "put back to (1.00, 2.00, 3.00) m: upturned",
        ),
    ],
)
def test_an_event_is_told_in_words(event, words):
    assert event_text(event) == words
    (view,) = VIEWS["event_log"]("node/events", event)
    assert words.encode() in view.data
