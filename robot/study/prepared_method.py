"""A method of a grid with stages: what it is before they ran, and what it has become after.

Its hash is that of what was asked for (commands, not files), so whether a run has a row is known
where nothing was made. What came of the commands stands in the row: the sha256 of each package.
"""

import hashlib
import json
from typing import Any, NamedTuple

import msgspec

from perception.model_package import read_package
from perception.quantities import InputError
from perception.reward_bound import LIMIT
from perception.reward_package import about_of
from robot.practice_method import Method, resolved
from robot.study.stages import Stages, places, replaced
from robot.worlds import world_row

UNPROVED = "unproved"


class Ready(NamedTuple):
    """A method whose packages and data are there."""

    method: Method
    config_hash: str
    prepared: dict[str, Any] = {}  # by stage: what it was made from, and its packages


def placed(method: Method) -> dict[str, Any]:
    """The values of a method that stand on stages."""
    built = msgspec.to_builtins(method)
    return {key: value for key, value in built.items() if places(value)}


def unplaced(method: Method) -> Method:
    """The same without them: all that can be checked before anything was made.

    Raises:
        InputError: it names a folder where none is meant, such as among recipes.
    """
    values = placed(method)
    if wrong := set(values) - {"features", "folders", "start", "reward_options"}:
        raise InputError(
            f"{min(wrong)} = {values[min(wrong)]!r}: folders of stages stand in features, folders, "
            "start and reward_options alone"
        )
    options = {key: one for key, one in method.reward_options.items() if not places(one)}
    bare: dict[str, Any] = {"features": "", "folders": (), "start": "", "reward_options": options}
    return msgspec.structs.replace(method, **{key: bare[key] for key in values})


def prepared_hash(method: Method, stages: Stages) -> str:
    """Of the task and all that the method is to be made from."""
    tokens = {name: stages.token(name) for name in stages.needed(placed(method))}
    standing = replaced(placed(method), lambda text: _with(text, tokens))
    table = [stages.task, world_row(stages.task), resolved(unplaced(method)), standing]
    return hashlib.sha256(json.dumps(table, sort_keys=True).encode()).hexdigest()[:16]


def ready_method(method: Method, stages: Stages) -> Method:
    """The method with folders and packages in their places; its stages were made.

    Raises:
        InputError: a package that is missing or damaged.
    """
    filled = msgspec.convert(replaced(msgspec.to_builtins(method), stages.filled), Method)
    package = filled.reward_options.get("package")
    if not package:
        return filled
    options = {**filled.reward_options, "sha256": read_package(package).sha256}
    return msgspec.structs.replace(filled, reward_options=options)


def refuse_unproved(name: str, method: Method) -> None:
    """Passes if a reward proves what is usual, or the method's name says that it does not.

    Raises:
        InputError: a package that was proved for more than `LIMIT`.
    """
    package = method.reward_options.get("package")
    if not package or UNPROVED in name:
        return
    bound = about_of(read_package(package)).bound
    if bound is not None and bound.limit > LIMIT:
        raise InputError(
            f"{package} promises {100 * bound.limit:g} % in place of {100 * LIMIT:g} %; prove it "
            f"with fewer, or call the method {name}_{UNPROVED}"
        )


def _with(text: str, tokens: dict[str, str]) -> str:
    for name, token in tokens.items():
        text = text.replace(f"{{{name}}}", token)
    return text
