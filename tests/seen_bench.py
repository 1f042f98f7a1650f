"""Packages by which somebody can practise at the workbench by what cameras show, made in a second.

The network of the reward was taught nothing; what it says is set by the threshold of its promise.
"""

import msgspec
import numpy as np

from perception.reward import Looks, LookSpec
from perception.reward_bound import bound_of
from perception.reward_look import LookRule
from perception.reward_package import REWARD, RewardAbout
from policies.instructions import encode_instructions
from sim.arm_cameras import SIDE_PX
from sim.manipulation_tasks import make_manipulation

TEXTS = [goal.text for goal in make_manipulation("lid").goals]
ALWAYS, NEVER = -100.0, 100.0  # thresholds, log-odds; "always" as soon as there are two images
FELT = ("tool_position_m", "tool_target_m", "gripper_m", "gripper_target_m")


def lid_reward(path, threshold=ALWAYS, views=("front", "wrist"), texts=TEXTS, usual=None):
    """A reward for the lid; its promise is taken for granted. None as threshold: it has none."""
    from perception.reward_makers.embedded import EmbeddedMaker
    from perception.reward_module import Config

    vectors = encode_instructions("words", texts)
    spec = LookSpec(tuple(views), SIDE_PX, SIDE_PX, len(vectors[texts[0]]))
    rng = np.random.default_rng(0)
    looks = Looks(
        rng.integers(256, size=(2, SIDE_PX, SIDE_PX, 3), dtype=np.uint8),
        np.zeros(2, np.int64),
        np.array([vectors[text] for text in texts], np.float32),
        *(np.arange(2), np.zeros(2, np.int64)),
        np.float32([0, 1]),
        np.arange(2),
    )
    bound = None
    if threshold is not None:
        bound = bound_of(np.full(200, threshold)).recalled(np.full(1, threshold + 1))
    about = RewardAbout(
        spec=spec,
        encoder="words",
        instructions=vectors,
        opposites={text: [other for other in texts if other != text] for text in texts},
        rule=LookRule(tuple(views), 2),
        bound=bound,
        usual=usual or {},
    )
    maker = EmbeddedMaker(spec, Config(backbone="tiny"), 0)
    return maker.export(path, looks, {REWARD: msgspec.to_builtins(about)})


def lid_features(path, numbers=8):
    """Features of a network that knows nothing."""
    from perception.features_export import FeaturesConfig, export_features

    return export_features(path, SIDE_PX, SIDE_PX, FeaturesConfig("tiny", 2, numbers))
