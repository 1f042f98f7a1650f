"""The frame of ``benchmarks.messaging`` as a message, and a graph that carries it between hosts."""

from pathlib import Path
from typing import Annotated

import numpy as np
from numpy.typing import NDArray

from robot.graph import Graph, load_graph
from robot.messages import ArraySpec, Message
from robot.node import Emission, Input, Inputs, NoConfig, Node, Output, Role
from robot.nodes import NODES


class Frame(Message, frozen=True, kw_only=True):
    """One image."""

    pixels: Annotated[NDArray[np.uint8], ArraySpec("uint8", 1)]


class Camera(Node[NoConfig]):
    """Where frames come from."""

    outputs = {"out": Output(Frame)}
    role = Role.SOURCE

    def step(self, now_ns: int, inputs: Inputs) -> list[Emission]:
        """Nothing: the benchmark sends in its stead."""
        del now_ns, inputs
        return []


class Viewer(Node[NoConfig]):
    """Where frames go."""

    inputs = {"in": Input(Frame)}
    role = Role.WATCHING

    def step(self, now_ns: int, inputs: Inputs) -> list[Emission]:
        """Nothing: the benchmark receives in its stead."""
        del now_ns, inputs
        return []


def graph_of_two_hosts(folder: Path, edge_port: int, queue: int) -> Graph:
    """One edge from the host ``there`` to the host ``here``, which reads on ``edge_port``."""
    NODES.update(
        {kind.__name__.lower(): f"{__name__}:{kind.__name__}" for kind in (Camera, Viewer)}
    )
    path = folder / f"hosts-{edge_port}.toml"
    path.write_text(
        'robot = "ardrone"\n'
        f'[hosts.here]\naddress = "127.0.0.1"\nport = {edge_port - 1}\n'
        '[hosts.there]\naddress = "127.0.0.1"\nport = 1024\n'
        '[nodes.camera]\nclass = "camera"\nrate_hz = 100\nhost = "there"\n'
        '[nodes.viewer]\nclass = "viewer"\nhost = "here"\n'
        f'[edges]\n"camera.out -> viewer.in" = "queue({queue})"\n'
    )
    return load_graph(str(path))
