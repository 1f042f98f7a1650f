"""A run that practised with a reward that looks, as `label` finds it: images and what was said."""

import numpy as np
from tiny_reward import BRIGHT, DARK, GOALS, VIEWS, image_of

from policies.attempt_keeper import AttemptKeeper
from policies.rewards import Judgement

PACKAGE = "ab" * 32


class Scripted:
    """Says what it is told to say; sees what a lamp looks like."""

    sees = VIEWS

    def __init__(self):
        self.begun = 0
        self.next = Judgement(-1.0, False)

    def begin(self):
        self.begun += 1

    def judge(self, goal, observation, info):
        return self.next

    def save(self):
        return {"moments": [1.5]}

    def restore(self, state):
        self.restored = state["moments"]


def practise(keeper, scores, reached=(), looks=None, seed=0, level=None):
    """One attempt: "yes" is said above 0; two cameras that agree unless other looks are given."""
    rng = np.random.default_rng(seed)
    keeper.begin()
    for moment, score in enumerate(scores):
        lit = moment in reached
        shade = level or (BRIGHT if lit else DARK)
        said = (score, score) if looks is None else looks[moment]
        keeper._source.next = Judgement(-float(score <= 0), score > 0, score, said)
        seen = {view: image_of(shade, rng) for view in VIEWS}
        keeper.judge(0, seen, {"achieved": np.array([lit, not lit])})


def keeper_of(folder, most=8, seed=0, promised=None):
    return AttemptKeeper(Scripted(), folder, most, GOALS, PACKAGE, seed, promised)


def write_run(folder, attempts=6):
    """A run folder of attempts by turns: nearly yes, and yes in vain; of the last, nobody knows."""
    keeper = keeper_of(folder / "attempts")
    for number in range(attempts):
        in_vain = number % 2 == 1
        scores = [-3.0, 1.0 + number] if in_vain else [-3.0, -1.0 - number, -4.0]
        practise(keeper, scores, seed=number)
    keeper.begin()
    return folder
