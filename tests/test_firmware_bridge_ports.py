"""One interface, whatever the bytes go through; and one clear line where there is no way."""

import select
import socket
import subprocess
import sys
from pathlib import Path

import pytest
import serial.tools.list_ports

from firmware_bridge.errors import (
    PortBusyError,
    PortError,
    PortLostError,
    PortNotFoundError,
    PortPermissionError,
)
from firmware_bridge.port import READ_BYTES, open_port
from firmware_bridge.ports import PORTS
from firmware_bridge.ports.memory_port import memory_pair
from firmware_bridge.ports.pty_port import PtyPort
from firmware_bridge.ports.stream import StreamPort

BAUD = 1_000_000


def _over_serial(tmp_path):
    far = PtyPort()
    return open_port(far.path, BAUD), far


def _over_pty(tmp_path):
    near = open_port("pty:", BAUD)
    return near, open_port(f"serial:{near.path}", BAUD)


def _over_socket(family, address, name):
    listener = socket.socket(family, socket.SOCK_STREAM)
    listener.bind(address)
    listener.listen(1)
    near = open_port(name(listener.getsockname()), BAUD)
    far, _ = listener.accept()
    listener.close()
    return near, StreamPort(far.fileno(), "far end", far.close)


def _over_tcp(tmp_path):
    return _over_socket(socket.AF_INET, ("127.0.0.1", 0), lambda name: f"tcp://:{name[1]}")


def _over_unix(tmp_path):
    path = str(tmp_path / "board.sock")
    return _over_socket(socket.AF_UNIX, path, lambda name: f"unix:{name}")


def _over_memory(tmp_path):
    return memory_pair()


ENDS = {
    "serial": _over_serial,
    "pty": _over_pty,
    "tcp": _over_tcp,
    "unix": _over_unix,
    "memory": _over_memory,
}


@pytest.fixture(params=ENDS)
def ends(request, tmp_path):
    near, far = ENDS[request.param](tmp_path)
    yield near, far
    near.close()
    far.close()


def _fetch(port, wanted):
    """Reads until `wanted` bytes are there; the operating system may need a moment."""
    data = b""
    while len(data) < wanted:
        data += port.read()
    return data


def _for_ever(call, *arguments):
    while True:
        call(*arguments)


def test_every_form_of_address_is_tested_here():
    assert set(PORTS) <= set(ENDS)


def test_bytes_of_any_value_arrive_in_order_both_ways(ends):
    near, far = ends
    for one, other in ((near, far), (far, near)):
        data = bytes(range(256)) * 8
        assert one.write(data) == len(data)
        assert _fetch(other, len(data)) == data


def test_nothing_there_is_no_bytes_at_once(ends):
    for port in ends:
        assert port.read() == b""


def test_what_nobody_fetches_is_not_taken_for_ever(ends):
    near, _ = ends
    block = bytes(READ_BYTES)
    offers = (1 << 26) // len(block)
    # no refusal is the last word: a kernel moves bytes from buffer to buffer when it likes
    assert sum(near.write(block) for _ in range(offers)) < 1 << 24


def test_an_end_that_was_closed_twice_is_lost(ends):
    near, _ = ends
    near.close()
    near.close()
    with pytest.raises(PortLostError):
        near.read()
    with pytest.raises(PortLostError):
        near.write(b"x")


@pytest.mark.parametrize("name", ["serial", "tcp", "unix", "memory"])
def test_the_other_end_gone_is_told_after_its_last_bytes(name, tmp_path):
    near, far = ENDS[name](tmp_path)
    if name != "serial":  # a terminal that hangs up takes with it what was not fetched
        far.write(b"last")
        assert _fetch(near, 4) == b"last"
    far.close()
    with pytest.raises(PortLostError, match="gone") as told:
        _for_ever(near.read)
    with pytest.raises(PortLostError):
        _for_ever(near.write, b"x")  # a network takes some before it knows
    assert "\n" not in str(told.value)
    near.close()


