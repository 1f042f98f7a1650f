"""An emulated controller board, and the robot's actuators and sensors on its second wire.

Hardware in the loop, without hardware: the actuator node speaks to the board as to a real one, and
what the board tells its actuators goes out as the simulator's setpoint. What comes back to the
board is what the vehicle itself senses.

    policy -> actuator ==host wire==> board ==plant wire==> this node -> simulator
                                        ^------ sense ----------'  <- state --'

A sample goes to the board once, so that a simulator that stands still is a lost sensor to it.
"""

import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import cast

from firmware_bridge.emulators.boards import check_board, start_board
from firmware_bridge.emulators.faults import Place, parse_fault
from firmware_bridge.emulators.faulty_link import FaultyLink
from firmware_bridge.emulators.plant_wire import Drive, PlantWire, Sense
from firmware_bridge.emulators.wire_thread import WireThread
from firmware_bridge.errors import EmulatorError
from firmware_bridge.port import DescribedPort, open_port
from firmware_bridge.protocol import MAX_AXES, Link
from perception.quantities import InputError
from robot.clock import SECOND_NS
from robot.config import RobotConfig
from robot.messages import DriverReport, FlightState, Setpoint
from robot.node import Emission, Input, Inputs, Node, NodeContext, Output
from robot.run_ports import offer_port

SENSED: dict[str, Callable[[FlightState], float]] = {
    "forward_speed": lambda state: state.velocity_b_m_s[0],
    "yaw_rate": lambda state: state.gyro_rad_s[2],
    "altitude": lambda state: state.altitude_m,
}
"""Axis of a command -> what the vehicle's own sensing says of it, in the axis's unit."""

VOLTAGE_V, TEMPERATURE_C = 12.0, 30.0  # the simulator has neither battery nor heat
QUIET_NS = SECOND_NS // 50  # a setpoint that does not change is said this often
BAUD = 1_000_000  # of the host's wire, where that is a pseudo-terminal and keeps to none
START_S = 60.0  # for a board to say its first word


@dataclass(frozen=True)
class PlantConfig:
    """Parameters of an emulated board with its plant."""

    board: str = "auto"  # "qemu", "python", or the first of these whose programs are installed
    port: str = "board"  # the actuator finds it by `[link] port = "run:board"`
    faults: tuple[str, ...] = ()  # as firmware_bridge.emulators.faults says: "sensor:stuck@3.0"

    def __post_init__(self) -> None:
        """Refuses a board or a fault that does not exist, before anything starts."""
        check_board(self.board)
        for text in self.faults:
            parse_fault(text)
        if not self.port.isidentifier():
            raise InputError(f"plant: port = {self.port!r} must be a plain name, as board")


class PlantNode(Node[PlantConfig]):
    """Owns the board's process, and stands on its plant wire."""

    inputs = {
        "state": Input(FlightState, wakes=False),
        "driver": Input(DriverReport, required=False, wakes=False),
    }
    outputs = {"setpoint": Output(Setpoint, steady=False)}
    wall_clock_only = True
    restartable = False  # a board that starts anew has forgotten its stops
    min_rate_hz = 100.0
    Config = PlantConfig

    @classmethod
    def is_played_back(cls, config: PlantConfig, robot: RobotConfig) -> bool:
        """It is the world outside, as far as the host can see."""
        del config, robot
        return True

    def __init__(self, config: PlantConfig, context: NodeContext) -> None:
        super().__init__(config, context)
        axes = context.robot.limits.axes
        self._sensed = [_sensed(axis.name) for axis in axes]
        self._stops = [axis.stop for axis in axes]
        self._lock = threading.Lock()
        self._state: FlightState | None = None
        """That the board has not been told yet; guarded by the lock, as is the next."""
        self._drive: Drive | None = None
        """The newest since the last step."""
        self._said: tuple[float, ...] | None = None
        self._said_ns = 0
        faults = [parse_fault(text) for text in config.faults]
        self._cable: FaultyLink | None = None
        self._thread: WireThread | None = None
        self.kind, self._board = start_board(config.board)
        try:
            address = self._board.address(Link.HOST)
            if any(fault.place is Place.LINK for fault in faults):
                board = cast("DescribedPort", open_port(address, BAUD))
                self._cable = FaultyLink(board, faults, context.seed)
                address = self._cable.address
            wire = PlantWire(self, faults, context.seed)
            self._thread = WireThread(self._board.port(Link.PLANT), wire, self._cable)
            self._thread.spoke.wait(START_S)
            self._check()
            offer_port(context.control_folder, config.port, address)
        except BaseException:
            self.close()
            raise

    def step(self, now_ns: int, inputs: Inputs) -> list[Emission]:
        """Hands on what the vehicle senses, and what the board has told its actuators.

        Raises:
            EmulatorError: the board is gone.
        """
        self._check()
        state = inputs.newest("state")
        with self._lock:
            self._state = self._state if state is None else state
            drive, self._drive = self._drive, None
        return [] if drive is None else self._setpoint(drive, now_ns)

    def move(self, drive: Drive, elapsed_s: float) -> None:
        """Notes what the board told its actuators; called by the thread of the wire."""
        del elapsed_s
        with self._lock:
            self._drive = drive

    def sense(self, time_us: int) -> Sense | None:
        """What the vehicle senses, unless the board has been told that; called by the thread."""
        with self._lock:
            state, self._state = self._state, None
        if state is None:
            return None
        values = [of(state) for of in self._sensed]
        unused = (0.0,) * MAX_AXES
        padded = (*values, *unused[len(values) :])
        return Sense(time_us, padded, unused, VOLTAGE_V, TEMPERATURE_C)

    def gauges(self) -> dict[str, float]:
        """The board's process number, for whoever wants to try what happens without it."""
        return {"board_pid": float(self._board.pid)}

    def close(self) -> None:
        """Ends the board."""
        if self._thread is not None:
            self._thread.close()
        if self._cable is not None:
            self._cable.close()
        self._board.close()

    def _check(self) -> None:
        """Raises an EmulatorError when the board is gone, or never was there."""
        assert self._thread is not None  # noqa: S101 - made with the node
        if not self._thread.spoke.is_set():
            raise EmulatorError(f"the emulated board ({self.kind}) says nothing")
        if self._thread.lost is not None:
            how = self._board.ended() or "has closed its wire"
            raise EmulatorError(f"the emulated board ({self.kind}) {how}") from self._thread.lost

    def _setpoint(self, drive: Drive, now_ns: int) -> list[Emission]:
        """What the actuators were told, if it is news; without torque the vehicle gets nothing."""
        values = tuple(drive.setpoint[: len(self._stops)]) if drive.torque else None
        if values is None or (values == self._said and now_ns - self._said_ns < QUIET_NS):
            self._said = values
            return []
        self._said, self._said_ns = values, now_ns
        still = all(
            stop is None or value == stop for value, stop in zip(values, self._stops, strict=True)
        )
        reasons = ("halted",) if still else ()
        return [("setpoint", Setpoint(captured_ns=now_ns, values=values, reasons=reasons))]


def _sensed(axis: str) -> Callable[[FlightState], float]:
    """What the vehicle senses of an axis.

    Raises:
        InputError: nothing.
    """
    if axis not in SENSED:
        raise InputError(
            f"plant: the vehicle senses nothing of the axis {axis!r}; it does of "
            + ", ".join(SENSED)
        )
    return SENSED[axis]
