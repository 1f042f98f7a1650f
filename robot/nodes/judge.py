"""Judges a simulated flight by the truth while it goes on: a shell over ``robot.study.judge``.

It watches: nobody hears it, so a flight with it is the flight without it. Where stereo is cut off,
it asks a teacher of its own about the pair as the cameras gave it, so that a student is judged by
the same teacher from the first frame to the last.
"""

import json
from collections import OrderedDict
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import numpy.typing as npt

from perception.fitting import Fit
from perception.geometry import RectifiedView
from perception.proximity import ProximityConfig, corridor_ahead, measure_proximity
from perception.quantities import FloatArray, InputError, StereoImages
from perception.stereo import StereoTeacher
from perception.tables import load_item
from robot.clock import SECOND_NS
from robot.messages import (
    CollisionEvent,
    Command,
    DepthMap,
    HandoverState,
    Message,
    MonoStatus,
    ProximityReading,
    PutBackEvent,
    RigCalibration,
    RoomDescription,
    StereoFrame,
    StereoHealth,
    TruePose,
)
from robot.node import Emission, Input, Inputs, Node, NodeContext, Role
from robot.nodes.stereo import StereoNodeConfig, make_teacher, rig_of
from robot.study.judge import MONO, NOBODY, STEREO, FlightJudge, SeenFrame
from robot.study.keepsakes import Keepsakes
from sim.room_map import RoomMap
from sim.true_depth import true_depth_m

JUDGED, KEPT = "judged.json", "kept.npz"  # in the run folder
GRID_WIDTH = 64  # px, of larger images every n-th pixel is judged: neighbours tell nothing new
WAITING_FRAMES = 8  # without a decision, before the oldest is let go
POSES = 64  # newest; a frame's pose is among them


@dataclass(frozen=True)
class JudgeNodeConfig:
    """Parameters of a judge."""

    phases: dict[str, float] = field(default_factory=lambda: {"flight": 0.0})  # s each begins at
    obstacle_m: float = 1.0  # m, a corridor shorter than this, as for the handover
    source: str = "simulator"  # node that gives the pairs before anything happens to them
    teacher: str = "stereo"
    student: str = "mono"
    handover: str = "handover"
    policy: str = "policy"
    keep_phase: str = ""  # of which some frames are kept in `kept.npz`; empty: of none
    keep_frames: int = 150
    stereo: StereoNodeConfig = field(default_factory=StereoNodeConfig)  # of the judge's own teacher
    proximity: ProximityConfig = field(default_factory=ProximityConfig)

    def __post_init__(self) -> None:
        starts = list(self.phases.values())
        if not starts or starts[0] != 0 or starts != sorted(starts):
            raise InputError(
                f"phases = {self.phases}: the first begins at 0, each later than the one before"
            )
        if self.keep_phase not in ("", *self.phases):
            raise InputError(f"keep_phase = {self.keep_phase!r}; phases: {', '.join(self.phases)}")


@dataclass
class _Seen:
    """What came in about one frame."""

    frame: StereoFrame | None = None
    readings: dict[str, ProximityReading] = field(default_factory=dict)
    depths: dict[str, DepthMap] = field(default_factory=dict)
    status: MonoStatus | None = None
    state: HandoverState | None = None


