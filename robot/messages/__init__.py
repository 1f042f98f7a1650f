"""Table of messages: every type of the running machine, each listed once.

Whoever sends or reads a message imports it from here; which file it lies in is a matter of subject.
"""

from typing import NamedTuple

from robot.messages.acting import (
    Command,
    DriverReport,
    FlightState,
    Observed,
    PolicyObservation,
    Setpoint,
)
from robot.messages.header import (
    ArraySpec,
    ColourImage,
    FloatMap,
    FloatVector,
    GreyImage,
    Message,
)
from robot.messages.learning import (
    HandoverState,
    MonoStatus,
    Weights,
)
from robot.messages.machine import (
    Alert,
    EdgeTelemetry,
    StepRecord,
    Telemetry,
)
from robot.messages.practice import (
    AttemptOrder,
    AttemptReport,
    Experience,
    HelpNeeded,
    Instruction,
    StepJudgement,
    Verdict,
)
from robot.messages.sight import (
    CameraImage,
    CameraModel,
    DepthMap,
    ProximityReading,
    RigCalibration,
    StereoFrame,
    StereoHealth,
)
from robot.messages.truth import (
    CollisionEvent,
    Obstacle,
    PutBackEvent,
    RoomDescription,
    TruePose,
)

__all__ = [
    "MESSAGES",
    "Alert",
    "ArraySpec",
    "AttemptOrder",
    "AttemptReport",
    "CameraImage",
    "CameraModel",
    "CollisionEvent",
    "ColourImage",
    "Command",
    "DepthMap",
    "DriverReport",
    "EdgeTelemetry",
    "Experience",
    "FlightState",
    "FloatMap",
    "FloatVector",
    "GreyImage",
    "HandoverState",
    "HelpNeeded",
    "Instruction",
    "Message",
    "MonoStatus",
    "Observed",
    "Obstacle",
    "PolicyObservation",
    "ProximityReading",
    "PutBackEvent",
    "RigCalibration",
    "RoomDescription",
    "Row",
    "Setpoint",
    "StepJudgement",
    "StepRecord",
    "StereoFrame",
    "StereoHealth",
    "Telemetry",
    "TruePose",
    "Verdict",
    "Weights",
]


class Row(NamedTuple):
    """One row of the table of messages."""

    type: type[Message]
    logged: bool
    """Whether the recorder keeps it."""
    view: str | None
    """Function of ``robot.views`` that shows it in Foxglove's own schemas; None: nothing to see."""


MESSAGES: dict[str, Row] = {
    row.type.__name__: row
    for row in (
        Row(StereoFrame, True, "stereo_images"),
        Row(RigCalibration, True, "calibration"),
        Row(DepthMap, True, "depth_image"),
        Row(ProximityReading, True, "numbers"),
        Row(StereoHealth, True, "numbers"),
        Row(Weights, True, "numbers"),
        Row(MonoStatus, True, "numbers"),
        Row(HandoverState, True, "numbers"),
        Row(PolicyObservation, True, None),
        Row(Observed, True, None),
        Row(CameraImage, True, "colour_image"),
        Row(Instruction, True, "event_log"),
        Row(AttemptOrder, True, "event_log"),
        Row(StepJudgement, True, "numbers"),
        Row(Verdict, True, "numbers"),
        Row(HelpNeeded, True, "event_log"),
        Row(Experience, True, None),
        Row(AttemptReport, True, "event_log"),
        Row(Command, True, "numbers"),
        Row(Setpoint, True, "numbers"),
        Row(DriverReport, True, "numbers"),
        Row(FlightState, True, "numbers"),
        Row(TruePose, True, "pose"),
        Row(RoomDescription, True, "room_scene"),
        Row(CollisionEvent, True, "event_log"),
        Row(PutBackEvent, True, "event_log"),
        Row(Alert, True, "event_log"),
        Row(Telemetry, True, "numbers"),
        Row(StepRecord, True, None),
    )
}
