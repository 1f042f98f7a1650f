"""Transitions to learn from: a ring of flat arrays with the return of each step.

    episode         s0 --a0--> s1 --a1--> s2 --a2--> s3        T = 3 steps, T + 1 observations
    <name>          s0         s1         s2
    next_<name>     s1         s2         s3
    action          a0         a1         a2
    reward          -1         -1         0                    0 where the goal is reached
    mask            1          1          0                    0: a success ends it, nothing follows
    mc_return       -1 - γ     -1         0

The return-to-go of a step k steps before the first success is -(1 - γ^k) / (1 - γ). An episode that
ends without success would have failed for ever: what follows its last step counts as
r_failure / (1 - γ), so each step of one that never succeeds has that same return, not a sum that
stops where the clock did (the sparse-reward rule of Cal-QL, Nakamoto et al., arXiv 2303.05479).

Instructions are few and long, so each is kept once and a transition holds its number.
"""

import json
import os
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import numpy as np
from numpy.typing import ArrayLike, NDArray

from perception.quantities import InputError
from policies.observation import Observation
from policies.returns import returns_to_go
from policies.spec import ACTION, INSTRUCTION, PolicySpec, fixed_shape

FORMAT_VERSION = 1
NEXT = "next_"
REWARD, MASK, MC_RETURN, OFFLINE = "reward", "mask", "mc_return", "offline"
META = "meta"  # name of the JSON text in a file
UNKNOWN_RETURN = -np.inf  # of a step whose episode is not over: bounds nothing from below


class ReplayBufferError(InputError):
    """Transitions that do not fit the buffer, or a file that is not one."""


