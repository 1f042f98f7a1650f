"""What a loop that practises needs of a world, whatever is in it.

The world knows nothing of the goal that is tried: its physics goes on when the goal changes, and at
each step it says which of its goals are reached. So a goal can be changed without a reset, which is
how a robot practises on its own.
"""

from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from firmware_bridge.axis_limits import Limits
from perception.goal import Goal
from perception.model_package import TensorSpec
from policies.observation import Observation
from policies.spec import PolicySpec, bounds_of

ACHIEVED = "achieved"  # in the info of a step: (goals,) bool, which are reached now
IRREVERSIBLE = "irreversible"  # in the info of a step: only a person can put things back
GOAL = "goal"  # in the options of a reset: the goal whose initial state is wanted


class PracticeEnv(Protocol):
    """A Gymnasium environment with several goals that never ends an episode by itself."""

    @property
    def tensors(self) -> tuple[TensorSpec, ...]:
        """The tensors that it shows, without the instruction."""
        ...

    @property
    def limits(self) -> Limits:
        """Of its robot; the axes are those of an action."""
        ...

    @property
    def rate_hz(self) -> float:
        """Steps per second of its own time."""
        ...

    @property
    def goals(self) -> tuple[Goal, ...]:
        """All that can be asked for; a goal's index is its name everywhere else."""
        ...

    @property
    def episode_steps(self) -> int:
        """How many steps an attempt usually takes at most."""
        ...

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Observation, dict[str, Any]]:
        """A person puts everything where an attempt at a goal begins.

        Args:
            seed: of the chance from here on; None goes on with what there is.
            options: `{GOAL: i}` in place of goal 0. A forward goal begins where things are not
                done, a backward goal where they are.

        Returns:
            The observation, and `{ACHIEVED: ..., IRREVERSIBLE: False}`.
        """
        ...

    def step(
        self, action: NDArray[np.float64]
    ) -> tuple[Observation, float, bool, bool, dict[str, Any]]:
        """One action (n,) in the units of the spec, as Gymnasium has it."""
        ...

    def save(self) -> Any:
        """Everything that the future depends on: what `policies.plain_state` can take apart."""
        ...

    def restore(self, state: Any) -> Any:
        """Goes back to a saved state; from there on all is as it was, to the bit."""
        ...


def spec_of(env: PracticeEnv) -> PolicySpec:
    """The spec of a policy that acts in a world and is told nothing.

    A world cannot make it: worlds do not know policies, and Gymnasium uses the name `spec`.
    """
    return PolicySpec(env.tensors, bounds_of(env.limits), env.rate_hz)
