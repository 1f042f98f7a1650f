"""train, export and evaluate of a reward: what they print, and how they end."""

import dataclasses
import json

import cv2
import msgspec
import numpy as np
import pytest
from test_perception_model_package import MANIFEST, graph_bytes
from tiny_data import ABOUT, episode_of
from tiny_reward import (
    GOALS,
    LAMP,
    SIDE,
    TINY,
    VIEWS,
    WORDED,
    attempt_of,
    broken_attempt,
    write_attempts,
    write_broken,
)
from tiny_vlm import OPTIONS, write_vlm

from perception.model_package import read_package, write_package
from perception.quantities import InputError
from perception.reward_open import open_reward
from perception.reward_package import REWARD, about_of
from perception.torch_threads import one_thread
from policies.data_set import DataSet, DataSetWriter
from policies.episodes import read_episode, write_episode
from policies.kept_attempts import attempt_path, read_attempt, read_list
from policies.offline_data import open_offline
from policies.rewards import make_reward
from robot.cli import main
from robot.reward_lesson import read_lesson
from robot.reward_teacher import check_teacher, with_verdicts

LIGHT, OUT = (goal.text for goal in GOALS)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("lamps")


@pytest.fixture(scope="module")
def lesson(folder):
    return write_attempts(folder / "lesson", 8, 3)


@pytest.fixture(scope="module")
def held(folder):
    return write_attempts(folder / "held", 40, 40, seed=1)


@pytest.fixture(scope="module")
def package(folder, lesson):
    path = folder / "lamp.onnx"
    arguments = ("train", "reward", lesson, "--out", path, "--updates", 60, *TINY, "--json")
    assert main([str(argument) for argument in arguments]) == 0
    return path


@pytest.fixture(scope="module")
def proved(folder, package, held):
    path = folder / "proved.onnx"
    arguments = ("export", "reward", package, held, "--out", path, "--json")
    assert main([str(argument) for argument in arguments]) == 0
    return path


def test_training_judges_what_was_left_out_and_says_that_it_promises_nothing(
    call, lesson, tmp_path
):
    out = tmp_path / "lamp.onnx"
    code, said, _ = call("train", "reward", lesson, "--out", out, "--updates", 60, *TINY)
    assert code == 0
    assert "of 16 episodes" in said  # of each kind a fifth is left out: 2 + 2 + 1 + 1 of 22
    assert "in 0 of 6 attempts" in said
    assert "saw 4 of 4 successes" in said
    assert "it pays nothing yet: 'reflexarc export reward'" in said
    about = about_of(read_package(out))
    assert (about.bound, about.opposites) == (None, {LIGHT: [OUT], OUT: [LIGHT]})
    assert about.instructions == LAMP.instructions


def test_held_out_attempts_prove_the_bound_and_their_package_may_pay(proved, package, held):
    written = read_package(proved)
    about = about_of(written)
    assert written.manifest.parent == read_package(package).sha256
    assert about.bound.episodes == 160
    assert about.bound.upper <= 0.02
    assert (about.bound.recall, about.bound.recall_episodes) == (1.0, 80)
    assert about.held == [about_recipe(held)]
    assert {*about.usual} == {"front", "wrist"}  # what to abstain by: images unlike these
    source = make_reward("classifier", {"package": str(proved)}, goals=GOALS)
    assert source.sees == ("front", "wrist")


def about_recipe(held):
    return msgspec.structs.replace(LAMP, recipe={"seed": 1}).recipe_sha256


