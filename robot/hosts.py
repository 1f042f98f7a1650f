"""The hosts of a graph that runs on several: where each is found, and on which port each edge is.

    [hosts.base]                 the first one begins and ends the run
    address = "10.0.0.2"
    port = 5600                  the other hosts call here; the edges are on the ports behind it

Ports are fixed by the graph file alone, so a host needs to ask nobody where to connect.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from perception.quantities import InputError
from robot.config import refuse_unknown, to_config
from robot.keys import NAME

DEFAULT_PORT = 5600
MAX_PORT = 65_535


@dataclass(frozen=True)
class HostSpec:
    """One host of a graph."""

    name: str
    """Also the name that its public key is trusted under."""
    address: str
    """An IP address or a name that the others can reach, and that it can listen on."""
    port: int = DEFAULT_PORT
    """Its first port."""

    def link_address(self) -> str:
        """Where it is called by the other hosts."""
        return self._tcp(self.port)

    def edge_address(self, index: int) -> str:
        """Where it reads the graph's ``index``-th edge."""
        return self._tcp(self.port + 1 + index)

    def _tcp(self, port: int) -> str:
        host = f"[{self.address}]" if ":" in self.address else self.address
        return f"tcp://{host}:{port}"


def parse_hosts(path: Path, table: Any) -> dict[str, HostSpec]:
    """The ``[hosts]`` table of a graph, in its order.

    Raises:
        InputError: a host without an address, an unknown key, or a name or port that cannot be.
    """
    if not isinstance(table, Mapping):
        raise InputError(f"{path}: 'hosts' must be tables: write [hosts.NAME]")
    hosts = {}
    for name, entry in table.items():
        where = f"{path}: host {name!r}"
        if not isinstance(entry, Mapping):
            raise InputError(f"{where} must be a table: write [hosts.{name}]")
        refuse_unknown(where, entry, ("address", "port"))
        if not NAME.fullmatch(name):
            raise InputError(f"{where}: use a-z, 0-9, _ and -, beginning with a letter")
        host = to_config(where, {**entry, "name": name}, HostSpec)
        if not host.address or set(host.address) & set(" /*;@\0"):
            raise InputError(f"{where}: address {host.address!r} must be an IP address or a name")
        if not 1024 <= host.port <= MAX_PORT:
            raise InputError(f"{where}: port {host.port} must be 1024 to {MAX_PORT}")
        hosts[name] = host
    if len(hosts) == 1:
        raise InputError(f"{path}: one host alone needs no [hosts]; name two or leave them out")
    return hosts
