"""The driver over UDP, with the vehicle living in a thread; and the addresses it refuses."""

import select
import socket
import threading
import time

import numpy as np
import pytest
from mavlink_flight import LIMITS

from firmware_bridge.driver import make_driver
from firmware_bridge.drivers.mavlink import Config
from firmware_bridge.emulators.mavlink import EmulatedVehicle
from firmware_bridge.emulators.mavlink_udp import main, serve
from firmware_bridge.errors import BridgeInputError, PortBusyError
from firmware_bridge.mavlink.datagrams import DatagramPort
from firmware_bridge.mavlink.wire import Sender, Wire
from firmware_bridge.ports.pty_port import PtyPort
from firmware_bridge.safety import Mode, Wish

KEY = bytes(range(32))


@pytest.fixture
def key_file(tmp_path):
    file = tmp_path / "key"
    file.write_text(KEY.hex())
    file.chmod(0o600)
    return str(file)


def _free_port():
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@pytest.fixture
def living():
    """Starts vehicles in threads; each stops with the test."""
    over, threads, ports = threading.Event(), [], []

    def start(vehicle, number):
        ports.append(DatagramPort(f"udpout:127.0.0.1:{number}"))
        arguments = (vehicle, ports[-1], lambda: not over.is_set())
        threads.append(threading.Thread(target=serve, args=arguments))
        threads[-1].start()
        return vehicle

    yield start
    over.set()
    for thread in threads:
        thread.join()
    for port in ports:
        port.close()


def _until(driver, condition, command=None, patience_s=10.0):
    """Runs the driver as an actuator does, by the machine's clock."""
    end_s, pause = time.monotonic() + patience_s, threading.Event()
    while time.monotonic() < end_s:
        if command is not None:
            driver.send(np.array(command), time.monotonic_ns())
        state = driver.read(time.monotonic_ns())
        if condition(state):
            return state
        pause.wait(0.02)
    raise AssertionError(f"still {state}; it says {driver.texts}")


def test_it_finds_arms_and_flies_a_vehicle_over_signed_udp(living, key_file):
    number = _free_port()
    vehicle = living(EmulatedVehicle(key=KEY), number)
    link = {
        "driver": "mavlink",
        "port": f"udpin:127.0.0.1:{number}",
        "signing_key_file": key_file,
    }
    driver = make_driver(link, LIMITS)
    driver.open(time.monotonic_ns())
    driver.request(Wish.ARM, time.monotonic_ns())
    _until(driver, lambda s: s.mode is Mode.ARMED or _again(driver, s))
    _until(driver, lambda s: s.measured is not None and s.measured[2] > 0.2, (0.5, 0.0, 0.5))
    driver.request(Wish.ESTOP, time.monotonic_ns())
    _until(driver, lambda s: s.mode is Mode.ESTOP and not vehicle.rules.armed)
    driver.close()


def _again(driver, state):
    """Asks anew if the first wish came before the vehicle was ready."""
    if any(fault.startswith("arm_refused") for fault in state.faults):
        driver.request(Wish.ARM, time.monotonic_ns())
    return False


def test_it_answers_the_vehicle_it_knows_and_nobody_else():
    with DatagramPortPair() as (waiting, vehicle, stranger):
        ours, other = Wire(Sender(1, 1), None), Wire(Sender(9, 1), None)
        wire = Wire(Sender(245, 191), Sender(1, 1))
        for port, sender in ((vehicle, ours), (stranger, other)):
            port.write(sender.pack(sender.encoder.heartbeat_encode(2, 12, 1, 0, 3)))
            if wire.feed(waiting.read()):
                waiting.confirm()
        waiting.write(b"for the vehicle")
        assert vehicle.read() == b"for the vehicle"
        assert stranger.read() == b""
        stranger.write(ours.pack(ours.encoder.heartbeat_encode(2, 12, 1, 0, 3)))
        assert wire.feed(waiting.read())  # the vehicle has moved to that address
        waiting.confirm()
        waiting.write(b"there")
        assert stranger.read() == b"there"


class DatagramPortPair:
    """A waiting end and two that send to it."""

    def __enter__(self):
        waiting = DatagramPort("udpin:127.0.0.1:0")
        address = f"udpout:127.0.0.1:{waiting.own_port}"
        self.ports = (waiting, DatagramPort(address), DatagramPort(address))
        return self.ports

    def __exit__(self, *_):
        for port in self.ports:
            port.close()