class JudgeNode(Node[JudgeNodeConfig]):
    """Sums up; writes what it found when the run ends."""

    inputs = {"seen": Input(Message, many=True)}
    role = Role.WATCHING
    Config = JudgeNodeConfig

    def __init__(self, config: JudgeNodeConfig, context: NodeContext) -> None:
        super().__init__(config, context)
        self._judge = FlightJudge(dict(config.phases))
        self._keepsakes = Keepsakes(config.keep_frames, context.rng())
        self._has_handover = config.handover in _nodes_of(context)
        self._camera_b_m = _camera_b_m(context)
        self._waiting: OrderedDict[int, _Seen] = OrderedDict()
        self._poses: OrderedDict[int, TruePose] = OrderedDict()
        self._teacher: StereoTeacher | None = None
        self._fit: Fit | None = None
        self._room: RoomMap | None = None

    def step(self, now_ns: int, inputs: Inputs) -> list[Emission]:
        """Takes everything in, then judges the frames that are decided."""
        del now_ns
        for arrival in inputs.arrivals("seen"):
            self._take(arrival.message)
        while self._waiting and self._is_decided(next(iter(self._waiting.values()))):
            captured_ns, seen = self._waiting.popitem(last=False)
            self._see(captured_ns, seen)
        return []

    def close(self) -> None:
        """Writes the sums and the frames that were kept."""
        folder = self.context.run_dir
        if folder is None:
            return
        (folder / JUDGED).write_bytes(msgspec.json.encode(self._judge.judged))
        self._keepsakes.write(folder / KEPT)

    def _take(self, message: Any) -> None:
        """One message: of a frame, of the way, or of the world."""
        match message:
            case StereoFrame() | ProximityReading() | DepthMap() | MonoStatus() | HandoverState():
                self._take_seen(message)
            case TruePose():
                self._poses[message.captured_ns] = message
                _keep_newest(self._poses, POSES)
                position_w_m = np.array(message.position_w)
                self._judge.move(message.captured_ns / SECOND_NS, position_w_m)
            case RigCalibration():
                self._teacher = make_teacher(rig_of(message), self.config.stereo)
                self._fit = Fit(self._teacher.view, *self._teacher.view[:2])
            case RoomDescription():
                self._room = _room_of(message)
            case _:
                self._take_event(message)

    def _take_seen(self, message: Any) -> None:
        """What belongs to one frame."""
        config = self.config
        match message:
            case StereoFrame() if message.source == config.source:
                self._seen(message).frame = message
            case ProximityReading() if message.source in (config.teacher, config.student):
                self._seen(message).readings[message.source] = message
            case DepthMap():
                self._seen(message).depths[message.source] = message
            case MonoStatus():
                self._seen(message).status = message
            case HandoverState():
                self._seen(message).state = message
            case _:
                pass  # what was made of a frame on its way, such as a faulty one

    def _take_event(self, message: Any) -> None:
        """What happens between frames."""
        seconds = message.captured_ns / SECOND_NS
        match message:
            case Command() if message.source == self.config.policy:
                self._judge.turn(seconds, message.values[1])
            case CollisionEvent():
                self._judge.collide(seconds)
            case PutBackEvent():
                self._judge.put_back(seconds)
            case StereoHealth():
                self._judge.doubt_stereo(seconds, ok=message.ok)
            case _:
                pass

    def _seen(self, message: Message) -> _Seen:
        _keep_newest(self._waiting, WAITING_FRAMES)
        return self._waiting.setdefault(message.captured_ns, _Seen())

    def _is_decided(self, seen: _Seen) -> bool:
        if self._has_handover:
            return seen.state is not None or len(self._waiting) > 1
        return self.config.teacher in seen.readings

    def _see(self, captured_ns: int, seen: _Seen) -> None:
        if seen.frame is None or self._teacher is None:
            return
        config, state = self.config, seen.state
        student_map = seen.depths.get(config.student)
        if student_map is not None:
            self._fit_to(student_map.disparity_px.shape)
        teacher_obstacle, teacher_per_m = self._ask_teacher(seen)
        true_obstacle, true_per_m = self._truth(captured_ns)
        assert self._fit is not None  # noqa: S101 - it came with the teacher
        reading = seen.readings.get(config.student)
        speaks = state is not None and reading is not None and reading.valid
        maps = {
            "student_per_m": None if student_map is None else self._student_per_m(student_map),
            "teacher_per_m": teacher_per_m,
            "true_per_m": true_per_m,
        }
        frame = SeenFrame(
            time_s=captured_ns / SECOND_NS,
            pilot=_pilot(state),
            overrides=0 if state is None else state.overrides,
            student_obstacle=state.student_obstacle if speaks and state is not None else None,
            teacher_obstacle=teacher_obstacle,
            true_obstacle=true_obstacle,
            trust=None if seen.status is None else 1 - seen.status.doubt,
            stage="" if state is None else state.stage,
            reason="" if state is None else state.reason,
            version=0 if state is None else state.student_version,
            labels=state is not None and state.labels,
            **maps,
        )
        self._judge.see(frame)
        flies = frame.pilot != NOBODY  # one that stands sees one thing
        is_wanted = flies and self._judge.phase_at(frame.time_s) == config.keep_phase
        if is_wanted and true_per_m is not None:
            self._keepsakes.offer(seen.frame.left, teacher_per_m, true_per_m)

    def _ask_teacher(self, seen: _Seen) -> tuple[bool, FloatArray]:
        """Its corridor and inverse depth; by a teacher of our own where the robot's is cut off."""
        reading = seen.readings.get(self.config.teacher)
        depth = seen.depths.get(self.config.teacher)
        if reading is not None and depth is not None and reading.valid and depth.valid:
            return reading.corridor_m < self.config.obstacle_m, self._grid(
                np.float32(1) / depth.depth_m
            )
        assert self._teacher is not None  # noqa: S101 - it came with the calibration
        assert seen.frame is not None  # noqa: S101 - asked before
        own = self._teacher.infer(StereoImages(seen.frame.left, seen.frame.right))
        near = measure_proximity(own, self._teacher.view, self.config.proximity)
        return near.corridor_m < self.config.obstacle_m, self._grid(np.float32(1) / own.depth_m)

    def _truth(self, captured_ns: int) -> tuple[bool | None, FloatArray | None]:
        """Corridor and inverse depth from the room's plan; nothing without the frame's own pose."""
        pose = self._poses.get(captured_ns)
        if pose is None or self._room is None or self._fit is None or self._teacher is None:
            return None, None
        view = _sampled(self._teacher.view)
        depth_m = self._true_depth_m(self._room, pose, view)
        distance_m, _ = corridor_ahead(depth_m, view, self.config.proximity)
        students = _sampled(self._fit.view)
        if students != view:
            depth_m = self._true_depth_m(self._room, pose, students)
        return distance_m < self.config.obstacle_m, np.float32(1) / depth_m

    def _true_depth_m(self, room: RoomMap, pose: TruePose, view: RectifiedView) -> FloatArray:
        lens_b_m = self._camera_b_m + np.array([0.0, view.baseline_m / 2, 0.0])  # the left one
        return true_depth_m(room, pose.position_w, pose.quaternion_wxyz, lens_b_m, view)

    def _student_per_m(self, depth: DepthMap) -> FloatArray:
        """Every pixel, also those where it doubts: silence must not pay."""
        assert self._fit is not None  # noqa: S101 - it came with the calibration
        view = self._fit.view
        step = grid_step(view.width)
        return depth.disparity_px[::step, ::step] / np.float32(view.focal_px * view.baseline_m)

    def _grid(self, per_m: FloatArray) -> FloatArray:
        assert self._fit is not None  # noqa: S101 - it came with the calibration
        step = grid_step(self._fit.view.width)
        return self._fit.values(per_m)[::step, ::step]

    def _fit_to(self, shape: tuple[int, ...]) -> None:
        """The grid is that of the student, which may see a part of the view at a smaller size."""
        assert self._teacher is not None  # noqa: S101 - it came with the calibration
        height, width = shape
        if self._fit is None or self._fit.view[:2] != (width, height):
            self._fit = Fit(self._teacher.view, width, height)


