"""One way to learn by practice, whole: data, learner, strategy, reward, and how long.

A method resolves to everything that it is, defaults included, so that a result is refused when a
default of its learner has changed since, and so that a run says beside its policy what it was.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import msgspec

from perception.model_package import read_package
from perception.quantities import InputError
from perception.tables import config_from_options, load_item
from policies.data_set import DataSet
from policies.data_set_about import hash_of
from policies.learners import LEARNERS
from policies.practice_settings import Config as FinetuneConfig
from policies.rewards import REWARDS
from policies.strategies import STRATEGIES
from robot.recipes import load_recipe
from robot.worlds import world_row


class Offline(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What is learned from data before the first step."""

    updates: int
    learner: str = ""  # empty: the learner that practises
    options: dict[str, Any] = {}

    def __post_init__(self) -> None:
        """Refuses a number of updates that is none, and options of nobody."""
        if self.updates < 0:
            raise InputError(f"offline.updates = {self.updates}: give 0 or more")
        if self.options and not self.learner:
            raise InputError("offline.options are those of offline.learner; name one")


class Method(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One way to learn, from data to the last step."""

    strategy: str
    learner: str
    strategy_options: dict[str, Any] = {}
    learner_options: dict[str, Any] = {}
    reward: str = "truth"
    reward_options: dict[str, Any] = {}
    finetune: dict[str, Any] = {}  # of `policies.practice_settings.Config`
    offline: Offline | None = None
    data: tuple[str, ...] = ()  # recipes in configs/data, or .toml files; one set for all seeds
    folders: tuple[str, ...] = ()  # of data sets that are there, or that stages of the grid make
    sees: tuple[str, ...] = ()  # tensors that the policy reads; none: all that are observed
    features: str = ""  # package by which it sees: then it reads features and no object's place
    start: str = ""  # checkpoint of train policy to go on from; empty: new weights
    data_online: bool = False  # the episodes of the task are the first of the online buffer too
    online_capacity: int = 250_000  # transitions; the oldest give way
    final_episodes: int = 100  # of the last evaluation
    final_backward_episodes: int = 0  # likewise, of the goals that undo
    elsewhere: dict[str, dict[str, Any]] = {}  # other worlds for the last policy: options by name
    elsewhere_episodes: int = 50  # attempts there, in each direction


def finetune_config(method: Method) -> FinetuneConfig:
    """How the method practises.

    Raises:
        InputError: an option that there is not, or a number that is too small.
    """
    return config_from_options(FinetuneConfig, method.finetune, "finetune")


def resolved(method: Method) -> dict[str, Any]:
    """All that a method is, defaults and recipes included; JSON values.

    Raises:
        InputError: a name or an option that there is not.
    """
    found = msgspec.to_builtins(method)
    found["finetune"] = asdict(finetune_config(method))
    if method.features:
        found["features"] = read_package(Path(method.features)).sha256
    found["folders"] = [DataSet(Path(one)).about.recipe_sha256 for one in method.folders]
    if method.start:
        found["start"] = _sha256_of(Path(method.start))
    if not method.elsewhere:
        del found["elsewhere_episodes"]
    for young in ("features", "folders", "start", "final_backward_episodes", "elsewhere"):
        if not found[young]:
            del found[young]  # a method is what it was before there were any
    found["data"] = {name: hash_of(load_recipe(name).to_json()) for name in method.data}
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


def _sha256_of(path: Path) -> str:
    try:
        return hashlib.sha256(path.read_bytes()).hexdigest()
    except OSError as error:
        raise InputError(f"start = {str(path)!r}: it cannot be read: {error.strerror}") from error


def tupled(options: Mapping[str, Any]) -> dict[str, Any]:
    """Options as configs have them: TOML and JSON know lists alone."""
    return {key: tuple(v) if isinstance(v, list) else v for key, v in options.items()}


def _resolved(
    kind: str, table: Mapping[str, str], name: str, options: Mapping[str, Any]
) -> dict[str, Any]:
    config = load_item(table, kind, name).Config
    return asdict(config_from_options(config, tupled(options), f"{kind} {name}"))
