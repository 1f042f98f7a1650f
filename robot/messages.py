"""Every message of the running machine, each listed once.

A message is a frozen msgspec struct: schema'd, quick to encode, and never pickled. Arrays travel
beside the header as raw buffers (see ``robot.wire``), which is why an array field states its dtype
and number of axes: the decoder checks both before anything else sees the array.
"""

from typing import Annotated, NamedTuple

import msgspec
import numpy as np
from numpy.typing import NDArray


class ArraySpec(NamedTuple):
    """What an array field must hold, checked by the decoder."""

    dtype: str
    """NumPy dtype, little-endian."""
    ndim: int
    """Number of axes."""


GreyImage = Annotated[NDArray[np.uint8], ArraySpec("uint8", 2)]  # (H, W)
FloatMap = Annotated[NDArray[np.float32], ArraySpec("float32", 2)]  # (H, W)
ColourImage = Annotated[NDArray[np.uint8], ArraySpec("uint8", 3)]  # (H, W, 3) RGB
FloatVector = Annotated[NDArray[np.float32], ArraySpec("float32", 1)]  # (n,)


class Message(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The header that every message carries; a node fills ``captured_ns``, the bus the rest."""

    captured_ns: int
    """When the data was taken (a camera: read-out finished), in ns of the run's clock."""
    seq: int = -1
    """Counts the messages of one topic from 0; a gap is a loss."""
    sent_ns: int = -1
    """When the writer handed it to the bus, in ns of the run's clock."""
    source: str = ""
    """Name of the node that wrote it."""
    valid: bool = True
    """False when the writer itself does not trust the content."""


class StereoFrame(Message, frozen=True, kw_only=True):
    """What both eyes saw at one instant, unrectified; an eye that gave nothing is (0, 0)."""

    left: GreyImage
    right: GreyImage


class CameraModel(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One pinhole camera; the fields of ``perception.calibration.CameraIntrinsics``."""

    width: int
    height: int
    fx_px: float
    fy_px: float
    cx_px: float
    cy_px: float
    distortion: tuple[float, ...]


class RigCalibration(Message, frozen=True, kw_only=True):
    """The stereo rig that the frames of the same source come from; sent once, before them."""

    left: CameraModel
    right: CameraModel
    right_from_left: tuple[float, ...]
    """(16,) rows of the 4 x 4 transform, metres."""


class DepthMap(Message, frozen=True, kw_only=True):
    """Depth in the rectified left camera; NaN where the teacher does not trust itself."""

    depth_m: FloatMap
    """Metres along the optical axis."""
    disparity_px: FloatMap
    """Pixels."""
    confidence: FloatMap
    """0 (a guess) to 1 (sure)."""


class ProximityReading(Message, frozen=True, kw_only=True):
    """How near things are, as far as the act of flying on needs to know."""

    proximity_px: float
    """The scalar of van Hecke et al.: the largest disparity that enough pixels reach."""
    sectors_per_m: FloatVector
    """Inverse distance (1/m) of the nearest part of each vertical image sector, left to right."""
    sector_valid: FloatVector
    """Share of each sector's pixels that carry a depth, 0 to 1."""
    corridor_m: float
    """Distance (m) of the nearest part of the corridor about to be swept; inf: seen free."""
    corridor_seen: float
    """Share of the corridor's pixels that carry a depth, 0 to 1."""


class StereoHealth(Message, frozen=True, kw_only=True):
    """Whether a stereo pair can be believed; the fields of ``perception.monitor.Verdict``."""

    ok: bool
    reason: str
    """``ok``, or the first of the faults that ``perception.monitor.Reason`` lists."""
    value: float
    """The number of that check; its meaning stands at the head of ``perception.monitor``."""
    limit: float
    decalibration_deg: float
    """How far the cameras have turned, at least; NaN while little is known."""


class Weights(Message, frozen=True, kw_only=True):
    """A model package that a learner has written, for the node that acts by it."""

    path: str
    """Of the package, inside the run folder."""
    sha256: str
    """Of the package, hex."""
    parent: str
    """SHA-256 of the package that a learner announced before it; empty: the first."""
    frames: int
    """Labelled images that it had seen, all of this run."""
    updates: int
    """Steps of learning behind it, all of this run."""


class MonoStatus(Message, frozen=True, kw_only=True):
    """Which weights the mono node sees by, and how far it trusts what it sees in this frame."""

    trusted: float
    """Share of pixels whose expected relative error is let through, 0 to 1."""
    doubt: float = 0.0
    """Probability that the frame is badly wrong, 0 to 1; see ``perception.mono_trust``."""
    version: int
    """Updates behind the weights; 0: it has none."""
    frames: int
    """Labelled images behind the weights."""
    package: str
    """SHA-256 of the weights, hex; empty: none."""
    parent: str
    """SHA-256 of those that they came from."""
    swaps: int
    """Weights taken since the start."""
    refused: int
    """Weights refused since the start."""
    rollbacks: int
    """Times that it went back to the weights before."""


class HandoverState(Message, frozen=True, kw_only=True):
    """Who flies and why; see ``perception.handover`` and ``perception.organisation``."""

    organisation: str
    """A member of ``perception.organisation.Organisation``."""
    stage: str
    """A member of ``perception.handover.Stage``."""
    actor: str
    """``teacher``, ``student`` or ``nobody``: whose reading went out."""
    reason: str
    """Of the last change of stage."""
    changed: bool
    """Whether the stage changed in this frame."""
    stage_frames: int
    """Frames in this stage."""
    teacher_alive: bool
    """A valid reading of the teacher was there, and its monitor did not object."""
    teacher_fault: str = ""
    """Why not: ``missing``, ``invalid``, or the monitor's reason; empty: alive."""
    student_trusted: bool
    """The student's readings are valid, but for a few."""
    teacher_obstacle: bool
    student_obstacle: bool
    overriding: bool
    """The teacher acts because the student misses something imminent."""
    overrides: int
    """Since the start."""
    student_version: int
    """Updates behind the student's weights; 0: there is no student."""
    found: int
    """Approaches in the window that the student found."""
    missed: int
    """Approaches in the window that it missed."""
    false_alarms: int
    """Runs in the window in which it alone said obstacle."""
    least_found: float
    """Lower bound of the part found, 0 to 1, at 95 %."""
    most_found: float
    """Upper bound."""
    least_false_alarms: float
    """Lower bound of the part of false alarms among its alarms, 0 to 1."""
    most_false_alarms: float
    """Upper bound."""
    window_overrides: int
    """Approaches in the window in which the teacher overrode."""
    missing_teacher: int
    """Frames without a reading of the teacher since the start."""
    missing_student: int
    """Frames without a reading of the student since the start."""
    labels: bool
    """The learner shall remember this frame."""
    trains: bool
    """The learner shall learn."""
    wants_student: bool
    """The learner shall announce what it has learned."""


class Command(Message, frozen=True, kw_only=True):
    """What a policy wants, in the axes and units of the robot's ``[limits]``."""

    values: tuple[float, ...]


class PolicyObservation(Message, frozen=True, kw_only=True):
    """What a policy acted on and what it chose, for learning; see ``policies.observation``."""

    sectors_per_m: FloatMap
    """(frames, sectors) 1/m, newest frame last."""
    sector_valid: FloatMap
    """(frames, sectors) 0 to 1."""
    corridor_m: FloatVector
    """(1,)"""
    corridor_seen: FloatVector
    """(1,)"""
    previous_command: FloatVector
    """(axes,)"""
    turn_random: FloatVector
    """(1,) 0 to 1."""
    action: FloatVector
    """(axes,) what the policy chose, before any noise was added."""


class Observed(Message, frozen=True, kw_only=True):
    """What a policy may read now, by name; see ``robot.observed``."""

    names: tuple[str, ...]
    shapes: tuple[tuple[int, ...], ...]
    values: FloatVector
    """All tensors, in the order of their names, each in C order."""


class CameraImage(Message, frozen=True, kw_only=True):
    """What one camera saw."""

    image: ColourImage


class Instruction(Message, frozen=True, kw_only=True):
    """What is asked of the robot from now on."""

    task: str
    goal: int
    """Index among the goals of the task."""
    text: str
    attempt: int
    """Counts from 0; a new number is a new attempt, also at the same goal."""


class AttemptOrder(Message, frozen=True, kw_only=True):
    """Who practises asks for the next attempt; whoever sets the scene obeys, and only once."""

    task: str
    attempt: int
    """Counts from 1; the same number again is the same order."""
    goal: int
    """Index among the goals of the task."""
    reset: bool
    """Whether a person is asked to put everything where such an attempt begins."""


class StepJudgement(Message, frozen=True, kw_only=True):
    """What is said of the step that led to the observation of the same moment; it may err."""

    attempt: int
    """The order that is followed; 0: none yet."""
    goal: int
    success: bool
    """The goal is said to be reached."""
    lost: bool
    """A person says that only he can put things back."""


class Experience(Message, frozen=True, kw_only=True):
    """One step of practice, whole, so that one that is lost spoils no other."""

    attempt: int
    text: str
    """Of the goal that was tried."""
    names: tuple[str, ...]
    shapes: tuple[tuple[int, ...], ...]
    before: FloatVector
    """All tensors of the observation, as in ``Observed``, before the step."""
    action: tuple[float, ...]
    """In the units of the robot's limits."""
    reward: float
    after: FloatVector
    """Like ``before``, after the step."""
    success: bool
    """Nothing follows, to who learns."""
    ended: bool
    """The attempt is over."""


class AttemptReport(Message, frozen=True, kw_only=True):
    """How an attempt ended, as only the simulator knows."""

    attempt: int
    goal: int
    text: str
    success: bool
    seconds: float
    irreversible: bool
    """Only a person could put things back."""


class Setpoint(Message, frozen=True, kw_only=True):
    """What the driver was last told after limits; ``reasons`` names the limits that bent it."""

    values: tuple[float, ...]
    reasons: tuple[str, ...] = ()


class DriverReport(Message, frozen=True, kw_only=True):
    """What hardware says of itself; see ``firmware_bridge.driver.DriverState``."""

    mode: str
    """A member of ``firmware_bridge.safety.Mode``, in lower case."""
    faults: tuple[str, ...]
    """Why it stopped, or what it refused since the report before."""
    measured: tuple[float, ...]
    """In the axes and units of ``[limits]``, NaN where unknown; empty: it measures nothing."""
    counters: dict[str, int]
    """Events since it was opened."""


class FlightState(Message, frozen=True, kw_only=True):
    """The vehicle's own noisy sensing, body frame (x forward, y left, z up)."""

    gyro_rad_s: tuple[float, float, float]
    accel_m_s2: tuple[float, float, float]
    altitude_m: float
    velocity_b_m_s: tuple[float, float, float]
    on_watchdog: bool
    """True while the vehicle hovers by itself because commands stopped coming."""


class TruePose(Message, frozen=True, kw_only=True):
    """The simulator's own knowledge, for evaluation only."""

    position_w: tuple[float, float, float]
    """Metres, room frame."""
    quaternion_wxyz: tuple[float, float, float, float]
    velocity_w: tuple[float, float, float]
    """Metres per second, room frame."""


class Obstacle(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One obstacle of the room, room frame; the fields of ``sim.room_map.Obstacle``."""

    name: str
    kind: str
    shape: str
    """``box`` or ``cylinder``."""
    centre_w_m: tuple[float, float, float]
    half_size_m: tuple[float, float, float]
    yaw_rad: float


class RoomDescription(Message, frozen=True, kw_only=True):
    """The room as built from its seed, for evaluation only."""

    size_m: tuple[float, float, float]
    obstacles: tuple[Obstacle, ...]
    altitude_m: float
    """The altitude that the vehicle starts at."""


class CollisionEvent(Message, frozen=True, kw_only=True):
    """A contact began; contacts within one second are one collision."""

    position_w: tuple[float, float, float]
    other: str
    """What was hit."""


class PutBackEvent(Message, frozen=True, kw_only=True):
    """The vehicle could not recover and was put back where it was two seconds earlier."""

    from_w: tuple[float, float, float]
    to_w: tuple[float, float, float]
    reason: str


class Alert(Message, frozen=True, kw_only=True):
    """Something a person should know: it names node, edge and number."""

    text: str


class EdgeTelemetry(msgspec.Struct, frozen=True, kw_only=True):
    """How one edge looks from its reader: counts since the start, the rest of the last period."""

    received: int
    dropped: int
    rate_hz: float
    """Messages taken in per second."""
    age_ms_p50: float | None = None
    """Age (since ``captured_ns``) when the step that used the message ended; None: nothing was
    used, or lockstep, where ages mean nothing."""
    age_ms_p99: float | None = None
    age_ms_max: float | None = None


class Telemetry(Message, frozen=True, kw_only=True):
    """The machine's own load; the one topic that differs between two runs of one seed."""

    steps: int
    """Steps taken since the start."""
    rate_hz: float
    """Steps per second over the last report period."""
    step_ms_mean: float
    step_ms_max: float
    overruns: int
    """Deadlines missed by more than one period since the start."""
    gauges: dict[str, float]
    """What else the node measured, unit in the name."""
    inputs: dict[str, tuple[bool, bool, bool]]
    """Per edge read: alive, freq_ok, valid (see ``robot.liveness``)."""
    step_ms_p99: float = 0.0
    cpu_share: float | None = None
    """CPU time per second of real time, 1 = one core, of the node's process over the last period;
    None where nodes share a process."""
    memory_mb: float | None = None
    """Resident memory of the node's process, MB of 10^6 bytes; None where nodes share a process."""
    sent: dict[str, int] = {}
    """Messages by output port since the start, this one not counted."""
    edges: dict[str, EdgeTelemetry] = {}
    """By edge read."""


class StepRecord(Message, frozen=True, kw_only=True):
    """What a node read from outside of itself in one step: enough to do the step again.

    ``captured_ns`` is the time that the step was given. What came in stands in the log under its
    own topic, chance comes from the run's seed and the node's name, parameters from the graph.
    """

    start_ns: int
    """Zero of the run as the node knew it; another value than before: the node began anew."""
    stepped: bool
    """False: it only looked after its inputs, or was told something, and had an alert to send."""
    woken: bool
    """Whether a message brought the step about between two deadlines."""
    halted: bool
    """Whether the node was told to stop the robot, whatever is commanded."""
    heard_ns: dict[str, int]
    """Per edge that brought something since the last record: when the newest came in."""
    took: dict[str, tuple[int, ...]]
    """Per edge the ``seq`` consumed, as ranges: first, last, first, last, ..."""
    clock_after_ns: tuple[int, ...]
    """Readings of the clock in order, since ``captured_ns``; none in lockstep: it stands still."""
    told: tuple[str, ...]
    """Alerts whose cause lies outside of the node, such as a reader that is late."""
    sent: dict[str, tuple[int, int]]
    """Per port that spoke: first and last ``seq``."""
    asked: tuple[str, ...] | msgspec.UnsetType = msgspec.UNSET
    """What a person demanded of an actuator (``robot.wishes.Demand``); unset: nothing."""


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
