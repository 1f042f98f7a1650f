"""Who may talk to this host over the network: its own key pair, and the public keys it trusts.

    KEYS/host.secret            the secret half of this host's CURVE pair; the public half follows
    KEYS/trusted/NAME.public    the public half of a peer; its name is that of the host in the graph

One file per peer, so that revoking is removing a file, and a handshake sees it without a restart.
A secret that others can read is no secret: the folder must be 0700 and its files 0600, and both
must belong to the user who reads them. Keys are written in hex: ZeroMQ's own Z85 has characters
that a shell takes for its own, and may begin with a minus.
"""

import os
import re
import stat
import tempfile
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

import zmq
from zmq.utils import z85

from perception.quantities import InputError

HEX_CHARACTERS = 64  # 32 bytes
NAME = re.compile(r"[a-z][a-z0-9_-]{0,62}")
MAX_PEERS = 1000  # a handshake reads them all
_SECRET, _TRUSTED, _SUFFIX = "host.secret", "trusted", ".public"
_FOLDER_MODE, _FILE_MODE = 0o700, 0o600


class KeysError(InputError):
    """Keys that are missing, malformed, or open to others."""


@dataclass(frozen=True)
class KeyPair:
    """This host's own keys, in Z85, as ZeroMQ takes them."""

    public: bytes
    secret: bytes = field(repr=False)


def default_folder() -> Path:
    """Where keys are kept unless a folder is named."""
    base = os.environ.get("XDG_CONFIG_HOME") or Path.home() / ".config"
    return Path(base) / "reflexarc" / "keys"


class KeyRing:
    """The keys of one folder; every call reads the folder, so a change holds at once."""

    def __init__(self, folder: Path | None = None) -> None:
        self.folder = default_folder() if folder is None else folder

    def own(self) -> KeyPair:
        """This host's key pair.

        Raises:
            KeysError: there is none yet, it is malformed, or others can read it.
        """
        self._check_folder(self.folder)
        path = self.folder / _SECRET
        if not path.exists():
            raise KeysError(f"{path}: there is no key yet; make one with reflexarc keys new")
        secret = _read_key(path)
        return KeyPair(zmq.curve_public(secret), secret)

    def create(self, *, replace: bool = False) -> KeyPair:
        """Makes this host's key pair, and the folder.

        Raises:
            KeysError: there is one already, or the folder cannot be made.
        """
        try:
            self.folder.mkdir(_FOLDER_MODE, parents=True, exist_ok=True)
        except OSError as error:
            raise KeysError(
                f"key folder {self.folder} cannot be made: {error.strerror}; give a writable --keys"
            ) from error
        self._check_folder(self.folder)
        path = self.folder / _SECRET
        if path.exists() and not replace:
            raise KeysError(
                f"{path}: there is a key already; --replace makes a new one, which every peer "
                "must then trust anew"
            )
        public, secret = zmq.curve_keypair()
        _write_key(path, secret)
        return KeyPair(public, secret)

    def trusted(self) -> dict[str, bytes]:
        """Public keys of the peers that may come in, by name.

        Raises:
            KeysError: a file is malformed or open to others, or there are more than a thousand.
        """
        if not self.folder.is_dir():
            return {}
        self._check_folder(self.folder)
        folder = self.folder / _TRUSTED
        if not folder.is_dir():
            return {}
        self._check_folder(folder)
        paths = sorted(folder.glob(f"*{_SUFFIX}"))
        if len(paths) > MAX_PEERS:
            raise KeysError(f"{folder}: holds {len(paths)} keys, at most {MAX_PEERS} are read")
        return {path.name.removesuffix(_SUFFIX): _read_key(path) for path in paths}

    def peer(self, name: str) -> bytes:
        """The public key of one peer.

        Raises:
            KeysError: nobody of that name is trusted.
        """
        trusted = self.trusted()
        if name not in trusted:
            hint = f"; add it with reflexarc keys trust {name} KEY"
            raise KeysError(_not_trusted(name, trusted) + hint)
        return trusted[name]

    def trust(self, name: str, key: str) -> None:
        """Lets a peer in; its name is that of its host in the graph.

        Raises:
            KeysError: no such name or key is possible, or one of them is taken.
        """
        if not NAME.fullmatch(name):
            raise KeysError(f"name {name!r}: use a-z, 0-9, _ and -, beginning with a letter")
        public = parse_key("the key", key)
        own = self.own()
        if public == own.secret:
            raise KeysError("that is this host's secret key; give the peer's public key")
        trusted = self.trusted()
        if name in trusted:
            raise KeysError(f"{name!r} is trusted already; revoke it first")
        for other, theirs in trusted.items():
            if public == theirs:
                raise KeysError(f"this key is trusted already, as {other!r}; revoke that first")
        (self.folder / _TRUSTED).mkdir(_FOLDER_MODE, exist_ok=True)
        _write_key(self.folder / _TRUSTED / f"{name}{_SUFFIX}", public)

    def revoke(self, name: str) -> None:
        """Lets a peer in no more, from its next connection on.

        Raises:
            KeysError: nobody of that name is trusted.
        """
        trusted = self._names()
        if name not in trusted:
            raise KeysError(_not_trusted(name, trusted))
        (self.folder / _TRUSTED / f"{name}{_SUFFIX}").unlink()

    def _names(self) -> list[str]:
        """Names of the peers, without a look at their keys: a malformed one can be revoked too."""
        paths = (self.folder / _TRUSTED).glob(f"*{_SUFFIX}")
        return sorted(path.name.removesuffix(_SUFFIX) for path in paths)

    def _check_folder(self, folder: Path) -> None:
        try:
            status = folder.stat()
        except FileNotFoundError as error:
            raise KeysError(
                f"there is no key folder {folder}; make a key with reflexarc keys new"
            ) from error
        except OSError as error:
            raise KeysError(f"key folder {folder} cannot be read: {error.strerror}") from error
        _check_private(folder, status, _FOLDER_MODE)


