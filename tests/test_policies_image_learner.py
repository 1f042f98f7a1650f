"""Images from spec to learner: what is read, what is shifted, and who improves the encoder."""

import numpy as np
import pytest
import torch
from test_policies_learners import DATA, batches, small
from tiny_data import ABOUT, episode_of

from policies.data_set import DataSetWriter
from policies.image_encoder import shifted
from policies.learner import make_learner
from policies.offline_data import open_offline
from policies.spec import PolicySpecError, seeing


def test_an_image_is_moved_down_and_right_and_its_edges_are_repeated():
    image = torch.arange(9, dtype=torch.uint8).view(1, 3, 3, 1)
    moved = shifted(image, torch.tensor([[1, -1]]))
    assert moved[0, :, :, 0].tolist() == [[1, 2, 2], [1, 2, 2], [4, 5, 5]]
    assert shifted(image, torch.tensor([[0, 0]])).equal(image)


def test_each_image_of_a_batch_is_moved_by_itself():
    images = torch.arange(2, dtype=torch.uint8).view(2, 1, 1, 1) + torch.arange(3).view(1, 1, 3, 1)
    moved = shifted(images, torch.tensor([[0, 1], [0, -1]]))
    assert moved[:, 0, :, 0].tolist() == [[0, 0, 1], [2, 3, 3]]


def test_the_critics_alone_improve_the_encoder(monkeypatch):
    learner = small("drq")
    whole, improve = learner._encoder.flat, learner._soft.improve_actor
    (batch,) = batches(learner, 1)
    at_actor = []

    def spied(seen, *rest):
        at_actor.append((whole.grad.clone(), whole.detach().clone(), seen.state.requires_grad))
        return improve(seen, *rest)

    before = whole.detach().clone()
    monkeypatch.setattr(learner._soft, "improve_actor", spied)
    learner.update(batch)
    ((gradient, improved, reaches),) = at_actor
    assert gradient.abs().max() > 0
    assert not before.equal(improved)
    assert not reaches
    assert whole.grad.equal(gradient)
    assert whole.detach().equal(improved)


def test_values_hang_on_what_is_seen():
    learner = small("drq")
    (batch,) = batches(learner, 1)
    learner.update(batch)
    blind = {**batch, "camera_view": np.zeros_like(batch["camera_view"])}
    states = [learner.inputs.states(each) for each in (batch, blind)]
    assert (states[0] != states[1]).any()
    assert learner.inputs.features == 2 + 1 + learner.config.units


def test_a_policy_reads_what_it_is_told_to_and_its_instruction():
    spec = DATA.spec
    chosen = seeing(spec, ("camera_view", "size_m"))
    names = [tensor.name for tensor in chosen.observation]
    assert names == ["size_m", "instruction", "camera_view"]
    assert seeing(spec, ()) == spec
    with pytest.raises(
        PolicySpecError, match=r"'rear' is not observed; there are: point_m, size_m"
    ):
        seeing(spec, ("rear",))


def test_data_serve_a_policy_that_reads_a_part_of_them(tmp_path):
    with DataSetWriter(tmp_path, ABOUT) as writer:
        writer.append(episode_of())
    data = open_offline([tmp_path])
    assert "position_m" in data.seeing(("position_m",)).buffer(0.9, 0).rows(np.arange(3))
    with pytest.raises(PolicySpecError, match="'front' is not observed"):
        data.seeing(("front",))


def test_who_cannot_see_and_who_must_are_refused_with_the_cure():
    with pytest.raises(
        PolicySpecError, match=r"camera_view is not of these; leave it out \(--sees"
    ):
        make_learner("rlpd", DATA.spec)
    with pytest.raises(PolicySpecError, match=r"reads images .* and none is observed"):
        make_learner("drq", seeing(DATA.spec, ("point_m",)))
