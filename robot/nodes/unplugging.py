"""Takes an eye away once the student has had the controls for a while: a fault that waits.

A second at which the student has earned them differs from processor to processor, as they add in
different orders; a flight that is to show what happens next cannot name it beforehand.
"""

from dataclasses import dataclass

from perception.corruption import Side, make_corruption
from perception.handover import Stage
from perception.quantities import InputError, StereoImages
from robot.clock import SECOND_NS
from robot.messages import HandoverState, StereoFrame
from robot.node import Emission, Input, Inputs, Node, NodeContext, Output


@dataclass(frozen=True)
class UnpluggingConfig:
    """When, and for how long."""

    after_frames: int = 200  # that the student has had the controls without a break
    at_latest_s: float = float("inf")  # s since the first frame: then also without that
    lasts_s: float = 30.0  # s
    side: Side = Side.RIGHT

    def __post_init__(self) -> None:
        if self.after_frames < 1:
            raise InputError(f"after_frames = {self.after_frames} must be at least 1")
        if not (self.at_latest_s > 0 and self.lasts_s > 0):
            raise InputError("at_latest_s and lasts_s must be above 0")


class UnpluggingNode(Node[UnpluggingConfig]):
    """Passes frames on, for a while without one eye."""

    inputs = {
        "frame": Input(StereoFrame),
        "state": Input(HandoverState, required=False, wakes=False),
    }
    outputs = {"frame": Output(StereoFrame)}
    restartable = False  # begun anew it would unplug again
    Config = UnpluggingConfig

    def __init__(self, config: UnpluggingConfig, context: NodeContext) -> None:
        super().__init__(config, context)
        self._unplugged = make_corruption("unplugged", {}, context.rng())
        self._state: HandoverState | None = None
        self._first_ns: int | None = None
        self._from_ns: int | None = None

    def step(self, now_ns: int, inputs: Inputs) -> list[Emission]:
        """Every frame; without an eye while it is out."""
        del now_ns
        self._state = inputs.newest("state") or self._state
        return [("frame", self._pass(frame)) for frame in inputs.all("frame")]

    def _pass(self, frame: StereoFrame) -> StereoFrame:
        if self._from_ns is None and self._is_time(frame):
            self._from_ns = frame.captured_ns
        if not self._is_out(frame):
            return frame
        images = self._unplugged.corrupt(StereoImages(frame.left, frame.right), self.config.side)
        return StereoFrame(captured_ns=frame.captured_ns, valid=frame.valid, **images._asdict())

    def _is_time(self, frame: StereoFrame) -> bool:
        if self._first_ns is None:
            self._first_ns = frame.captured_ns
        if frame.captured_ns - self._first_ns >= self.config.at_latest_s * SECOND_NS:
            return True
        state = self._state
        if state is None or state.stage != Stage.MONO.value:
            return False
        return state.stage_frames >= self.config.after_frames

    def _is_out(self, frame: StereoFrame) -> bool:
        if self._from_ns is None:
            return False
        return frame.captured_ns - self._from_ns < self.config.lasts_s * SECOND_NS
