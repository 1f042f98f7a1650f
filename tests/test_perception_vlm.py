"""A vision-language model as a reward: what it learns, what it writes, what it refuses."""

import dataclasses

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from test_perception_reward_makers import LIT, OUT, SPEC, about_json, lamp_looks
from tiny_vlm import OPTIONS, write_vlm

from perception.reward_makers.vlm import Config, VlmMaker
from perception.reward_package import REWARD
from perception.torch_threads import one_thread
from perception.vlm_model import Asked, Vlm, VlmError
from perception.vlm_package import UPDATES, VlmEye


@pytest.fixture(scope="module", autouse=True)
def tiny(tmp_path_factory):
    with one_thread():
        yield write_vlm(tmp_path_factory.mktemp("vlm") / "tiny")


def config_of(tiny, **more):
    return Config(model=str(tiny), **{**OPTIONS, **more})


@pytest.fixture(scope="module")
def maker(tiny):
    """Taught a few batches."""
    made = VlmMaker(SPEC, config_of(tiny), 0)
    made.fit(lamp_looks(8), 3)
    return made


@pytest.fixture
def folder(maker, tmp_path):
    return maker.export(tmp_path / "reward", lamp_looks(2), {REWARD: about_json()}).path


def test_only_the_updates_learn_and_they_begin_at_nothing(tiny, maker):
    fresh = VlmMaker(SPEC, config_of(tiny), 0).vlm
    image = lamp_looks(2).image[0]
    asked = [Asked(image, "front", LIT.text)]
    before = {name: w for name, w in fresh.named_parameters() if not w.requires_grad}
    after = dict(maker.vlm.named_parameters())
    assert before.keys() < after.keys()
    assert all(torch.equal(w, after[name]) for name, w in before.items())
    learned = [n for n, w in fresh.named_parameters() if w.requires_grad]
    assert learned
    assert all("lora_" in name for name in learned)
    with torch.no_grad():
        assert not torch.allclose(fresh.eval()(asked), maker.vlm.eval()(asked))
    assert all((w == 0).all() for name, w in fresh.updates().items() if "lora_B" in name)


def test_the_answer_is_read_where_it_would_be_written_whatever_stands_beside_it(maker):
    image = lamp_looks(2).image[0]
    short, long = (
        Asked(image, "front", LIT.text),
        Asked(image, "wrist", f"{LIT.text} or put it out"),
    )
    model, vlm = maker.vlm.model, maker.vlm.eval()
    with torch.no_grad():
        together = vlm([short, long])  # the shorter one is padded
        alone = torch.cat([vlm([short]), vlm([long])])
        text = vlm.prompt(short)
        inputs = vlm.processor(text=[text], images=[[image]], return_tensors="pt")
        last = model(**inputs).logits[0, -1]
    torch.testing.assert_close(together, alone, atol=1e-4, rtol=0)
    words = vlm.processor.tokenizer.convert_tokens_to_ids
    chance = last.softmax(-1)
    yes, no = chance[words("yes")], chance[words("no")]
    said = torch.sigmoid(alone[0])
    torch.testing.assert_close(said, yes / (yes + no), atol=1e-4, rtol=0)


def test_the_prompt_names_camera_and_instruction_with_and_without_a_chat_template(
    maker, tiny, tmp_path
):
    asked = Asked(lamp_looks(2).image[0], "wrist", "light the lamp")
    chat = maker.vlm.prompt(asked)
    assert chat.startswith("user : <image> ")
    assert chat.endswith("reply :")
    assert "the wrist camera of a robot that was told: light the lamp." in chat
    plain = Vlm(config_of(write_vlm(tmp_path / "plain", chat=None)))
    assert plain.prompt(asked).startswith("<image>The image is from the wrist camera")
    with torch.no_grad():
        assert plain.eval()([asked]).isfinite().all()


def test_what_was_written_answers_alike_to_the_bit(maker, folder):
    looks = lamp_looks(4)
    ours = maker.log_odds(looks.image, "wrist", (LIT, OUT))
    np.testing.assert_array_equal(VlmEye(folder).log_odds(looks.image, "wrist", (LIT, OUT)), ours)


def test_damaged_updates_and_another_model_are_refused(tiny, maker, tmp_path):
    model = write_vlm(tmp_path / "model")
    made = VlmMaker(SPEC, config_of(model), 0)
    folder = made.export(tmp_path / "reward", lamp_looks(2), {REWARD: about_json()}).path
    (model / "config.json").write_text((model / "config.json").read_text() + " ")
    with pytest.raises(VlmError, match="holds another model than the one"):
        VlmEye(folder)
    (folder / UPDATES).write_bytes((folder / UPDATES).read_bytes()[:-4])
    with pytest.raises(VlmError, match=r"updates\.safetensors is damaged"):
        VlmEye(folder)
    (folder / "reward.json").write_text("{}")
    with pytest.raises(VlmError, match="malformed"):
        VlmEye(folder)
    with pytest.raises(VlmError, match="'reflexarc train reward --maker vlm' writes"):
        VlmEye(tmp_path)


def test_a_model_that_is_not_on_disk_is_refused_with_the_folder_that_was_looked_in(
    monkeypatch, tmp_path
):
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "cache"))
    for name in ("somebody/some-model", "no/such/folder"):
        with pytest.raises(VlmError) as error:
            Vlm(Config(model=name))
        line = str(error.value)
        assert name in line
        assert "allow a download with --set hub=true" in line
        assert str(tmp_path / "cache") in line


def test_nothing_is_unpickled(tiny, tmp_path):
    model = write_vlm(tmp_path / "model")
    torch.save(load_file(model / "model.safetensors"), model / "pytorch_model.bin")
    (model / "model.safetensors").unlink()
    with pytest.raises(VlmError, match=r"holds no \.safetensors; weights in other files are not"):
        Vlm(config_of(model))


def test_a_folder_of_something_else_is_refused(tmp_path):
    save_file({"weight": torch.zeros(2)}, tmp_path / "model.safetensors")
    (tmp_path / "config.json").write_text('{"model_type": "bert"}')
    with pytest.raises(VlmError, match="is no model that answers about images"):
        Vlm(config_of(tmp_path))


@pytest.mark.parametrize(
    ("more", "fragment"),
    [
        ({"model": ""}, "give --set model=FOLDER"),
        ({"prompt": "Is it done?"}, "must hold {instruction}"),
        ({"dtype": "int8"}, "give float32, bfloat16 or float16"),
        ({"rank": 0}, "a rank of 1 or more"),
        ({"targets": ("no_such_layer",)}, "has no layers called no_such_layer; it has"),
        ({"yes": ("zzz",)}, "no token that begins only yes"),
        ({"no": ("yes",)}, "none that begins only no"),
    ],
)
def test_options_that_mean_nothing_are_refused(tiny, more, fragment):
    with pytest.raises(VlmError) as error:
        Vlm(Config(**{"model": str(tiny), **OPTIONS, **more}))
    assert fragment in str(error.value)


def test_labels_may_be_probabilities(tiny):
    looks = lamp_looks(4)
    unsure = looks._replace(success=np.where(looks.success > 0.5, 0.75, 0.25).astype(np.float32))
    config = dataclasses.replace(config_of(tiny), smoothing=0.0)
    losses = []
    VlmMaker(SPEC, config, 0).fit(unsure, 30, lambda _, told: losses.append(told["loss"]))
    entropy = -(0.75 * np.log(0.75) + 0.25 * np.log(0.25))
    assert losses[-1] < losses[0]
    assert min(losses) > entropy - 1e-4  # what no answer can go below
