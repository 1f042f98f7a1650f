"""Every maker of rewards, at a tiny size; and once the embedded one at its own."""

from dataclasses import replace

import msgspec
import numpy as np
import pytest
import torch
from tiny_reward import DARK, SIDE, VIEWS, image_of
from tiny_vlm import OPTIONS, write_vlm

from perception import frozen_maps
from perception.reward import Looks, LookSpec, Question, RewardInputError
from perception.reward_disturb import disturbed
from perception.reward_look import LookRule
from perception.reward_makers import REWARD_MAKERS
from perception.reward_module import Config
from perception.reward_open import open_reward
from perception.reward_package import REWARD, RewardAbout
from perception.tables import load_item
from perception.torch_threads import one_thread

TINY = {
    "embedded": {"backbone": "tiny", "learning_rate": 0.01, "backbone_rate": 0.01},
    "vlm": {**OPTIONS},
}
SPEC = LookSpec(VIEWS, SIDE, SIDE, 3)
LIT = Question("light the lamp", np.array([1, 0, 0], np.float32))
OUT = Question("put the lamp out", np.array([0.6, 0.8, 0], np.float32))
BRIGHT = 190


def make(name, seed=0, **options):
    maker = load_item(REWARD_MAKERS, "maker", name)
    return maker(SPEC, maker.Config(**{**TINY[name], **options}), seed)


@pytest.fixture(scope="module", autouse=True)
def tiny_model(tmp_path_factory):
    """Every maker finds what it begins with; small models are fastest on one thread."""
    TINY["vlm"]["model"] = str(write_vlm(tmp_path_factory.mktemp("vlm") / "tiny"))
    with one_thread():
        yield


def lamp_looks(count=24, seed=0):
    """Dark and bright images in turn, both instructions asked about each."""
    rng = np.random.default_rng(seed)
    images = np.stack([image_of((DARK, BRIGHT)[n % 2], rng) for n in range(count)])
    row = np.repeat(np.arange(count), 2)
    asked = np.tile([0, 1], count)
    return Looks(
        image=images,
        view=np.arange(count) // 2 % 2,
        text=(LIT.text, OUT.text),
        vector=np.stack([LIT.vector, OUT.vector]),
        row=row,
        asked=asked,
        success=(row % 2 != asked).astype(np.float32),  # bright and lit, dark and out
        episode=row,
    )


def about_json(**more):
    words = {one.text: one.vector.tolist() for one in (LIT, OUT)}
    opposites = {LIT.text: [OUT.text], OUT.text: [LIT.text]}
    given = {"spec": SPEC, "encoder": "words", "rule": LookRule(VIEWS)}
    words = {**given, "instructions": words, "opposites": opposites, **more}
    return msgspec.to_builtins(RewardAbout(**words))


@pytest.fixture(scope="module", params=[*REWARD_MAKERS])
def taught(request):
    maker = make(request.param)
    maker.fit(lamp_looks(), 60)
    return maker


def test_every_maker_learns_what_the_sentence_asks(taught):
    fresh = lamp_looks(8, seed=9).image
    said = taught.log_odds(fresh, "front", (LIT, OUT))
    assert said.shape == (8, 2)
    np.testing.assert_array_equal(said[:, 0] > 0, np.arange(8) % 2 == 1)
    np.testing.assert_array_equal(said[:, 1] > 0, np.arange(8) % 2 == 0)


@pytest.mark.parametrize("name", REWARD_MAKERS)
def test_equal_seeds_are_equal_rewards_and_others_are_not(name):
    said = []
    for seed in (0, 0, 1):
        maker = make(name, seed)
        maker.fit(lamp_looks(8), 3)
        said.append(maker.log_odds(lamp_looks(2).image, "wrist", (LIT,)))
    np.testing.assert_array_equal(said[0], said[1])
    assert not np.array_equal(said[0], said[2])


def test_a_package_answers_as_its_maker_did(taught, tmp_path):
    looks = lamp_looks()
    written = taught.export(tmp_path / f"lamp{taught.ending}", looks, {REWARD: about_json()})
    eye = open_reward(written.path)
    assert eye.sha256 == written.sha256
    for view in VIEWS:
        theirs = eye.log_odds(looks.image, view, (LIT, OUT, LIT))
        ours = taught.log_odds(looks.image, view, (LIT, OUT, LIT))
        np.testing.assert_allclose(theirs, ours, atol=1e-4)


@pytest.mark.parametrize("name", REWARD_MAKERS)
def test_who_is_shown_one_kind_alone_refuses_to_learn(name):
    looks = lamp_looks(4)
    with pytest.raises(RewardInputError, match="there are no failures"):
        make(name).fit(looks._replace(success=np.ones(8, np.float32)), 1)
    with pytest.raises(RewardInputError, match="there are no successes"):
        make(name).fit(looks._replace(success=np.zeros(8, np.float32)), 1)


