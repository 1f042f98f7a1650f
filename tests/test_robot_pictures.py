"""Pictures and figures of a run, from a log written by hand."""

import av
import cv2
import numpy as np
import pytest

from robot.counters import EdgeCounts
from robot.edges import Arrival
from robot.executor import RunOptions, RunResult
from robot.flight import read_flight, read_flights
from robot.graph import load_graph
from robot.messages import (
    CollisionEvent,
    DepthMap,
    Obstacle,
    PutBackEvent,
    RoomDescription,
    Setpoint,
    StereoFrame,
    TruePose,
)
from robot.node import NodeReport
from robot.pictures import (
    CRASH,
    MARGIN_PX,
    PIXELS_PER_M,
    PUT_BACK,
    TURN,
    draw_run,
    write_film,
)
from robot.record import LogReader, LogWriter
from robot.summary import percentiles, summarise, summary_text
from robot.wire import encode

MS = 1_000_000
SIZE_M = (4.0, 3.0, 2.5)
START_NS = 10_000 * MS  # by wall clock a run does not begin at 0


class Log:
    """Writes a log message by message."""

    def __init__(self, run_dir):
        self.run_dir = run_dir
        self._writer = LogWriter((run_dir / "log.mcap").open("wb"), {})
        self._seq = {}

    def add(self, topic, kind, at_ms, **content):
        self._seq[topic] = self._seq.get(topic, -1) + 1
        stamp_ns = START_NS + at_ms * MS
        message = kind(captured_ns=stamp_ns, sent_ns=stamp_ns, seq=self._seq[topic], **content)
        self._writer.write(Arrival(topic, message, encode(message)))

    def close(self):
        self._writer.close()


def _pose(log, at_ms, x, y):
    log.add(
        "truth/simulator/pose",
        TruePose,
        at_ms,
        position_w=(x, y, 1.4),
        quaternion_wxyz=(1.0, 0.0, 0.0, 0.0),
        velocity_w=(0.0, 0.0, 0.0),
    )


@pytest.fixture
def run_dir(tmp_path):
    """A flight of 1 m along x, a collision, a put-back of 1 m, a turn, and 0.5 m along y."""
    log = Log(tmp_path)
    pillar = Obstacle(
        name="pillar 0",
        kind="pillar",
        shape="box",
        centre_w_m=(-1.0, -0.75, 1.25),
        half_size_m=(0.25, 0.25, 1.25),
        yaw_rad=0.0,
    )
    log.add(
        "truth/simulator/room",
        RoomDescription,
        0,
        size_m=SIZE_M,
        obstacles=(pillar,),
        altitude_m=1.4,
    )
    for step in range(11):
        _pose(log, step * 100, 0.1 * step, 0.0)
    log.add("truth/simulator/collision", CollisionEvent, 1050, position_w=(1.1, 0, 1.4), other="w")
    log.add(
        "truth/simulator/put_back",
        PutBackEvent,
        1100,
        from_w=(1.0, 0.0, 1.4),
        to_w=(0.0, 0.0, 1.4),
        reason="stuck",
    )
    _pose(log, 1100, 0.0, 0.0)
    log.add("actuator/setpoint", Setpoint, 1150, values=(0.0, 0.5, 1.4))
    for step in range(1, 6):
        _pose(log, 1100 + step * 100, 0.0, 0.1 * step)
    for frame in range(7):
        image = np.full((48, 64), 30 * frame, np.uint8)
        log.add("simulator/frame", StereoFrame, frame * 100, left=image, right=image)
        if frame % 2 == 0:  # every second frame has a depth
            depth = np.full((48, 64), 1.0, np.float32)
            content = {"depth_m": depth, "disparity_px": depth, "confidence": depth}
            log.add("stereo/depth", DepthMap, frame * 100, **content)
    log.close()
    return tmp_path


def test_being_put_back_is_no_flying(run_dir):
    flight = read_flight(run_dir / "log.mcap")
    assert flight.distance_m == pytest.approx(1.5)
    assert flight.time_s[0] == 0
    assert flight.time_s[-1] == pytest.approx(1.6)


def test_events_have_their_time_since_the_start_and_their_place(run_dir):
    flight = read_flight(run_dir / "log.mcap")
    ((time_s, position_w, text),) = [(e.time_s, e.position_w, e.text) for e in flight.collisions]
    assert (time_s, position_w, text) == (pytest.approx(1.05), (1.1, 0.0, 1.4), "w")
    ((time_s, position_w, text),) = [(e.time_s, e.position_w, e.text) for e in flight.put_backs]
    assert (time_s, position_w, text) == (pytest.approx(1.1), (0.0, 0.0, 1.4), "stuck")


def test_a_turn_is_what_was_commanded_as_one(run_dir):
    turning = read_flight(run_dir / "log.mcap").turning
    assert turning.tolist() == [False] * 12 + [True] * 5


def test_the_room_is_that_of_the_log(run_dir):
    flight = read_flight(run_dir / "log.mcap")
    assert flight.room.size_m == SIZE_M
    assert [o.name for o in flight.room.obstacles] == ["pillar 0"]
    assert 3 <= flight.coverage.visited <= 5  # cells of half a metre on 1 m and 0.5 m of path
    assert flight.coverage.free > 20


