"""Bytes to messages and back, through pymavlink's generated codec: total, bounded, never obedient.

Any bytes give messages or counted errors. After a frame whose checksum is wrong the codec goes on
behind the length that the frame claimed, so that one damaged frame costs at most 280 bytes. Frames
of other systems are counted and dropped here, so that nobody behind this file can obey them.
"""

import importlib
import re
from collections import Counter
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final, NamedTuple

from firmware_bridge.errors import BridgeInputError

Message = Any  # pymavlink's classes are generated; their fields are those of the MAVLink dialect

LARGEST_READ: Final = 16_384  # bytes parsed at once; a 921600 baud line brings 1,850 in 20 ms
_SIGNING_EPOCH: Final = datetime(2015, 1, 1, tzinfo=UTC)  # MAVLink 2 signing counts 10 us from it


class MissingLibraryError(BridgeInputError):
    """The extra `mavlink` is not installed, or is told not to check anything."""


class KeyFileError(BridgeInputError):
    """A signing key that is missing, unfit, or readable by others."""


class Sender(NamedTuple):
    """Who speaks on a MAVLink network."""

    system: int
    component: int


def dialect() -> Any:
    """The dialect `common` of pymavlink, imported when first needed.

    Raises:
        MissingLibraryError: it is not installed, or MAV_IGNORE_CRC switches its checksums off.
    """
    try:
        module = importlib.import_module("pymavlink.dialects.v20.common")
    except ImportError as error:
        raise MissingLibraryError(
            f"driver 'mavlink' needs {error.name}: run 'pip install reflexarc[mavlink]'"
        ) from error
    if module.MAVLINK_IGNORE_CRC:
        raise MissingLibraryError("MAV_IGNORE_CRC is set, so damaged messages would fly: unset it")
    return module


def read_key(path: str) -> bytes:
    """The 32 bytes of a signing key, from a file of 64 hexadecimal digits.

    Raises:
        KeyFileError: no such file, other content, or others than its owner may read it.
    """
    file = Path(path).expanduser()
    try:
        others = file.stat().st_mode & 0o077
        digits = file.read_text("ascii").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise KeyFileError(f"[link] signing_key_file {path}: {error}") from error
    if others:
        raise KeyFileError(f"[link] signing_key_file {path} is open to others: chmod 600 {path}")
    if not re.fullmatch(r"[0-9a-fA-F]{64}", digits):
        raise KeyFileError(
            f"[link] signing_key_file {path} must hold 64 hexadecimal digits: openssl rand -hex 32"
        )
    return bytes.fromhex(digits)


class Wire:
    """One end of a MAVLink connection.

    `counters`: `messages` of the peer, those `lost` by its sequence numbers, `foreign` ones of
    other systems or components, `corrupt` frames, `unsigned` or wrongly signed ones, `unknown` ones
    that the dialect lacks, and `overflow` bytes that came too fast to be parsed.
    """

    def __init__(self, own: Sender, peer: Sender | None, key: bytes | None = None) -> None:
        """Begins in step.

        Args:
            own: whom messages are sent as.
            peer: whose messages are taken; None: everybody's.
            key: of MAVLink 2 signing, 32 bytes; then all that is sent is signed, and what is not
                signed with it is dropped.
        """
        self.dialect = dialect()
        self._mav = self.dialect.MAVLink(None, own.system, own.component)
        self._mav.robust_parsing = True
        self._peer = peer
        self._last_sequence: int | None = None
        self.others: Counter[Sender] = Counter()  # senders that were dropped; at most 65,536
        self.counters: dict[str, int] = dict.fromkeys(
            ("messages", "lost", "foreign", "corrupt", "unsigned", "unknown", "overflow"), 0
        )
        if key is not None:
            self._sign(key)

    @property
    def encoder(self) -> Any:
        """The codec of pymavlink, for its `*_encode` methods."""
        return self._mav

    def pack(self, message: Message) -> bytes:
        """One frame."""
        frame = bytes(message.pack(self._mav))
        self._mav.seq = (self._mav.seq + 1) % 256
        return frame

    def feed(self, data: bytes) -> list[Message]:
        """The peer's messages in these bytes, whatever the bytes are."""
        if len(data) > LARGEST_READ:
            self.counters["overflow"] += len(data) - LARGEST_READ
            data = data[-LARGEST_READ:]
        taken = [message for message in self._parse(data) if self._is_for_us(message)]
        self.counters["messages"] += len(taken)
        return taken

    def _parse(self, data: bytes) -> list[Message]:
        found = []
        stamps = dict(self._mav.signing.stream_timestamps)
        message = self._mav.parse_char(data)
        while message is not None:
            if self._is_sound(message):
                found.append(message)
                stamps = dict(self._mav.signing.stream_timestamps)
            else:  # pymavlink believes a frame's time stamp before it has checked the signature
                self._mav.signing.stream_timestamps = dict(stamps)
            message = self._mav.parse_char(b"")
        parsed = self._mav.buf_index  # pymavlink frees it only when nothing is left behind it
        del self._mav.buf[:parsed]
        self._mav.buf_index = 0
        return found

    def _is_sound(self, message: Message) -> bool:
        kind = message.get_type()
        if kind == "BAD_DATA":
            self.counters["unsigned" if message.reason == "Invalid signature" else "corrupt"] += 1
        elif kind.startswith("UNKNOWN_"):
            self.counters["unknown"] += 1
        else:
            return True
        return False

    def _is_for_us(self, message: Message) -> bool:
        sender = Sender(message.get_srcSystem(), message.get_srcComponent())
        if self._peer is not None and sender != self._peer:
            self.counters["foreign"] += 1
            self.others[sender] += 1
            return False
        sequence = message.get_seq()
        if self._last_sequence is not None:
            self.counters["lost"] += (sequence - self._last_sequence - 1) % 256
        self._last_sequence = sequence
        return True

    def _sign(self, key: bytes) -> None:
        signing = self._mav.signing
        signing.secret_key = key
        signing.sign_outgoing = True
        since = datetime.now(UTC) - _SIGNING_EPOCH  # the one use of wall clock: the standard's
        signing.timestamp = int(since.total_seconds() * 100_000)
