"""What flies a robot: hand-written or learned, behind one interface.

`act` is called once per observation, at `spec.rate_hz`. Nothing here knows where observations come
from, nor who limits the actions.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from firmware_bridge.axis_limits import Limits
from perception.model_package import read_package
from perception.quantities import InputError
from perception.tables import config_from_options, load_item
from policies.observation import Observation
from policies.pilots import PILOTS
from policies.spec import ACTION, PolicySpec

PACKAGE = ".onnx"  # how the path of a package ends


class PolicyNameError(InputError):
    """Neither a pilot nor a model package."""


class Policy(Protocol):
    """Maps an observation to an action."""

    spec: PolicySpec

    def reset(self, rng: np.random.Generator) -> None:
        """Begins a flight: forgets the one before; all its chance comes from `rng`."""
        ...

    def act(self, observation: Observation) -> NDArray[np.float64]:
        """The action for the newest observation, (n,) in the units of `spec.action`."""
        ...


class OnnxPolicy:
    """A learned policy: an ONNX package whose manifest is its spec."""

    def __init__(self, path: Path) -> None:
        """Opens a package.

        Raises:
            InputError: the package is missing, damaged, or not of a policy.
        """
        package = read_package(path)
        self.path, self.sha256 = path, package.sha256
        self.spec = PolicySpec.from_manifest(package.manifest)
        self.extra = package.manifest.extra
        self._model = package.model

    def reset(self, rng: np.random.Generator) -> None:
        """Nothing: the graph has no state."""

    def act(self, observation: Observation) -> NDArray[np.float64]:
        """Runs the graph; normaliser and bounds are inside it."""
        inputs = self.spec.check_observation(observation)
        return self._model.infer(inputs)[ACTION].astype(np.float64)


def make_policy(
    name_or_path: str,
    limits: Limits,
    rate_hz: float,
    options: Mapping[str, Any] | None = None,
) -> Policy:
    """A pilot of the table, or the policy of a package, fit for this robot.

    Args:
        name_or_path: a row of PILOTS, or a path that ends in .onnx.
        limits: of the robot that will fly it.
        rate_hz: how often it will act.
        options: in place of the defaults of a pilot's `Config`; a package has none.

    Raises:
        PolicyNameError: neither a pilot nor a package.
        ChoiceError: an option that the pilot does not have.
        PolicySpecError: a package made for another robot or another rate.
    """
    options = options or {}
    if name_or_path.endswith(PACKAGE):
        if options:
            raise PolicyNameError(f"{name_or_path} is a package and takes no options: {[*options]}")
        policy = OnnxPolicy(Path(name_or_path))
        policy.spec.check_compatible(limits.axes, rate_hz)
        return policy
    if name_or_path not in PILOTS:
        raise PolicyNameError(
            f"{name_or_path!r} is no policy: give a pilot ({', '.join(sorted(PILOTS))}) "
            "or the path of a package that ends in .onnx"
        )
    pilot = load_item(PILOTS, "pilot", name_or_path)
    config = config_from_options(pilot.Config, options, f"pilot {name_or_path}")
    return pilot(config, limits, rate_hz)
