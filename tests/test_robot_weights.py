"""Announced weights are opened beside the work, one at a time, the newest first."""

import threading

import pytest

from perception.quantities import InputError
from robot.messages import Weights
from robot.weights import WeightsOpener, announced_path


def weights(updates, path="weights/a.onnx"):
    return Weights(
        captured_ns=0, path=path, sha256="", parent="", frames=0, updates=updates
    )  # fmt: skip


def taken(opener):
    """What is finished, as soon as it is."""
    while (opened := opener.take()) is None:
        pass
    return opened


def test_in_lockstep_a_package_is_open_when_the_step_ends():
    opener = WeightsOpener(lambda w: w.updates, background=False)
    assert opener.take() is None
    opener.submit(weights(3))
    assert opener.take().item == 3
    assert opener.take() is None


@pytest.mark.parametrize("background", [False, True])
def test_a_package_that_is_unsound_is_refused_with_its_fault(background):
    def refuse(_):
        raise InputError("of another camera")

    opener = WeightsOpener(refuse, background=background)
    opener.submit(weights(3))
    opened = taken(opener)
    assert (opened.item, opened.fault, opened.weights.updates) == (None, "of another camera", 3)
    opener.close()


def test_a_slow_package_holds_up_nobody_and_only_the_newest_waits():
    go_on = threading.Event()

    def slowly(announced):
        assert go_on.wait(60)
        return announced.updates

    opener = WeightsOpener(slowly, background=True)
    for updates in (1, 2, 3):
        opener.submit(weights(updates))
    assert opener.take() is None
    go_on.set()
    assert [taken(opener).item, taken(opener).item] == [1, 3]
    opener.close()


@pytest.mark.parametrize("path", ["../other.onnx", "/etc/passwd", "weights/../../x.onnx"])
def test_a_path_that_leads_out_of_the_run_folder_is_refused(path, tmp_path):
    with pytest.raises(InputError, match="outside of the run's folder"):
        announced_path(tmp_path, weights(1, path))


def test_a_path_inside_the_run_folder_is_taken(tmp_path):
    assert announced_path(tmp_path, weights(1)) == tmp_path / "weights/a.onnx"
    with pytest.raises(InputError, match="a run without a folder"):
        announced_path(None, weights(1))
