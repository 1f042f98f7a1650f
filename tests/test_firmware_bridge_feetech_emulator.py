"""The vendor's own client talks to the emulated servos; that is what proves them."""

import itertools

import pytest
import scservo_sdk as sdk
from scservo_sdk.protocol_packet_handler import ERRBIT_OVERHEAT, ERRBIT_VOLTAGE

from firmware_bridge.emulators.feetech import ServoBusEmulator
from firmware_bridge.emulators.feetech_pty import ServoBusPty
from firmware_bridge.emulators.feetech_servo import Servo, ServoFault
from firmware_bridge.feetech import registers as r
from firmware_bridge.feetech.bus import (
    BROADCAST,
    Decoder,
    Instruction,
    Packet,
    sync_read,
    sync_write,
)

MS = 1000  # µs
UNIT_IDS = (1, 2, 3)


class PatientPort(sdk.PortHandler):
    """Its 34 ms are not enough on a machine that does other things; a silent servo is silent."""

    patience_ms = 2000.0

    def setPacketTimeout(self, packet_length):  # noqa: N802 - the vendor's name
        super().setPacketTimeout(packet_length)
        self.packet_timeout += self.patience_ms


class VendorClient:
    """feetech-servo-sdk on the emulator's terminal."""

    def __init__(self, bus):
        self.pty = bus
        self.port = PatientPort(bus.path)
        assert self.port.openPort()
        self.packets = sdk.PacketHandler(0)  # 0: little-endian, as STS servos are

    def read(self, id_, register):
        read = self.packets.read1ByteTxRx if register.size == 1 else self.packets.read2ByteTxRx
        value, result, error = read(self.port, id_, register.address)
        return value, result, error

    def write(self, id_, register, value):
        write = self.packets.write1ByteTxRx if register.size == 1 else self.packets.write2ByteTxRx
        return write(self.port, id_, register.address, value)

    def sync_read(self, block):
        group = sdk.GroupSyncRead(self.port, self.packets, block.start, block.size)
        for id_ in UNIT_IDS:
            group.addParam(id_)
        return group, group.txRxPacket()

    def sync_write(self, register, values):
        group = sdk.GroupSyncWrite(self.port, self.packets, register.address, register.size)
        for id_, value in values.items():
            group.addParam(id_, list(register.encode(value)))
        return group.txPacket()


@pytest.fixture
def vendor():
    servos = [Servo(id_, encoder_steps=1000.0 * id_) for id_ in UNIT_IDS]
    with ServoBusPty(ServoBusEmulator(servos)) as bus:
        client = VendorClient(bus)
        yield client
        client.port.closePort()


def test_the_vendors_client_pings_the_servos_that_are_there_alone(vendor):
    for id_ in UNIT_IDS:
        assert vendor.packets.ping(vendor.port, id_) == (r.MODEL_STS3215, sdk.COMM_SUCCESS, 0)
    vendor.port.patience_ms = 0.0
    _, result, _ = vendor.packets.ping(vendor.port, 9)
    assert result == sdk.COMM_RX_TIMEOUT


def test_the_vendors_client_reads_what_it_has_written(vendor):
    assert vendor.write(2, r.GOAL_POSITION, 1234) == (sdk.COMM_SUCCESS, 0)
    assert vendor.read(2, r.GOAL_POSITION) == (1234, sdk.COMM_SUCCESS, 0)
    assert vendor.read(1, r.GOAL_POSITION) == (0, sdk.COMM_SUCCESS, 0)


def test_the_vendors_client_reads_all_servos_at_once(vendor):
    group, result = vendor.sync_read(r.FEEDBACK)
    assert result == sdk.COMM_SUCCESS
    for id_ in UNIT_IDS:
        assert group.getData(id_, r.PRESENT_POSITION.address, 2) == 1000 * id_
        assert group.getData(id_, r.PRESENT_VOLTAGE.address, 1) == 74
        assert group.getData(id_, r.PRESENT_TEMPERATURE.address, 1) == 25


def test_the_vendors_client_moves_all_servos_at_once(vendor):
    assert vendor.sync_write(r.TORQUE_ENABLE, dict.fromkeys(UNIT_IDS, 1)) == sdk.COMM_SUCCESS
    goals = {1: 1010, 2: 1990, 3: 3000}
    assert vendor.sync_write(r.GOAL_POSITION, goals) == sdk.COMM_SUCCESS
    seen = {}
    for _ in range(2000):  # each a round trip on the terminal: real time passes by itself
        group, result = vendor.sync_read(r.FEEDBACK)
        assert result == sdk.COMM_SUCCESS
        seen = {id_: group.getData(id_, r.PRESENT_POSITION.address, 2) for id_ in UNIT_IDS}
        if seen == goals:
            break
    assert seen == goals


