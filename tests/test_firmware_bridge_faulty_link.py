"""A cable with a fault in it, between a real pseudo-terminal and a port in memory."""

import pytest

from firmware_bridge.emulators.faults import parse_fault
from firmware_bridge.emulators.faulty_link import FaultyLink
from firmware_bridge.errors import PortLostError
from firmware_bridge.port import open_port
from firmware_bridge.ports.memory_port import memory_pair


@pytest.fixture
def lay(request):
    """Lays a cable with faults; gives it, the host's end and the board's."""

    def lay(*faults):
        far, board = memory_pair()
        cable = FaultyLink(far, [parse_fault(text) for text in faults])
        host = open_port(cable.address, 1_000_000)
        request.addfinalizer(cable.close)
        request.addfinalizer(host.close)
        return cable, host, board

    return lay


def test_bytes_pass_both_ways_until_the_fault_begins(lay):
    cable, host, board = lay("link:off@1.0-2.0")
    for now_us, passes in ((0, True), (1_500_000, False), (2_500_000, True)):
        host.write(b"there")
        board.write(b"back")
        cable.step(now_us)
        cable.step(now_us + 1)
        assert (board.read(), host.read()) == ((b"there", b"back") if passes else (b"", b""))


def test_what_is_delayed_comes_though_nothing_follows(lay):
    cable, host, board = lay("link:delayed")
    host.write(b"there")
    cable.step(0)
    assert board.read() == b""
    for now_us in (100_000, 250_000):
        cable.step(now_us)
    assert board.read() == b"there"


def test_what_nobody_fetches_is_kept_within_bounds(lay):
    cable, _, board = lay("link:off@9.0")
    for now_us in range(2000):
        board.write(bytes(1000))
        cable.step(now_us)
    assert len(cable._ways[1]._waiting) <= 4096


def test_a_board_that_is_gone_is_told(lay):
    cable, _, board = lay()
    board.close()
    with pytest.raises(PortLostError):
        cable.step(0)
