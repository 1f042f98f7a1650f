"""Keys on disk: made private, refused when they are not, trusted and revoked by name."""

import json
import os
import stat

import pytest
import zmq
from hypothesis import given
from hypothesis import strategies as st

from robot.cli import main
from robot.keys import KeyRing, KeysError, default_folder, key_text, parse_key


@pytest.fixture
def ring(tmp_path):
    """A ring with a key of its own that trusts nobody."""
    ring = KeyRing(tmp_path / "keys")
    ring.create()
    return ring


def _stranger():
    return key_text(zmq.curve_keypair()[0])


def _modes(folder):
    return {
        path.name: stat.S_IMODE(path.stat().st_mode)
        for path in (folder, *folder.rglob("*"))
        if path.name != "trusted"
    }


def test_secrets_are_files_of_their_owner_alone_whatever_the_umask(tmp_path):
    before = os.umask(0)
    try:
        ring = KeyRing(tmp_path / "deep" / "keys")
        ring.create()
        ring.trust("base", _stranger())
    finally:
        os.umask(before)
    assert _modes(ring.folder) == {"keys": 0o700, "host.secret": 0o600, "base.public": 0o600}


def test_the_public_key_belongs_to_the_secret_one(ring):
    own = ring.own()
    assert zmq.curve_public(own.secret) == own.public
    assert own.secret.decode() not in repr(own)


def test_a_second_new_key_needs_the_word_replace(ring):
    first = ring.own()
    with pytest.raises(KeysError, match="--replace"):
        ring.create()
    assert ring.own() == first
    assert ring.create(replace=True) == ring.own() != first


def test_who_is_trusted_is_listed_until_revoked(ring):
    base, arm = _stranger(), _stranger()
    ring.trust("base", base)
    ring.trust("arm", arm)
    assert {name: key_text(key) for name, key in ring.trusted().items()} == {
        "arm": arm,
        "base": base,
    }
    ring.revoke("base")
    assert list(ring.trusted()) == ["arm"]
    with pytest.raises(KeysError, match=r"'base' is trusted; trusted: arm; add it"):
        ring.peer("base")


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o660, 0o644])
@pytest.mark.parametrize("name", ["host.secret", "trusted/base.public"])
def test_a_key_that_others_may_open_is_refused_with_the_way_to_mend_it(ring, name, mode):
    ring.trust("base", _stranger())
    path = ring.folder / name
    path.chmod(mode)
    with pytest.raises(KeysError, match=f"chmod 600 {path}"):
        ring.own() if name == "host.secret" else ring.trusted()
    path.chmod(0o600)
    ring.own()
    ring.trusted()


@pytest.mark.parametrize("sub", ["", "trusted"])
def test_a_folder_that_others_may_open_is_refused_with_the_way_to_mend_it(ring, sub):
    ring.trust("base", _stranger())
    (ring.folder / sub).chmod(0o750)
    with pytest.raises(KeysError, match=f"chmod 700 {ring.folder / sub}"):
        ring.trusted()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a file away")
def test_a_key_of_another_user_is_refused(ring):
    os.chown(ring.folder / "host.secret", 12345, -1)
    with pytest.raises(KeysError, match="belongs to another user"):
        ring.own()


def test_a_pipe_in_place_of_a_key_does_not_hang(ring):
    (ring.folder / "host.secret").unlink()
    os.mkfifo(ring.folder / "host.secret", 0o600)
    with pytest.raises(KeysError, match="no plain file"):
        ring.own()


def test_one_key_has_one_name_so_that_revoking_it_shuts_the_door(ring):
    key = _stranger()
    ring.trust("base", key)
    with pytest.raises(KeysError, match="trusted already, as 'base'"):
        ring.trust("arm", key)
    with pytest.raises(KeysError, match="'base' is trusted already"):
        ring.trust("base", _stranger())


def test_the_secret_key_is_not_taken_for_a_public_one(ring):
    with pytest.raises(KeysError, match="secret key"):
        ring.trust("base", key_text(ring.own().secret))


@pytest.mark.parametrize("name", ["", "Base", "../base", "a/b", "1st", "a" * 64, "host\n"])
def test_a_name_that_is_no_plain_word_is_refused(ring, name):
    with pytest.raises(KeysError, match="use a-z"):
        ring.trust(name, _stranger())


@given(text=st.text(max_size=70) | st.text("0123456789abcdef", min_size=62, max_size=66))
def test_any_text_is_a_key_or_refused(text):
    try:
        key = parse_key("here", text)
    except KeysError:
        return
    assert key_text(key) == text.strip().lower()


@given(content=st.binary(max_size=80))
def test_any_file_is_a_key_or_refused(content, tmp_path_factory):
    folder = tmp_path_factory.mktemp("keys")
    folder.chmod(0o700)
    (folder / "host.secret").write_bytes(content)
    (folder / "host.secret").chmod(0o600)
    try:
        KeyRing(folder).own()
    except KeysError:
        return
    assert len(content.strip()) == 64


def test_a_malformed_key_can_be_revoked(ring):
    ring.trust("base", _stranger())
    (ring.folder / "trusted" / "base.public").write_text("nonsense")
    with pytest.raises(KeysError, match="no CURVE key"):
        ring.trusted()
    ring.revoke("base")
    assert ring.trusted() == {}


def test_without_a_folder_the_way_to_make_one_is_told(tmp_path):
    with pytest.raises(KeysError, match="reflexarc keys new"):
        KeyRing(tmp_path / "none").own()


def test_the_folder_is_that_of_the_users_configuration(monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    assert default_folder() == tmp_path / "reflexarc" / "keys"


def test_the_command_makes_lists_trusts_and_revokes(tmp_path, capsys):
    def keys(*words):
        assert main(["keys", *words, "--keys", str(tmp_path / "keys"), "--json"]) == 0
        return json.loads(capsys.readouterr().out)

    public = keys("new")["public"]
    peer = _stranger()
    assert keys("trust", "base", peer) == {"trusted": "base"}
    listed = keys("list")
    assert (listed["public"], listed["trusted"]) == (public, {"base": peer})
    assert keys("revoke", "base") == {"revoked": "base"}
    assert keys("list")["trusted"] == {}


@pytest.mark.parametrize(
    ("words", "fragment"),
    [
        (["trust", "base"], "keys trust NAME KEY"),
        (["revoke"], "keys revoke NAME"),
        (["list", "base"], "keys list"),
        (["revoke", "base"], "trusted: none"),
        (["trust", "base", "abc"], "64 hexadecimal digits"),
        (["list", "--replace"], "--replace belongs to new"),
        (["new"], "--replace"),
    ],
)
def test_words_that_do_not_fit_are_bad_input_in_one_line(words, fragment, ring, capsys):
    assert main(["keys", *words, "--keys", str(ring.folder)]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.count("\n") == 1
    assert fragment in err
