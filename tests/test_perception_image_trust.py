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


def table(arm_at=0, moved_px=0, seed=0):
    """(50, 50, 3): a board on a plain ground, over which an arm reaches from any side."""
    image = np.random.default_rng(seed).normal(150, 2, (50, 50, 3))
    image[10 + moved_px : 40 + moved_px, 10:40] -= 60
    image[:, arm_at : arm_at + 8] = 40
    return np.clip(image, 0, 255).astype(np.uint8)


def test_an_arm_may_be_anywhere_but_a_camera_where_it_was():
    learned = usual_of([coarse(table(arm_at=n % 42, seed=n)) for n in range(200)])
    arm_at = np.random.default_rng(1).integers(0, 42, 40)
    watch = trust(front=learned)
    assert [watch.doubt({"front": table(x, seed=x + 900)}, AT_M) for x in arm_at] == [None] * 40
    for x in arm_at:
        doubt = watch.doubt({"front": table(x, moved_px=9, seed=x + 900)}, AT_M)
        assert doubt is not None
        assert doubt.reason == "unusual"


def test_images_that_are_all_the_same_leave_room_for_noise():
    still = usual_of([coarse(table())])
    assert still.distance(table(seed=1)) < still.limit


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