def test_the_vendors_client_triggers_a_registered_write(vendor):
    data = list(r.GOAL_POSITION.encode(777))
    result = vendor.packets.regWriteTxRx(vendor.port, 1, r.GOAL_POSITION.address, 2, data)
    assert result == (sdk.COMM_SUCCESS, 0)
    assert vendor.read(1, r.GOAL_POSITION)[0] == 0
    assert vendor.packets.action(vendor.port, BROADCAST) == sdk.COMM_SUCCESS
    assert vendor.read(1, r.GOAL_POSITION)[0] == 777


def test_the_vendors_client_sees_each_fault_as_it_would_on_a_bus(vendor):
    def fails(*faults):
        with vendor.pty.lock:
            vendor.pty.bus.servos[2].faults = set(faults)
            vendor.pty.bus.servos[2].impostor_id = 9
        answers = not {ServoFault.SILENT, ServoFault.WRONG_ID} & set(faults)
        vendor.port.patience_ms = 2000.0 if answers else 0.0
        return vendor.read(2, r.PRESENT_TEMPERATURE)

    assert fails(ServoFault.SILENT)[1] == sdk.COMM_RX_TIMEOUT
    assert fails(ServoFault.CORRUPT)[1] == sdk.COMM_RX_CORRUPT
    assert fails(ServoFault.WRONG_ID)[1] != sdk.COMM_SUCCESS
    value, result, error = fails(ServoFault.OVERHEATED)
    assert (value, result, error) == (75, sdk.COMM_SUCCESS, ERRBIT_OVERHEAT)
    assert fails(ServoFault.UNDER_VOLTAGE)[2] == ERRBIT_VOLTAGE
    assert fails() == (25, sdk.COMM_SUCCESS, 0)


def armed(**options):
    servo = Servo(1, **options)
    servo.write(r.GOAL_POSITION.address, r.GOAL_POSITION.encode(round(servo.position_steps)))
    servo.write(r.TORQUE_ENABLE.address, b"\x01")
    return servo, ServoBusEmulator([servo])


def test_the_eeprom_keeps_what_was_written_unlocked_and_forgets_the_rest():
    servo = Servo(1)
    servo.write(r.HOMING_OFFSET.address, r.HOMING_OFFSET.encode(-99))
    servo.power_cycle()
    assert r.HOMING_OFFSET.decode(servo.memory) == 0
    servo.write(r.LOCK.address, b"\0")
    servo.write(r.HOMING_OFFSET.address, r.HOMING_OFFSET.encode(-99))
    servo.write(r.TORQUE_ENABLE.address, b"\x01")
    servo.power_cycle()
    assert r.HOMING_OFFSET.decode(servo.memory) == -99
    assert not servo.torque
    assert r.LOCK.decode(servo.memory) == 1


def test_a_servo_tells_its_position_from_its_offset_and_never_beyond_one_turn():
    servo = Servo(1, encoder_steps=100.0)
    servo.write(r.HOMING_OFFSET.address, r.HOMING_OFFSET.encode(300))
    servo.step(0, 0.0)
    assert r.PRESENT_POSITION.decode(servo.memory) == 100 - 300 + 4096


def test_a_servo_nears_its_goal_no_faster_than_its_goal_speed():
    servo, bus = armed()
    servo.write(r.GOAL_SPEED.address, r.GOAL_SPEED.encode(500))
    servo.write(r.GOAL_POSITION.address, r.GOAL_POSITION.encode(2548))
    bus.step(0)
    positions = []
    for tick in range(1, 200):
        bus.step(tick * 10 * MS)
        positions.append(servo.encoder_steps)
    steps = [later - earlier for earlier, later in itertools.pairwise(positions)]
    assert max(steps) <= 5.0 + 1e-9
    assert positions[-1] == pytest.approx(2548, abs=1)


def test_a_blocked_servo_loads_up_warms_and_pulls_the_supply_down():
    servo, bus = armed()
    servo.faults = {ServoFault.BLOCKED}
    servo.write(r.GOAL_POSITION.address, r.GOAL_POSITION.encode(2048 + 190))
    bus.step(0)
    bus.step(60 * 1000 * MS)
    bus.step(60 * 1000 * MS)  # the supply is shared: it sags under the load of the step before
    assert r.PRESENT_LOAD.decode(servo.memory) == 760
    assert servo.encoder_steps == 2048
    assert servo.memory[r.PRESENT_TEMPERATURE.address] > 27
    assert servo.memory[r.PRESENT_VOLTAGE.address] < 74


