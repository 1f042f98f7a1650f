"""Recover: whatever was done to a log, what can be read of it is kept and indexed."""

import io
import json
import signal
import struct
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from mcap.reader import make_reader

from robot.cli import main
from robot.edges import Arrival
from robot.messages import DepthMap
from robot.record import MAGIC, LogError, LogFile, LogReader, LogWriter
from robot.recover import recover
from robot.wire import encode

MESSAGES_PER_CHUNK = 10
CHUNKS = 5


def _depth(seq, side=24):
    noise = np.random.default_rng(seq).random((side, side), dtype=np.float32)
    return DepthMap(
        captured_ns=seq, seq=seq, sent_ns=seq, depth_m=noise, disparity_px=noise, confidence=noise
    )


@pytest.fixture(scope="module")
def whole():
    """Content of a log of five chunks of ten messages each."""
    stream = io.BytesIO()
    stream.close = lambda: None
    writer = LogWriter(stream, {"graph": "{}", "seed": "3"})
    for seq in range(MESSAGES_PER_CHUNK * CHUNKS):
        message = _depth(seq)
        writer.write(Arrival("stereo/depth", message, encode(message)))
        if (seq + 1) % MESSAGES_PER_CHUNK == 0:
            writer.flush()
    writer.close()
    return stream.getvalue()


def _chunks(content):
    """Begin and end of each chunk."""
    found, at = [], len(MAGIC)
    while at < len(content) - len(MAGIC):
        opcode, length = struct.unpack_from("<BQ", content, at)
        if opcode == 6:
            found.append((at, at + 9 + length))
        at += 9 + length
    return found


def _seqs(path):
    """What an ordinary reader finds by the index, the wire bytes being those written."""
    with path.open("rb") as stream:
        reader = make_reader(stream, validate_crcs=True)
        count = reader.get_summary().statistics.message_count
        assert [m.metadata["seed"] for m in reader.iter_metadata()] == ["3"]
        stamps = [
            message.sequence
            for _, channel, message in reader.iter_messages()
            if channel.topic == "stereo/depth"
        ]
    entries = list(LogReader(path).messages())
    assert [entry.message.seq for entry in entries] == stamps
    for entry in entries:
        np.testing.assert_array_equal(entry.message.depth_m, _depth(entry.message.seq).depth_m)
    assert LogReader(path).is_closed
    return stamps, count


def _recover(content, folder):
    path, out = folder / "log.mcap", folder / "mended.mcap"
    path.write_bytes(content)
    out.unlink(missing_ok=True)
    recovery = recover(path, out)
    assert path.read_bytes() == content
    return recovery, out


@settings(max_examples=25)
@given(data=st.data())
def test_a_log_cut_anywhere_keeps_every_whole_chunk_and_the_head_of_the_cut_one(
    data, whole, tmp_path_factory
):
    chunks = _chunks(whole)
    cut = data.draw(st.integers(chunks[0][1], len(whole) - 1))
    folder = tmp_path_factory.mktemp("cut")
    recovery, out = _recover(whole[:cut], folder)
    seqs, count = _seqs(out)
    before = sum(end <= cut for _, end in chunks) * MESSAGES_PER_CHUNK
    assert seqs == list(range(len(seqs)))
    assert before <= len(seqs) <= before + MESSAGES_PER_CHUNK
    assert recovery.messages == len(seqs)
    assert recovery.messages + recovery.views == count
    assert not recovery.was_whole
    read = list(LogReader(folder / "log.mcap").messages())
    assert len(seqs) >= len(read)


