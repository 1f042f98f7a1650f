import numpy as np
import pytest

from perception.quantities import ImageError, InputError, StereoImages, check_pair

GREY = np.zeros((4, 6), np.uint8)


def test_a_grey_pair_of_one_size_passes_unchanged():
    images = StereoImages(GREY, GREY)
    assert check_pair(images) is images


@pytest.mark.parametrize(
    ("right", "said"),
    [
        (np.zeros((4, 7), np.uint8), "6x4 and 7x4"),
        (np.zeros((4, 6, 3), np.uint8), "right image is uint8 (4, 6, 3)"),
        (np.zeros((4, 6), np.float32), "right image is float32"),
        (np.zeros((0, 6), np.uint8), "right image is uint8 (0, 6)"),
        (None, "right image is NoneType"),
    ],
)
def test_what_is_no_grey_pair_is_refused_in_one_line(right, said):
    with pytest.raises(ImageError) as caught:
        check_pair(StereoImages(GREY, right))
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)


def test_input_errors_end_a_command_with_exit_code_2():
    assert issubclass(ImageError, InputError)
    assert ImageError.exit_code == 2
