import numpy as np
import pytest

from perception.quantities import InputError
from policies.practice_checkpoint import latest_checkpoint, read_state, write_checkpoint

STATE = {
    "chance": np.random.default_rng(3).bit_generator.state,  # holds integers of 128 bits
    "nested": {"images": np.arange(6, dtype=np.uint8).reshape(2, 3), "none": None},
    "mixed": [1, 2.5, "text", True, np.float32([0.1, 0.2])],
    "number": np.int64(7),
}


def written(folder, step=5, state=STATE):
    write_checkpoint(folder, step, state, lambda new: (new / "rest").write_text("rest"))
    return latest_checkpoint(folder)


def test_a_state_comes_back_as_it_was(tmp_path):
    checkpoint = written(tmp_path)
    found = read_state(checkpoint)
    assert found["chance"] == STATE["chance"]
    assert found["nested"]["images"].dtype == np.uint8
    np.testing.assert_array_equal(found["nested"]["images"], STATE["nested"]["images"])
    assert found["nested"]["none"] is None
    assert found["mixed"][:4] == [1, 2.5, "text", True]
    assert found["number"] == 7
    assert (checkpoint / "rest").read_text() == "rest"


def test_a_crash_while_writing_leaves_the_checkpoint_before(tmp_path):
    before = written(tmp_path, 5)

    def dies(new):
        raise OSError("the disk is full")

    with pytest.raises(OSError, match="full"):
        write_checkpoint(tmp_path, 6, STATE, dies)
    assert latest_checkpoint(tmp_path) == before
    assert read_state(before)["number"] == 7
    assert written(tmp_path, 6).name == "step_00000006"  # the ruin is cleared away
    assert not before.exists()


def test_no_checkpoint_is_none(tmp_path):
    assert latest_checkpoint(tmp_path / "nowhere") is None


@pytest.mark.parametrize("name", ["state.json", "arrays.npz"])
@pytest.mark.parametrize("left", [0, 20])
def test_a_truncated_checkpoint_is_refused_in_one_line(tmp_path, name, left):
    checkpoint = written(tmp_path)
    content = (checkpoint / name).read_bytes()
    (checkpoint / name).write_bytes(content[:left])
    with pytest.raises(InputError, match="begin anew in another folder") as refused:
        read_state(checkpoint)
    assert "\n" not in str(refused.value)


def test_a_checkpoint_of_another_version_is_refused(tmp_path):
    checkpoint = written(tmp_path)
    state = checkpoint / "state.json"
    state.write_text(state.read_text().replace('"format_version": 1', '"format_version": 2'))
    with pytest.raises(InputError, match="has format 2; this version reads 1"):
        read_state(checkpoint)


def test_what_a_checkpoint_cannot_hold_is_refused(tmp_path):
    with pytest.raises(InputError, match="holds no set; give arrays, numbers"):
        written(tmp_path, state={"goals": {1, 2}})
