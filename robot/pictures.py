"""Pictures of a run, drawn from its log.

``flight.png`` from above, ``story.png`` of who flew and why, ``flight.mp4`` from within;
``attempts.mp4`` of an arm at its table.
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from fractions import Fraction
from itertools import chain, islice
from pathlib import Path
from typing import NamedTuple

import av
import cv2
import numpy as np
from numpy.typing import NDArray

from robot.attempts import read_attempts
from robot.attempts import told as attempts_told
from robot.clock import SECOND_NS
from robot.flight import Flight, read_flights
from robot.messages import AttemptReport, CameraImage, DepthMap, Instruction, StereoFrame
from robot.record import LogError, LogReader
from robot.story import read_story, told
from robot.story_picture import draw_story
from robot.views import attempt_outcome, depth_colours
from sim.room_map import RoomMap

Picture = NDArray[np.uint8]  # (H, W, 3), BGR on paper, RGB in films

PIXELS_PER_M = 160
MARGIN_PX = 70
LEGEND_PX = 150
FILM_HEIGHT_PX = 384
NAME_PX = (8, 20)  # where the name of a picture in the film begins
FILM_LONGEST_S = 120.0  # of a longer flight the film is a time lapse
LATEST_FRAMES = 4  # that a depth may come after its own
FILM_OPTIONS = {"crf": "23", "preset": "veryfast"}
MILLISECOND = Fraction(1, 1000)
FONT = cv2.FONT_HERSHEY_SIMPLEX
WHITE, INK, GREY, PALE = (255, 255, 255), (40, 40, 40), (150, 150, 150), (228, 228, 228)
OBSTACLE, TURN, CRASH, PUT_BACK = (120, 160, 205), (200, 120, 20), (40, 40, 220), (170, 60, 170)


class Drawn(NamedTuple):
    """What a log allowed to draw and to tell."""

    files: list[Path]
    words: list[str]  # lines about a flight that learned, or about attempts


def draw_run(run_dir: Path) -> Drawn:
    """Draws what the log of a run allows to draw, into its folder."""
    log = run_dir / "log.mcap"
    drawn = Drawn([], [])
    made = drawn.files
    try:
        for number, flight in enumerate(read_flights(log), start=1):
            name = "flight.png" if number == 1 else f"flight_{number}.png"  # of the n-th room
            made.append(write_png(run_dir / name, draw_flight(flight)))
        story = read_story(log)
        if story is not None:
            made.append(write_png(run_dir / "story.png", draw_story(story)))
            drawn.words.extend(told(story))
        drawn.words.extend(attempts_told(read_attempts(log)))
        name = "attempts.mp4" if LogReader(log).topics(CameraImage) else "flight.mp4"
        film = write_film(log, run_dir / name)
        if film is not None:
            made.append(film)
    except LogError:
        return drawn  # nothing was recorded, so there is nothing to draw
    return drawn


def draw_flight(flight: Flight) -> Picture:
    """The room from above with path, turns, collisions and put-backs; x to the right, y up."""
    canvas = _Canvas(flight.room)
    canvas.room(flight.room, flight.altitude_m)
    canvas.path(flight)
    for event in flight.collisions:
        canvas.cross(event.position_w, CRASH)
    for event in flight.put_backs:
        canvas.ring(event.position_w, PUT_BACK)
    canvas.legend(flight)
    return canvas.image


class _Canvas:
    """A drawing in metres."""

    def __init__(self, room: RoomMap) -> None:
        self._size_m = np.array(room.size_m[:2])
        width, height = (round(extent * PIXELS_PER_M) + 2 * MARGIN_PX for extent in self._size_m)
        self.image: Picture = np.full((height + LEGEND_PX, width, 3), 255, np.uint8)
        self._bottom_px = height - MARGIN_PX

    def _px(self, points_w: NDArray[np.float64]) -> NDArray[np.int32]:
        """Pixels (..., 2) of points (..., 2) in the room frame."""
        scaled = (np.asarray(points_w)[..., :2] + self._size_m / 2) * PIXELS_PER_M
        x, y = MARGIN_PX + scaled[..., 0], self._bottom_px - scaled[..., 1]
        return np.stack([x, y], axis=-1).round().astype(np.int32)

    def room(self, room: RoomMap, altitude_m: float) -> None:
        """Walls, a grid of half metres, obstacles (hatched where they are not at flight height)."""
        half = self._size_m / 2
        for axis in (0, 1):
            for at in np.arange(-half[axis], half[axis] + 1e-9, 0.5):
                ends = np.array([-half, half])
                ends[:, axis] = at
                start, end = self._px(ends)
                cv2.line(self.image, start.tolist(), end.tolist(), PALE, 1, cv2.LINE_AA)
        in_flight = room.obstacles_at(altitude_m)
        for obstacle in room.obstacles:
            outline = self._px(obstacle.outline_w_m())
            if obstacle in in_flight:
                cv2.fillPoly(self.image, [outline], OBSTACLE, cv2.LINE_AA)
            cv2.polylines(self.image, [outline], True, INK, 2, cv2.LINE_AA)
            self._text(obstacle.kind, self._px(np.array(obstacle.centre_w_m)), 0.5, centred=True)
        corners = self._px(np.array([-half, half]))
        cv2.rectangle(self.image, corners[0].tolist(), corners[1].tolist(), INK, 6, cv2.LINE_AA)

    def path(self, flight: Flight) -> None:
        """The way flown, from dark to light over time; turns are dots."""
        points = self._px(flight.positions_w)
        age = np.linspace(0, 255, max(len(points), 1)).astype(np.uint8)
        colours = cv2.applyColorMap(age[:, np.newaxis], cv2.COLORMAP_VIRIDIS)[:, 0]
        jumps = {
            int(i) for i in np.searchsorted(flight.time_s, [e.time_s for e in flight.put_backs])
        }
        for i in range(1, len(points)):
            if i not in jumps:
                colour = colours[i].tolist()
                cv2.line(
                    self.image, points[i - 1].tolist(), points[i].tolist(), colour, 3, cv2.LINE_AA
                )
        for start in np.flatnonzero(np.diff(flight.turning.astype(int)) == 1):
            cv2.circle(self.image, points[start].tolist(), 6, TURN, -1, cv2.LINE_AA)
        cv2.circle(self.image, points[0].tolist(), 10, INK, 3, cv2.LINE_AA)

    def cross(self, position_w: tuple[float, float, float], colour: tuple[int, int, int]) -> None:
        """A mark where something went wrong."""
        centre = self._px(np.array(position_w)).tolist()
        cv2.drawMarker(self.image, centre, colour, cv2.MARKER_TILTED_CROSS, 26, 5, cv2.LINE_AA)

    def ring(self, position_w: tuple[float, float, float], colour: tuple[int, int, int]) -> None:
        """A mark where the vehicle was put back to."""
        cv2.circle(self.image, self._px(np.array(position_w)).tolist(), 14, colour, 4, cv2.LINE_AA)

    def legend(self, flight: Flight) -> None:
        """What the marks mean, and the figures of the flight."""
        turns = int(np.count_nonzero(np.diff(flight.turning.astype(int)) == 1))
        coverage = flight.coverage
        y = self._bottom_px + MARGIN_PX // 2 + 30
        marks = (
            (INK, "start"),
            (TURN, f"{turns} turns"),
            (CRASH, f"{len(flight.collisions)} collisions"),
            (PUT_BACK, f"{len(flight.put_backs)} put-backs"),
        )
        for column, (colour, text) in enumerate(marks):
            x = MARGIN_PX + column * 200
            cv2.circle(self.image, (x, y), 9, colour, -1, cv2.LINE_AA)
            self._text(text, np.array([x + 18, y + 7]), 0.65)
        figures = (
            f"{flight.distance_m:.1f} m in {flight.time_s[-1]:.0f} s at {flight.altitude_m:.1f} m, "
            f"{coverage.visited} of {coverage.free} free cells of 0.5 m visited"
        )
        self._text(figures, np.array([MARGIN_PX - 9, y + 50]), 0.65)
        self._text("path: dark = early, light = late", np.array([MARGIN_PX - 9, y + 90]), 0.65)

    def _text(
        self, text: str, at: NDArray[np.int32], scale: float, *, centred: bool = False
    ) -> None:
        if centred:
            (width, height), _ = cv2.getTextSize(text, FONT, scale, 1)
            at = at + np.array([-width // 2, height // 2])
        cv2.putText(self.image, text, at.tolist(), FONT, scale, INK, 1, cv2.LINE_AA)


def write_film(log: Path, path: Path, longest_s: float = FILM_LONGEST_S) -> Path | None:
    """Left camera beside each depth, or what a camera at a table saw; None when nothing was seen.

    At the speed it was seen; a run of more than ``longest_s`` is shown in fewer frames, a whole
    number of times as fast. H.264 with 4:2:0 chroma, which every browser plays.
    """
    times = max(1, math.ceil((LogReader(log).seconds() or 0.0) / longest_s))
    frames = islice(chain(_flight_frames(log), _table_frames(log)), 0, None, times)
    first = next(frames, None)
    if first is None:
        return None
    start_ns, picture = first
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=30, options=FILM_OPTIONS)
        stream.width, stream.height = picture.shape[1], picture.shape[0]
        stream.pix_fmt = "yuv420p"
        stream.codec_context.time_base = MILLISECOND
        for captured_ns, picture in chain([first], frames):
            frame = av.VideoFrame.from_ndarray(picture, format="rgb24")
            frame.pts = (captured_ns - start_ns) * 1000 // SECOND_NS // times
            frame.time_base = MILLISECOND
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    return path


def _flight_frames(log: Path) -> Iterator[tuple[int, Picture]]:
    """What the left eye saw beside each depth that was made of it, RGB, with the time it was taken.

    A frame counts as its last writer left it: behind a node of camera faults it is what the robot
    saw. An eye or a depth that gave nothing is black.
    """
    reader = LogReader(log)
    topics = reader.topics(DepthMap)
    size: tuple[int, ...] = ()
    for captured_ns, frame, depths in _moments(reader):
        if frame.left.size:
            size = frame.left.shape
        if not size or not depths:
            continue
        left = frame.left if frame.left.size else np.zeros(size, np.uint8)
        maps = (depths[t].depth_m if t in depths else np.full(size, np.nan) for t in topics)
        grey = np.repeat(left[..., np.newaxis], 3, axis=2)
        names = ["left camera", *(topic.rpartition("/")[0] for topic in topics)]
        yield captured_ns, _side_by_side([grey, *map(depth_colours, maps)], names)


def _table_frames(log: Path) -> Iterator[tuple[int, Picture]]:
    """What cameras at a table saw, RGB, what was asked, and how the attempt before ended."""
    reader = LogReader(log)
    topics = reader.topics(CameraImage)
    asked = ended = ""
    seen: dict[str, CameraImage] = {}  # of one moment, by topic
    words = asked, ended  # as they were then
    for topic, message, _ in reader.messages(CameraImage, Instruction, AttemptReport):
        if isinstance(message, Instruction):
            asked = message.text
        elif isinstance(message, AttemptReport):
            ended = f"before: {attempt_outcome(message)}"
        else:
            if seen and message.captured_ns not in {one.captured_ns for one in seen.values()}:
                yield _table_frame(seen, topics, *words)
                seen = {}
            if not seen:
                words = asked, ended
            seen[topic] = message
    if seen:
        yield _table_frame(seen, topics, *words)


def _table_frame(
    seen: Mapping[str, CameraImage], topics: Sequence[str], asked: str, ended: str
) -> tuple[int, Picture]:
    """One moment, with the time it was taken; a camera that gave nothing is black."""
    some = next(iter(seen.values()))
    blank = np.zeros_like(some.image)
    pictures = [seen[topic].image if topic in seen else blank for topic in topics]
    picture = _side_by_side(pictures, [asked, *topics[1:]])
    _write(picture, ended, (NAME_PX[0], FILM_HEIGHT_PX - 12))
    return some.captured_ns, picture


def _moments(reader: LogReader) -> Iterator[tuple[int, StereoFrame, dict[str, DepthMap]]]:
    """Each frame with its depths by topic, which may come a few frames later."""
    frames: dict[int, StereoFrame] = {}
    depths: dict[int, dict[str, DepthMap]] = {}
    for topic, message, _ in reader.messages(StereoFrame, DepthMap):
        captured_ns = message.captured_ns
        if isinstance(message, StereoFrame):
            frames[captured_ns] = message
            depths.setdefault(captured_ns, {})
        elif captured_ns in frames:
            depths[captured_ns][topic] = message
        if len(frames) > LATEST_FRAMES:
            oldest = min(frames)
            yield oldest, frames.pop(oldest), depths.pop(oldest)
    for captured_ns in sorted(frames):
        yield captured_ns, frames[captured_ns], depths[captured_ns]


def _side_by_side(pictures: list[Picture], names: list[str]) -> Picture:
    """All at the film's height with their names, with even sides as H.264 wants them."""
    scale = FILM_HEIGHT_PX / pictures[0].shape[0]
    size = (round(pictures[0].shape[1] * scale / 2) * 2, FILM_HEIGHT_PX)
    same = [
        np.asarray(cv2.resize(p, size, interpolation=cv2.INTER_NEAREST), np.uint8) for p in pictures
    ]
    for picture, name in zip(same, names, strict=True):
        _write(picture, name, NAME_PX)
    return np.hstack(same)


def _write(picture: Picture, text: str, at: tuple[int, int]) -> None:
    """Into a picture, readable on light and dark: a thicker outline would be a wider font."""
    x, y = at
    around = [(x + right, y + down) for right in (-1, 0, 1) for down in (-1, 0, 1)]
    for place, colour in [*((place, INK) for place in around), (at, WHITE)]:
        cv2.putText(picture, text, place, FONT, 0.5, colour, 1, cv2.LINE_AA)


def write_png(path: Path, picture: Picture) -> Path:
    """Writes a picture; a full disk is an OSError like any other."""
    done, data = cv2.imencode(".png", picture)
    if not done:
        raise OSError(f"{path}: could not be encoded")
    path.write_bytes(data.tobytes())
    return path
