"""The run's folder: owned while its supervisor lives, removed by the next start after."""

import os
import signal
import tempfile

import pytest

from robot.socket_folder import make_socket_folder, remove_stale_folders


@pytest.fixture
def temporary(tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    return tmp_path


def test_a_folder_is_for_its_user_only(temporary):
    folder, owner = make_socket_folder()
    assert folder.stat().st_mode & 0o777 == 0o700
    owner.close()


def test_the_folder_of_a_killed_supervisor_is_removed_and_that_of_a_living_one_is_not(temporary):
    child = os.fork()
    if child == 0:
        held = make_socket_folder()
        (held[0] / "e0").touch()
        os.kill(os.getpid(), signal.SIGKILL)
    os.waitpid(child, 0)
    (left,) = temporary.iterdir()
    living, owner = make_socket_folder()
    assert remove_stale_folders() == [left]
    assert list(temporary.iterdir()) == [living]
    owner.close()
    assert remove_stale_folders() == [living]


def test_what_is_not_a_run_folder_stays(temporary):
    (temporary / "reflexarc-notes").mkdir()
    (temporary / "reflexarc-plan").touch()
    assert remove_stale_folders() == []
    assert len(list(temporary.iterdir())) == 2
