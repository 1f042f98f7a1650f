"""Grids of practice: tasks × methods × seeds, as a file in configs/studies names them.

    task = "tabletop"
    seeds = "0-4"              # unless the command gives others
    [common]                   # of every method; each may say otherwise
    learner = "wsrl"
    [common.finetune]
    steps = 100000
    [methods.switching]
    strategy = "switching"

A cell's configuration is everything that a method resolves to, defaults included, so that a row is
refused when a default of its learner has changed since.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import msgspec

from perception.quantities import InputError
from perception.tables import ChoiceError, config_from_options, load_item
from policies.learners import LEARNERS
from policies.practice_settings import Config as FinetuneConfig
from policies.rewards import REWARDS
from policies.strategies import STRATEGIES
from robot.config import find_config, read_toml
from robot.worlds import world_row

NAME = r"^[a-z0-9_]+$"  # of methods: parts of file names


class Offline(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What is learned from demonstrations before the first step."""

    updates: int
    learner: str = ""  # empty: the learner that practises
    options: dict[str, Any] = {}


class Method(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One way to learn, from demonstrations to the last step."""

    strategy: str
    learner: str
    strategy_options: dict[str, Any] = {}
    learner_options: dict[str, Any] = {}
    reward: str = "truth"
    reward_options: dict[str, Any] = {}
    finetune: dict[str, Any] = {}  # of `policies.practice_settings.Config`
    offline: Offline | None = None
    demonstrations: int = 12  # of each direction
    demonstrations_seed: int = 0  # the same for all seeds: one set of data
    demonstrations_online: bool = False  # are the first episodes of the online buffer too
    online_capacity: int = 250_000  # transitions; the oldest give way
    final_episodes: int = 100  # of the last evaluation


class _Grid(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A file."""

    task: str
    methods: dict[str, dict[str, Any]]
    seeds: str = "0-4"
    common: dict[str, Any] = {}


@dataclass(frozen=True)
class PracticeCell:
    """One run."""

    task: str
    method: str
    seed: int

    @property
    def name(self) -> str:
        """Of its row."""
        return f"{self.task}-{self.method}-{self.seed:04d}"

    @property
    def parent(self) -> None:
        """None: runs share nothing."""
        return


class PracticeGrid(msgspec.Struct, frozen=True):
    """A file that was read and checked."""

    name: str
    task: str
    seeds: str
    methods: dict[str, Method]

    def cells(self, seeds: list[int]) -> list[PracticeCell]:
        """A seed is complete before the next begins."""
        return [PracticeCell(self.task, method, seed) for seed in seeds for method in self.methods]


def load_grid(name_or_path: str) -> PracticeGrid:
    """Reads a grid, and checks all that can be checked before a run.

    Raises:
        InputError: no such file, or something in it that is unknown or of another type.
    """
    path = find_config("studies", name_or_path)
    try:
        grid = msgspec.convert(read_toml(path), _Grid)
        methods = {
            name: msgspec.convert(_merged(grid.common, own), Method)
            for name, own in grid.methods.items()
        }
    except msgspec.ValidationError as error:
        raise InputError(f"{path}: {error}") from error
    try:
        world_row(grid.task)
    except ChoiceError as error:
        raise InputError(f"{path}: {error}") from error
    for method in methods.values():
        resolved(method)
    return PracticeGrid(path.stem, grid.task, grid.seeds, methods)


def finetune_config(method: Method) -> FinetuneConfig:
    """How the method practises."""
    return config_from_options(FinetuneConfig, method.finetune, "finetune")


def resolved(method: Method) -> dict[str, Any]:
    """All that a method is, defaults included; JSON values.

    Raises:
        InputError: a name or an option that there is not.
    """
    found = msgspec.to_builtins(method)
    found["finetune"] = asdict(finetune_config(method))
    chosen = [
        ("learner", LEARNERS, method.learner, method.learner_options, "learner_options"),
        ("strategy", STRATEGIES, method.strategy, method.strategy_options, "strategy_options"),
        ("reward", REWARDS, method.reward, method.reward_options, "reward_options"),
    ]
    for kind, table, name, options, key in chosen:
        found[key] = _resolved(kind, table, name, options)
    if method.offline is not None and method.offline.learner:
        options = method.offline.options
        found["offline"]["options"] = _resolved(
            "learner", LEARNERS, method.offline.learner, options
        )
    return found


def config_hash(task: str, method: Method) -> str:
    """Of the task and all that the method resolves to; a row's name says its seed."""
    text = json.dumps([task, world_row(task), resolved(method)], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _resolved(
    kind: str, table: Mapping[str, str], name: str, options: Mapping[str, Any]
) -> dict[str, Any]:
    config = load_item(table, kind, name).Config
    return asdict(config_from_options(config, tupled(options), f"{kind} {name}"))


def tupled(options: Mapping[str, Any]) -> dict[str, Any]:
    """Options as configs have them: TOML and JSON know lists alone."""
    return {key: tuple(v) if isinstance(v, list) else v for key, v in options.items()}


def _merged(common: Mapping[str, Any], own: Mapping[str, Any]) -> dict[str, Any]:
    """The tables of both, in which the own ones count."""
    merged = {**common, **own}
    for key, value in common.items():
        if isinstance(value, Mapping) and isinstance(own.get(key), Mapping):
            merged[key] = _merged(value, own[key])
    return merged
