"""``reflexarc export episodes``: a data set for the learners of others."""

import json
import sys
from dataclasses import dataclass
from pathlib import Path

import tyro

from policies.data_set import DataSet
from robot.console import Console
from robot.minari_export import export_to_minari


@dataclass(frozen=True)
class ExportEpisodes:
    """Write a data set of episodes as a Minari data set.

    It goes where Minari looks for data: below $MINARI_DATASETS_PATH, else ~/.minari/datasets.

    Example: reflexarc export episodes data/lid --out reflexarc/lid/expert-v0
    """

    data: tyro.conf.Positional[Path]
    """Folder that reflexarc collect filled."""
    out: str
    """Name in Minari: NAMESPACE/TASK/KIND-vN."""
    vectors: bool = False
    """Put the vector of the instruction into each observation."""
    json: bool = False
    """Print the outcome as JSON, and no progress."""

    def __call__(self) -> int:
        """Reads and writes episode by episode."""
        data = DataSet(self.data)
        with Console(quiet=self.json).progress("exporting", len(data), "episodes") as progress:
            folder = export_to_minari(data, self.out, progress, vectors=self.vectors)
        if self.json:
            outcome = {"name": self.out, "folder": str(folder), "episodes": len(data)}
            sys.stdout.write(json.dumps(outcome) + "\n")
        else:
            sys.stdout.write(f"{len(data)} episodes: minari.load_dataset({self.out!r})\n")
        return 0