@pytest.fixture
def drawn(run_dir):
    made = draw_run(run_dir).files
    assert made == [run_dir / "flight.png", run_dir / "flight.mp4"]
    return run_dir


def _at(picture, x, y):
    """The pixel of a place in the room."""
    column = MARGIN_PX + round((x + SIZE_M[0] / 2) * PIXELS_PER_M)
    row = MARGIN_PX + round((SIZE_M[1] / 2 - y) * PIXELS_PER_M)
    return picture[row, column]


def test_the_top_view_shows_path_obstacles_turns_and_mishaps_in_their_places(drawn):
    picture = cv2.imread(str(drawn / "flight.png"))
    assert picture.shape[1] == SIZE_M[0] * PIXELS_PER_M + 2 * MARGIN_PX
    assert picture.shape[0] > SIZE_M[1] * PIXELS_PER_M + 2 * MARGIN_PX
    assert _at(picture, 1.1, 0.0).tolist() == list(CRASH)
    ring_px = 14 / PIXELS_PER_M
    assert _at(picture, -ring_px, 0.0).tolist() == list(PUT_BACK)
    colours = picture.reshape(-1, 3).tolist()
    assert list(TURN) in colours
    free, path, pillar = (_at(picture, *p) for p in ((-0.7, 1.2), (0.55, 0.0), (-1.15, -0.9)))
    assert free.min() > 200
    assert path.min() < 150
    assert pillar.tolist() != free.tolist()
    assert _at(picture, 0.2, 0.75).min() > 200  # x to the right and y up, not the other way


