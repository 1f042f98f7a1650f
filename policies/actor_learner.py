"""What every learner with a tanh-Gaussian actor does alike: act, save, load and export.

A learner adds its networks in `build` and its mathematics in `learn`. This is the only class that
learners inherit; whatever else they share are functions and parts that they hold.
"""

import hashlib
import json
import math
from dataclasses import asdict
from pathlib import Path
from typing import Any, ClassVar, NamedTuple, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from perception.model_package import ModelPackage
from perception.tables import ChoiceError
from perception.torch_threads import one_thread
from policies.checkpoint import CheckpointError, read_checkpoint, write_checkpoint
from policies.learner import Batch, Practice
from policies.networks import LARGEST_STD, Actor, sample_squashed, with_deviation
from policies.observation import Observation
from policies.observation_inputs import ObservationInputs
from policies.optimised import Optimised, Steady
from policies.policy_export import action_range, write_policy
from policies.spec import ACTION, PolicySpec

PARITY_ROWS = 8  # observations last learned from on which an export is compared


class ActorConfig(Protocol):
    """What the Config of each of these learners has."""

    @property
    def hidden(self) -> tuple[int, ...]:
        """Units of the actor's layers."""
        ...

    @property
    def actor_layer_norm(self) -> bool:
        """Whether the actor normalises its layers."""
        ...

    @property
    def waves(self) -> int:
        """That stand for each number observed: see `policies.observation_inputs`."""
        ...

    @property
    def relative(self) -> bool:
        """Whether where places are from each other is an input too."""
        ...

    @property
    def deployed_rate(self) -> float:
        """At which the weights that are deployed follow the actor; 1: they are its own."""
        ...

    @property
    def practice_noise(self) -> float:
        """Deviation before tanh of what is tried around what is deployed; 0: the actor draws."""
        ...

    @property
    def cloning_noise(self) -> float:
        """Deviation of what is added to a state where its action is cloned; 0: nothing."""
        ...

    @property
    def actor_rate(self) -> float:
        """Adam's, of the actor."""
        ...


class Part(Protocol):
    """Something with a state to save."""

    def state_dict(self) -> dict[str, Any]:
        """Plain containers of tensors and numbers."""
        ...

    def load_state_dict(self, state: dict[str, Any], /) -> Any:
        """What `state_dict` gave."""
        ...