def test_a_reward_may_learn_when_only_a_person_can_help(call, tmp_path):
    lesson = write_attempts(tmp_path / "lesson", 8, 3, about=WORDED)
    held = write_attempts(tmp_path / "held", 40, 40, seed=1, about=WORDED)
    broken, out = write_broken(tmp_path / "broken", 4, seed=5), tmp_path / "lamp.onnx"
    asked = ("--lost", "the lamp is broken", "--updates", 150, *TINY)
    assert call("train", "reward", lesson, broken, "--out", out, *asked)[0] == 0
    more, proved = write_broken(tmp_path / "more", 5, seed=6), tmp_path / "proved.onnx"
    code, said, _ = call("export", "reward", out, held, more, "--out", proved)
    assert code == 0
    assert "calls for a person in vain in at most 4." in said
    assert "it sees 100 % of the 10 that need one" in said
    _, said, _ = call("evaluate", "reward", proved, held, more)
    assert "170 attempts (at most 4.5 % of such), in 10 of the 10 that need one" in said
    _, said, _ = call("evaluate", "reward", out, held, "--json")
    assert json.loads(said)["calls"] | {"in_vain": 0, "in_vain_upper": 0} == {
        "proved": False, "threshold": 0.0, "attempts": 160, "in_vain": 0, "in_vain_upper": 0,
        "helpless": 0, "found": 0,
    }  # fmt: skip
    source = make_reward("classifier", {"package": str(proved)}, goals=GOALS)

    def lost(one):
        seen = ({view: one.observation[view][at] for view in VIEWS} for at in range(len(one) + 1))
        return [source.judge(one.about.goal, moment, {}).lost for moment in seen]

    assert lost(broken_attempt(0, seed=99)) == [False] * 6 + [True]
    assert not any(lost(attempt_of(1, succeeds=True, seed=99)))
    black = dict.fromkeys(VIEWS, np.zeros((SIDE, SIDE, 3), np.uint8))
    assert source.judge(0, black, {}).lost is False  # and not None, which asks the truth


def test_what_is_never_shown_cannot_be_asked(refused, lesson, tmp_path):
    said = refused("train", "reward", lesson, "--lost", "the lamp is broken", *TINY)
    assert "no episode ended where only a person could put things right" in said


def test_too_few_attempts_write_nothing_and_say_how_many_more_would_do(call, package, tmp_path):
    few = write_attempts(tmp_path / "few", 2, 2, seed=2)
    out = tmp_path / "proved.onnx"
    code, said, _ = call("export", "reward", package, few, "--out", out)
    assert code == 1
    assert said.startswith(
        "not written: at most 2 % of attempts falsely paid cannot be proved by 8"
    )
    assert "141 more would do" in said
    assert not out.exists()


def test_what_a_reward_learned_from_proves_nothing(refused, package, lesson, tmp_path):
    line = refused("export", "reward", package, lesson, "--out", tmp_path / "proved.onnx")
    assert "what it learned proves nothing: collect other attempts, with another --seed" in line


def test_evaluation_tells_images_attempts_and_what_each_look_buys(call, proved, held, tmp_path):
    code, said, _ = call(
        "evaluate", "reward", proved, held, "--out", tmp_path / "pictures", "--json"
    )
    assert code == 0
    outcome = json.loads(said)
    assert outcome["refusal"] is None
    assert (outcome["attempts"], outcome["false_attempts"]) == (160, 0)
    assert (outcome["reached_attempts"], outcome["found_attempts"]) == (80, 80)
    assert outcome["accuracy"] > 0.9  # images on end miss the first image of each success
    assert [*outcome["rules"]] == [
        "front, 1 image",
        "wrist, 1 image",
        "front + wrist, 1 image",
        "front + wrist, 2 images",
        "front + wrist, 1 image, asked both ways",
        "front + wrist, 2 images, asked both ways",
    ]
    assert (tmp_path / "pictures" / "reliability.svg").read_text().startswith("<svg")
    assert not (tmp_path / "pictures" / "false_positives.png").exists()


def test_evaluation_tells_where_a_robot_would_abstain_and_what_that_leaves(call, proved, tmp_path):
    attempts = write_attempts(tmp_path / "attempts", 3, 1, seed=9)
    data = DataSet(attempts)
    for path in data.paths[:3]:  # a covered camera, all along or at the end
        episode = read_episode(path)
        front = episode.observation["front"]
        front[0 if path == data.paths[0] else -3 :] = 0
        write_episode(path, dataclasses.replace(episode, observation=episode.observation))
    code, said, _ = call("evaluate", "reward", proved, attempts, "--json")
    assert code == 0
    outcome = json.loads(said)
    assert outcome["abstained"]["reasons"]["front is black"] == 7 + 3 + 3
    left = outcome["where_it_answers"]
    assert (left["reached_attempts"], outcome["reached_attempts"]) == (6, 6)
    assert left["found_attempts"] <= 3  # a lit or dark lamp that nobody could see is not paid for
    said = call("evaluate", "reward", proved, attempts)[1]
    found = outcome["abstained"]["moments"]
    assert f"a robot would abstain at {found} of 56 moments (front is black 13 times" in said


