"""The tables of a graph file, completed by those of the graph that it extends."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from perception.quantities import InputError
from robot.config import find_config, read_toml, refuse_unknown

GRAPH_KEYS = ("description", "extends", "robot", "hosts", "nodes", "edges")


def read_graph(path: Path) -> dict[str, Any]:
    """The tables of a graph file, whole.

    `extends` names another graph, or its file. What the file says itself comes first. A node's
    table that names a class stands for the other graph's node of that name as a whole; one without
    a class changes single parameters of it. An edge is added, or gets another policy.

    Raises:
        InputError: unreadable, no TOML, a key that graphs do not have, a part that is missing, or
            graphs that extend each other in a circle.
    """
    layers, seen = list[dict[str, Any]](), list[Path]()
    following: Path | None = path
    while following is not None:
        if following in seen:
            circle = " -> ".join(each.stem for each in (*seen, following))
            raise InputError(f"{path}: graphs extend each other in a circle: {circle}")
        seen.append(following)
        tables = read_toml(following)
        refuse_unknown(str(following), tables, GRAPH_KEYS)
        name = tables.pop("extends", None)
        if name is not None and not isinstance(name, str):
            raise InputError(f"{following}: extends = {name!r} must be the name of a graph")
        layers.append(tables)
        following = None if name is None else find_config("graphs", name)
    whole = layers.pop()
    refuse_incomplete(seen[-1], whole)
    while layers:
        whole = _extended(whole, layers.pop())
        refuse_incomplete(path, whole)
    return whole


def refuse_incomplete(path: Path, tables: Mapping[str, Any]) -> None:
    """Raises an InputError for the first part of a graph that is not there, or is no table."""
    for key in ("robot", "nodes", "edges"):
        if key not in tables:
            raise InputError(f"{path}: {key!r} is missing; a graph has: {', '.join(GRAPH_KEYS)}")
        if key != "robot" and not isinstance(tables[key], dict):
            raise InputError(f"{path}: {key!r} must be a table: write [{key}]")


def _extended(base: Mapping[str, Any], tables: Mapping[str, Any]) -> dict[str, Any]:
    """A whole graph's tables with those of one that extends it laid over them."""
    whole = {**base, **tables}
    for key in ("nodes", "edges"):
        own = tables.get(key, {})
        if isinstance(own, dict):
            whole[key] = {**base[key], **own}
    for name, own in whole["nodes"].items() if isinstance(whole["nodes"], dict) else ():
        below = base["nodes"].get(name)
        if isinstance(own, dict) and isinstance(below, dict) and "class" not in own:
            whole["nodes"][name] = {**below, **own}
    return whole
