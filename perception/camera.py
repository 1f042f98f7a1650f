"""What a stereo camera is. The cameras there are stand in `perception.cameras.CAMERAS`."""

from typing import NamedTuple, Protocol

from perception.calibration import StereoRig
from perception.quantities import StereoImages


class StampedImages(NamedTuple):
    """A stereo pair and when its read-out finished."""

    images: StereoImages
    captured_ns: int  # on the clock that `Camera.read` is given


class Camera(Protocol):
    """A source of stereo pairs, opened by its class with the path of a folder or device."""

    rig: StereoRig | None  # None: the camera knows no calibration, its pairs count as rectified

    @property
    def finished(self) -> bool:
        """True when no more images will come; a live camera never finishes."""
        ...

    def read(self, now_ns: int) -> StampedImages | None:
        """The newest pair taken by `now_ns`, or None if there is none since the last call."""
        ...

    def close(self) -> None:
        """Gives the device or file back; may be called twice."""
        ...
