"""What an algorithm that learns a policy looks like from outside, and how one is chosen by name.

Data flow as one flat dict of arrays: a batch holds the tensors of `spec.observation`, each with a
leading batch axis, and the action under the reserved key `policies.spec.ACTION`.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from perception.tables import config_from_options, load_item
from policies.learners import LEARNERS
from policies.observation import Observation
from policies.spec import PolicySpec

Batch = Mapping[str, NDArray[np.float32]]


class Learner(Protocol):
    """Owns the networks and optimisers of one policy."""

    spec: PolicySpec

    def update(self, batch: Batch) -> dict[str, float]:
        """One step of learning; returns its metrics, among them `loss`."""
        ...

    def act(self, observation: Observation) -> NDArray[np.float64]:
        """The action (n,) of what is learned so far."""
        ...

    def export(self, path: Path, **manifest: Any) -> None:
        """Writes the policy as a model package; `manifest` are further fields of the manifest."""
        ...


def make_learner(
    name: str, spec: PolicySpec, options: Mapping[str, Any] | None = None, seed: int = 0
) -> Learner:
    """The learner `name` of the table for a policy of this spec, with `options` of its `Config`.

    Raises:
        ChoiceError: a name that is not in the table, or an option that the learner does not have.
    """
    learner = load_item(LEARNERS, "learner", name)
    config = config_from_options(learner.Config, options or {}, f"learner {name}")
    return learner(spec, config, seed)
