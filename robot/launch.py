"""What a node's process is told before it does anything: one line of JSON on its standard input.

It knows neither node nor socket, so the supervisor writes it without importing what a node needs.
"""

import msgspec

from perception.quantities import InputError


class Launch(msgspec.Struct, frozen=True):
    """What a node's process is told on its standard input."""

    node: str
    graph: str
    overrides: tuple[str, ...]
    folder: str
    """The run's 0700 folder of sockets."""
    seed: int
    lockstep: bool
    seconds: float | None
    run_dir: str | None
    watchers: tuple[str, ...] = ()
    """Nodes added to the graph's own."""
    life: int = 0
    """How many processes of this node have died in this run."""
    keys: str | None = None
    """The folder of keys, in a graph of several hosts; None: the user's own."""
    control_folder: str | None = None
    """Where an actuator hears what is demanded of it; None: nowhere."""


def decode_launch(line: bytes) -> Launch:
    """What a node's process was told.

    Raises:
        InputError: not one line of JSON, as the supervisor writes it.
    """
    try:
        return msgspec.json.decode(line, type=Launch)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise InputError(f"robot.worker: standard input tells no node to run: {error}") from error
