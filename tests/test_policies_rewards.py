import numpy as np
import pytest
from tiny_reward import DARK, GOALS, VIEWS, image_of, proved_package, write_attempts

from perception.image_trust import coarse, usual_of
from perception.quantities import InputError
from policies.classifier_reward import UNSURE
from policies.kept_attempts import read_attempt, read_list
from policies.practice_checkpoint import latest_checkpoint, read_state, write_checkpoint
from policies.rewards import REWARDS, Truth, make_reward, require_seen
from robot.practising import Beginning, Practice, keeping

INFO = {"achieved": np.array([False, True]), "irreversible": False}
MISSED, REACHED = 0, 1  # goals: to light the lamp, to put it out
SEEN = {view: image_of(DARK, np.random.default_rng(0)) for view in VIEWS}


def said(source, goal, steps=4000, seen=SEEN):
    return [source.judge(goal, seen, INFO).success for _ in range(steps)]


def written_and_read(state, folder):
    write_checkpoint(folder, 10, state, lambda _: None)
    return read_state(latest_checkpoint(folder))


@pytest.fixture(scope="module")
def options(tmp_path_factory):
    package = proved_package(tmp_path_factory.mktemp("reward") / "lamp.onnx", unsure=-0.6)
    shown = write_attempts(tmp_path_factory.mktemp("shown") / "lamp", successes=4, failures=1)
    slowly = {"learning_rate": 0.003, "updates_per_step": 0.1}
    return {
        "classifier": {"package": str(package.path), "sha256": package.sha256},
        "hesitant_classifier": {"package": str(package.path)},
        "vice": {"shown": str(shown), "sees": ["front"], "hidden": [16], **slowly},
    }


@pytest.mark.parametrize("name", REWARDS)
def test_every_source_pays_nothing_for_success_and_minus_one_else(name, options):
    source = make_reward(name, options.get(name), goals=GOALS)
    judged = [source.judge(goal, SEEN, INFO) for goal in (MISSED, REACHED) for _ in range(20)]
    assert {(one.reward, one.success) for one in judged} == {(-1.0, False), (0.0, True)}


@pytest.mark.parametrize("name", REWARDS)
def test_every_source_goes_on_from_what_it_saved(name, options, tmp_path):
    source, other = (make_reward(name, options.get(name), seed, GOALS) for seed in (1, 2))
    said(source, REACHED, 10)
    other.restore(written_and_read(source.save(), tmp_path))
    on, gone_on = ([one.judge(REACHED, SEEN, INFO) for _ in range(50)] for one in (source, other))
    assert on == gone_on  # scores to the bit


def test_truth_says_what_is():
    assert said(make_reward("truth"), MISSED, 2) == [False, False]
    assert said(make_reward("truth"), REACHED, 2) == [True, True]


def test_noisy_truth_lies_at_its_two_rates():
    options = {"false_positive_rate": 0.1, "false_negative_rate": 0.7}
    source = make_reward("noisy_truth", options)
    assert np.mean(said(source, MISSED)) == pytest.approx(0.1, abs=0.02)  # 4 standard errors
    assert np.mean(said(source, REACHED)) == pytest.approx(0.3, abs=0.03)


def test_noisy_truth_without_lies_is_truth_and_with_all_of_them_its_opposite():
    honest = make_reward("noisy_truth", {"false_positive_rate": 0, "false_negative_rate": 0})
    liar = make_reward("noisy_truth", {"false_positive_rate": 1, "false_negative_rate": 1})
    assert said(honest, REACHED, 50) == said(liar, MISSED, 50) == [True] * 50
    assert said(honest, MISSED, 50) == said(liar, REACHED, 50) == [False] * 50


def test_equal_seeds_lie_at_the_same_steps():
    one, same, other = (said(make_reward("noisy_truth", seed=s), REACHED, 99) for s in (3, 3, 4))
    assert one == same
    assert one != other


def test_bad_rates_and_unknown_names_are_refused():
    with pytest.raises(InputError, match=r"false_positive_rate = 1.5: a rate is from 0 to 1"):
        make_reward("noisy_truth", {"false_positive_rate": 1.5})
    with pytest.raises(InputError, match="valid names: classifier, hesitant_classifier, noisy"):
        make_reward("vlm")
    with pytest.raises(InputError, match="no option rate; valid options: false_positive_rate"):
        make_reward("noisy_truth", {"rate": 0.1})


def test_a_classifier_says_yes_after_as_many_images_on_end_as_its_rule_asks(options):
    source = make_reward("classifier", options["classifier"], goals=GOALS)
    assert said(source, REACHED, 3) == [False, True, True]
    source.begin()
    assert said(source, REACHED, 2) == [False, True]
    assert said(source, MISSED, 3) == [False, False, False]


def test_one_camera_that_disagrees_is_a_no(options):
    source = make_reward("classifier", options["classifier"], goals=GOALS)
    bright = image_of(190, np.random.default_rng(1))
    assert not any(said(source, REACHED, 4, {**SEEN, "wrist": bright}))


