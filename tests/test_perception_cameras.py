import shutil
from pathlib import Path

import cv2
import numpy as np
import pytest

from perception.calibration import CalibrationError
from perception.cameras import CAMERAS
from perception.cameras.folder import FolderCamera, FolderError
from perception.quantities import ImageError
from perception.tables import ChoiceError, load_item

STEP_NS = 100_000_000
FIRST_NS = 1_403_715_273_262_142_976
EUROC = Path(__file__).parents[2] / "shared" / "data" / "euroc_sample" / "mav0"


def write_camera(folder, indices, grey=0):
    """A camera folder whose image i is filled with grey + i."""
    (folder / "data").mkdir(parents=True)
    lines = ["#timestamp [ns],filename"]
    for index in indices:
        stamp = FIRST_NS + index * STEP_NS
        cv2.imwrite(str(folder / "data" / f"{stamp}.png"), np.full((6, 8), grey + index, np.uint8))
        lines.append(f"{stamp},{stamp}.png")
    (folder / "data.csv").write_text("\r\n".join(lines) + "\r\n")


@pytest.fixture
def recording(tmp_path):
    write_camera(tmp_path / "cam0", range(4))
    write_camera(tmp_path / "cam1", range(4), grey=100)
    return tmp_path


@pytest.mark.parametrize("name", CAMERAS)
def test_every_row_of_the_table_resolves(name):
    camera_class = load_item(CAMERAS, "camera", name)
    assert {"read", "close", "finished"} <= set(dir(camera_class))


def test_an_unknown_camera_lists_the_valid_ones():
    names = ", ".join(sorted(CAMERAS))
    with pytest.raises(ChoiceError, match=f"no camera is called 'none'; valid names: {names}"):
        load_item(CAMERAS, "camera", "none")


def test_pairs_come_at_their_times_counted_from_the_first(recording):
    camera = FolderCamera(recording)
    seen = []
    for now_ns in range(0, 4 * STEP_NS, STEP_NS // 2):
        stamped = camera.read(now_ns)
        if stamped is not None:
            seen.append(
                (now_ns, stamped.captured_ns, stamped.images.left[0, 0], stamped.images.right[0, 0])
            )
    assert seen == [(i * STEP_NS, i * STEP_NS, i, 100 + i) for i in range(4)]
    assert camera.finished
    assert (camera.missed, camera.unpaired) == (0, 0)


def test_a_late_reader_gets_the_newest_pair_and_the_missed_are_counted(recording):
    camera = FolderCamera(recording)
    stamped = camera.read(int(2.5 * STEP_NS))
    assert stamped.captured_ns == 2 * STEP_NS
    assert camera.missed == 2
    assert camera.read(int(2.9 * STEP_NS)) is None
    assert not camera.finished


def test_nothing_comes_before_the_first_stamp_nor_after_the_last(recording):
    camera = FolderCamera(recording)
    assert camera.read(-1) is None
    assert camera.read(99 * STEP_NS).captured_ns == 3 * STEP_NS
    assert camera.read(100 * STEP_NS) is None


def test_close_ends_the_playback(recording):
    camera = FolderCamera(recording)
    camera.close()
    camera.close()
    assert camera.finished
    assert camera.read(99 * STEP_NS) is None


def test_stamps_of_one_camera_only_are_left_out_and_counted(tmp_path):
    write_camera(tmp_path / "cam0", [0, 1, 2, 3])
    write_camera(tmp_path / "cam1", [1, 3, 4], grey=100)
    camera = FolderCamera(tmp_path)
    assert [frame.captured_ns for frame in camera.frames] == [0, 2 * STEP_NS]
    assert camera.unpaired == 3


def test_lines_out_of_order_are_played_in_order(recording):
    index = recording / "cam0" / "data.csv"
    index.write_text("\n".join(reversed(index.read_text().splitlines())))
    frames = FolderCamera(recording).frames
    assert [frame.captured_ns for frame in frames] == [i * STEP_NS for i in range(4)]


def test_without_sensor_yaml_there_is_no_rig_and_with_one_of_two_an_error(recording):
    assert FolderCamera(recording).rig is None
    (recording / "cam0" / "sensor.yaml").write_text("camera_model: pinhole")
    with pytest.raises(CalibrationError, match=r"cam0/sensor\.yaml: key 'T_BS' is missing"):
        FolderCamera(recording)


def missing_image(folder):
    (folder / "cam1" / "data" / f"{FIRST_NS}.png").unlink()


def bad_stamp(folder):
    (folder / "cam1" / "data.csv").write_text("1.5e9,a.png\n")


def no_name(folder):
    (folder / "cam1" / "data.csv").write_text("#stamp\n\n15\n")


def path_outside(folder):
    (folder / "cam1" / "data.csv").write_text("15,../../secret.png\n")


def empty_index(folder):
    (folder / "cam1" / "data.csv").write_text("")


def no_index(folder):
    (folder / "cam1" / "data.csv").unlink()


def no_folder(folder):
    shutil.rmtree(folder)


def binary_index(folder):
    (folder / "cam1" / "data.csv").write_bytes(b"\xff\xfe\x00")


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        (missing_image, "lists 1 missing images, the first is"),
        (bad_stamp, "line 1 is '1.5e9,a.png'; needed is: stamp in ns, file name"),
        (no_name, "line 3 is '15'"),
        (path_outside, "line 1 is"),
        (empty_index, "holds no pairs"),
        (no_index, "holds cam0/data.csv and cam1/data.csv"),
        (no_folder, "holds cam0/data.csv and cam1/data.csv"),
        (binary_index, "cannot read"),
    ],
)
def test_what_is_no_recording_is_refused_in_one_line(recording, damage, said):
    damage(recording)
    with pytest.raises(FolderError) as caught:
        FolderCamera(recording)
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_broken_image_and_a_pair_of_two_sizes_are_refused_when_read(recording):
    data = recording / "cam1" / "data"
    (data / f"{FIRST_NS}.png").write_bytes(b"broken")
    cv2.imwrite(str(data / f"{FIRST_NS + STEP_NS}.png"), np.zeros((6, 9), np.uint8))
    camera = FolderCamera(recording)
    with pytest.raises(ImageError, match="is not an image"):
        camera.read(0)
    with pytest.raises(ImageError, match="8x6 and 9x6"):
        camera.read(STEP_NS)
    assert camera.read(2 * STEP_NS) is not None  # one bad pair does not end the recording


def test_the_euroc_sample_plays_with_its_calibration():
    if not EUROC.is_dir():
        pytest.skip(f"no EuRoC sample at {EUROC}")
    camera = FolderCamera(EUROC)
    assert len(camera.frames) == 8
    assert camera.rig.baseline_m == pytest.approx(0.11, abs=0.001)
    assert camera.read(0).images.left.shape == (480, 752)
