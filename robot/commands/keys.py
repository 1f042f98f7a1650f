"""``reflexarc keys``: this host's CURVE keys, and the peers that it lets in."""

import json
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import tyro

from perception.quantities import InputError
from robot.keys import KeyRing, key_text

Action = Literal["new", "list", "trust", "revoke"]
_WORDS: dict[Action, tuple[str, ...]] = {
    "new": (),
    "list": (),
    "trust": ("NAME", "KEY"),
    "revoke": ("NAME",),
}


@dataclass(frozen=True)
class Keys:
    """Make this host's key; list, trust or revoke the hosts that may connect to it.

    new: makes the key pair. list: prints the public key, and who is trusted. trust NAME KEY: lets
    the host NAME in, whose public key is KEY. revoke NAME: lets it in no more.

    Example: reflexarc keys trust base
    f3a1c7d94e0b52886f1d3c5a7b9e2d40618f0a3c5e7d9b1f2a4c6e8d0b3f5a71
    """

    action: tyro.conf.Positional[Action]
    """What to do."""
    words: tyro.conf.Positional[tuple[str, ...]] = ()
    """NAME and KEY for trust, NAME for revoke."""
    keys: Path | None = None
    """The folder of keys; default: reflexarc/keys in $XDG_CONFIG_HOME or ~/.config."""
    replace: bool = False
    """With new: replaces the key there is."""
    json: bool = False
    """Print the result as JSON."""

    def __call__(self) -> int:
        """Does it; raises an InputError where the words or the folder do not fit."""
        wanted = _WORDS[self.action]
        if len(self.words) != len(wanted):
            usage = " ".join((f"reflexarc keys {self.action}", *wanted))
            raise InputError(f"{self.action} takes {len(wanted)} words: {usage}")
        if self.replace and self.action != "new":
            raise InputError(f"--replace belongs to new, not to {self.action}")
        ring = KeyRing(self.keys)
        self._show(*_act(ring, self.action, self.words, replace=self.replace))
        return 0

    def _show(self, result: dict[str, Any], text: str) -> None:
        sys.stdout.write((json.dumps(result) if self.json else text) + "\n")


def _act(
    ring: KeyRing, action: Action, words: tuple[str, ...], *, replace: bool
) -> tuple[dict[str, Any], str]:
    """Does one action; gives its result for machines and for people."""
    if action == "new":
        public = key_text(ring.create(replace=replace).public)
        return {"folder": str(ring.folder), "public": public}, (
            f"public key: {public}\nthe peer's host lets this one in with: "
            f"reflexarc keys trust NAME {public}"
        )
    if action == "trust":
        name, key = words
        ring.trust(name, key)
        return {"trusted": name}, f"{name} is trusted"
    if action == "revoke":
        (name,) = words
        ring.revoke(name)
        return {"revoked": name}, f"{name} can connect no more; connections it has stay open"
    return _listing(ring)


def _listing(ring: KeyRing) -> tuple[dict[str, Any], str]:
    """The public keys of a folder."""
    public = key_text(ring.own().public)
    trusted = {name: key_text(key) for name, key in ring.trusted().items()}
    lines = [f"this host    {public}", *(f"{name:<12} {key}" for name, key in trusted.items())]
    if not trusted:
        lines.append("nobody is trusted")
    return {"folder": str(ring.folder), "public": public, "trusted": trusted}, "\n".join(lines)