def test_a_servo_that_is_overloaded_for_2_s_protects_itself_until_its_torque_goes_off():
    servo, bus = armed()
    servo.faults = {ServoFault.BLOCKED}
    servo.write(r.GOAL_POSITION.address, r.GOAL_POSITION.encode(2048 + 500))
    bus.step(0)
    bus.step(1990 * MS)
    assert (r.PRESENT_LOAD.decode(servo.memory), servo.errors) == (1000, 0)
    bus.step(2020 * MS)
    assert (r.PRESENT_LOAD.decode(servo.memory), servo.errors) == (200, r.ServoStatus.OVERLOAD)
    bus.step(9000 * MS)
    assert servo.errors == r.ServoStatus.OVERLOAD
    servo.write(r.TORQUE_ENABLE.address, b"\0")
    bus.step(9020 * MS)
    servo.write(r.TORQUE_ENABLE.address, b"\1")
    bus.step(9040 * MS)
    assert (r.PRESENT_LOAD.decode(servo.memory), servo.errors) == (1000, 0)


def test_a_servo_that_protects_itself_lets_sink_what_it_cannot_hold():
    servo, bus = armed()
    servo.gravity_load = 0.9
    bus.step(0)
    bus.step(1990 * MS)
    assert servo.encoder_steps == 2048
    bus.step(3000 * MS)
    assert servo.encoder_steps == pytest.approx(2048 - 0.7 * 600, rel=0.03)


def test_a_limp_joint_falls_and_a_held_one_does_not():
    servo, bus = armed()
    servo.gravity_load = 0.3
    bus.step(0)
    bus.step(1000 * MS)
    assert servo.encoder_steps == 2048
    assert r.PRESENT_LOAD.decode(servo.memory) == 300
    servo.write(r.TORQUE_ENABLE.address, b"\0")
    bus.step(2000 * MS)
    assert servo.encoder_steps == pytest.approx(2048 - 180)


def test_an_answer_takes_the_time_of_its_bytes_and_comes_in_the_order_asked():
    bus = ServoBusEmulator([Servo(1), Servo(2)])
    question = sync_read(56, 2, [2, 1])
    bus.receive(question, 0)
    assert bus.take(len(question) * 10 + 100 + 79) == b""
    first = Decoder().feed(bus.take(len(question) * 10 + 100 + 80))
    assert [packet.id for packet in first] == [2]
    assert [packet.id for packet in Decoder().feed(bus.take(MS))] == [1]


def test_a_host_that_never_reads_costs_bounded_memory():
    bus = ServoBusEmulator([Servo(1)])
    for second in range(2000):
        bus.receive(Packet(1, Instruction.PING, b"").encode(), second * MS)
    assert bus.counters["overrun"] > 0
    assert len(bus.take(3000 * MS)) <= 1024 * 6


def test_a_host_that_speaks_while_a_servo_answers_is_not_understood_and_spoils_the_answer():
    servo = Servo(1)
    bus = ServoBusEmulator([servo])
    bus.receive(sync_read(56, 2, [1]), 0)
    bus.receive(sync_write(r.TORQUE_ENABLE.address, {1: b"\1"}), 200)
    assert not servo.torque
    assert Decoder().feed(bus.take(MS)) == []
    assert bus.counters["collisions"] == 1
    bus.receive(sync_write(r.TORQUE_ENABLE.address, {1: b"\1"}), 2 * MS)
    assert servo.torque


@pytest.mark.parametrize("rows", [b"", b"\x2a", b"\x2a\x00\x01", b"\x2a\x02\x01\x00"])
def test_a_sync_write_of_broken_rows_writes_nothing_and_is_counted(rows):
    servo = Servo(1)
    before = bytes(servo.memory)
    bus = ServoBusEmulator([servo])
    bus.receive(Packet(BROADCAST, Instruction.SYNC_WRITE, rows).encode(), 0)
    assert bytes(servo.memory) == before
    assert bus.counters["unknown"] == 1


@pytest.mark.parametrize("code", [0, 6, 0x7F])
def test_an_unknown_instruction_is_counted_and_not_answered(code):
    bus = ServoBusEmulator([Servo(1)])
    bus.receive(Packet(1, code, b"").encode(), 0)
    assert bus.take(1000 * MS) == b""
    assert bus.counters["unknown"] == 1
