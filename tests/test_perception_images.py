import cv2
import numpy as np
import pytest

from perception.images import read_grey
from perception.quantities import ImageError

RAMP = np.arange(24, dtype=np.uint8).reshape(4, 6)


def test_a_grey_png_is_read_as_written(tmp_path):
    cv2.imwrite(str(tmp_path / "ramp.png"), RAMP)
    np.testing.assert_array_equal(read_grey(tmp_path / "ramp.png"), RAMP)


def test_colour_becomes_grey(tmp_path):
    cv2.imwrite(str(tmp_path / "colour.png"), np.dstack([RAMP, RAMP, RAMP]))
    np.testing.assert_array_equal(read_grey(tmp_path / "colour.png"), RAMP)


@pytest.mark.parametrize("content", [b"", b"not an image", b"\x89PNG\r\n\x1a\n broken"])
def test_what_is_no_image_is_refused_with_its_name(tmp_path, content):
    (tmp_path / "broken.png").write_bytes(content)
    with pytest.raises(ImageError, match=r"broken\.png is not an image"):
        read_grey(tmp_path / "broken.png")


def test_a_missing_file_or_a_folder_is_refused(tmp_path):
    with pytest.raises(ImageError, match=r"absent\.png: No such file"):
        read_grey(tmp_path / "absent.png")
    with pytest.raises(ImageError, match="Is a directory"):
        read_grey(tmp_path)
