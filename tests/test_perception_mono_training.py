import numpy as np
import pytest
import torch

from perception.geometry import RectifiedView
from perception.mono import IMAGE, INVERSE_DEPTH, SCALE, MonoSpec
from perception.mono_labels import LabelledFrame, on_grid, rows_of
from perception.mono_module import LossWeights
from perception.mono_net import MonoNet, NetConfig
from perception.mono_training import Config, MonoLearner
from perception.onnx_model import OnnxModel

SPEC = MonoSpec(32, 32)
VIEW = RectifiedView(32, 32, 30.0, 15.5, 15.5, 0.1)  # 3 px m
NEAR_PER_M, FAR_PER_M = 2.0, 0.5


def lesson(count=6):
    """Striped frames: near where fine noise is, far where the image is smooth."""
    rng = np.random.default_rng(0)
    frames = []
    for _ in range(count):
        edge = int(rng.integers(8, 24))
        left = np.full((32, 32), 90, np.uint8)
        left[:, :edge] = rng.integers(0, 255, (32, edge))
        teacher = np.where(np.arange(32) < edge, NEAR_PER_M, FAR_PER_M)
        teacher = np.tile(teacher, (32, 1)).astype(np.float32)
        answer = on_grid(teacher, np.ones((32, 32), np.float32))
        frames.append(
            LabelledFrame(left[None], left[None], np.ones((), np.float32), teacher, *answer)
        )
    return LabelledFrame._make(np.stack(arrays) for arrays in zip(*frames, strict=True))


def small(**choices):
    quiet = {"loss": LossWeights(photometric=0), "brightness": 0.0, "contrast": 0.0}
    return Config(net=NetConfig((8, 8, 16, 16), 1), **{**quiet, **choices})


def learner(seed=0, **choices):
    return MonoLearner(SPEC, VIEW, small(**choices), seed)


def error_of(taught, frames):
    found = taught.infer(frames.image).inverse_depth_per_m
    return np.abs(np.log(found / frames.target_per_m)).mean()


def test_an_untrained_network_says_two_metres_and_a_quarter_of_the_size():
    inverse, scale = MonoNet(SPEC, NetConfig()).eval()(torch.zeros(2, 1, 32, 32, dtype=torch.uint8))
    assert inverse.shape == scale.shape == (2, 8, 8)
    assert inverse.mean().item() == pytest.approx(0.5, abs=0.2)
    assert (inverse > 0).all()
    assert (scale > 0).all()


def test_the_default_network_has_200_to_400_thousand_parameters():
    count = sum(p.numel() for p in MonoNet(MonoSpec(), NetConfig()).parameters())
    assert 200_000 <= count <= 400_000


def test_every_parameter_gets_a_gradient():
    taught = MonoLearner(SPEC, VIEW, Config(), seed=0)
    taught.update(rows_of(lesson(4), np.arange(4)))
    learned = [(n, p) for n, p in taught.module.named_parameters() if p.requires_grad]
    for name, parameter in learned:
        assert parameter.grad is not None, name
        assert parameter.grad.abs().sum() > 0, name


def test_updates_on_a_tiny_batch_lower_its_error():
    frames, taught = lesson(), learner(online_learning_rate=5e-3)
    before = error_of(taught, frames)
    for _ in range(80):
        taught.update(frames)
    assert error_of(taught, frames) < 0.4 * before
    assert taught.updates == 80


def test_a_frame_without_answers_changes_nothing_but_by_smoothness():
    frames = lesson()
    unknown = frames._replace(weight=np.zeros_like(frames.weight))
    taught = learner(loss=LossWeights(photometric=0, smooth=0), weight_decay=0.0)
    before = [p.detach().clone() for p in taught.module.parameters()]
    taught.update(unknown)
    assert all(map(torch.equal, before, taught.module.parameters()))


def test_fit_by_lightning_learns_and_reports_each_update():
    frames, taught, told = lesson(), learner(), []
    before = error_of(taught, frames)
    metrics = taught.fit(frames, 150, lambda done, _: told.append(done))
    assert told == list(range(1, 151))
    assert error_of(taught, frames) < 0.5 * before
    assert set(metrics) == {"regression", "doubt", "smooth", "photometric"}
    assert (taught.updates, taught.frames_seen) == (150, 6)


