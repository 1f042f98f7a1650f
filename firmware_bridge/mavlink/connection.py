"""A port with MAVLink on it: whole messages in and out, a bounded number at a time."""

from typing import Any, Final

from firmware_bridge.mavlink.axes import VELOCITY_AND_YAW_RATE, Setpoint
from firmware_bridge.mavlink.datagrams import DatagramPort, is_datagrams
from firmware_bridge.mavlink.options import Config
from firmware_bridge.mavlink.wire import Sender, Wire, read_key
from firmware_bridge.port import Port, open_port

SET_MESSAGE_INTERVAL: Final = 511  # MAV_CMD_SET_MESSAGE_INTERVAL
ONBOARD_CONTROLLER, NO_AUTOPILOT, ACTIVE_STATE = 18, 8, 4  # MAV_TYPE, MAV_AUTOPILOT, MAV_STATE
MOST_READS: Final = 32  # a tick: more than ten times what a vehicle sends between two of 50 Hz


class Connection:
    """What the driver holds while it is open."""

    def __init__(self, config: Config, port: Port | None) -> None:
        """Opens the port that `config` names, or takes the one that is given.

        Raises:
            BridgeInputError: the port or the signing key is not fit for it.
        """
        key = read_key(config.signing_key_file) if config.signing_key_file else None
        self._own = Sender(config.own_system_id, config.own_component_id)
        self._peer = Sender(config.system_id, config.component_id)
        self.wire = Wire(self._own, self._peer, key)
        self._port = port or _opened(config)
        self._rest = b""  # of a frame that a serial line did not take whole
        self._dropped = 0

    def receive(self) -> list[Any]:
        """The vehicle's messages that have come, oldest first.

        Raises:
            PortLostError: the port is gone.
        """
        messages = []
        for _ in range(MOST_READS):
            data = self._port.read()
            if not data:
                break
            heard = self.wire.feed(data)
            if heard and isinstance(self._port, DatagramPort):
                self._port.confirm()
            messages.extend(heard)
        return messages

    def heartbeat(self) -> None:
        """Says that an on-board computer is there."""
        self._send("heartbeat", ONBOARD_CONTROLLER, NO_AUTOPILOT, 0, 0, ACTIVE_STATE)

    def command(self, number: int, confirmation: int, params: tuple[float, ...]) -> None:
        """Sends a COMMAND_LONG with up to seven parameters."""
        seven = (*params, *(0.0,) * (7 - len(params)))
        self._send("command_long", *self._peer, number, confirmation, *seven)

    def ask_for(self, kind: str, rate_hz: float) -> None:
        """Asks for a kind of message, by its name in capitals."""
        number = getattr(self.wire.dialect, f"MAVLINK_MSG_ID_{kind}")
        self.command(SET_MESSAGE_INTERVAL, 0, (float(number), 1e6 / rate_hz))

    def setpoint(self, setpoint: Setpoint, now_ns: int) -> bool:
        """Sends a velocity and a yaw rate; says whether the line took it."""
        frame, vx, vy, vz, yaw_rate = setpoint
        stamp_ms = now_ns // 1_000_000 % 2**32
        head = (stamp_ms, *self._peer, frame, VELOCITY_AND_YAW_RATE)
        unused = (0.0, 0.0, 0.0)  # position, acceleration
        fields = (*head, *unused, vx, vy, vz, *unused, 0.0, yaw_rate)
        return self._send("set_position_target_local_ned", *fields)

    def answers_us(self, acknowledgement: Any) -> bool:
        """Whether a COMMAND_ACK is for us; 0, as in MAVLink 1, names nobody."""
        return acknowledgement.target_system in (0, self._own.system)

    def _send(self, kind: str, *fields: float) -> bool:
        """Sends a message; says whether all of it was taken, or will be without anybody's doing.

        One that finds the line full is dropped and counted: the next is fresher.

        Args:
            kind: its name in lower case.
            fields: in the order of pymavlink's `*_encode`.
        """
        frame = self.wire.pack(getattr(self.wire.encoder, f"{kind}_encode")(*fields))
        if self._rest:
            self._rest = self._rest[self._port.write(self._rest) :]
        if self._rest:
            self._dropped += 1
            return False
        taken = self._port.write(frame)
        if taken == 0:
            self._dropped += 1
            return False
        self._rest = frame[taken:]
        return True

    def counters(self) -> dict[str, int]:
        """Of the wire, and `dropped`: messages that the line did not take."""
        return {**self.wire.counters, "dropped": self._dropped}

    def close(self) -> None:
        """Frees the port."""
        self._port.close()


def _opened(config: Config) -> Port:
    if is_datagrams(config.port):
        return DatagramPort(config.port)
    return open_port(config.port, config.baud)