def test_each_camera_alone_is_judged_by_its_own_images(call, proved, tmp_path):
    attempts = write_attempts(tmp_path / "attempts", 3, 3, seed=6)
    data = DataSet(attempts)
    for path in data.paths:  # the wrist shows the opposite of everything
        episode = read_episode(path)
        turned = {**episode.observation, "wrist": 250 - episode.observation["wrist"]}
        write_episode(path, dataclasses.replace(episode, observation=turned))
    code, said, _ = call("evaluate", "reward", proved, attempts, "--json")
    assert code == 0
    rules = json.loads(said)["rules"]
    front, wrist = (rules[f"{view}, 1 image"] for view in ("front", "wrist"))
    assert (front["false_attempts"], front["found_attempts"]) == (0, 6)
    assert (wrist["false_attempts"], wrist["found_attempts"]) == (12, 0)
    assert (front["false_attempts_at_half"], wrist["false_attempts_at_half"]) == (0, 12)


def test_errors_are_drawn_on_sheets(call, package, tmp_path):
    truth = LAMP.instructions
    swapped = {LIGHT: truth[OUT], OUT: truth[LIGHT]}  # asks for the one, shows the other
    about = about_of(read_package(package))
    words = msgspec.structs.replace(about, instructions=swapped)
    read = read_package(package)
    manifest = msgspec.structs.replace(read.manifest, extra={REWARD: msgspec.to_builtins(words)})
    wrong = write_package(tmp_path / "wrong.onnx", package.read_bytes(), manifest).path
    attempts = write_attempts(tmp_path / "attempts", 2, 1, seed=4)
    code, said, _ = call("evaluate", "reward", wrong, attempts, "--out", tmp_path, "--json")
    assert code == 0
    outcome = json.loads(said)
    assert "no held-out attempts have proved" in outcome["refusal"]
    assert (outcome["false_attempts"], outcome["found_attempts"]) == (6, 0)
    for name in ("false_positives.png", "false_negatives.png"):
        sheet = cv2.imread(str(tmp_path / name))
        assert sheet.shape[1] == 3 * (2 * 2 * SIDE + 6)  # three tiles of two views
        assert sheet.std() > 20


def test_an_instruction_that_was_not_taught_is_refused_with_its_distance(
    refused, call, package, tmp_path
):
    texts = {"dim the lamp": [0.8, 0.6, 0.0], OUT: LAMP.instructions[OUT]}
    about = msgspec.structs.replace(
        LAMP,
        tasks={"lamp": (GOALS[0]._replace(text="dim the lamp"), GOALS[1])},
        instructions=texts,
    )
    other = tmp_path / "other"
    with DataSetWriter(other, about) as writer:
        episode = attempt_of(0, succeeds=True, seed=5)
        words = msgspec.structs.replace(episode.about, instruction="dim the lamp")
        writer.append(dataclasses.replace(episode, about=words))
    line = refused("evaluate", "reward", package, other)
    assert "was not taught 'dim the lamp' (cosine distance 0.04 to 'put the lamp out')" in line
    assert "or ask all the same with --zero-shot" in line
    assert call("evaluate", "reward", package, other, "--zero-shot", "--json")[0] == 0


def test_data_that_cannot_teach_a_reward_are_refused_in_one_line(refused, tmp_path):
    blind = tmp_path / "blind"
    with DataSetWriter(blind, ABOUT) as writer:
        writer.append(episode_of())
    assert "hold no images; collect a task with cameras" in refused("train", "reward", blind)
    easy = write_attempts(tmp_path / "easy", 2, 0)
    assert "no episode failed: a reward that never saw a failure" in refused(
        "train", "reward", easy
    )
    hopeless = write_attempts(tmp_path / "hopeless", 0, 2)
    assert "none of the 4 episodes succeeded" in refused("train", "reward", hopeless)