@pytest.mark.parametrize("way", ["fit", "update"])
def test_equal_seeds_give_equal_networks_and_others_do_not(way):
    def weights(seed):
        taught = MonoLearner(SPEC, VIEW, small(contrast=0.2), seed)
        if way == "fit":
            taught.fit(lesson(), 5)
        else:
            for row in range(6):
                taught.observe(LabelledFrame._make(array[row] for array in lesson()))
                if row:
                    taught.update(taught.sample())
        return torch.cat([p.detach().flatten() for p in taught.module.parameters()])

    assert torch.equal(weights(1), weights(1))
    assert not torch.equal(weights(1), weights(2))


def test_the_ring_keeps_the_newest_frames():
    frames, taught = lesson(6), learner(ring_frames=3)
    for row in range(6):
        taught.observe(LabelledFrame._make(array[row] for array in frames))
    assert [f.image.tobytes() for f in taught.ring] == [left.tobytes() for left in frames.image[3:]]
    assert taught.frames_seen == 6
    assert len(taught.sample().image) == 3


def test_a_frame_that_came_late_is_drawn_as_often_as_the_others():
    """Five frames are drawn from 60 times, then a sixth joins them for as long."""
    frames, taught = lesson(6), learner(batch_size=2)
    rows = [LabelledFrame._make(array[row] for array in frames) for row in range(6)]
    for frame in rows[:5]:
        taught.observe(frame)
    for _ in range(60):
        taught.sample()
    taught.observe(rows[5])
    late = rows[5].image.tobytes()
    batches = [taught.sample() for _ in range(60)]
    drawn = sum(image.tobytes() == late for batch in batches for image in batch.image)
    assert 28 <= drawn <= 50  # 240 draws over 6 frames are 40 each; equal chances would make it 20


def test_the_learner_leaves_the_number_of_threads_and_the_global_seed_alone():
    threads, state = torch.get_num_threads(), torch.random.get_rng_state()
    learner().update(lesson(2))
    assert torch.get_num_threads() == threads
    assert torch.equal(torch.random.get_rng_state(), state)


def test_an_exported_package_sees_what_the_learner_sees(tmp_path):
    frames, taught = lesson(), learner()
    taught.update(frames)
    package = taught.export(tmp_path / "a.onnx", frames, calibration_hash="c", parent="p")
    here = taught.infer(frames.image)
    for row in range(len(frames.image)):
        there = OnnxModel(package.path.read_bytes()).infer({IMAGE: frames.image[row][None]})
        np.testing.assert_allclose(there[INVERSE_DEPTH][0], here[0][row], rtol=1e-4)
        np.testing.assert_allclose(there[SCALE][0], here[1][row], rtol=1e-4)
    manifest = package.manifest
    assert (manifest.kind, manifest.parent, manifest.calibration_hash) == ("mono_depth", "p", "c")
    assert (manifest.extra["updates"], manifest.extra["seed"]) == (1, 0)
    assert manifest.extra["view"]["focal_px"] == VIEW.focal_px


def test_single_updates_are_flown_as_their_mean_which_jitters_less():
    frames = lesson()
    steady, jumpy = learner(online_learning_rate=0.02), learner(online_learning_rate=0.02)
    jumpy.config = small(online_memory=0.0)
    errors = []
    for taught in (steady, jumpy):
        of_each = []
        for _ in range(60):
            taught.update(frames)
            of_each.append(error_of(taught, frames))
        errors.append(np.abs(np.diff(of_each[20:])).mean())
    assert errors[0] < 0.75 * errors[1]


def test_without_memory_the_newest_weights_are_flown():
    taught = learner(online_memory=0.0)
    taught.update(lesson())
    pairs = zip(taught.net.parameters(), taught.module.net.parameters(), strict=True)
    assert all(torch.equal(mean, newest) for mean, newest in pairs)


def test_a_fit_is_flown_as_it_ends():
    taught = learner()
    taught.update(lesson())
    assert taught.net is not taught.module.net
    taught.fit(lesson(), 1)
    assert taught.net is taught.module.net
