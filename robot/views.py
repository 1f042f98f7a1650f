"""What a person sees of a message in Foxglove: its own schemas, beside the wire bytes.

Images, depth, poses and the room are protobuf in Foxglove's schemas; plain numbers are JSON, which
its plots read as they are. A view never feeds anything back.
"""

from collections.abc import Callable, Iterator
from functools import cache
from typing import Any, NamedTuple, Protocol

import cv2
import msgspec
import numpy as np
from foxglove import Schema
from foxglove import messages as fg

from robot.clock import SECOND_NS
from robot.messages import (
    Alert,
    AttemptReport,
    CameraImage,
    CollisionEvent,
    DepthMap,
    HelpNeeded,
    Instruction,
    Message,
    Obstacle,
    PutBackEvent,
    RigCalibration,
    RoomDescription,
    StereoFrame,
    TruePose,
)

ROOM_FRAME = "room"
VEHICLE_FRAME = "vehicle"
DEPTH_RANGE_M = (0.3, 5.0)  # nearest to farthest colour of a depth picture


class View(NamedTuple):
    """One thing to see."""

    topic: str
    schema: Schema
    message_encoding: str
    data: bytes


def views_of(name: str | None, topic: str, message: Message) -> Iterator[View]:
    """The views of a message, by the name in its row of ``MESSAGES``."""
    if name is not None:
        yield from VIEWS[name](topic, message)


def depth_colours(depth_m: np.ndarray) -> np.ndarray:
    """Depth (H, W) in metres as an RGB picture (H, W, 3) uint8; near is warm, unknown is black.

    The colours are of fixed distances, so that two frames of a film compare.
    """
    near, far = DEPTH_RANGE_M
    return ramp_colours(1 / np.clip(depth_m, near, far), 1 / far, 1 / near)


def ramp_colours(
    values: np.ndarray, low: float | None = None, high: float | None = None
) -> np.ndarray:
    """Numbers (H, W) as an RGB picture (H, W, 3) uint8, cold to warm; what is not finite is black.

    Without bounds the coldest and the warmest 2 % share a colour each.
    """
    known = np.isfinite(values)
    p2, p98 = np.percentile(values[known], [2, 98]) if known.any() else (0.0, 1.0)
    cold, warm = float(p2 if low is None else low), float(p98 if high is None else high)
    share = (np.where(known, values, cold) - cold) / max(warm - cold, 1e-9)
    colours = cv2.applyColorMap((np.clip(share, 0, 1) * 255).astype(np.uint8), cv2.COLORMAP_TURBO)
    colours[~known] = 0
    return colours[..., ::-1]


class _Encodable(Protocol):
    """A message of Foxglove's SDK."""

    @staticmethod
    def get_schema() -> Schema: ...

    def encode(self) -> bytes: ...


def _protobuf(topic: str, message: _Encodable) -> View:
    return View(topic, message.get_schema(), "protobuf", message.encode())


