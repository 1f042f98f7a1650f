"""Who answers at a port, and what is wrong if nobody does: over real pseudo-terminals."""

import os
import threading

import pytest

from firmware_bridge import probe as probing
from firmware_bridge.emulators.controller import PythonBoard
from firmware_bridge.errors import ControllerSilentError, PortNotFoundError, SchemaMismatchError
from firmware_bridge.framing import encode_frame
from firmware_bridge.ports.pty_port import PtyPort
from firmware_bridge.probe import probe
from firmware_bridge.protocol import BY_NAME, SCHEMA_HASH, Link, pack
from firmware_bridge.safety_words import Mode
from robot.cli import main


@pytest.fixture
def device():
    """Puts something behind a pseudo-terminal: a function of what it reads to what it says."""
    port, over = PtyPort(), threading.Event()
    threads = []

    def put(answer):
        def serve():
            while not over.wait(0.002):
                if said := answer(port.read()):
                    port.write(said)

        threads.append(threading.Thread(target=serve))
        threads[-1].start()
        return port.path

    yield put
    over.set()
    for thread in threads:
        thread.join()
    port.close()


def _board():
    board, now_us = PythonBoard(), 0

    def answer(heard):
        nonlocal now_us
        now_us += 2000
        board.receive(Link.HOST, heard, now_us)
        return board.take(Link.HOST)

    return answer


def _identity(schema_hash):
    fields = {"uptime_us": 5, "firmware_version": 3, "mode": Mode.DISARMED, "max_axes": 8}
    payload = pack("identity", schema_hash=schema_hash, **fields)
    return encode_frame(BY_NAME["identity"].id, 0, payload)


def test_our_firmware_tells_its_version_its_packets_and_its_mode(device):
    who = probe(device(_board()))
    assert (who.firmware_version, who.schema_hash, who.mode) == (1, SCHEMA_HASH, Mode.BOOT)


def test_firmware_with_other_packets_is_to_be_reflashed(device):
    path = device(lambda heard: _identity(SCHEMA_HASH ^ 1) if heard else b"")
    with pytest.raises(SchemaMismatchError, match="reflash it: make firmware"):
        probe(path)


@pytest.mark.parametrize(
    ("said", "says"),
    [
        (b"", "says nothing at 1000000 baud: is it powered, and flashed"),
        (b"ok\r\n\x00", "nothing is a packet: another baud rate than 1000000, or another device"),
        (
            encode_frame(BY_NAME["time_reply"].id, 0, bytes(24)),
            "does not answer: is the wire from here to it in",
        ),
    ],
)
def test_who_is_not_recognised_is_described(said, says, device, monkeypatch):
    monkeypatch.setattr(probing, "PATIENCE_S", 0.1)
    with pytest.raises(ControllerSilentError, match=says):
        probe(device(lambda _: said))


def test_doctor_asks_a_port_and_fails_if_it_is_not_our_firmware(device, capsys):
    path = device(_board())
    assert main(["doctor", "--port", path]) == 0
    (line,) = [row for row in capsys.readouterr().out.splitlines() if "firmware at" in row]
    assert line.startswith("ok")
    assert f"version 1, packets {SCHEMA_HASH:08x} as here, boot" in line
    assert main(["doctor", "--port", "/dev/nobody"]) == 1
    (line,) = [row for row in capsys.readouterr().out.splitlines() if "firmware at" in row]
    assert line.startswith("FAIL firmware at /dev/nobody")
    assert "does not exist" in line


def test_a_port_that_is_not_there_is_refused():
    with pytest.raises(PortNotFoundError, match="does not exist"):
        probe(f"/dev/nobody-{os.getpid()}")
