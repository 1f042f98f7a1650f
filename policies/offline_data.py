"""Data sets as what an offline phase learns from: one buffer, one spec, and what its words mean.

Several data sets serve together, such as demonstrations of a task and prior data of others; they
must be of one robot and one spec, and their vectors made by one encoder.
"""

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from policies.data_set import DataSet
from policies.data_set_about import HASH_DIGITS, DataSetError
from policies.episodes import SUCCESS, Episode
from policies.feature_data import FEATURES
from policies.replay_buffer import ReplayBuffer
from policies.spec import PolicySpec, seeing, with_instruction
from policies.spec_difference import spec_difference


class OfflineData(NamedTuple):
    """Data sets that fit each other."""

    sets: tuple[DataSet, ...]
    spec: PolicySpec  # of a policy that learns from them; it is told its goal
    encoder: str
    instructions: dict[str, list[float]]  # vector by text, of all sets

    def buffer(self, discount: float, seed: int, *, failures: bool = True) -> ReplayBuffer:
        """All transitions, in a ring that they just fill.

        Args:
            discount: γ of the returns to go.
            seed: of what is drawn from the buffer.
            failures: whether episodes without success are in it.

        Raises:
            DataSetError: no episode is left, or one is not of its data set.
            EpisodeError: a file is damaged.
        """
        every = [one.until_success() for one in self.episodes(failures=failures)]
        if not every:
            names = ", ".join(str(data.folder) for data in self.sets)
            raise DataSetError(f"{names}: no episode succeeded, so there is nothing to imitate")
        steps = sum(len(one) for one in every)
        buffer = ReplayBuffer(self.spec, steps, seed, discount=discount)
        self.add(buffer, every)
        return buffer

    def episodes(self, *, failures: bool = True) -> Iterator[Episode]:
        """Those of all sets, one set after the other; raises as `buffer`."""
        for data in self.sets:
            yield from data.episodes(success=None if failures else True)

    def add(self, buffer: ReplayBuffer, episodes: Iterable[Episode]) -> None:
        """Puts episodes of these sets, until their success, into a buffer of this spec."""
        for one in map(Episode.until_success, episodes):
            buffer.add_episode(
                one.observation,
                one.action,
                one.reward,
                one.reward == SUCCESS,  # as the reward source said, not as the truth is
                np.array(self.instructions[one.about.instruction], np.float32),
            )

    @property
    def seen_by(self) -> str | None:
        """Hash of the package whose features they hold; None: they hold none."""
        return self.sets[0].about.recipe.get(FEATURES)

    def seeing(self, names: tuple[str, ...]) -> "OfflineData":
        """The same for a policy that reads these tensors alone; none: all.

        Raises:
            PolicySpecError: a tensor that is not in them.
        """
        return self._replace(spec=seeing(self.spec, names))

    def described(self) -> dict[str, Any]:
        """Where a policy comes from and what it understands, for the manifest of its package."""
        return {
            "data": [
                {
                    "recipe_sha256": data.about.recipe_sha256,
                    "episodes": len(data),
                    "tasks": [*data.about.tasks],
                }
                for data in self.sets
            ],
            **({} if self.seen_by is None else {FEATURES: self.seen_by}),
            "robot": self.sets[0].about.robot.name,
            "encoder": self.encoder,
            "instructions": self.instructions,
        }


def open_offline(folders: Sequence[Path]) -> OfflineData:
    """Data sets to learn from together.

    Raises:
        DataSetError: one is none or empty, or two do not fit; the line names the difference.
    """
    sets = tuple(DataSet(folder) for folder in folders)
    for data in sets:
        data.require_episodes()
        if misfit := _misfit(data, sets[0]):
            raise DataSetError(f"{data.folder} has {misfit} as in {sets[0].folder}")
    about = sets[0].about
    vectors = {text: vector for data in sets for text, vector in data.about.instructions.items()}
    size = len(next(iter(vectors.values())))
    return OfflineData(sets, with_instruction(about.spec, size), about.encoder, vectors)


def _misfit(data: DataSet, first: DataSet) -> str | None:
    found, wanted = data.about, first.about
    if found.robot.name != wanted.robot.name:
        return f"the robot {found.robot.name!r} and not {wanted.robot.name!r}"
    if found.robot != wanted.robot:
        return f"other limits of the robot {found.robot.name!r} and not those"
    if found.encoder != wanted.encoder:
        return f"vectors of the encoder {found.encoder!r} and not {wanted.encoder!r}"
    seen_by = [about.recipe.get(FEATURES, "none")[:HASH_DIGITS] for about in (found, wanted)]
    if seen_by[0] != seen_by[1]:
        return f"features of the package {seen_by[0]} and not {seen_by[1]}"
    return spec_difference(found.spec, wanted.spec)
