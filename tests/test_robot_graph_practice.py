"""finetune --graph: practice by messages from the command line, its outcome and what it refuses."""

import functools
import json

import av
import pytest
from message_samples import sample
from msgspec.structs import replace
from seen_bench import lid_features, lid_reward

import robot.graph_practice
from robot.cli import main
from robot.commands.run import Run
from robot.graph_practice import GraphPracticeError, Wishes, last_checkpoint, prepare
from robot.messages import (
    AttemptOrder,
    AttemptReport,
    Experience,
    HelpNeeded,
    StepJudgement,
    Verdict,
)
from robot.practice_figures import figures_of

SMALL = (
    *("--set", "hidden=[8]", "--set", "critic_hidden=[8]", "--set", "batch_size=8"),
    *("--learner", "rlpd", "--set", "critic_steps=1", "--set", "warmup_steps=2"),
)


@pytest.fixture(scope="module")
def packages(tmp_path_factory):
    """A reward that pays, one that was taught something else, and features."""
    folder = tmp_path_factory.mktemp("packages")
    lid_reward(folder / "yes.onnx")
    lid_reward(folder / "other.onnx", texts=["sing", "be silent"])
    lid_features(folder / "features.onnx")
    return folder


def wishes(packages, **changed):
    whole = {
        "graph": "practice_sim",
        "task": "lid",
        "reward": str(packages / "yes.onnx"),
        "features": packages / "features.onnx",
    }
    return Wishes(**{**whole, **changed})


def test_a_graph_is_told_all_that_is_wished(packages, tmp_path):
    whole = wishes(packages, task="lid_images", data=[tmp_path], learner="wsrl", capacity=7)
    told = prepare(whole).overrides
    assert {"world.task=lid", "actor.task=lid", "learner.task=lid", "learner.capacity=7"} <= {*told}
    assert f'learner.data=["{tmp_path}"]' in told
    (hashed,) = (one for one in told if one.startswith("reward.sha256="))
    assert len(hashed) == len("reward.sha256=") + 64  # another package in its place is noticed
    assert "reward.hesitates=true" not in told  # it does not know where it may miss
    lid_reward(tmp_path / "knows.onnx", unsure=-3.0)
    knows = prepare(wishes(packages, reward=str(tmp_path / "knows.onnx"))).overrides
    assert "reward.hesitates=true" in knows


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        (
            {"graph": "room_sim"},
            "has no workbench, so nobody practises in it; valid graphs: practice_arm, practice_sim",
        ),
        ({"graph": "arm_sim"}, "has no practice_actor"),
        ({"task": "tabletop"}, "tabletop is done at no workbench; tasks of a graph: bin_bench"),
        ({"reward": "truth"}, "judges by what cameras show; give --reward reward_proved.onnx"),
        ({"features": None}, "give --features features.onnx"),
        ({"graph": "practice_sim_state"}, "shows no images; leave --features out"),
        ({"graph": "practice_arm", "features": None}, "judges by the truth; give --reward truth"),
        ({"task": "drawer"}, "was not taught 'close the drawer'"),
    ],
)
def test_what_a_graph_cannot_do_is_refused_in_one_line(packages, changed, words):
    with pytest.raises(ValueError) as refused:
        prepare(wishes(packages, **changed))
    assert words in str(refused.value)
    assert "\n" not in str(refused.value)


def test_a_reward_that_was_taught_something_else_is_refused_by_the_verb(packages, capsys):
    command = ["finetune", "lid", "--graph", "practice_sim", "--features"]
    command += [str(packages / "features.onnx"), "--reward", str(packages / "other.onnx")]
    assert main(command) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert "was not taught 'put the lid on the pot'; known: 'sing', 'be silent'" in line


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        (["--keep", "3"], "--graph takes no --keep; "),
        (["--final-episodes", "7", "--sees", "front"], "takes no --sees, --final-episodes; "),
        (["--evaluation-episodes", "2"], "takes no --evaluation-episodes; "),
        (["--practice-set", "random_steps=5"], "takes no --practice-set; "),
    ],
)
def test_what_no_node_of_a_graph_takes_is_not_ignored(packages, tmp_path, capsys, flags, words):
    command = ["finetune", "lid", "--graph", "practice_sim", "--out", str(tmp_path / "run")]
    command += ["--reward", str(packages / "yes.onnx"), *flags]
    assert main(command) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert words in line