class Transitions(NamedTuple):
    """A batch as tensors; see `policies.learner` for the meaning."""

    state: Tensor  # (B, F + D) normalised
    action: Tensor  # (B, n) in -1..1
    reward: Tensor  # (B,)
    next_state: Tensor  # (B, F + D)
    mask: Tensor  # (B,)
    mc_return: Tensor  # (B,)
    offline: Tensor  # (B,) 1 where it is from offline data, 0 where from own practice

    def parts(self, count: int) -> "list[Transitions]":
        """The batch in `count` equal parts, one after the other."""
        size = -(-len(self.state) // count)
        return [Transitions(*part) for part in zip(*(t.split(size) for t in self), strict=True)]


class ActorLearner:
    """Owns the normaliser, the actor and the chance of one learner."""

    name: ClassVar[str]  # its row of LEARNERS
    practice: Practice

    def __init__(self, spec: PolicySpec, config: Any, seed: int) -> None:
        """Equal seeds and equal batches give equal policies, to the bit, on one kind of machine.

        Args:
            spec: of the policy.
            config: the algorithm's own choices.
            seed: of weights and of all that is drawn.

        Raises:
            ChoiceError: practice_noise is no deviation that an actor has.
        """
        if not 0 <= config.practice_noise < LARGEST_STD:
            raise ChoiceError(
                f"practice_noise = {config.practice_noise}: give 0 (as the actor draws), or a "
                f"deviation below {LARGEST_STD:.2f}"
            )
        self.spec, self.config = spec, config
        self.updates = 0
        low, high = action_range(spec)
        self._centre, self._half_range = (low + high) / 2, (high - low) / 2
        self._noise = torch.Generator().manual_seed(seed)  # of updates
        self._whim = torch.Generator().manual_seed(seed + 1)  # of acting: does not disturb updates
        self._prepared = False
        self._recorded: dict[str, NDArray[Any]] = {}
        with torch.random.fork_rng():
            torch.manual_seed(seed)
            self.inputs = self.new_inputs()
            self.parts: dict[str, Part] = {"inputs": self.inputs}
            self.actor = Optimised(self._new_actor(config), config.actor_rate)
            self.parts["actor"] = self.actor
            self.steady: Steady[Actor] | None = None
            if config.deployed_rate < 1:
                self.steady = self.parts["steady"] = Steady(self.actor, config.deployed_rate)
            self.build()

    def new_inputs(self) -> Any:
        """What makes numbers of an observation: an `ObservationInputs`, or the like of it."""
        config = self.config
        return ObservationInputs(self.spec, config.waves, relative=config.relative)

    def build(self) -> None:
        """Adds further networks to `parts`; torch's own generator is seeded."""

    def learn(self, batch: Batch) -> dict[str, float]:
        """One update from a batch."""
        raise NotImplementedError

    def prepare(self, batch: Batch) -> None:
        """Fits the normaliser to the observations of a batch."""
        self.inputs.fit(batch)
        self._prepared = True

    def update(self, batch: Batch) -> dict[str, float]:
        """One update; metrics, among them `loss`."""
        if not self._prepared:
            self.prepare(batch)
        self._recorded = {t.name: batch[t.name][:PARITY_ROWS] for t in self.spec.observation}
        with one_thread():
            metrics = self.learn(batch)
        if self.steady is not None:
            self.steady.step()
        self.updates += 1
        return metrics

    def act(self, observation: Observation, explore: bool = False) -> NDArray[np.float64]:
        """The action (n,) in the units of the spec; `explore`: drawn, not the likeliest."""
        seen = self.spec.check_observation(observation)
        with torch.no_grad():
            state = self.inputs.states({name: value[np.newaxis] for name, value in seen.items()})
            mean, log_std = self.tries(state, self.practising if explore else self.deployed)
            if explore:
                mean, _ = sample_squashed(mean, log_std, self.noise(*mean.shape, acting=True))
            else:
                mean = mean.tanh()
            action = self._centre + self._half_range * mean[0]
        return self.spec.clip(action.numpy().astype(np.float64))

    @property
    def deployed(self) -> Actor:
        """What acts when nothing is explored."""
        return self.actor.module if self.steady is None else self.steady.module

    def tries(self, state: Tensor, actor: Actor | None = None) -> tuple[Tensor, Tensor]:
        """Mean and log σ before tanh, (B, n) each, of what practice draws.

        Args:
            state: (B, F + D), normalised.
            actor: whose; None: the one that learns.
        """
        mean, log_std = (actor or self.actor.module)(state)
        noise = self.config.practice_noise
        return mean, torch.full_like(log_std, math.log(noise)) if noise else log_std

    def blurred(self, state: Tensor) -> Tensor:
        """States (B, F + D) as their actions are cloned: a little beside what was observed.

        A few demonstrations are soon learned by heart, the chance in their actions too. Who has to
        give the same answer all around cannot (Bishop, doi 10.1162/neco.1995.7.1.108: noise in what
        goes in is a penalty on how fast what comes out changes).
        """
        noise, features = self.config.cloning_noise, self.inputs.features
        if not noise:
            return state
        observed, told = state.tensor_split([features], dim=1)
        return torch.cat([observed + noise * self.noise(*observed.shape), told], dim=1)

    @property
    def practising(self) -> Actor:
        """What acts while it practises."""
        return self.deployed if self.config.practice_noise else self.actor.module

    def save(self, path: Path) -> None:
        """Writes a checkpoint: see `policies.checkpoint`."""
        state = {name: part.state_dict() for name, part in self.parts.items()}
        state["learner"] = {
            "updates": self.updates,
            "prepared": self._prepared,
            "noise": self._noise.get_state(),
            "whim": self._whim.get_state(),
            "recorded": {name: torch.from_numpy(v.copy()) for name, v in self._recorded.items()},
        }
        write_checkpoint(path, self.name, self.spec, self.config, state)

    def load(self, path: Path) -> None:
        """Goes on from a checkpoint of this learner.

        Raises:
            CheckpointError: missing, damaged, or of another learner, version, spec or size.
        """
        state = read_checkpoint(path, (self.name,), self.spec)
        self.take(path, state, tuple(self.parts))
        own = state["learner"]
        self.updates, self._prepared = own["updates"], own["prepared"]
        self._noise.set_state(own["noise"])
        self._whim.set_state(own["whim"])
        self._recorded = {name: values.numpy() for name, values in own["recorded"].items()}

    def take(self, path: Path, state: dict[str, Any], names: tuple[str, ...]) -> None:
        """Loads some parts from the state of a checkpoint.

        Raises:
            CheckpointError: a part is missing or of another size.
        """
        for name in names:
            if name not in state:
                raise CheckpointError(f"{path} holds no {name}; it has {', '.join(state)}")
            try:
                self.parts[name].load_state_dict(state[name])
            except (RuntimeError, KeyError, ValueError) as error:
                reason = " ".join(str(error).split())[:200]
                raise CheckpointError(
                    f"{path}: the {name} is of another size; give the config it was trained with "
                    f"({reason})"
                ) from error

    def export(self, path: Path, *, explores: bool = False, **manifest: Any) -> ModelPackage:
        """Writes the policy as a model package, if it acts there as it does here.

        Args:
            path: of the package, ends in .onnx.
            explores: whether it draws its actions, by chance that it is given.
            manifest: further fields of the manifest, such as `calibration_hash` and `extra`.

        Raises:
            ExportParityError: the graph acts otherwise on observations last learned from.
            ModelPackageError: the package cannot be written.
        """
        count = min((len(values) for values in self._recorded.values()), default=0)
        rows = [{name: v[row] for name, v in self._recorded.items()} for row in range(count)]
        config = {"learner": self.name, **asdict(self.config)}
        manifest.setdefault(
            "training_config_hash", hashlib.sha256(json.dumps(config).encode()).hexdigest()
        )
        with one_thread():
            return write_policy(
                path,
                self.spec,
                self.inputs,
                self._explorer() if explores else self.deployed,
                rows,
                explores=explores,
                **manifest,
            )

    def _explorer(self) -> Actor:
        """What acts while it practises, with the deviation that is drawn with."""
        noise = self.config.practice_noise
        return with_deviation(self.practising, noise) if noise else self.practising

    def noise(self, *shape: int, acting: bool = False) -> Tensor:
        """Standard normal numbers."""
        return torch.randn(*shape, generator=self._whim if acting else self._noise)

    def uniform(self, *shape: int) -> Tensor:
        """Numbers in -1..1, each as likely."""
        return torch.rand(*shape, generator=self._noise).mul_(2).sub_(1)

    def integers(self, low: int, high: int, *shape: int) -> Tensor:
        """Whole numbers from `low` to `high`, each as likely."""
        return torch.randint(low, high + 1, shape, generator=self._noise)

    def unit_actions(self, batch: Batch) -> Tensor:
        """(B, n) of a batch, from the units of the spec to -1..1."""
        action = torch.from_numpy(np.asarray(batch[ACTION], np.float32))
        return (action - self._centre) / self._half_range

    def transitions(
        self, batch: Batch, state: Tensor | None = None, after: Tensor | None = None
    ) -> Transitions:
        """The whole batch as tensors; `state` and `after` where they were made already."""
        action = self.unit_actions(batch)
        return Transitions(
            self.inputs.states(batch) if state is None else state,
            action,
            torch.from_numpy(batch["reward"]),
            self.inputs.states(batch, "next_") if after is None else after,
            torch.from_numpy(batch["mask"]),
            torch.from_numpy(batch["mc_return"]),
            torch.from_numpy(batch["offline"]) if "offline" in batch else torch.ones(len(action)),
        )

    def _new_actor(self, config: ActorConfig) -> Actor:
        return Actor(
            self.inputs.features,
            self.inputs.instruction,
            len(self.spec.action),
            config.hidden,
            layer_norm=config.actor_layer_norm,
        )