def _stamp(message: Message) -> fg.Timestamp:
    captured_ns = max(message.captured_ns, 0)
    return fg.Timestamp(sec=captured_ns // SECOND_NS, nsec=captured_ns % SECOND_NS)


def _image(message: Message, pixels: np.ndarray, encoding: str) -> fg.RawImage:
    pixels = np.ascontiguousarray(pixels)
    return fg.RawImage(
        timestamp=_stamp(message),
        frame_id="camera",
        width=pixels.shape[1],
        height=pixels.shape[0],
        encoding=encoding,
        step=pixels.strides[0],
        data=pixels.tobytes(),
    )


def _stereo_images(topic: str, message: StereoFrame) -> Iterator[View]:
    for side, pixels in (("left", message.left), ("right", message.right)):
        if pixels.size:  # an eye that gave nothing has nothing to show
            yield _protobuf(f"{topic}/{side}", _image(message, pixels, "mono8"))


def _colour_image(topic: str, message: CameraImage) -> Iterator[View]:
    yield _protobuf(f"{topic}/rgb", _image(message, message.image, "rgb8"))


def _calibration(topic: str, message: RigCalibration) -> Iterator[View]:
    for side, camera in (("left", message.left), ("right", message.right)):
        matrix = (camera.fx_px, 0.0, camera.cx_px, 0.0, camera.fy_px, camera.cy_px, 0.0, 0.0, 1.0)
        yield _protobuf(
            f"{topic}/{side}",
            fg.CameraCalibration(
                timestamp=_stamp(message),
                frame_id="camera",
                width=camera.width,
                height=camera.height,
                distortion_model="plumb_bob",
                D=list(camera.distortion),
                K=list(matrix),
            ),
        )


def _depth_image(topic: str, message: DepthMap) -> Iterator[View]:
    yield _protobuf(f"{topic}/image", _image(message, message.depth_m, "32FC1"))
    yield _protobuf(f"{topic}/colours", _image(message, depth_colours(message.depth_m), "rgb8"))


def _pose(position_w: tuple[float, float, float], wxyz: tuple[float, ...]) -> fg.Pose:
    w, x, y, z = wxyz
    px, py, pz = position_w
    return fg.Pose(
        position=fg.Vector3(x=px, y=py, z=pz), orientation=fg.Quaternion(x=x, y=y, z=z, w=w)
    )


def _pose_views(topic: str, message: TruePose) -> Iterator[View]:
    pose = _pose(message.position_w, message.quaternion_wxyz)
    x, y, z = message.position_w
    w, qx, qy, qz = message.quaternion_wxyz
    yield _protobuf(
        f"{topic}/pose",
        fg.PoseInFrame(timestamp=_stamp(message), frame_id=ROOM_FRAME, pose=pose),
    )
    yield _protobuf(
        f"{topic}/transform",
        fg.FrameTransform(
            timestamp=_stamp(message),
            parent_frame_id=ROOM_FRAME,
            child_frame_id=VEHICLE_FRAME,
            translation=fg.Vector3(x=x, y=y, z=z),
            rotation=fg.Quaternion(x=qx, y=qy, z=qz, w=w),
        ),
    )


def _room_scene(topic: str, message: RoomDescription) -> Iterator[View]:
    entity = fg.SceneEntity(
        timestamp=_stamp(message),
        frame_id=ROOM_FRAME,
        id="room",
        cubes=[_cube(o) for o in message.obstacles if o.shape == "box"] + [_floor(message)],
        cylinders=[_cylinder(o) for o in message.obstacles if o.shape == "cylinder"],
    )
    yield _protobuf(f"{topic}/scene", fg.SceneUpdate(entities=[entity]))


_OBSTACLE_COLOUR = fg.Color(r=0.85, g=0.45, b=0.15, a=0.8)


def _placed(obstacle: Obstacle) -> dict[str, Any]:
    """Pose and size of an obstacle, as cubes and cylinders want them."""
    half_yaw = obstacle.yaw_rad / 2
    x, y, z = (2 * half for half in obstacle.half_size_m)
    return {
        "pose": _pose(
            obstacle.centre_w_m, (float(np.cos(half_yaw)), 0.0, 0.0, float(np.sin(half_yaw)))
        ),
        "size": fg.Vector3(x=x, y=y, z=z),
        "color": _OBSTACLE_COLOUR,
    }


def _cube(obstacle: Obstacle) -> fg.CubePrimitive:
    return fg.CubePrimitive(**_placed(obstacle))


def _cylinder(obstacle: Obstacle) -> fg.CylinderPrimitive:
    return fg.CylinderPrimitive(**_placed(obstacle), bottom_scale=1.0, top_scale=1.0)


def _floor(room: RoomDescription) -> fg.CubePrimitive:
    length, width, _ = room.size_m
    return fg.CubePrimitive(
        pose=_pose((0.0, 0.0, -0.01), (1.0, 0.0, 0.0, 0.0)),
        size=fg.Vector3(x=length, y=width, z=0.02),
        color=fg.Color(r=0.4, g=0.4, b=0.4, a=0.6),
    )


def _event_log(topic: str, message: Message) -> Iterator[View]:
    yield _protobuf(
        f"{topic}/text",
        fg.Log(
            timestamp=_stamp(message),
            level=fg.LogLevel.Warning,
            message=event_text(message),
            name=message.source,
        ),
    )


def attempt_outcome(report: AttemptReport) -> str:
    """How an attempt ended, in words."""
    if report.success:
        return f"succeeded after {report.seconds:.1f} s"
    return "left things where only a person can get them" if report.irreversible else "failed"


def event_text(message: Message) -> str:
    """An event in words."""
    if isinstance(message, Alert):
        return message.text
    if isinstance(message, CollisionEvent):
        x, y, z = message.position_w
        return f"collision with {message.other} at ({x:.2f}, {y:.2f}, {z:.2f}) m"
    if isinstance(message, Instruction):
        return f"attempt {message.attempt}: {message.text}"
    if isinstance(message, AttemptReport):
        return f"attempt {message.attempt} {attempt_outcome(message)}: {message.text}"
    if isinstance(message, HelpNeeded):
        return f"attempt {message.attempt} needs a person: {message.reason}"
    if isinstance(message, PutBackEvent):
        x, y, z = message.to_w
        return f"put back to ({x:.2f}, {y:.2f}, {z:.2f}) m: {message.reason}"
    return type(message).__name__


@cache
def _json_schema(kind: type[Message]) -> Schema:
    def array_hook(_: type) -> dict[str, Any]:
        return {"type": "array", "items": {"type": "number"}}

    schema = msgspec.json.encode(_flatten(msgspec.json.schema(kind, schema_hook=array_hook)))
    return Schema(name=f"{kind.__name__}.json", encoding="jsonschema", data=schema)


def _flatten(schema: dict[str, Any]) -> dict[str, Any]:
    """The object's own schema: Foxglove wants ``type: object`` at the top, not a reference."""
    name = schema["$ref"].rsplit("/", 1)[-1]
    return {**schema["$defs"][name], "$defs": schema["$defs"]}


def _numbers(topic: str, message: Message) -> Iterator[View]:
    data = msgspec.json.encode(message, enc_hook=_as_list)
    yield View(f"{topic}/numbers", _json_schema(type(message)), "json", data)


def _as_list(value: Any) -> Any:
    """Arrays as lists; msgspec writes what is not finite as null."""
    if isinstance(value, np.ndarray):
        return value.astype(float).tolist()
    raise NotImplementedError(f"no JSON for {type(value).__name__}")


VIEWS: dict[str, Callable[[str, Any], Iterator[View]]] = {
    "stereo_images": _stereo_images,
    "calibration": _calibration,
    "colour_image": _colour_image,
    "depth_image": _depth_image,
    "pose": _pose_views,
    "room_scene": _room_scene,
    "event_log": _event_log,
    "numbers": _numbers,
}
