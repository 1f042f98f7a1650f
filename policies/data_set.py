"""A folder of episodes that belong together: of one robot and one spec, made by one recipe.

    dataset.json           what the episodes are, written before the first of them
    episode-000000.npz     policies/episodes.py
    episode-000001.npz

A file per episode, because whatever kills a writer then costs one episode and needs no repair. One
writer at a time: it holds a lock on the folder that the kernel lets go when it dies.
"""

import fcntl
import os
import re
from collections.abc import Iterator
from pathlib import Path

import msgspec

from perception.atomic_file import write_atomically
from perception.goal import Direction
from policies.data_set_about import (
    ABOUT_FILE,
    DataSetAbout,
    DataSetError,
    goals_text,
    read_data_set_about,
)
from policies.episodes import Episode, EpisodeAbout, read_about, read_episode, write_episode
from policies.spec import PolicySpec, fixed_shape


class DataSet:
    """A data set to read; its files are read when they are asked for."""

    def __init__(self, folder: Path) -> None:
        """Reads what it is.

        Raises:
            DataSetError: no such folder, no data set, one of another version, or malformed.
        """
        self.folder = folder
        self.about = read_data_set_about(folder)

    @property
    def paths(self) -> list[Path]:
        """Of its episodes, in their order."""
        return sorted(path for path in self.folder.glob("episode-*.npz") if number_of(path) >= 0)

    def __len__(self) -> int:
        """Number of episodes."""
        return len(self.paths)

    def __iter__(self) -> Iterator[Episode]:
        """All episodes; raises an InputError at the first that cannot be read or does not fit."""
        return self.episodes()

    def episodes(
        self,
        task: str | None = None,
        goal: int | None = None,
        direction: Direction | None = None,
        success: bool | None = None,
    ) -> Iterator[Episode]:
        """Those that meet every condition given, in their order.

        Raises:
            EpisodeError: a file is damaged.
            DataSetError: an episode is not of this data set.
        """
        for path in self.paths:
            about = read_about(path)
            given = (task, goal, direction, success)
            found = (about.task, about.goal, about.direction, about.ended == "success")
            if all(want in (None, has) for want, has in zip(given, found, strict=True)):
                yield self._checked(path, read_episode(path))

    def abouts(self) -> list[EpisodeAbout]:
        """The words of all episodes, without their arrays."""
        return [read_about(path) for path in self.paths]

    def require_episodes(self) -> None:
        """Passes if there is something to learn from.

        Raises:
            DataSetError: it holds no episode.
        """
        if not self.paths:
            raise DataSetError(
                f"{self.folder} holds no episodes; 'reflexarc collect' with its recipe fills it"
            )

    def _checked(self, path: Path, episode: Episode) -> Episode:
        misfit = _misfit(episode, self.about)
        if misfit is None:
            return episode
        raise DataSetError(f"{path} is not of this data set: it has {misfit}; remove it")


class DataSetWriter:
    """Adds episodes to a data set, new or begun, as its only writer; a context manager."""

    def __init__(self, folder: Path, about: DataSetAbout) -> None:
        """Makes the folder, or goes on with what is in it.

        Raises:
            DataSetError: what is there is another data set, or no data set; somebody else writes
                to it; or it cannot be written.
        """
        self.folder = folder
        self._fd = -1
        try:
            folder.mkdir(parents=True, exist_ok=True)
            self._fd = _locked(folder)
            if (folder / ABOUT_FILE).exists():
                self._go_on(about)
            else:
                self._begin(about)
        except OSError as error:
            self.close()
            raise DataSetError(
                f"{folder} cannot be written: {error.strerror}; give a writable --out"
            ) from error
        except DataSetError:
            self.close()
            raise
        self.data = DataSet(folder)

    def __enter__(self) -> "DataSetWriter":
        """The writer itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """Lets others write."""
        self.close()

    def close(self) -> None:
        """Lets others write; what was appended is on the disk already."""
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1

    def has(self, number: int) -> bool:
        """Whether there is an episode of this number."""
        return self._path(number).exists()

    def append(self, episode: Episode, number: int | None = None) -> Path:
        """Writes an episode whole or not at all.

        Args:
            episode: of the robot, a task and the spec of this data set.
            number: its place; default: behind the last.

        Raises:
            DataSetError: it is of another robot, task or spec; the line names the difference.
            EpisodeError: the disk does not take it; all episodes before are safe.
        """
        misfit = _misfit(episode, self.data.about)
        if misfit is not None:
            raise DataSetError(f"{self.folder} takes no episode that has {misfit}")
        if number is None:
            number = max((number_of(path) + 1 for path in self.data.paths), default=0)
        write_episode(self._path(number), episode)
        return self._path(number)

    def _path(self, number: int) -> Path:
        return self.folder / f"episode-{number:06d}.npz"

    def _begin(self, about: DataSetAbout) -> None:
        if foreign := next((p.name for p in self.folder.iterdir() if p.name[0] != "."), None):
            raise DataSetError(
                f"{self.folder} holds {foreign!r} and is no data set; give an empty --out"
            )
        content = msgspec.json.format(msgspec.json.encode(about), indent=1)
        write_atomically(self.folder / ABOUT_FILE, content + b"\n")

    def _go_on(self, about: DataSetAbout) -> None:
        difference = read_data_set_about(self.folder).difference(about)
        if difference is not None:
            raise DataSetError(f"{self.folder} holds {difference}; give another --out")
        for debris in self.folder.glob(".episode-*.npz.*"):  # of a writer that was killed
            debris.unlink(missing_ok=True)


def number_of(path: Path) -> int:
    """The number in the name of an episode's file; -1 where it is none."""
    match = re.fullmatch(r"episode-(\d{6,9})\.npz", path.name)
    return int(match[1]) if match else -1


def _misfit(episode: Episode, about: DataSetAbout) -> str | None:
    """What keeps an episode from being of a data set."""
    words = episode.about
    if words.robot != about.robot.name:
        return f"the robot {words.robot!r} and not {about.robot.name!r}"
    if words.task not in about.tasks:
        return f"the task {words.task!r} and not {' or '.join(map(repr, about.tasks))}"
    goals = about.tasks[words.task]
    if not 0 <= words.goal < len(goals) or goals[words.goal] != (
        words.instruction,
        words.direction,
    ):
        told = f"{words.goal} {words.instruction!r} {words.direction}"
        return f"the goal {told}, where task {words.task!r} has {goals_text(goals)}"
    return _array_misfit(episode, about.spec)


def _array_misfit(episode: Episode, spec: PolicySpec) -> str | None:
    found = {name: (str(v.dtype), v.shape[1:]) for name, v in episode.observation.items()}
    wanted = {tensor.name: (tensor.dtype, fixed_shape(tensor)) for tensor in spec.observation}
    for name in {**wanted, **found}:
        if found.get(name) != wanted.get(name):
            return f"{name!r} as {_array(found.get(name))} and not {_array(wanted.get(name))}"
    if episode.action.shape[1] != len(spec.action):
        return f"{episode.action.shape[1]} axes of action and not {len(spec.action)}"
    return None


def _array(kind: tuple[str, tuple[int, ...]] | None) -> str:
    return f"{kind[0]} {kind[1]}" if kind else "nothing"


def _locked(folder: Path) -> int:
    """A descriptor that holds the folder's lock.

    Raises:
        DataSetError: another writer holds it.
    """
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        os.close(descriptor)
        raise DataSetError(f"{folder} is being written to by another process; wait for it") from (
            error
        )
    return descriptor
