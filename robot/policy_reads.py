"""What a policy reads of a world, and whether data were seen by the same features.

A policy that sees by features reads them and what the arm feels of itself; where objects are, as a
tracker would tell, is left to those that ask for it by name.
"""

from collections.abc import Iterable
from pathlib import Path

from perception.image_features import FeaturesError, features_of
from perception.model_package import TensorSpec, read_package
from policies.data_set import DataSet
from policies.data_set_about import HASH_DIGITS
from policies.feature_data import FEATURES
from policies.offline_data import OfflineData
from policies.policy import OnnxPolicy
from policies.practice_env import PracticeEnv, spec_of
from policies.spec import PolicySpec, seeing
from robot.practice_method import Method
from sim.bench_observation import FELT

FEATURES_ENDING = features_of("")


def policy_spec(world: PracticeEnv, method: Method) -> PolicySpec:
    """Of the policy of a method in a world, not yet told its goal.

    Raises:
        PolicySpecError: it reads what is not observed.
    """
    return seeing(spec_of(world), tensors_read(world, method))


def tensors_read(world: PracticeEnv, method: Method) -> tuple[str, ...]:
    """Names of what it reads; none: all."""
    if method.sees or not method.features:
        return method.sees
    return _felt_and_seen(world.tensors)


def data_read(data: OfflineData, sees: tuple[str, ...]) -> tuple[str, ...]:
    """Names of what a policy reads of data; none: all."""
    if sees or data.seen_by is None:
        return sees
    return _felt_and_seen(data.spec.observation)


def _felt_and_seen(tensors: Iterable[TensorSpec]) -> tuple[str, ...]:
    names = [tensor.name for tensor in tensors]
    return tuple(n for n in names if n in FELT or n.endswith(FEATURES_ENDING))


def refuse_other_eye(policy: OnnxPolicy, package: str) -> None:
    """Passes if a policy learned from features of this package, or of none that is known.

    Args:
        policy: that will act.
        package: path of that of the features; empty: none.

    Raises:
        FeaturesError: it learned from those of another.
        ModelPackageError: the package of features is missing or damaged.
    """
    learned = policy.extra.get(FEATURES)
    if learned is None:
        return
    given = read_package(Path(package)).sha256 if package else ""
    if learned != given:
        what = f"{package} is {given[:HASH_DIGITS]}" if package else "none are given"
        raise FeaturesError(
            f"{policy.path} learned from features of the package {learned[:HASH_DIGITS]}, and "
            f"{what}; give --features with the package that made its data"
        )


def refuse_other_features(data: DataSet, package: str) -> None:
    """Passes if data were seen by this package, or neither by any.

    Raises:
        FeaturesError: by another one, or by none.
    """
    made_by = data.about.recipe.get(FEATURES, "")
    wanted = read_package(Path(package)).sha256 if package else ""
    if made_by == wanted:
        return
    if not wanted:
        raise FeaturesError(
            f"{data.folder} holds features of images; give the package that made them as features"
        )
    found = f"features of the package {made_by[:HASH_DIGITS]}" if made_by else "no features"
    raise FeaturesError(
        f"{data.folder} holds {found}, and {package} is {wanted[:HASH_DIGITS]}; write them anew by "
        f"'reflexarc export features DATA --package {package}'"
    )
