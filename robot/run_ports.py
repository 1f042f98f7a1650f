"""Ports that one node of a run offers and another opens: `port = "run:NAME"` in `[link]`.

An emulated board's address is known only once it runs, in another process. Whoever has it puts it
into the run's folder; who needs it waits for that.
"""

import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from perception.quantities import InputError

SCHEME = "run:"
WAIT_S = 60.0  # for a board to be offered: a chip's firmware may have to be built first
_LOOK_S = 0.02


class RunPortError(InputError):
    """A port of this run that nobody offers."""


def is_of_run(link: Mapping[str, Any]) -> bool:
    """Whether a `[link]` leads to another node of the run, so that nothing real hangs on it."""
    return str(link.get("port", "")).startswith(SCHEME)


def offer_port(folder: Path | None, name: str, address: str) -> None:
    """Tells the other nodes of this run where a port is.

    Raises:
        RunPortError: the run has no folder of its own.
    """
    place = _place(folder, name)
    unfinished = place.with_suffix(".new")
    unfinished.write_text(address)
    unfinished.rename(place)  # a reader sees all of it or nothing


def resolved(link: Mapping[str, Any], folder: Path | None) -> dict[str, Any]:
    """A `[link]` table with the address in place of `run:NAME`; any other stays as it is.

    Raises:
        RunPortError: nobody has offered it in time.
    """
    if not is_of_run(link):
        return dict(link)
    name = link["port"].removeprefix(SCHEME)
    place, deadline_s = _place(folder, name), time.monotonic() + WAIT_S
    while not place.exists():
        if time.monotonic() > deadline_s:
            raise RunPortError(
                f"[link] port {link['port']!r}: no node of this run has offered it within "
                f"{WAIT_S:g} s; a node of class plant does, with port = {name!r}"
            )
        time.sleep(_LOOK_S)
    return {**link, "port": place.read_text()}


def _place(folder: Path | None, name: str) -> Path:
    if folder is None:
        raise RunPortError(f"port {SCHEME}{name}: start the graph with reflexarc run")
    return folder / f"{name}.port"