def grid_step(width: int) -> int:
    """Every how many pixels of an image of this width are judged, in x and y."""
    return max(1, width // GRID_WIDTH)


def _pilot(state: HandoverState | None) -> str:
    """Whose flight a frame belongs to; a graph without handover flies by stereo."""
    if state is None:
        return STEREO
    if state.overriding:
        return MONO
    return {"student": MONO, "teacher": STEREO, "nobody": NOBODY}[state.actor]


def _sampled(view: RectifiedView) -> RectifiedView:
    """The view of the pixels that are judged."""
    step = grid_step(view.width)
    return RectifiedView(
        width=-(-view.width // step),
        height=-(-view.height // step),
        focal_px=view.focal_px / step,
        cx_px=view.cx_px / step,
        cy_px=view.cy_px / step,
        baseline_m=view.baseline_m,
    )


def _room_of(message: RoomDescription) -> RoomMap:
    obstacles = [msgspec.to_builtins(obstacle) for obstacle in message.obstacles]
    return RoomMap.from_dict({"size_m": message.size_m, "obstacles": obstacles})


def _nodes_of(context: NodeContext) -> dict[str, Any]:
    return json.loads(context.graph_json).get("nodes", {})  # it may hold Infinity


def _camera_b_m(context: NodeContext) -> npt.NDArray[np.float64]:
    """Where the pair sits on the simulated robot, body frame; the origin for any other."""
    from sim.robots import ROBOTS

    table = dict(context.robot.tables.get("body", {}))
    if not table:
        return np.zeros(3)
    body = load_item(ROBOTS, "robot", table.pop("kind", "quadrotor")).from_table(table)
    return np.array(body.make(1.0).camera_b_m)


def _keep_newest(items: "OrderedDict[int, Any]", most: int) -> None:
    while len(items) > most:
        items.popitem(last=False)


def read_judged(run_dir: Path) -> bytes:
    """What a judge wrote, as JSON."""
    return (run_dir / JUDGED).read_bytes()
