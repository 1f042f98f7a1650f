"""What counts as the way of a command, on a log worked out by hand."""

import pytest

from benchmarks.hil_latency import delays_ms
from robot.edges import Arrival
from robot.messages import Command, Setpoint
from robot.record import LogFile, LogWriter
from robot.wire import encode

MS = 1_000_000


@pytest.fixture
def log(tmp_path):
    """Writes commands and setpoints, as (ms, yaw rate), to a log."""

    def write(commands, setpoints):
        path = tmp_path / "log.mcap"
        writer = LogWriter(LogFile(path), {})
        said = [("policy/command", Command, *one) for one in commands]
        said += [("plant/setpoint", Setpoint, *one) for one in setpoints]
        for seq, (topic, kind, at_ms, yaw) in enumerate(sorted(said, key=lambda one: one[2])):
            sent_ns = at_ms * MS
            values = (0.0, yaw, 1.4)
            message = kind(captured_ns=sent_ns, sent_ns=sent_ns, seq=seq, source="x", values=values)
            writer.write(Arrival(topic, message, encode(message)))
        writer.close()
        return path

    return write


def test_a_command_is_under_way_until_a_setpoint_moves_towards_it(log):
    path = log(
        [(0, 0.0), (100, 1.0), (200, -1.0)],
        [(5, 0.0), (95, 0.0), (107, 0.2), (112, 0.6), (150, 1.0), (209, 0.8)],
    )
    assert delays_ms(path, "plant/setpoint") == [7.0, 9.0]


def test_commands_that_are_alike_unsettled_or_never_obeyed_do_not_count(log):
    path = log(
        [(0, 0.0), (100, 0.01), (200, 1.0), (300, 0.5), (900, 0.9)],
        [(5, 0.0), (95, 0.0), (190, 0.01), (250, 0.01), (290, 0.4), (700, 0.4), (890, 0.4)],
    )
    assert delays_ms(path, "plant/setpoint") == [90.0]