class ReplayBuffer:
    """A ring that holds the newest transitions."""

    def __init__(
        self,
        spec: PolicySpec,
        capacity: int,
        seed: int = 0,
        *,
        discount: float = 0.99,
        failure_reward: float = -1.0,
    ) -> None:
        """An empty buffer.

        Args:
            spec: of the policy that learns from it, with "instruction" if it reads one.
            capacity: transitions; the oldest give way.
            seed: of what is drawn.
            discount: γ of the returns.
            failure_reward: of a step at which the goal is not reached.
        """
        if capacity < 1:
            raise ReplayBufferError(f"a buffer of {capacity} transitions holds nothing; give 1..")
        self.spec, self.capacity = spec, capacity
        self.discount, self.failure_reward = discount, failure_reward
        self._rng = np.random.default_rng(seed)
        self._columns = _empty_columns(spec, capacity)
        self._instructions: list[NDArray[np.float32]] = []
        self._numbers: dict[bytes, int] = {}  # of the instructions, by their bytes
        self._added = 0  # transitions ever
        self._ended = 0  # of these, in episodes that are over

    def __len__(self) -> int:
        return min(self._added, self.capacity)

    def add(
        self,
        observation: Observation,
        action: ArrayLike,
        reward: float,
        next_observation: Observation,
        success: bool,
    ) -> None:
        """Takes one step of an episode that goes on; its return is known at `end_episode`.

        Args:
            observation: before the step, with the tensors of the spec.
            action: (n,) in the units of the spec.
            reward: of the step.
            next_observation: after it.
            success: the goal was reached, so nothing follows.

        Raises:
            PolicySpecError: an observation that is not of the spec.
        """
        row = self._added % self.capacity
        now = self.spec.check_observation(observation)
        after = self.spec.check_observation(next_observation)
        for name in now:
            if name == INSTRUCTION:
                self._columns[name][row] = self._number(now[name])
            else:
                self._columns[name][row] = now[name]
                self._columns[NEXT + name][row] = after[name]
        self._columns[ACTION][row] = action
        self._columns[REWARD][row] = reward
        self._columns[MASK][row] = not success
        self._columns[MC_RETURN][row] = UNKNOWN_RETURN
        self._added += 1
        self._ended = max(self._ended, self._added - self.capacity)

    def end_episode(self) -> None:
        """Success or the clock ended it: gives the steps since the last end their returns."""
        rows = np.arange(self._ended, self._added) % self.capacity
        self._columns[MC_RETURN][rows] = returns_to_go(
            self._columns[REWARD][rows],
            self._columns[MASK][rows],
            self.discount,
            self.failure_reward,
        )
        self._ended = self._added

    def add_episode(
        self,
        observation: Mapping[str, NDArray[Any]],
        action: NDArray[np.floating],
        reward: NDArray[np.floating],
        success: NDArray[np.bool_],
        instruction: NDArray[np.float32] | None = None,
    ) -> None:
        """Takes a whole episode.

        Args:
            observation: tensors (T + 1, ...) by name.
            action: (T, n) in the units of the spec.
            reward: (T,) of each step.
            success: (T,) the goal was reached by that step.
            instruction: (D,) of the whole episode, unless `observation` holds it.

        Raises:
            ReplayBufferError: lengths that do not fit.
            PolicySpecError: an observation that is not of the spec.
        """
        steps = len(action)
        if instruction is not None:
            whole = np.broadcast_to(np.float32(instruction), (steps + 1, len(instruction)))
            observation = {**observation, INSTRUCTION: whole}
        lengths = {name: len(values) - 1 for name, values in observation.items()}
        lengths |= {REWARD: len(reward), "success": len(success)}
        if wrong := [f"{name} {length}" for name, length in lengths.items() if length != steps]:
            raise ReplayBufferError(
                f"an episode of {steps} actions has T + 1 observations and T rewards; "
                f"steps found: {', '.join(wrong)}"
            )
        self.end_episode()
        for t in range(steps):
            now, after = ({n: v[k] for n, v in observation.items()} for k in (t, t + 1))
            self.add(now, action[t], reward[t], after, bool(success[t]))
        self.end_episode()

    def sample(self, count: int) -> dict[str, NDArray[Any]]:
        """A batch of `count` random transitions, with replacement (see `policies.learner`).

        Raises:
            ReplayBufferError: the buffer is empty.
        """
        if not self._added:
            raise ReplayBufferError("the buffer is empty: add an episode before sampling")
        return self.rows(self._rng.integers(len(self), size=count))

    def rows(self, rows: NDArray[np.integer]) -> dict[str, NDArray[Any]]:
        """The transitions at these places (N,) of the ring."""
        batch = {name: column[rows] for name, column in self._columns.items()}
        if INSTRUCTION in batch:
            batch[INSTRUCTION] = np.stack(self._instructions)[batch[INSTRUCTION]]
            batch[NEXT + INSTRUCTION] = batch[INSTRUCTION]
        return batch

    def save(self, path: Path) -> None:
        """Writes everything, whole or not at all: a buffer that is loaded draws what this would."""
        meta = {
            "format_version": FORMAT_VERSION,
            "capacity": self.capacity,
            "discount": self.discount,
            "failure_reward": self.failure_reward,
            "added": self._added,
            "ended": self._ended,
            "rng": self._rng.bit_generator.state,
        }
        arrays = {f"column/{name}": values[: len(self)] for name, values in self._columns.items()}
        arrays["instructions"] = np.array(self._instructions, np.float32)
        arrays[META] = np.array(json.dumps(meta))
        descriptor, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
        try:
            with os.fdopen(descriptor, "wb") as file:
                np.savez(file, allow_pickle=False, **arrays)
            Path(temporary).replace(path)
        except BaseException:
            Path(temporary).unlink(missing_ok=True)
            raise

    @classmethod
    def load(cls, path: Path, spec: PolicySpec) -> "ReplayBuffer":
        """The buffer that was saved.

        Raises:
            ReplayBufferError: missing, damaged, of another version, or not of this spec.
        """
        try:
            with path.open("rb") as stream:  # numpy leaves a damaged file open
                arrays = dict(np.load(stream, allow_pickle=False))
            meta = json.loads(str(arrays.pop(META)))
            if meta["format_version"] != FORMAT_VERSION:
                raise ReplayBufferError(
                    f"{path} has format {meta['format_version']}; this version reads "
                    f"{FORMAT_VERSION}: collect again"
                )
            buffer = cls(
                spec,
                meta["capacity"],
                discount=meta["discount"],
                failure_reward=meta["failure_reward"],
            )
            buffer._rng.bit_generator.state = meta["rng"]
            buffer._added, buffer._ended = meta["added"], meta["ended"]
            for vector in arrays.pop("instructions"):
                buffer._number(vector)
        except (OSError, EOFError, KeyError, TypeError, ValueError, BadZipFile) as error:
            if isinstance(error, ReplayBufferError):
                raise
            raise ReplayBufferError(f"cannot read {path} as a replay buffer: {error}") from error
        buffer._fill(path, {n.removeprefix("column/"): values for n, values in arrays.items()})
        return buffer

    def _fill(self, path: Path, columns: Mapping[str, NDArray[Any]]) -> None:
        for name, column in self._columns.items():
            found = columns.get(name)
            kept = column[: len(self)]
            if found is None or found.shape != kept.shape or found.dtype != kept.dtype:
                raise ReplayBufferError(
                    f"{path} is of another spec: {name!r} should be {kept.dtype} {kept.shape}"
                )
            kept[:] = found
        if unknown := sorted(set(columns) - set(self._columns)):
            raise ReplayBufferError(
                f"{path} is of another spec: it holds {', '.join(unknown)}, which this policy "
                "does not read"
            )

    def _number(self, instruction: NDArray[np.float32]) -> int:
        key = instruction.tobytes()
        if key not in self._numbers:
            self._numbers[key] = len(self._instructions)
            self._instructions.append(np.array(instruction, np.float32))
        return self._numbers[key]


