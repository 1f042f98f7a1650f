"""Takes an eye away each time that the student has had the controls for a while: a fault on cue.

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

    after_frames: int = 200  # in a row, in which the student has the controls and stereo is well
    at_latest_s: float = float("inf")  # s since the first frame: then once without that
    lasts_s: float = 15.0  # s, each time
    side: Side = Side.RIGHT

    def __post_init__(self) -> None:
        if self.after_frames < 1:
            raise InputError(f"after_frames = {self.after_frames} must be at least 1")
        if not (self.at_latest_s > 0 and self.lasts_s > 0):
            raise InputError("at_latest_s and lasts_s must be above 0")


class UnpluggingNode(Node[UnpluggingConfig]):
    """Passes frames on, at times without one eye."""

    inputs = {
        "frame": Input(StereoFrame),
        "state": Input(HandoverState, required=False, wakes=False),
    }
    outputs = {"frame": Output(StereoFrame)}
    restartable = False  # begun anew it would count its seconds from there
    Config = UnpluggingConfig

    def __init__(self, config: UnpluggingConfig, context: NodeContext) -> None:
        super().__init__(config, context)
        self._unplugged = make_corruption("unplugged", {}, context.rng())
        self._student_flies = False
        self._flown_frames = 0
        self._first_ns: int | None = None
        self._until_ns: int | None = None  # of the newest outage; None: there was none

    def step(self, now_ns: int, inputs: Inputs) -> list[Emission]:
        """Every frame; without an eye while it is out."""
        del now_ns
        state: HandoverState | None = inputs.newest("state")
        if state is not None:
            self._student_flies = state.stage == Stage.MONO.value and state.teacher_alive
        return [("frame", self._pass(frame)) for frame in inputs.all("frame")]

    def _pass(self, frame: StereoFrame) -> StereoFrame:
        if not self._is_out(frame.captured_ns):
            return frame
        images = self._unplugged.corrupt(StereoImages(frame.left, frame.right), self.config.side)
        return StereoFrame(captured_ns=frame.captured_ns, valid=frame.valid, **images._asdict())

    def _is_out(self, now_ns: int) -> bool:
        if self._until_ns is not None and now_ns < self._until_ns:
            return True
        self._flown_frames = self._flown_frames + 1 if self._student_flies else 0
        if self._flown_frames < self.config.after_frames and not self._is_late(now_ns):
            return False
        self._flown_frames = 0
        self._until_ns = now_ns + round(self.config.lasts_s * SECOND_NS)
        return True

    def _is_late(self, now_ns: int) -> bool:
        if self._first_ns is None:
            self._first_ns = now_ns
        return (
            self._until_ns is None
            and now_ns - self._first_ns >= self.config.at_latest_s * SECOND_NS
        )
