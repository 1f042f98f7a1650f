"""Attempts that a reward can be taught by in seconds: a lamp is lit, or put out."""

import dataclasses

import msgspec
import numpy as np
from tiny_data import ABOUT

from perception.goal import Goal
from perception.model_package import TensorSpec
from perception.reward_bound import bound_of
from perception.reward_look import LookRule
from perception.reward_package import REWARD, RewardAbout
from policies.data_set import DataSetWriter
from policies.episodes import Episode, EpisodeAbout
from policies.instructions import encode_instructions
from policies.reward_frames import look_spec, looks_of, seen

SIDE = 16  # px
VIEWS = ("front", "wrist")
GOALS = (Goal("light the lamp", "forward"), Goal("put the lamp out", "backward"))
DARK, BRIGHT = 60, 190  # grey levels
SPEC = dataclasses.replace(
    ABOUT.spec, observation=tuple(TensorSpec(v, (SIDE, SIDE, 3), "uint8", "1") for v in VIEWS)
)
LAMP = msgspec.structs.replace(
    ABOUT,
    spec=SPEC,
    tasks={"lamp": GOALS},
    instructions={GOALS[0].text: [1.0, 0.0, 0.0], GOALS[1].text: [0.6, 0.8, 0.0]},
)
WORDED = msgspec.structs.replace(  # whose vectors an encoder can make more of
    LAMP, instructions=encode_instructions("words", [goal.text for goal in GOALS])
)
TINY = ("--set", "backbone=tiny", "--set", "learning_rate=0.01", "--set", "backbone_rate=0.01")


def image_of(level, rng):
    """(16, 16, 3) uint8, noise about a grey level, enough not to be taken for a covered lens."""
    return np.clip(rng.normal(level, 28, (SIDE, SIDE, 3)), 0, 255).astype(np.uint8)


def attempt_of(goal, succeeds, seed, steps=6, after=2):
    """Goal 0 begins in the dark, goal 1 in the light; success changes that for the last moments."""
    rng = np.random.default_rng(seed)
    levels = [(DARK, BRIGHT)[goal]] * (steps + 1)
    success = np.zeros(steps, bool)
    if succeeds:
        success[-1 - after :] = True
        levels[-1 - after :] = [(BRIGHT, DARK)[goal]] * (after + 1)
    return Episode(
        captured_ns=np.arange(steps + 1) * 200_000_000,
        observation={v: np.stack([image_of(level, rng) for level in levels]) for v in VIEWS},
        action=np.zeros((steps, 1)),
        reward=np.where(success, 0, -1).astype(np.float32),
        success=success,
        intervention=np.zeros(steps, bool),
        about=EpisodeAbout(
            task="lamp",
            robot="stick",
            goal=goal,
            instruction=GOALS[goal].text,
            direction=GOALS[goal].direction,
            operator="tiny",
            seed=seed,
            ended="success" if succeeds else "timeout",
        ),
    )


def write_attempts(folder, successes, failures, seed=0, about=LAMP):
    """A data set of so many attempts at each goal."""
    about = msgspec.structs.replace(about, seed=seed, recipe={"seed": seed})
    with DataSetWriter(folder, about) as writer:
        for number in range(successes + failures):
            for goal in range(len(GOALS)):
                writer.append(attempt_of(goal, number < successes, seed * 1000 + 2 * number + goal))
    return folder


def broken_attempt(goal, seed, steps=6):
    """The lamp breaks in the last moment, half of the image gets brighter than any lamp."""
    one = attempt_of(goal, succeeds=False, seed=seed, steps=steps)
    for images in one.observation.values():
        images[-1, : SIDE // 2] = 250
    return dataclasses.replace(one, about=msgspec.structs.replace(one.about, ended="irreversible"))


def write_broken(folder, count, seed):
    """A data set of so many attempts at each goal in which the lamp breaks."""
    about = msgspec.structs.replace(WORDED, seed=seed, recipe={"broken": seed})
    with DataSetWriter(folder, about) as writer:
        for number in range(2 * count):
            writer.append(broken_attempt(number % 2, seed * 1000 + number))
    return folder


def proved_package(path, usual=None, threshold=-0.5, unsure=None):
    """A reward that was taught the lamp, and whose promise is taken for granted."""
    from perception.reward_makers.embedded import EmbeddedMaker
    from perception.reward_module import Config

    looks = looks_of(
        [seen(attempt_of(n % 2, n < 8, n), LAMP, VIEWS) for n in range(12)],
        look_spec(LAMP),
        LAMP.instructions,
    )
    config = Config(backbone="tiny", learning_rate=0.01, backbone_rate=0.01)
    maker = EmbeddedMaker(look_spec(LAMP), config, 0)
    maker.fit(looks, 60)
    bound = bound_of(np.full(200, threshold)).recalled(np.ones(1) + threshold)
    about = RewardAbout(
        spec=maker.spec,
        encoder="words",
        instructions=LAMP.instructions,
        opposites={GOALS[0].text: [GOALS[1].text], GOALS[1].text: [GOALS[0].text]},
        rule=LookRule(VIEWS, 2),
        bound=bound,
        unsure=unsure,
        usual=usual or {},
    )
    return maker.export(path, looks, {REWARD: msgspec.to_builtins(about)})
