"""Packets over a port: numbered and framed on the way out, checked on the way in, never waiting."""

from typing import Any, NamedTuple

from firmware_bridge.framing import Decoder, FrameCounters, encode_frame, next_seq
from firmware_bridge.port import Port
from firmware_bridge.protocol import BY_ID, BY_NAME, PACKETS, WORDS, pack, unpack

OUTBOX_BYTES = 2048  # that the port has not taken yet; what does not fit is dropped and counted
READS = 4  # at most in one go: 16 KiB, 160 ms of a line of 1 Mbaud
FOREIGN = "foreign"
"""Name of an identity of other fields than ours; its hash, which always comes first, is known."""

_WORDS = {word.__name__: frozenset(int(value) for value in word) for word in WORDS}
_WORD_FIELDS = {
    packet.id: [(field.name, _WORDS[field.unit]) for field in packet.fields if field.unit in _WORDS]
    for packet in PACKETS
}


class Packet(NamedTuple):
    """What arrived."""

    name: str
    fields: Any  # named tuple, see `firmware_bridge.protocol.unpack`; of FOREIGN its hash


class PacketLine:
    """One conversation over one port. `unknown` and `overflows` count since it began."""

    def __init__(self, port: Port) -> None:
        self._port = port
        self._decoder = Decoder()
        self._seq = 0
        self._outbox = bytearray()
        self.received_bytes = 0
        self.unknown = 0  # frames of no known packet, or with a word that there is not
        self.overflows = 0  # packets that were not sent, because the port takes nothing

    @property
    def frames(self) -> FrameCounters:
        """What the decoder met."""
        return self._decoder.counters

    def read(self) -> list[Packet]:
        """The packets that have come.

        Raises:
            PortLostError: the port is gone.
        """
        packets: list[Packet] = []
        for _ in range(READS):
            data = self._port.read()
            if not data:
                break
            self.received_bytes += len(data)
            for frame in self._decoder.feed(data):
                fields = unpack(frame.type, frame.payload)
                if fields is not None and _says_words(frame.type, fields):
                    packets.append(Packet(BY_ID[frame.type].name, fields))
                elif frame.type == BY_NAME["identity"].id:
                    packets.append(Packet(FOREIGN, int.from_bytes(frame.payload[:4], "little")))
                else:
                    self.unknown += 1
        return packets

    def say(self, name: str, **fields: Any) -> bool:
        """Puts a packet into the outbox; False: there is no room for it."""
        frame = encode_frame(BY_NAME[name].id, self._seq, pack(name, **fields))
        if len(self._outbox) + len(frame) > OUTBOX_BYTES:
            self.overflows += 1
            return False
        self._seq = next_seq(self._seq)
        self._outbox += frame
        return True

    def flush(self) -> None:
        """Hands the port as much of the outbox as it takes.

        Raises:
            PortLostError: the port is gone.
        """
        while self._outbox:
            taken = self._port.write(bytes(self._outbox))
            del self._outbox[:taken]
            if not taken:
                return

    def close(self) -> None:
        """Closes the port."""
        self._port.close()


def warm_up() -> None:
    """Has the loops of the framing compiled, which takes seconds the first time on a machine."""
    for frame in Decoder().feed(encode_frame(0, 0, b"")):
        unpack(frame.type, frame.payload)


def _says_words(packet_id: int, fields: Any) -> bool:
    """Whether every mode, reason and wish of a packet is one that there is."""
    return all(getattr(fields, name) in valid for name, valid in _WORD_FIELDS[packet_id])