def batch_from(
    offline: ReplayBuffer | None, online: ReplayBuffer, count: int, offline_share: float
) -> dict[str, NDArray[Any]]:
    """A batch for an update while practising; all of it is practice where data have no share."""
    if offline is None or not offline_share:
        return {**online.sample(count), OFFLINE: np.zeros(count, np.float32)}
    return sample_mixed(offline, online, count, offline_share)


def sample_mixed(
    offline: ReplayBuffer, online: ReplayBuffer, count: int, offline_share: float = 0.5
) -> dict[str, NDArray[Any]]:
    """A batch of which `offline_share` is from the first buffer, spread evenly over its rows.

    So a batch that a learner splits is still mixed in every part (symmetric sampling of
    RLPD, Ball et al., arXiv 2302.02948). An empty online buffer leaves all to the offline one.
    """
    from_offline = count if not len(online) else round(count * offline_share)
    order = _interleaved(from_offline, count)
    parts = [
        {**buffer.sample(rows), OFFLINE: np.full(rows, buffer is offline, np.float32)}
        for buffer, rows in ((offline, from_offline), (online, count - from_offline))
        if rows
    ]
    return {name: np.concatenate([part[name] for part in parts])[order] for name in parts[0]}


def _interleaved(first: int, count: int) -> NDArray[np.intp]:
    """Places (count,) in a list of `first` rows and then the others, mixed evenly."""
    sizes = (first, count - first)
    places = np.concatenate([(np.arange(size) + 0.5) / max(size, 1) for size in sizes])
    return np.argsort(places, kind="stable")


def _empty_columns(spec: PolicySpec, capacity: int) -> dict[str, NDArray[Any]]:
    columns: dict[str, NDArray[Any]] = {}
    for tensor in spec.observation:
        if tensor.name == INSTRUCTION:
            columns[tensor.name] = np.zeros(capacity, np.int32)
            continue
        for name in (tensor.name, NEXT + tensor.name):
            columns[name] = np.zeros((capacity, *fixed_shape(tensor)), tensor.dtype)
    columns[ACTION] = np.zeros((capacity, len(spec.action)), np.float32)
    for name in (REWARD, MASK, MC_RETURN):
        columns[name] = np.zeros(capacity, np.float32)
    return columns