def _not_trusted(name: str, trusted: Iterable[str]) -> str:
    return f"no key of {name!r} is trusted; trusted: {', '.join(trusted) or 'none'}"


def key_text(key: bytes) -> str:
    """A key in Z85, as ZeroMQ gives it, in hex, as people get to see it."""
    return z85.decode(key).hex()


def parse_key(where: str, text: str) -> bytes:
    """A key in Z85, from hex.

    Raises:
        KeysError: not 64 hexadecimal digits.
    """
    digits = text.strip()
    if not re.fullmatch(f"[0-9a-fA-F]{{{HEX_CHARACTERS}}}", digits):
        raise KeysError(
            f"{where}: is no CURVE key; one has {HEX_CHARACTERS} hexadecimal digits, as "
            "reflexarc keys list prints it"
        )
    return z85.encode(bytes.fromhex(digits))


def _check_private(path: Path, status: os.stat_result, mode: int) -> None:
    """Refuses what belongs to, or is open to, another user."""
    if status.st_uid != os.geteuid():
        raise KeysError(
            f"{path}: belongs to another user (uid {status.st_uid}); own it with "
            f"chown {os.geteuid()} {path}"
        )
    if status.st_mode & 0o077:
        raise KeysError(
            f"{path}: others may open it (mode {stat.S_IMODE(status.st_mode):04o}); mend it with "
            f"chmod {mode:o} {path}"
        )


def _read_key(path: Path) -> bytes:
    """The key in a file that nobody else can open; what is checked is what is read."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        with os.fdopen(descriptor, "rb") as file:
            status = os.fstat(descriptor)
            if not stat.S_ISREG(status.st_mode):
                raise KeysError(f"{path}: is no plain file")
            _check_private(path, status, _FILE_MODE)
            return parse_key(str(path), file.read(HEX_CHARACTERS + 2).decode("ascii", "replace"))
    except OSError as error:
        raise KeysError(f"{path}: cannot be read: {error.strerror}") from error


def _write_key(path: Path, key: bytes) -> None:
    """Writes a key whole or not at all; the file is 0600 from its first moment."""
    try:
        descriptor, temporary = tempfile.mkstemp(dir=path.parent, prefix=".")  # 0600
        with os.fdopen(descriptor, "wb") as file:
            file.write(f"{key_text(key)}\n".encode())
            file.flush()
            os.fsync(descriptor)
        Path(temporary).replace(path)
    except OSError as error:
        raise KeysError(f"{path}: cannot be written: {error.strerror}") from error
