"""Things that happen to the cameras, at stated seconds: a shell over `perception.corruption`.

It stands between camera and stereo, so that what is behind it meets a fault as it would meet it in
flight. Seconds count from the first frame that comes by.
"""

from dataclasses import dataclass, field
from typing import Any

from perception.corruption import Corruption, Side, make_corruption
from perception.quantities import InputError, StereoImages
from robot.clock import SECOND_NS
from robot.messages import StereoFrame
from robot.node import Emission, Input, Inputs, Node, NodeContext, Output


@dataclass(frozen=True)
class Fault:
    """One thing that happens, from second to second."""

    corruption: str  # a row of perception.corruptions
    from_s: float  # s
    to_s: float = float("inf")  # s, exclusive
    side: Side = Side.RIGHT  # left, right or both
    options: dict[str, Any] = field(default_factory=dict)  # of that corruption's Config

    def __post_init__(self) -> None:
        if not 0 <= self.from_s < self.to_s:
            raise InputError(
                f"fault {self.corruption!r} lasts from second {self.from_s:g} to {self.to_s:g}; "
                "from_s must be at least 0 and below to_s"
            )


@dataclass(frozen=True)
class CameraFaultsConfig:
    """What happens; of faults that overlap the later ones of the list happen to the result."""

    schedule: tuple[Fault, ...] = ()


class CameraFaultsNode(Node[CameraFaultsConfig]):
    """Passes frames on, corrupted as scheduled."""

    inputs = {"frame": Input(StereoFrame)}
    outputs = {"frame": Output(StereoFrame)}
    restartable = False  # begun anew it would count its seconds from there
    Config = CameraFaultsConfig

    def __init__(self, config: CameraFaultsConfig, context: NodeContext) -> None:
        super().__init__(config, context)
        rngs = context.rng().spawn(len(config.schedule))
        self._faults: list[tuple[Fault, Corruption]] = [
            (fault, make_corruption(fault.corruption, fault.options, rng))
            for fault, rng in zip(config.schedule, rngs, strict=True)
        ]
        self._first_ns: int | None = None

    def step(self, now_ns: int, inputs: Inputs) -> list[Emission]:
        """Every frame, with what happens at its time."""
        del now_ns
        return [("frame", self._pass(frame)) for frame in inputs.all("frame")]

    def _pass(self, frame: StereoFrame) -> StereoFrame:
        if self._first_ns is None:
            self._first_ns = frame.captured_ns
        time_s = (frame.captured_ns - self._first_ns) / SECOND_NS
        present = [each for each in self._faults if each[0].from_s <= time_s < each[0].to_s]
        if not present:
            return frame
        images = StereoImages(frame.left, frame.right)
        for fault, corruption in present:
            images = corruption.corrupt(images, fault.side)
        return StereoFrame(captured_ns=frame.captured_ns, valid=frame.valid, **images._asdict())
