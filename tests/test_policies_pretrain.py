import numpy as np
import point_reach
import pytest
from test_policies_learners import DATA, observations, small

from policies.pretrain import Plan, PretrainError, pretrain
from policies.replay_buffer import ReplayBuffer

PLAN = Plan(updates=7, checkpoint_every=3, log_every=2, seed=4)


def actions_of(learner):
    return np.stack([learner.act(seen) for seen in observations(5)])


class StoppedError(RuntimeError):
    """The power went."""


@pytest.mark.parametrize("name", ["bc", "calql", "clone"])
def test_a_phase_that_was_interrupted_goes_on_to_the_bit(name, tmp_path):
    whole = small(name)
    expected = pretrain(whole, DATA, PLAN)

    def stop(done, metrics):
        if done == 5:
            raise StoppedError

    with pytest.raises(StoppedError):
        pretrain(small(name), DATA, PLAN, tmp_path, on_progress=stop)
    resumed = small(name)
    told = []
    found = pretrain(
        resumed, DATA, PLAN, tmp_path, resume=True, on_progress=lambda done, _: told.append(done)
    )
    assert told == [4, 5, 6, 7]  # the checkpoint was of 3
    assert found == expected
    np.testing.assert_array_equal(actions_of(resumed), actions_of(whole))


def test_it_leaves_checkpoints_and_curves(tmp_path):
    learner = small("bc")
    pretrain(learner, DATA, PLAN, tmp_path / "new" / "phase")
    names = {path.name.split(".tfevents")[0] for path in (tmp_path / "new" / "phase").iterdir()}
    assert names >= {"3.pt", "6.pt", "last.pt", "events.out"}
    loaded = small("bc", seed=8)
    loaded.load(tmp_path / "new" / "phase" / "last.pt")
    assert loaded.updates == 7
    np.testing.assert_array_equal(actions_of(loaded), actions_of(learner))


def test_the_normaliser_is_that_of_all_the_data():
    learner = small("bc")
    pretrain(learner, DATA, Plan(updates=1))
    whole = DATA.rows(np.arange(len(DATA)))["point_m"]
    np.testing.assert_allclose(learner.inputs.mean[:2], whole.mean(0), atol=1e-6)


def test_what_cannot_begin_is_refused(tmp_path):
    empty = ReplayBuffer(point_reach.SPEC, 3)
    with pytest.raises(PretrainError, match="holds no transitions"):
        pretrain(small("bc"), empty, PLAN)
    pretrain(small("bc"), DATA, Plan(updates=1), tmp_path)
    with pytest.raises(PretrainError, match="holds an offline phase already"):
        pretrain(small("bc"), DATA, PLAN, tmp_path)