def test_options_that_mean_nothing_are_refused_before_anything_is_read(refused, lesson, package):
    assert "--updates 0: must be 1 or more" in refused("train", "reward", lesson, "--updates", 0)
    assert "ends in .onnx" in refused("train", "reward", lesson, "--out", "reward.pt")
    assert "no maker is called 'oracle'; valid names: embedded, vlm" in refused(
        "train", "reward", lesson, "--maker", "oracle"
    )
    assert "no backbone is called 'huge'; valid names: lite0, scratch, tiny" in refused(
        "train", "reward", lesson, "--set", "backbone=huge"
    )
    assert "--most 2.0: must be between 0 and 1" in refused(
        "export", "reward", package, lesson, "--most", 2
    )


def test_a_package_of_another_kind_is_no_reward(refused, lesson, tmp_path):
    path = write_package(tmp_path / "policy.onnx", graph_bytes(), MANIFEST).path
    assert "is a policy package; needed is one of kind success" in refused(
        "evaluate", "reward", path, lesson
    )


def test_a_reward_without_a_promise_pays_nothing(refused, package, tmp_path):
    line = refused("finetune", "lid_images", "--reward", package, "--out", tmp_path / "run")
    assert "pays nothing: no held-out attempts have proved how seldom it errs" in line
    assert not (tmp_path / "run").exists()


def test_a_goal_that_a_reward_was_not_taught_is_refused_before_practice(refused, proved):
    line = refused("finetune", "lid_images", "--reward", proved)
    assert "was not taught 'put the lid on the pot'" in line


@pytest.fixture(scope="module")
def teacher(folder, lesson):
    """A vision-language model that was taught a little, as a folder."""
    model = write_vlm(folder / "tiny_vlm")
    options = [f"--set={name}={json.dumps(value)}" for name, value in OPTIONS.items()]
    arguments = ("train", "reward", lesson, "--maker", "vlm", f"--set=model={model}", *options)
    with one_thread():
        more = ("--out", folder / "teacher", "--updates", 40, "--json")
        assert main([str(argument) for argument in (*arguments, *more)]) == 0
    return folder / "teacher"


def test_verdicts_of_a_vision_language_model_become_the_labels_of_a_package(
    call, teacher, lesson, tmp_path
):
    data = open_offline((lesson,))
    seen = read_lesson(data, (), 0, without_failures=False)
    eye, looks = open_reward(teacher), seen.looks(3)
    with one_thread():
        taught = with_verdicts(looks, seen.spec, eye, lambda _: None)
        row = 5
        question = eye.asked(looks.text[looks.asked[row]]).question
        image, view = looks.image[looks.row[[row]]], seen.spec.views[looks.view[looks.row[row]]]
        raw = eye.log_odds(image, view, (question,))
        out = tmp_path / "lamp.onnx"
        arguments = ("train", "reward", lesson, "--teacher", teacher, "--out", out, *TINY)
        code, said, _ = call(*arguments, "--updates", 3, "--json")
    honest = eye.about.calibration.honest(raw)
    assert taught.success[row] == pytest.approx(1 / (1 + np.exp(-honest[0, 0])), abs=1e-5)
    assert code == 0
    assert json.loads(said)["teacher"] == str(teacher)
    assert read_package(out).manifest.extra["teacher"] == eye.sha256


def test_what_a_teacher_was_not_taught_to_say_of_persons_the_data_say(teacher, tmp_path):
    folders = [
        write_attempts(tmp_path / "lesson", 2, 2, about=WORDED),
        write_broken(tmp_path / "broken", 3, seed=5),
    ]
    said = "the lamp is broken"
    lesson = read_lesson(open_offline(folders), (), 0, without_failures=False, lost=said)
    eye, looks = open_reward(teacher), lesson.looks(3)
    check_teacher(eye, lesson)
    with one_thread():
        taught = with_verdicts(looks, lesson.spec, eye, lambda _: None)
    of_persons = looks.asked == looks.text.index(said)
    assert 0 < looks.success[of_persons].sum() < of_persons.sum()
    assert (taught.success[of_persons] == looks.success[of_persons]).all()
    others = taught.success[~of_persons]
    assert ((others > 0) & (others < 1)).all()
    with pytest.raises(InputError, match="was not taught 'the lamp is broken'"):
        check_teacher(eye, lesson._replace(lost=""))