def test_the_verb_practises_through_the_graph_and_goes_on_from_its_checkpoint(
    packages, tmp_path, monkeypatch, capsys
):
    monkeypatch.setattr(robot.graph_practice, "Run", functools.partial(Run, in_process=True))
    monkeypatch.setattr(
        "robot.nodes.practice_learner.encode_instructions",
        lambda _, texts: {text: [float(n), 1.0] for n, text in enumerate(texts)},
    )
    command = ["finetune", "lid", "--graph", "practice_sim", "--out", str(tmp_path), "--json"]
    command += ["--reward", str(packages / "yes.onnx"), *SMALL, "--steps", "60"]
    command += ["--features", str(packages / "features.onnx")]
    assert main(command) == 0
    outcome = json.loads(capsys.readouterr().out)
    assert outcome == json.loads((tmp_path / "practice.json").read_text())
    assert outcome["ended_by"] == "seconds"
    assert 55 <= outcome["judged"] <= 61
    assert outcome["said"] > 10
    assert outcome["in_vain"] >= outcome["said"] // 2  # of a reward that knows nothing
    with av.open(str(tmp_path / "run-1" / "attempts.mp4")) as film:
        frames = [frame.to_ndarray(format="rgb24") for frame in film.decode(video=0)]
    assert len(frames) == outcome["judged"]
    assert frames[0].shape[1] == 2 * frames[0].shape[0]  # both cameras, side by side
    first = last_checkpoint(tmp_path)
    assert main(command) == 2  # it was begun
    assert "go on with --resume" in capsys.readouterr().err
    assert main([*command, "--resume"]) == 0
    assert last_checkpoint(tmp_path).parent.parent.name == "run-2"
    resolved = json.loads((tmp_path / "run-2" / "resolved.json").read_text())
    assert resolved["nodes"]["learner"]["start"] == str(first)


def test_without_a_checkpoint_nothing_goes_on(tmp_path):
    with pytest.raises(GraphPracticeError, match="holds no checkpoint"):
        last_checkpoint(tmp_path)


def said(at_ns, *, success, abstained=False):
    return StepJudgement(
        captured_ns=at_ns, attempt=1, goal=0, success=success, lost=False, abstained=abstained
    )


def test_figures_count_what_was_said_against_what_is_so():
    order = replace(sample(AttemptOrder), reset=True)
    doubt = replace(sample(Verdict), abstained=True, reason="front is black (0, limit 16)")
    calls = [HelpNeeded(captured_ns=at, attempt=1, reason="far") for at in (7, 8)]
    found = figures_of(
        [
            *[("actor/order", order)] * 2,
            *[("truth/world/judgement", said(at, success=at == 2)) for at in (1, 2, 3)],
            *[("reward/judged", said(at, success=True)) for at in (1, 2)],
            ("reward/judged", said(3, success=False, abstained=True)),
            *[("reward/verdict", doubt), ("actor/experience", sample(Experience))],
            ("truth/world/attempt", replace(sample(AttemptReport), success=True)),
            *[("world/help", call) for call in calls],
        ]
    )
    assert found._asdict() == {
        "lessons": 1,
        "attempts": 1,
        "reached": 1,
        "said": 2,
        "in_vain": 1,
        "judged": 3,
        "abstained": 1,
        "reasons": {"front is black": 1},
        "resets": 1,
        "interventions": 1,
    }
    assert "abstained at 1 of these: front is black 1" in found.told()
