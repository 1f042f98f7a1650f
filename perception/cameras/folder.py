"""A recorded EuRoC/ASL folder, played back as if it were a camera.

    mav0/cam0/data.csv       "stamp [ns], file name" per line: the left camera
    mav0/cam0/data/*.png
    mav0/cam0/sensor.yaml    calibration, see `perception.calibration.load_rig`
    mav0/cam1/...            the right camera

The first pair counts as captured at 0 ns. Both cameras of a pair carry the same stamp (the recorder
triggered them together). A stamp that only one camera has is left out and counted.
"""

from pathlib import Path
from typing import NamedTuple

from perception.calibration import StereoRig, load_rig
from perception.camera import StampedImages
from perception.images import read_grey
from perception.quantities import InputError, StereoImages, check_pair

SIDES = ("cam0", "cam1")
STAMP_DIGITS = 19  # ns in 63 bits
MAX_NAME_BYTES = 255  # of a file


class FolderError(InputError):
    """A folder that is not a EuRoC/ASL recording of a stereo pair."""


class Frame(NamedTuple):
    """One line of the recording."""

    captured_ns: int  # since the first pair
    left: Path
    right: Path


class FolderCamera:
    """Plays the pairs of a folder at their recorded times.

    Like a real camera it gives the newest pair; those that nobody fetched in time are counted in
    `missed`. To get each of them, call `read` with the `captured_ns` of each of `frames`.
    """

    def __init__(self, path: Path | str) -> None:
        """Lists the pairs; images are read when they are due.

        Args:
            path: the folder that holds cam0 and cam1.

        Raises:
            FolderError: if the folder or an image listed in it is missing, or holds no pairs.
            CalibrationError: if there are sensor.yaml files and they are not usable.
        """
        folder = Path(path)
        left, right = (_read_index(folder / side) for side in SIDES)
        stamps = sorted(left.keys() & right.keys())
        if not stamps:
            raise FolderError(f"{folder} holds no pairs: no stamp is in both cam0 and cam1")
        self.frames = [Frame(stamp - stamps[0], left[stamp], right[stamp]) for stamp in stamps]
        self.unpaired = len(left.keys() ^ right.keys())  # stamps of one camera only, left out
        self.missed = 0  # pairs overtaken by a newer one before they were read
        self.rig = _rig_of(folder)
        self._next = 0

    @property
    def finished(self) -> bool:
        """True when the last pair has been given out."""
        return self._next == len(self.frames)

    def read(self, now_ns: int) -> StampedImages | None:
        """The newest pair captured by `now_ns`, or None if there is none since the last call.

        Raises:
            ImageError: if an image of the pair cannot be decoded, or the sizes differ.
        """
        due = self._next
        while due < len(self.frames) and self.frames[due].captured_ns <= now_ns:
            due += 1
        if due == self._next:
            return None
        self.missed += due - self._next - 1
        self._next = due
        frame = self.frames[due - 1]
        images = StereoImages(read_grey(frame.left), read_grey(frame.right))
        return StampedImages(check_pair(images), frame.captured_ns)

    def close(self) -> None:
        """Ends the playback."""
        self._next = len(self.frames)


def _read_index(folder: Path) -> dict[int, Path]:
    """Stamp in ns -> image file, of one camera."""
    index = folder / "data.csv"
    try:
        lines = index.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise FolderError(
            f"cannot read {index}; a EuRoC/ASL folder holds cam0/data.csv and cam1/data.csv"
        ) from error
    numbered = enumerate(map(str.strip, lines), start=1)
    rows = [(number, line) for number, line in numbered if line and not line.startswith("#")]
    files = dict(_read_row(folder, number, line) for number, line in rows)
    missing = [path for path in files.values() if not path.is_file()]
    if missing:
        raise FolderError(f"{index} lists {len(missing)} missing images, the first is {missing[0]}")
    return files


def _read_row(folder: Path, number: int, line: str) -> tuple[int, Path]:
    stamp, _, name = (part.strip() for part in line.partition(","))
    plain = stamp.isascii() and stamp.isdecimal() and len(stamp) <= STAMP_DIGITS
    if not plain or Path(name).name != name or not 0 < len(name.encode()) <= MAX_NAME_BYTES:
        place = f"{folder / 'data.csv'} line {number}"
        raise FolderError(f"{place} is {line[:60]!r}; needed is: stamp in ns, file name")
    return int(stamp), folder / "data" / name


def _rig_of(folder: Path) -> StereoRig | None:
    if any((folder / side / "sensor.yaml").exists() for side in SIDES):
        return load_rig(folder)
    return None
