"""A port with MAVLink on it: whole messages in and out, a bounded number at a time."""

from typing import Any, Final

from firmware_bridge.mavlink.datagrams import DatagramPort, is_datagrams
from firmware_bridge.mavlink.options import Config
from firmware_bridge.mavlink.wire import Sender, Wire, read_key
from firmware_bridge.port import Port, open_port

MOST_READS: Final = 32  # a tick: more than ten times what a vehicle sends between two of 50 Hz


class Connection:
    """What the driver holds while it is open."""

    def __init__(self, config: Config, port: Port | None) -> None:
        """Opens the port that `config` names, or takes the one that is given.

        Raises:
            BridgeInputError: the port or the signing key is not fit for it.
        """
        key = read_key(config.signing_key_file) if config.signing_key_file else None
        self.wire = Wire(
            Sender(config.own_system_id, config.own_component_id),
            Sender(config.system_id, config.component_id),
            key,
        )
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

    def send(self, kind: str, *fields: float) -> bool:
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

    def message_id(self, kind: str) -> int:
        """The number of a message, by its name."""
        return int(getattr(self.wire.dialect, f"MAVLINK_MSG_ID_{kind}"))

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