def test_images_of_another_camera_or_size_are_refused(taught):
    images = lamp_looks(2).image
    with pytest.raises(RewardInputError, match="looks through front, wrist; given is an image of"):
        taught.log_odds(images, "left", (LIT,))
    with pytest.raises(RewardInputError, match=r"front is uint8 \(8, 16, 3\); the reward takes"):
        taught.log_odds(images[:, :8], "front", (LIT,))
    with pytest.raises(RewardInputError, match="is float32"):
        taught.log_odds(images.astype(np.float32), "front", (LIT,))


def test_only_the_last_blocks_learn_and_their_running_means_stay():
    maker = make("embedded")
    net = maker.module.net
    before = {name: value.clone() for name, value in net.state_dict().items()}
    maker.fit(lamp_looks(8), 3)
    moved = {n for n, value in net.state_dict().items() if not torch.equal(value, before[n])}
    assert not [name for name in moved if name.startswith("frozen")]
    assert [name for name in moved if name.startswith("tunable")]
    assert [name for name in moved if name.startswith("head")]


def test_from_scratch_everything_learns_and_the_package_answers_alike(tmp_path):
    maker, looks = make("embedded", backbone="scratch"), lamp_looks(8)
    before = [weight.clone() for weight in maker.module.net.parameters()]
    maker.fit(looks, 2)
    pairs = zip(before, maker.module.net.parameters(), strict=True)
    assert all(not torch.equal(old, new) for old, new in pairs)
    written = maker.export(tmp_path / "lamp.onnx", looks, {REWARD: about_json()})
    said = open_reward(written.path).log_odds(looks.image, "front", (LIT,))
    np.testing.assert_allclose(said, maker.log_odds(looks.image, "front", (LIT,)), atol=1e-4)


def test_disturbed_copies_differ_in_light_and_place_within_their_limits():
    rng = np.random.default_rng(0)
    image = np.full((1, SIDE, SIDE, 3), 127, np.uint8)
    image[0, 8, 8] = 255
    copies = np.concatenate([disturbed(image, Config(), rng) for _ in range(40)])
    corner = copies[:, 0, 0].astype(int)
    assert np.abs(corner - 127).max() <= Config.brightness + 1  # gains turn about 127
    assert len(np.unique(corner[:, 0])) > 10
    spots = [np.argwhere(one[..., 1] == one[..., 1].max())[0] - 8 for one in copies]
    assert np.abs(spots).max() == Config.shift_px


@pytest.fixture(scope="module")
def full_size(tmp_path_factory):
    """The embedded reward at its own size, taught a few batches."""
    maker = load_item(REWARD_MAKERS, "maker", "embedded")
    spec = LookSpec(VIEWS, 100, 100, 3)
    reward = maker(spec, maker.Config(copies=0, batch_size=4), 0)
    looks = lamp_looks(4)
    looks = looks._replace(image=looks.image.repeat(7, axis=1).repeat(7, axis=2)[:, :100, :100])
    reward.fit(looks, 2)
    path = tmp_path_factory.mktemp("reward") / "reward.onnx"
    return reward.export(path, looks, {REWARD: about_json(spec=spec)})


def test_the_embedded_reward_at_its_own_size_fits_a_robot_and_answers_as_torch_does(full_size):
    assert full_size.path.stat().st_size < 25e6
    assert full_size.manifest.extra["parity_worst"] < 1e-4


def test_copies_are_zoomed_and_turned_about_the_middle_only_if_that_is_wanted():
    image = np.zeros((1, 33, 33, 3), np.uint8)
    image[0, 16, 4:29] = 255  # a bar through the middle
    plain = Config(brightness=0, contrast=0, tint=0, shift_px=0)
    np.testing.assert_array_equal(disturbed(image, plain, np.random.default_rng(0)), image)
    turned = replace(plain, turn_deg=30.0)
    zoomed = replace(plain, scale=0.5)
    angles, lengths = [], []
    for seed in range(30):
        rng = np.random.default_rng(seed)
        rows, columns = np.nonzero(disturbed(image, turned, rng)[0, ..., 0] > 90)
        angles.append(np.degrees(np.arctan2(np.ptp(rows), np.ptp(columns))))
        lengths.append((disturbed(image, zoomed, rng)[0, 16, :, 0] > 127).sum())
    assert 20 < max(angles) < 34
    assert 15 <= min(lengths) < 20 < 30 < max(lengths) <= 33


def test_a_disturbance_that_is_no_amount_is_refused():
    with pytest.raises(RewardInputError, match="turn_deg = -1"):
        Config(turn_deg=-1)


def test_many_images_are_mapped_as_few_are(monkeypatch):
    net = make("embedded").module.net
    images = lamp_looks(6).image
    few = frozen_maps.mapper(net, images[:1], len(images))(images)
    monkeypatch.setattr(frozen_maps, "MANY", 1)
    with torch.no_grad():
        net.frozen[0].weight.mul_(2)  # an export is of what the part is now
        net.frozen[0].bias.mul_(2)
    many = frozen_maps.mapper(net, images[:1], len(images))(images)
    assert many.dtype == few.dtype == torch.float16
    np.testing.assert_allclose(many.float(), 2 * few.float(), rtol=2e-3, atol=1e-3)