def test_a_waiting_end_sends_nothing_before_it_was_spoken_to():
    port = DatagramPort("udpin:127.0.0.1:0")
    assert port.write(b"?") == 0
    port.close()
    port.close()


def test_nobody_at_the_other_end_is_silence_not_an_error():
    port = DatagramPort(f"udpout:127.0.0.1:{_free_port()}")
    assert port.write(b"hello") == 5
    assert [port.read() for _ in range(3)] == [b""] * 3
    port.close()


def test_empty_datagrams_hide_nothing():
    with DatagramPortPair() as (waiting, vehicle, _):
        for data in (b"", b"", b"news"):
            vehicle._open_socket.sendto(data, vehicle._peer)
        assert waiting.read() == b"news"


def test_a_port_that_another_program_has_is_told():
    taken = DatagramPort("udpin:127.0.0.1:0")
    with pytest.raises(PortBusyError, match="another program has it"):
        DatagramPort(f"udpin:127.0.0.1:{taken.own_port}")
    taken.close()


@pytest.mark.parametrize(
    ("option", "value", "says"),
    [
        ("port", "udpin:localhost:14540", "write one like udpin:127.0.0.1:14540"),
        ("port", "udpin:127.0.0.1", "write one like udpin:"),
        ("port", "udpout:127.0.0.1:0", "1 to 65535"),
        ("port", "udpin:0.0.0.0:14540", "open to a network: give signing_key_file"),
        ("port", "udpout:192.168.4.1:14550", "trust_network = true"),
        ("port", "COM3", "write one like udpin:127.0.0.1:14540, .*/dev/ttyACM0"),
        ("port", 14540, "write one like"),
        ("autopilot", "betaflight", "valid are px4, ardupilot"),
        ("reaction", "limp", "valid are hold, land"),
        ("on_exit", "fall", "valid are land, leave"),
        ("stream_hz", 2.0, "stream_hz is 2.0: a number from 5.0 to 100.0"),
        ("system_id", 0, "system_id is 0: a whole number from 1 to 255"),
        ("system_id", 1.0, "a whole number"),
        ("watchdog_s", float("nan"), "watchdog_s is nan"),
        ("watchdog_s", True, "watchdog_s is True"),
        ("min_battery", 20, "from 0.0 to 1.0"),
    ],
)
def test_options_that_cannot_work_are_refused_in_one_line(option, value, says):
    with pytest.raises(BridgeInputError, match=says) as refused:
        Config(**{option: value})
    assert "\n" not in str(refused.value)


def test_a_network_may_be_trusted_or_signed_for():
    Config(port="udpin:0.0.0.0:14540", trust_network=True)
    Config(port="udpin:0.0.0.0:14540", signing_key_file="key")


def test_the_emulator_names_the_autopilots_it_has():
    with pytest.raises(SystemExit, match="valid are px4, ardupilot"):
        main(["inav", "127.0.0.1:14540"])


def test_it_flies_a_vehicle_over_a_serial_line():
    far = PtyPort()
    vehicle = EmulatedVehicle()
    link = {"driver": "mavlink", "port": far.path, "baud": 921_600, "open_timeout_s": 0.0}
    driver = make_driver(link, LIMITS)
    driver.open(0)
    modes = set()
    for tick in range(1, 800):  # of 20 ms, by the test's clock
        now_ns = tick * 20_000_000
        vehicle.receive(far.read(), now_ns // 1000)
        vehicle.step(now_ns // 1000)
        if said := b"".join(vehicle.take()):
            far.write(said)
            assert select.select([far._theirs], [], [], 5.0)[0]  # it is there for the driver
        if tick == 200:
            driver.request(Wish.ARM, now_ns)
        driver.send(np.array([0.0, 0.0, 1.0]), now_ns)
        modes.add(driver.read(now_ns).mode)
    assert modes - {Mode.BOOT} == {Mode.DISARMED, Mode.ACTIVE}
    assert vehicle.body.altitude_m == pytest.approx(1.0, abs=0.05)
    driver.close()
    far.close()
