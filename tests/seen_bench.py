"""Packages by which somebody can practise at the workbench by what cameras show, made in a second.

The network of the reward was taught nothing; what it says is set by the threshold of its promise.
"""

import functools
import tempfile
from pathlib import Path

import msgspec
import numpy as np
import torch

from perception.model_package import read_package, write_package
from perception.reward import Looks, LookSpec
from perception.reward_bound import bound_of
from perception.reward_look import LookRule
from perception.reward_package import REWARD, RewardAbout
from policies.instructions import encode_instructions
from sim.arm_cameras import SIDE_PX
from sim.manipulation_tasks import make_manipulation

TEXTS = [goal.text for goal in make_manipulation("lid").goals]
ALWAYS, NEVER = -100.0, 100.0  # thresholds, log-odds; "always" as soon as there are two images


LOST = "the lid is out of reach"


def lid_reward(
    path,
    threshold=ALWAYS,
    views=("front", "wrist"),
    texts=TEXTS,
    usual=None,
    lost=None,
    unsure=None,
):
    """A reward for the lid; its promise is taken for granted. None as threshold: it has none.

    `lost` is the threshold above which it calls for a person; None: it does not.
    """
    bound = None
    if threshold is not None:
        bound = bound_of(np.full(200, threshold)).recalled(np.full(1, threshold + 1))
    vectors = encode_instructions("words", [*texts, *([LOST] if lost is not None else [])])
    about = RewardAbout(
        spec=LookSpec(tuple(views), SIDE_PX, SIDE_PX, len(vectors[texts[0]])),
        encoder="words",
        instructions=vectors,
        opposites={text: [other for other in texts if other != text] for text in texts},
        rule=LookRule(tuple(views), 2),
        bound=bound,
        unsure=unsure,
        usual=usual or {},
        lost=LOST if lost is not None else "",
        lost_bound=None
        if lost is None
        else bound_of(np.full(200, lost)).recalled(np.ones(1) + lost),
    )
    content, manifest = network()
    extra = {REWARD: msgspec.to_builtins(about)}
    return write_package(path, content, msgspec.structs.replace(manifest, extra=extra))


@functools.cache
def network():
    """Bytes and manifest of a network for two cameras; made once, as export takes its time."""
    from perception.reward_makers.embedded import EmbeddedMaker
    from perception.reward_module import Config

    vectors = encode_instructions("words", TEXTS)
    rng = np.random.default_rng(0)
    looks = Looks(
        image=rng.integers(256, size=(2, SIDE_PX, SIDE_PX, 3), dtype=np.uint8),
        view=np.zeros(2, np.int64),
        text=tuple(TEXTS),
        vector=np.array([vectors[text] for text in TEXTS], np.float32),
        row=np.arange(2),
        asked=np.zeros(2, np.int64),
        success=np.float32([0, 1]),
        episode=np.arange(2),
    )
    spec = LookSpec(("front", "wrist"), SIDE_PX, SIDE_PX, len(vectors[TEXTS[0]]))
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "reward.onnx"
        EmbeddedMaker(spec, Config(backbone="tiny"), 0).export(path, looks, {})
        return path.read_bytes(), read_package(path).manifest


def lid_features(path, numbers=8):
    """Features of a network that knows nothing."""
    from perception.features_export import export_features
    from perception.features_net import FeaturesNet, NetConfig

    config = NetConfig("tiny", filters=4, numbers=numbers)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        net = FeaturesNet(config)
    return export_features(path, net, SIDE_PX, SIDE_PX, config)
