"""Images that are not to be believed: each check alone, and what is usual."""

import msgspec
import numpy as np
import pytest

from perception.image_trust import ImageTrust, TrustConfig, Usual, coarse, usual_of

AT_M = np.zeros(3)


def scene(level=120, seed=0):
    """(48, 48, 3): a chequered thing somewhere on a plain ground, with the sensor's noise."""
    rng = np.random.default_rng(seed)
    image = rng.normal(level, 2, (48, 48, 3))
    row, column = rng.integers(0, 16, 2)
    image[row : row + 32, column : column + 32] += (
        50 * (np.indices((32, 32)).sum(0) // 8 % 2)[..., None]
    )
    return np.clip(image, 0, 255).astype(np.uint8)


def trust(**usual):
    return ImageTrust(TrustConfig(), usual)


@pytest.fixture(scope="module")
def usual():
    return usual_of([coarse(scene(seed=seed)) for seed in range(60)])


def test_a_usual_image_is_believed(usual):
    watch = trust(front=usual)
    assert [watch.doubt({"front": scene(seed=100 + n)}, AT_M) for n in range(20)] == [None] * 20


@pytest.mark.parametrize("level", [80, 160])
def test_another_light_is_unusual(usual, level):
    doubt = trust(front=usual).doubt({"front": scene(level)}, AT_M)
    assert doubt is not None
    assert (doubt.reason, doubt.limit) == ("unusual", usual.limit)
    assert doubt.value > usual.limit


def test_a_camera_of_which_nothing_usual_is_known_is_not_compared():
    assert trust().doubt({"front": scene(80)}, AT_M) is None


def test_usual_ways_to_vary_are_no_distance():
    base, way = np.zeros(108, np.float32) + 100, np.zeros(108, np.float32)
    way[:54] = 1  # half of the image gets brighter and darker
    learned = usual_of([base + amount * way for amount in np.linspace(-40, 40, 21)])
    explained = np.asarray(base + 60 * way).reshape(6, 6, 3).astype(np.uint8)
    other = np.asarray(base + 60 * way[::-1]).reshape(6, 6, 3).astype(np.uint8)
    assert learned.distance(explained) < 0.1
    assert learned.distance(other) > 5


def test_what_is_usual_goes_through_a_manifest_unchanged(usual):
    again = msgspec.convert(msgspec.json.decode(msgspec.json.encode(usual)), Usual)
    assert again == usual
    assert again.distance(scene(80)) == usual.distance(scene(80))


def test_of_several_doubts_the_first_camera_s_is_named():
    black = np.zeros((48, 48, 3), np.uint8)
    doubt = trust().doubt({"front": None, "wrist": black}, AT_M)
    assert str(doubt) == "front is missing"
    assert str(trust().doubt({"front": scene(), "wrist": black}, AT_M)).startswith("wrist is black")


def test_a_hand_before_the_lens_is_no_image():
    plain = np.random.default_rng(0).normal(120, 2, (48, 48, 3)).astype(np.uint8)
    doubt = trust().doubt({"front": plain}, AT_M)
    assert doubt is not None
    assert doubt.reason == "covered"


def test_a_still_image_is_doubted_when_the_tool_has_moved_far_since_it_came_first():
    watch, image = trust(), scene()
    moved = [watch.doubt({"front": image}, np.array([at, 0, 0])) for at in (0, 0.004, 0.008, 0.012)]
    assert [one and one.reason for one in moved] == [None, None, None, "frozen"]
    assert watch.doubt({"front": scene(seed=5)}, np.array([0.02, 0, 0])) is None