def test_a_classifier_is_refused_without_its_package_or_with_another_than_it_was(options):
    with pytest.raises(InputError, match="the classifier needs its package"):
        make_reward("classifier")
    package = options["classifier"]["package"]
    with pytest.raises(InputError, match="and not 000000000000: it was replaced since this began"):
        make_reward("classifier", {"package": package, "sha256": "0" * 64}, goals=GOALS)


def test_what_a_source_reads_has_to_be_observed(options):
    source = make_reward("classifier", options["classifier"], goals=GOALS)
    require_seen(source, ["position_m", "front", "wrist"], "the task lamp")
    require_seen(make_reward("truth"), [], "the task lamp")
    with pytest.raises(InputError, match="the task lamp does not show 'wrist'; it shows front"):
        require_seen(source, ["front"], "the task lamp")


def test_a_reward_that_looks_says_its_score_and_what_each_look_saw(options):
    source = make_reward("classifier", options["classifier"], goals=GOALS)
    first, second = (source.judge(REACHED, SEEN, INFO) for _ in range(2))
    assert len(second.looks) == len(VIEWS) + len(VIEWS)  # one opposite through each camera
    assert second.score == pytest.approx(min(second.looks))
    assert first.score < -100  # one image is not two on end
    assert make_reward("truth").judge(REACHED, SEEN, INFO).score is None


def test_practice_keeps_what_a_package_saw_beside_its_checkpoints(options, tmp_path):
    source = make_reward("classifier", options["classifier"], goals=GOALS)
    world = type("World", (), {"goals": GOALS})
    told = Practice("lamp", None, 0, Beginning(), tmp_path / "checkpoints", keep=4)
    keeper = keeping(source, world, told)
    for _ in range(3):
        keeper.begin()
        said(keeper, MISSED, 2)
    keeper.begin()
    found = read_list(tmp_path / "attempts")
    assert (found.attempts, found.promised) == (3, source.promised)
    kept = read_attempt(next((tmp_path / "attempts").glob("attempt-*.npz")))
    assert kept.about.package == options["classifier"]["sha256"]
    assert keeping(source, world, told._replace(keep=0)) is source
    assert isinstance(keeping(make_reward("truth"), world, told), Truth)  # it looks at nothing


def test_who_hesitates_says_nothing_where_a_no_may_be_a_success(tmp_path):
    package = proved_package(tmp_path / "strict.onnx", threshold=1e6, unsure=-0.5)
    sure, hesitant = (
        make_reward(name, {"package": str(package.path)}, goals=GOALS)
        for name in ("classifier", "hesitant_classifier")
    )
    assert [sure.judge(goal, SEEN, INFO).doubt for goal in (MISSED, REACHED)] == ["", ""]
    assert [hesitant.judge(goal, SEEN, INFO).doubt for goal in (MISSED, REACHED)] == ["", UNSURE]
    assert not said(hesitant, REACHED, 3)[-1]  # it pays nothing all the same


def test_a_classifier_says_nothing_of_images_that_it_cannot_believe(options):
    source = make_reward("classifier", options["classifier"], goals=GOALS)
    seen = said(source, REACHED, 2)
    blind = source.judge(REACHED, {**SEEN, "wrist": np.zeros_like(SEEN["wrist"])}, INFO)
    assert (blind.reward, blind.success, blind.doubt) == (-1.0, False, "wrist is black")
    assert len(blind.looks) == 4  # as many as of a moment that it sees, none of which agrees
    assert max(blind.looks) == blind.score < -100
    assert (seen, said(source, REACHED, 2)) == ([False, True], [False, True])  # two on end, anew
    assert not source.judge(REACHED, SEEN, INFO).abstained


def test_a_classifier_notices_a_frozen_camera_by_the_tool_also_after_a_stop(options, tmp_path):
    def at(x_m):
        return {**SEEN, "tool_position_m": np.array([x_m, 0.0, 0.0], np.float32)}

    source, other = (make_reward("classifier", options["classifier"], goals=GOALS) for _ in "ab")
    assert not source.judge(REACHED, at(0.0), INFO).abstained
    other.restore(written_and_read(source.save(), tmp_path))
    for one in (source, other):
        assert not one.judge(REACHED, at(0.005), INFO).abstained
        assert one.judge(REACHED, at(0.02), INFO).doubt == "front is frozen"


def test_a_classifier_abstains_where_images_are_unlike_those_that_proved_it(tmp_path):
    def usually(level):
        rng = np.random.default_rng(1)
        usual = usual_of([coarse(image_of(level, rng)) for _ in range(200)])
        package = proved_package(tmp_path / f"{level}.onnx", dict.fromkeys(VIEWS, usual))
        return make_reward("classifier", {"package": str(package.path)}, goals=GOALS)

    assert usually(120).judge(REACHED, SEEN, INFO).doubt == "front is unusual"
    assert not usually(DARK).judge(REACHED, SEEN, INFO).abstained
