"""A data set small enough to check by hand: a stick pushes a thing along a line."""

import numpy as np

from perception.goal import Goal
from perception.model_package import TensorSpec
from policies.data_set_about import DataSetAbout, RobotAbout
from policies.episodes import Episode, EpisodeAbout
from policies.spec import AxisBound, PolicySpec

GOALS = (Goal("push it away", "forward"), Goal("bring it back", "backward"))
SPEC = PolicySpec(
    (TensorSpec("position_m", (2,), "float32", "m"),), (AxisBound("x", "1", -1.0, 1.0),), 5.0
)
ABOUT = DataSetAbout(
    robot=RobotAbout("stick", "0" * 64),
    spec=SPEC,
    tasks={"push": GOALS},
    encoder="words",
    instructions={"push it away": [0.6, 0.8], "bring it back": [-0.6, -0.8]},
    recipe={"rows": [{"noise": 0.2}]},
    seed=0,
)


def episode_of(goal=0, succeeds=True, steps=3):
    """Success comes with the last step, or not at all."""
    success = np.zeros(steps, bool)
    success[-1] = succeeds
    rng = np.random.default_rng(goal)
    return Episode(
        captured_ns=np.arange(steps + 1) * 200_000_000,
        observation={"position_m": rng.normal(size=(steps + 1, 2)).astype(np.float32)},
        action=rng.uniform(-1, 1, (steps, 1)),
        reward=np.where(success, 0, -1).astype(np.float32),
        success=success,
        intervention=np.zeros(steps, bool),
        about=EpisodeAbout(
            task="push",
            robot="stick",
            goal=goal,
            instruction=GOALS[goal].text,
            direction=GOALS[goal].direction,
            operator="tiny",
            seed=7,
            ended="success" if succeeds else "timeout",
        ),
    )
