"""Records ``lockstep.mcap`` and ``wall.mcap``: a few seconds of the room, small enough to commit.

Run as ``python tests/golden/make_golden.py`` where MuJoCo can draw, when a node is meant to do
something else than before, or when the format of the log changes; say in the commit why. The wall
clock log comes from one process per node.
"""

import shutil
import tempfile
from pathlib import Path

from robot.executor import RunOptions
from robot.graph import load_graph
from robot.supervisor import Supervisor

HERE = Path(__file__).parent
SECONDS = 6.0  # it comes to a wall and turns, so that chance has its part
SEED = 4


def main() -> None:
    """Flies twice and keeps the logs."""
    for clock in ("lockstep", "wall"):
        graph = load_graph(str(HERE / "golden.toml"))
        with tempfile.TemporaryDirectory() as folder:
            options = RunOptions(SECONDS, SEED, clock == "lockstep", Path(folder))
            result = Supervisor(graph, (), options, print).run(lambda _: None, lambda: False)
            if result.failures:
                raise SystemExit(str(result.failures))
            path = shutil.copy(Path(folder) / "log.mcap", HERE / f"{clock}.mcap")
        print(path, Path(path).stat().st_size, "bytes")  # noqa: T201 - it is run by hand


if __name__ == "__main__":
    main()
