"""``reflexarc study robofume``: what practice by a reward that sees is worth, from nothing."""

from dataclasses import dataclass

import tyro

from robot.commands.study.practice import StudyPractice


@dataclass(frozen=True)
class StudyRobofume(StudyPractice):
    """Measure practice by a reward that sees, from demonstrations on; resumable at every stage.

    As study practice, of the grid robofume: what its runs stand on (demonstrations, features,
    policy, reward and its proof) is made first, by commands that you could type, in
    runs/study_robofume.

    Example: reflexarc study robofume --seeds 0 --dry-run
    """

    grid: tyro.conf.Positional[str] = "robofume"
    """A name in configs/studies, or a .toml file, with [prepare]."""
