"""Vectors of instructions: what is near what, offline, and what is said without the encoder."""

import importlib
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from perception.tables import ChoiceError
from policies.instructions import ENCODERS, HashedWords, SentenceIds, encode_instructions
from policies.sentence_encoder import PACKAGE, EncoderError, SentenceEncoder

REPO = Path(__file__).resolve().parent.parent


@pytest.fixture(scope="module")
def encoder():
    return SentenceEncoder()


# Of a forward pass written by hand in NumPy, on the same weights.
@pytest.mark.parametrize(
    ("text", "first"),
    [
        ("put the lid on the pot", (0.0267303, 0.0428298, -0.0374136)),
        ("close the drawer", (-0.0125636, 0.0604631, -0.0498939)),
    ],
)
def test_a_vector_is_that_of_the_published_network(text, first, encoder):
    vector = encoder.encode(text)
    assert (vector.dtype, vector.shape) == (np.float32, (384,))
    np.testing.assert_allclose(vector[:3], first, atol=2e-6)


@pytest.mark.parametrize(
    ("text", "similar", "opposite"),
    [
        ("put the lid on the pot", "place the lid onto the pot", "take the lid off the pot"),
        ("close the drawer", "shut the drawer", "open the drawer"),
        (
            "insert the peg into the hole",
            "push the peg into the hole",
            "pull the peg out of the hole",
        ),
        ("put the vase into the bin", "place the vase in the bin", "take the vase out of the bin"),
    ],
)
def test_other_words_are_nearer_than_the_opposite_and_that_than_another_task(
    text, similar, opposite, encoder
):
    vector = encoder.encode(text)
    nearness = [vector @ encoder.encode(t) for t in (similar, opposite, "sweep up the crumbs")]
    assert nearness == sorted(nearness, reverse=True)
    assert nearness[0] < 0.99
    assert nearness[1] < 0.97  # told apart
    assert nearness[2] < 0.6


def test_ids_tell_sentences_apart_and_know_no_words():
    ids, words = SentenceIds(), HashedWords()
    one, like = "put the lid on the pot", "put the lid on the low pot"
    np.testing.assert_array_equal(ids.encode(one), ids.encode(one))
    assert abs(ids.encode(one) @ ids.encode(like)) < 0.6 < words.encode(one) @ words.encode(like)
    assert ids.encode(one) @ ids.encode(one) == pytest.approx(1)


def test_nothing_is_asked_of_a_network():
    program = (
        "import socket, sys\n"
        "from policies.instructions import encode_instructions\n"
        "assert 'torch' not in sys.modules\n"
        "def refuse(*_): raise AssertionError('a socket')\n"
        "socket.socket.connect = refuse\n"
        "encode_instructions('minilm', ['put the lid on the pot'])\n"
    )
    command = [sys.executable, "-c", program]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=120, cwd=REPO)
    assert ended.returncode == 0, ended.stderr


def test_without_the_encoder_one_line_says_how_to_get_it(monkeypatch):
    monkeypatch.setattr("policies.sentence_encoder.PACKAGE", "no_such_package")
    with pytest.raises(EncoderError, match=r"reflexarc\[text\]") as raised:
        encode_instructions("minilm", ["put"])
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize("size", [0, 100, 12_000])
def test_damaged_weights_are_refused(size, tmp_path):
    source = Path(importlib.import_module(PACKAGE).get_model_path())
    shutil.copytree(source, tmp_path, dirs_exist_ok=True)
    with (source / "model.safetensors").open("rb") as file:
        (tmp_path / "model.safetensors").write_bytes(file.read(size))
    with pytest.raises(EncoderError, match="is damaged"):
        SentenceEncoder(tmp_path)


def test_a_folder_without_a_model_is_refused(tmp_path):
    with pytest.raises(EncoderError, match="is damaged"):
        SentenceEncoder(tmp_path)


# the stand-in


def test_hashed_words_are_equal_everywhere_and_share_what_texts_share():
    stand_in = HashedWords()
    np.testing.assert_allclose(
        stand_in.encode("put")[:3], (0.3074075, -0.3605012, 0.0023955), atol=1e-6
    )
    same = stand_in.encode("Put the lid, on!"), stand_in.encode("put the lid on")
    np.testing.assert_array_equal(*same)
    shared = same[0] @ stand_in.encode("put the lid in")
    assert shared > same[0] @ stand_in.encode("sweep crumbs away now")


@pytest.mark.parametrize("name", ENCODERS)
def test_every_encoder_gives_vectors_of_length_one_once_per_text(name):
    vectors = encode_instructions(name, ["close the drawer", "", "close the drawer"])
    assert [*vectors] == ["close the drawer", ""]
    for vector in vectors.values():
        assert np.linalg.norm(vector) == pytest.approx(1, abs=1e-5)


def test_an_encoder_that_does_not_exist_is_refused_with_those_that_do():
    with pytest.raises(ChoiceError, match="minilm, words"):
        encode_instructions("bert", [])