def test_programs_come_and_go_at_a_pseudo_terminal():
    board = PtyPort()
    for word in (b"first", b"second"):
        host = open_port(board.path, BAUD)
        host.write(word)
        assert _fetch(board, len(word)) == word
        host.close()
        assert board.read() == b""
    board.close()


def test_a_serial_port_has_one_user():
    board = PtyPort()
    host = open_port(board.path, BAUD)
    with pytest.raises(PortBusyError, match="busy: another program has it"):
        open_port(board.path, BAUD)
    host.close()
    open_port(board.path, BAUD).close()
    board.close()


def test_what_came_before_the_port_was_opened_is_not_read():
    board = PtyPort()
    board.write(b"of another run")
    host = open_port(board.path, BAUD)
    assert not select.select([host._line.fileno()], [], [], 0)[0]
    board.write(b"new")
    assert _fetch(host, 3) == b"new"
    host.close()
    board.close()


def test_a_wrong_port_lists_those_there_are(monkeypatch):
    monkeypatch.setattr(serial.tools.list_ports, "comports", list)
    with pytest.raises(PortNotFoundError, match="none: is the cable in"):
        open_port("/dev/ttyACM99", BAUD)
    there = [serial.tools.list_ports_common.ListPortInfo(f"/dev/ttyUSB{n}") for n in (1, 0)]
    monkeypatch.setattr(serial.tools.list_ports, "comports", lambda: there)
    with pytest.raises(PortNotFoundError, match=r"does not exist.*/dev/ttyUSB0, /dev/ttyUSB1"):
        open_port("/dev/ttyACM99", BAUD)


@pytest.mark.parametrize(
    ("address", "says"),
    [
        ("", "of no known form"),
        ("ttyACM0", "write one like /dev/ttyACM0"),
        ("carrier-pigeon:1", "of no known form"),
        ("tcp://127.0.0.1", "not understood"),
        ("tcp://127.0.0.1:0", "no TCP port"),
        ("tcp://example.org:5760", "not understood"),  # a name would have to be looked up
        ("unix:/nowhere/board.sock", "nobody listening"),
    ],
)
def test_an_address_that_leads_nowhere_is_told_in_one_line(address, says):
    with pytest.raises(PortNotFoundError, match=says) as told:
        open_port(address, BAUD)
    assert "\n" not in str(told.value)


def test_nobody_listening_is_told(tmp_path):
    free = socket.create_server(("127.0.0.1", 0))
    port = free.getsockname()[1]
    free.close()
    with pytest.raises(PortNotFoundError, match="nobody listening"):
        open_port(f"tcp://127.0.0.1:{port}", BAUD)


def test_a_unix_socket_whose_queue_is_full_is_busy(tmp_path):
    path = str(tmp_path / "board.sock")
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    listener.bind(path)
    listener.listen(0)
    users = [open_port(f"unix:{path}", BAUD)]
    with pytest.raises(PortBusyError):
        users.extend(open_port(f"unix:{path}", BAUD) for _ in range(8))
    for user in users:
        user.close()
    listener.close()


def test_a_file_is_no_serial_port(tmp_path):
    path = tmp_path / "notes"
    path.write_text("not a port")
    with pytest.raises(PortNotFoundError, match="is no serial port"):
        open_port(str(path), BAUD)


def test_a_rate_that_no_port_does_is_told():
    board = PtyPort()
    with pytest.raises(PortError, match="does not do -1 baud"):
        open_port(board.path, -1)
    board.close()


def test_a_port_of_others_names_the_group_to_join():
    """As another user where this one may open everything."""
    board = PtyPort()
    Path(board.path).chmod(0)
    body = (
        "import os; from firmware_bridge.ports.serial_port import open_serial\n"
        "if os.geteuid() == 0: os.setuid(65534)\n"
        f"open_serial({board.path!r}, {BAUD})"
    )
    done = subprocess.run([sys.executable, "-c", body], capture_output=True, text=True, check=False)
    group = Path(board.path).group()
    board.close()
    assert PortPermissionError.__name__ in done.stderr
    assert f"sudo usermod -aG {group}" in done.stderr