def test_a_vision_language_model_is_judged_as_any_reward(call, teacher, tmp_path):
    attempts = write_attempts(tmp_path / "attempts", 1, 1, seed=8)
    with one_thread():
        code, said, _ = call("evaluate", "reward", teacher, attempts, "--json")
    assert code == 0
    assert json.loads(said)["attempts"] == 4


def test_a_vision_language_model_is_written_to_a_folder(refused, lesson, tmp_path):
    vlm = ("train", "reward", lesson, "--maker", "vlm")
    assert "the maker vlm writes a folder" in refused(*vlm, "--out", tmp_path / "lamp.onnx")
    assert "give --set model=FOLDER" in refused(*vlm, "--out", tmp_path / "lamp")
    line = refused(*vlm, "--out", tmp_path / "lamp", "--set", "model=nobody/nothing")
    assert "no such folder, and nothing in" in line
    assert "'reflexarc train reward --maker vlm' writes" in refused(
        "train", "reward", lesson, "--teacher", tmp_path
    )
    line = refused("export", "reward", tmp_path, lesson, "--out", tmp_path / "proved.onnx")
    assert f"{tmp_path} is a folder; a robot carries a package (.onnx)" in line
    assert f"train reward DATA --teacher {tmp_path} --out reward.onnx" in line


def test_recorded_attempts_that_it_doubts_are_kept_as_practice_keeps_them(
    call, refused, proved, lesson, tmp_path
):
    tried = write_attempts(tmp_path / "tried", 6, 6, seed=11)
    run = tmp_path / "run"
    code, said, _ = call("evaluate", "reward", proved, tried, "--keep", 8, "--out", run)
    assert code == 0
    assert f"'reflexarc label {run}' asks about them" in said
    found = read_list(run / "attempts")
    assert (found.attempts, found.promised) == (24, 0.02)
    assert {one.kind for one in found.kept} >= {"no", "yes", "sample"}
    recorded = [*open_offline([tried]).episodes()]
    source = make_reward("classifier", {"package": str(proved)}, goals=GOALS)
    for number in {one.attempt for one in found.kept}:
        kept, episode = read_attempt(attempt_path(run / "attempts", number)), recorded[number]
        assert kept.about.instruction == episode.about.instruction
        assert kept.reached.tolist() == episode.success.tolist()
        source.begin()
        for at in range(len(kept.said)):  # as the same package says it while a robot practises
            seen = {view: episode.observation[view][at + 1] for view in source.sees}
            judged = source.judge(episode.about.goal, seen, {})
            assert judged.looks == pytest.approx(kept.looks[at], abs=1e-5)
            assert (judged.success, judged.score) == (
                kept.said[at],
                pytest.approx(kept.score[at], abs=1e-5),
            )
    assert call("label", run, "--truth")[0] == 0
    out = tmp_path / "again.onnx"
    arguments = ("--labels", run, "--out", out, "--updates", 2, *TINY, "--json")
    code, said, _ = call("train", "reward", lesson, *arguments)
    assert (code, json.loads(said)["labels"] > 4) == (0, True)
    line = refused("export", "reward", out, tried, "--out", tmp_path / "proved.onnx")
    assert f"{tried} taught {out}, itself or by labels; what it learned proves nothing" in line


def test_attempts_are_kept_in_a_folder_of_their_own(refused, call, proved, held, tmp_path):
    line = refused("evaluate", "reward", proved, held, "--keep", 8)
    assert "--keep 8 needs --out FOLDER" in line
    few = write_attempts(tmp_path / "few", 1, 1, seed=12)
    run = tmp_path / "run"
    assert call("evaluate", "reward", proved, few, "--keep", 4, "--out", run)[0] == 0
    line = refused("evaluate", "reward", proved, few, "--keep", 4, "--out", run)
    assert f"{run / 'attempts'} keeps attempts of another run already" in line