def test_the_film_plays_in_browsers_and_has_a_picture_per_frame_with_depth(drawn):
    with av.open(str(drawn / "flight.mp4")) as film:
        (stream,) = film.streams.video
        assert stream.codec_context.name == "h264"
        assert stream.codec_context.pix_fmt == "yuv420p"
        pictures = list(film.decode(video=0))
    assert len(pictures) == 4
    assert [round(p.time, 3) for p in pictures] == [0.0, 0.2, 0.4, 0.6]
    height, width, _ = pictures[0].to_ndarray(format="rgb24").shape
    assert (height % 2, width % 2) == (0, 0)
    assert width / height == pytest.approx(2 * 64 / 48, rel=0.01)
    left = [p.to_ndarray(format="rgb24")[:, : width // 2].mean() for p in pictures]
    assert left == pytest.approx([0, 60, 120, 180], abs=6)  # frames 0, 2, 4 and 6
    depth = pictures[0].to_ndarray(format="rgb24")[:, width // 2 + 8 :]
    assert depth.mean() > 40
    assert np.ptp(depth.reshape(-1, 3).mean(axis=0)) > 30  # coloured


def test_the_film_shows_what_the_robot_saw_and_every_depth_black_where_there_is_none(tmp_path):
    log = Log(tmp_path)
    image = np.full((48, 64), 200, np.uint8)
    for frame in range(3):
        log.add("simulator/frame", StereoFrame, frame * 100, left=image, right=image)
        left = np.zeros((0, 0), np.uint8) if frame == 1 else image // 2
        log.add("faults/frame", StereoFrame, frame * 100, left=left, right=image)
        near = np.full((48, 64), 0.4, np.float32)
        content = {"depth_m": near, "disparity_px": near, "confidence": near}
        log.add("stereo/depth", DepthMap, frame * 100, **content)
        if frame == 2:
            log.add("mono/depth", DepthMap, frame * 100, **content)
    log.close()
    path = write_film(tmp_path / "log.mcap", tmp_path / "film.mp4")
    with av.open(str(path)) as film:
        pictures = [p.to_ndarray(format="rgb24") for p in film.decode(video=0)]
    columns = [np.split(p, 3, axis=1) for p in pictures]  # left eye, mono, stereo
    means = [[round(float(part.mean()) / 50) for part in row] for row in columns]
    assert [row[0] for row in means] == [2, 0, 2]
    assert [row[1] > 0 for row in means] == [False, False, True]
    assert [row[2] > 0 for row in means] == [True] * 3


def test_each_room_of_a_log_is_a_flight_of_its_own(run_dir, tmp_path):
    other = tmp_path / "other"
    other.mkdir()
    log = Log(other)
    for at_ms, size_m in ((0, SIZE_M), (500, (6.0, 5.0, 2.5))):
        room = {"size_m": size_m, "obstacles": (), "altitude_m": 1.4}
        log.add("truth/simulator/room", RoomDescription, at_ms, **room)
        for step in range(3):
            _pose(log, at_ms + step * 100, 0.1 * step, 0.0)
    log.close()
    flights = read_flights(other / "log.mcap")
    assert [flight.room.size_m[0] for flight in flights] == [4.0, 6.0]
    assert [flight.distance_m for flight in flights] == pytest.approx([0.2, 0.2])
    assert draw_run(other).files == [other / "flight.png", other / "flight_2.png"]


def test_the_film_of_a_long_flight_is_a_time_lapse(drawn, tmp_path):
    log = drawn / "log.mcap"
    path = write_film(log, tmp_path / "lapse.mp4", longest_s=LogReader(log).seconds() / 1.9)
    with av.open(str(path)) as film:
        pictures = list(film.decode(video=0))
    assert [round(p.time, 3) for p in pictures] == [0.0, 0.2]  # every other one, twice as fast
    half = pictures[1].width // 2
    left = [p.to_ndarray(format="rgb24")[:, :half].mean() for p in pictures]
    assert left == pytest.approx([0, 120], abs=6)  # frames 0 and 4


def test_a_log_without_a_flight_gives_no_picture_of_one(tmp_path):
    log = Log(tmp_path)
    image = np.zeros((48, 64), np.uint8)
    log.add("camera/frame", StereoFrame, 0, left=image, right=image)
    log.close()
    assert draw_run(tmp_path).files == []
    assert read_flight(tmp_path / "log.mcap") is None


def test_a_log_that_holds_nothing_gives_no_picture(tmp_path):
    Log(tmp_path).close()
    assert draw_run(tmp_path).files == []
    (tmp_path / "log.mcap").write_bytes(b"")
    assert draw_run(tmp_path).files == []


def _summary(run_dir, reports, *, lockstep):
    graph = load_graph("room_sim")
    options = RunOptions(seconds=None, seed=4, lockstep=lockstep, run_dir=run_dir)
    result = RunResult("seconds", 1.6, 2.0, reports)
    return summarise(graph, options, result)


@pytest.fixture
def reports():
    graph = load_graph("room_sim")
    found = {}
    for name, node in graph.nodes.items():
        edges = [str(edge) for edge in graph.edges_into(name)]
        found[name] = NodeReport(
            steps=10,
            sent=dict.fromkeys(node.outputs, 8),
            received=dict.fromkeys(edges, 7),
            dropped=dict.fromkeys(edges, 1),
        )
    found["actuator"].ages_ms = {"policy.command -> actuator.command": [1.0, 2.0, 3.0]}
    found["simulator"].gauges = {"render_ms_mean": 4.25}
    found["stereo"].alerts = ["simulator.frame -> stereo.frame: silent"]
    return found


def test_a_summary_counts_the_flight_of_its_log(run_dir, reports):
    summary = _summary(run_dir, reports, lockstep=True)
    assert (summary["collisions"], summary["put_backs"]) == (1, 1)
    assert summary["distance_m"] == 1.5
    assert (summary["sim_seconds"], summary["wall_seconds"]) == (1.6, 2.0)
    assert summary["latency"] is None
    assert summary["alerts"] == ["stereo: simulator.frame -> stereo.frame: silent"]
    for edge in summary["edges"].values():
        assert (edge["sent"], edge["received"], edge["dropped"]) == (8, 7, 1)
    text = summary_text(summary)
    assert "flew 1.5 m, 1 collisions, 1 put-backs" in text


def test_by_wall_clock_a_summary_tells_latency_and_rendering_apart(run_dir, reports):
    latency = _summary(run_dir, reports, lockstep=False)["latency"]
    assert latency["capture_to_command_ms"] == {"n": 3, "p50": 2.0, "p99": 2.98, "max": 3.0}
    assert latency["rendering_ms_mean"] == 4.25
    assert latency["age_at_reader_ms"].keys() == {"policy.command -> actuator.command"}


def test_without_a_log_the_figures_of_a_flight_are_null(tmp_path, reports):
    summary = _summary(tmp_path, reports, lockstep=True)
    assert summary["distance_m"] is summary["collisions"] is summary["cells_visited"] is None
    assert "flew" not in summary_text(summary)


def test_what_was_lost_with_a_process_is_said(run_dir, reports):
    del reports["policy"]
    graph = load_graph("room_sim")
    counts = tuple(
        EdgeCounts(9, 5, 1, 6) if edge.reader == "policy" else EdgeCounts() for edge in graph.edges
    )
    options = RunOptions(seconds=None, seed=4, lockstep=False, run_dir=run_dir)
    summary = summarise(graph, options, RunResult(reports=reports, counts=counts))
    into = summary["edges"]["stereo.proximity -> policy.proximity"]
    assert (into["sent"], into["lost_with_process"]) == (9, 3)
    assert summary["accounting"]["holds"]
    assert "3 messages were lost with a process that died" in summary_text(summary)


def test_losses_of_the_log_are_said(run_dir, reports):
    reports["recorder"].gauges = {"log_lost": 12}
    assert "12 messages could not be recorded" in summary_text(
        _summary(run_dir, reports, lockstep=True)
    )


def test_percentiles_of_nothing_are_nothing():
    assert percentiles([]) is None


def test_a_film_of_a_cut_log_shows_what_is_left(run_dir):
    log = run_dir / "log.mcap"
    whole = log.read_bytes()
    log.write_bytes(whole[: int(len(whole) * 0.9)])
    reader = LogReader(log)
    list(reader.messages())
    assert reader.truncated
    draw_run(run_dir)