def test_of_a_chunk_cut_near_its_end_most_messages_are_kept(whole, tmp_path):
    begin, end = _chunks(whole)[2]
    recovery, out = _recover(whole[: end - (end - begin) // 8], tmp_path)
    seqs, _ = _seqs(out)
    assert len(seqs) > 2 * MESSAGES_PER_CHUNK
    assert 0 < recovery.bytes_cut < end - begin


@pytest.mark.parametrize("offset", [60, 400, -40])
def test_damage_inside_a_chunk_costs_that_chunk_and_no_other(offset, whole, tmp_path):
    begin, end = _chunks(whole)[2]
    content = bytearray(whole)
    content[begin + offset if offset > 0 else end + offset] ^= 0x55
    recovery, out = _recover(bytes(content), tmp_path)
    seqs, _ = _seqs(out)
    assert seqs == [n for n in range(50) if not 20 <= n < 30]
    assert recovery.bytes_cut == end - begin


@pytest.mark.parametrize("length", [2**40, 2**62, 100])
def test_behind_a_record_of_false_length_the_next_chunk_is_found(length, whole, tmp_path):
    begin, _ = _chunks(whole)[2]
    content = bytearray(whole)
    content[begin + 1 : begin + 9] = length.to_bytes(8, "little")
    _, out = _recover(bytes(content), tmp_path)
    seqs, _ = _seqs(out)
    assert {*range(20), *range(30, 50)} <= set(seqs)


def test_a_false_size_inside_a_chunk_costs_nothing_and_is_mended(whole, tmp_path):
    begin, _ = _chunks(whole)[2]
    content = bytearray(whole)
    content[begin + 50] ^= 0x55  # of the eight bytes before the packed content
    recovery, out = _recover(bytes(content), tmp_path)
    assert _seqs(out)[0] == list(range(50))
    assert (recovery.was_whole, recovery.bytes_cut) == (False, 0)


def test_the_first_chunk_may_be_lost_and_the_rest_is_still_known(whole, tmp_path):
    begin, end = _chunks(whole)[0]  # it alone names the channels, but for the index at the end
    content = bytearray(whole)
    content[begin + 60 : end - 60] = bytes(end - begin - 120)
    _, out = _recover(bytes(content), tmp_path)
    assert _seqs(out)[0] == list(range(10, 50))


@settings(max_examples=60)
@given(data=st.data())
def test_any_bytes_give_a_log_or_a_log_error(data, whole, tmp_path_factory):
    folder = tmp_path_factory.mktemp("any")
    content = bytearray(whole[: data.draw(st.integers(0, len(whole)))])
    for _ in range(data.draw(st.integers(0, 6))):
        if content:
            content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    content += data.draw(st.binary(max_size=40))
    if content[: len(MAGIC)] != MAGIC:
        with pytest.raises(LogError, match=r"is not an MCAP log"):
            _recover(bytes(content), folder)
        return
    recovery, out = _recover(bytes(content), folder)
    if out.exists():
        assert LogReader(out).is_closed
        with out.open("rb") as stream:
            kept = recovery.messages + recovery.views
            assert len(list(make_reader(stream).iter_messages())) == kept > 0


def test_a_whole_log_is_left_as_it_is(whole, tmp_path):
    recovery, out = _recover(whole, tmp_path)
    assert (recovery.was_whole, recovery.bytes_cut, out.exists()) == (True, 0, False)


# the command


@pytest.fixture
def run_dir(whole, tmp_path):
    """A run folder whose log was cut in its fourth chunk."""
    folder = tmp_path / "run"
    folder.mkdir()
    begin, _ = _chunks(whole)[3]
    (folder / "log.mcap").write_bytes(whole[: begin + 100])
    return folder


def _call(capsys, *arguments):
    code = main([str(argument) for argument in arguments])
    out, err = capsys.readouterr()
    return code, out, err


def test_recover_keeps_the_original_beside_the_mended_log(run_dir, capsys):
    cut = (run_dir / "log.mcap").read_bytes()
    code, out, err = _call(capsys, "recover", run_dir, "--json")
    assert (code, err) == (0, "")
    outcome = json.loads(out)
    seqs, count = _seqs(run_dir / "log.mcap")
    assert seqs == list(range(30))
    assert outcome["messages"] == 30
    assert outcome["messages"] + outcome["views"] == count
    assert outcome["bytes_cut"] == 100
    assert (run_dir / "log.mcap.broken").read_bytes() == cut
    assert sorted(path.name for path in run_dir.iterdir()) == ["log.mcap", "log.mcap.broken"]
    code, out, _ = _call(capsys, "recover", run_dir)
    assert code == 0
    assert "is whole" in out


def test_recover_tells_a_person_what_was_kept_and_cut(run_dir, capsys):
    code, out, _ = _call(capsys, "recover", run_dir / "log.mcap")
    assert code == 0
    assert "kept 30 messages (60 views of them), cut 100 bytes" in out
    assert "log.mcap.broken" in out


def test_recover_into_another_file_leaves_the_log_alone(run_dir, capsys):
    cut = (run_dir / "log.mcap").read_bytes()
    code, _, _ = _call(capsys, "recover", run_dir, "--out", run_dir / "new.mcap")
    assert code == 0
    assert (run_dir / "log.mcap").read_bytes() == cut
    assert _seqs(run_dir / "new.mcap")[0] == list(range(30))


def test_a_log_without_a_readable_message_is_left_alone_with_exit_code_1(run_dir, whole, capsys):
    (run_dir / "log.mcap").write_bytes(whole[:60])
    code, _, err = _call(capsys, "recover", run_dir)
    assert code == 1
    assert "holds no readable message" in err
    assert [path.name for path in run_dir.iterdir()] == ["log.mcap"]


@pytest.mark.parametrize(
    ("prepare", "arguments", "fragment"),
    [
        (lambda d: (d / "log.mcap").unlink(), [], "there is no such log"),
        (lambda d: (d / "log.mcap").write_bytes(b"text"), [], "is not an MCAP log"),
        (lambda d: (d / "log.mcap.broken").touch(), [], "is there already"),
        (lambda d: None, ["--out", "/nowhere/log.mcap"], "cannot be written"),
    ],
)
def test_what_cannot_be_recovered_gives_one_line_and_exit_code_2(
    prepare, arguments, fragment, run_dir, capsys
):
    prepare(run_dir)
    code, out, err = _call(capsys, "recover", run_dir, *arguments)
    assert (code, out) == (2, "")
    (line,) = err.splitlines()
    assert fragment in line


def test_a_log_that_is_still_being_written_is_refused(run_dir, capsys):
    log = LogFile(run_dir / "log.mcap")
    code, _, err = _call(capsys, "recover", run_dir)
    log.close()
    assert code == 2
    assert "is still being written" in err


def test_a_killed_recorder_loses_nothing_that_was_flushed(tmp_path, capsys):
    program = (
        "import sys\n"
        "from pathlib import Path\n"
        "from robot.edges import Arrival\n"
        "from robot.messages import Alert\n"
        "from robot.record import LogFile, LogWriter\n"
        "from robot.wire import encode\n"
        "writer = LogWriter(LogFile(Path(sys.argv[1])), {'seed': '3'})\n"
        "for seq in range(1500):\n"
        "    alert = Alert(captured_ns=seq, sent_ns=seq, seq=seq, text='x' * seq)\n"
        "    writer.write(Arrival('a/alerts', alert, encode(alert)))\n"
        "    if seq == 1000:\n"
        "        writer.flush()\n"
        "print('written', flush=True)\n"
        "sys.stdin.read()\n"
    )
    path = tmp_path / "log.mcap"
    child = subprocess.Popen(
        [sys.executable, "-c", program, path],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        cwd=Path(__file__).parent.parent,
    )
    assert child.stdout.readline() == b"written\n"
    code, _, err = _call(capsys, "recover", path)
    assert code == 2
    assert "is still being written" in err
    child.send_signal(signal.SIGKILL)
    child.communicate()
    assert not LogReader(path).is_closed
    assert _call(capsys, "recover", path)[0] == 0
    seqs = [entry.message.seq for entry in LogReader(path).messages()]
    assert seqs == list(range(len(seqs)))
    assert len(seqs) > 1000
