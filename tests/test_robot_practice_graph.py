"""Actor and learner as two nodes of a graph: who waits for whom, and what repeats."""

import itertools

import pytest
from supervised import Run

from perception.model_package import read_package
from perception.quantities import InputError
from robot.attempts import read_attempts
from robot.clock import VirtualClock
from robot.config import load_robot
from robot.edges import Arrival
from robot.executor import RunOptions, run_in_process
from robot.graph import load_graph
from robot.messages import (
    Alert,
    AttemptOrder,
    AttemptReport,
    Command,
    Experience,
    Instruction,
    StepJudgement,
    Weights,
)
from robot.node import Inputs, NodeContext
from robot.nodes.practice_actor import PracticeActorConfig, PracticeActorNode
from robot.nodes.practice_learner import PracticeLearnerConfig, PracticeLearnerNode
from robot.observed import observed_of
from robot.record import LogReader
from robot.validation import validate
from robot.wire import encode
from robot.worlds import make_world

OPTIONS = {
    "hidden": (8,),
    "critic_hidden": (8,),
    "batch_size": 8,
    "critic_steps": 1,
    "warmup_steps": 10,
}
TINY = (
    "learner.encoder=words",
    "learner.options={hidden=[8],critic_hidden=[8],batch_size=8,critic_steps=1,warmup_steps=10}",
    "learner.updates_per_package=20",
)
SECONDS = 16.0
KINDS = (
    *(Alert, AttemptOrder, AttemptReport, Command, Experience, Instruction),
    *(StepJudgement, Weights),
)


def run(run_dir, *overrides, seconds=SECONDS):
    run_dir.mkdir()
    graph = load_graph("practice_arm", (*TINY, *overrides))
    validate(graph)
    options = RunOptions(seconds, seed=3, lockstep=True, run_dir=run_dir)
    return run_in_process(graph, options, lambda _: None, lambda: False, lambda *_: None)


def messages(run_dir, *kinds):
    return [message for _, message, _ in LogReader(run_dir / "log.mcap").messages(*kinds)]


@pytest.fixture(scope="module")
def practised(tmp_path_factory):
    """Folder of a run in lockstep, and what came of it."""
    folder = tmp_path_factory.mktemp("runs") / "practised"
    result = run(folder)
    assert result.failures == {}
    return folder, result


def test_equal_seeds_give_equal_practice_and_equal_weights(practised, tmp_path):
    run(tmp_path / "again")
    first, again = ([*map(str, messages(f, *KINDS))] for f in (practised[0], tmp_path / "again"))
    assert len(first) > 200
    assert first == again


def test_the_learner_does_a_fixed_number_of_updates_per_second(practised):
    gauges = practised[1].reports["learner"].gauges
    warm_s = (10 + 2) / 5  # the first lesson is of the third observation
    assert gauges["updates"] == pytest.approx(5 * (SECONDS - warm_s), abs=2)
    assert gauges["updates_skipped"] == 0


def test_weights_are_packages_that_name_the_one_before_and_are_acted_by(practised):
    folder, result = practised
    sent = messages(folder, Weights)
    assert [weights.updates for weights in sent] == [20, 40, 60]
    assert [weights.parent for weights in sent] == ["", *[w.sha256 for w in sent[:-1]]]
    packages = [read_package(folder / weights.path) for weights in sent]
    assert [package.sha256 for package in packages] == [weights.sha256 for weights in sent]
    assert packages[1].manifest.parent == packages[0].sha256
    assert result.reports["actor"].gauges["weights_swaps"] == 3


def test_lessons_are_what_was_observed_and_commanded(practised):
    lessons = messages(practised[0], Experience)
    commands = {c.captured_ns: c for c in messages(practised[0], Command)}
    assert len(lessons) > 60
    for lesson in lessons:
        assert lesson.action == commands[lesson.captured_ns - 200_000_000].values
    pairs = itertools.pairwise(lessons)
    assert all((one.after == two.before).all() for one, two in pairs)


def test_the_strategy_asks_for_attempts_and_the_world_obeys(practised):
    orders = messages(practised[0], AttemptOrder)
    assert [(one.attempt, one.goal, one.reset) for one in orders] == [
        (number, (number - 1) % 2, number == 1) for number in range(1, len(orders) + 1)
    ]
    attempts = read_attempts(practised[0] / "log.mcap")
    assert [(one.attempt, one.goal) for one in attempts] == [
        (order.attempt, order.goal) for order in orders[:-1]
    ]
    first = next(lesson for lesson in messages(practised[0], Experience) if lesson.ended)
    assert (first.attempt, first.success) == (1, attempts[0].success)


def test_a_reward_that_errs_is_what_the_robot_is_told_and_not_what_is_true(tmp_path):
    run(
        tmp_path / "lied_to",
        "world.reward=noisy_truth",
        "world.reward_options={false_positive_rate=1.0, false_negative_rate=0.0}",
        seconds=3.0,
    )
    lessons = messages(tmp_path / "lied_to", Experience)
    assert lessons
    assert all(lesson.success for lesson in lessons)
    attempts = read_attempts(tmp_path / "lied_to" / "log.mcap")
    assert {attempt.success for attempt in attempts if attempt.goal == 0} == {False}


def test_the_death_of_the_learner_does_not_stop_who_acts(tmp_path):
    run_dir = tmp_path / "run"
    run_dir.mkdir()
    overrides = (*TINY, "learner.supervision.backoff_s=30")
    supervised = Run("practice_arm", run_dir, *overrides, seconds=60.0, lockstep=False)
    killed_at = []

    def kill(_):
        steps = supervised.pulse("actor").steps
        if not killed_at and steps >= 10 and supervised.pulse("learner").steps >= 5:
            supervised.kill("learner")
            killed_at.append(steps)

    def acted_on():
        return bool(killed_at) and supervised.pulse("actor").steps >= killed_at[0] + 20

    result = supervised.go(kill, acted_on)
    assert killed_at
    assert result.reports["actor"].steps >= killed_at[0] + 20
    assert "actor" not in result.failures
    stamps = [command.captured_ns for command in messages(run_dir, Command)]
    assert max(b - a for a, b in itertools.pairwise(stamps)) < 1_000_000_000


# the nodes by hand


def context(run_dir, name, life=0, rate_hz=5.0):
    robot = load_robot("arm6")
    return NodeContext(name, robot, 0, VirtualClock(), rate_hz=rate_hz, run_dir=run_dir, life=life)


def learner(run_dir, life=0):
    config = PracticeLearnerConfig(options=OPTIONS, encoder="words", updates_per_package=3)
    return PracticeLearnerNode(config, context(run_dir, "learner", life))


def arrived(port, *found):
    return Inputs({port: [Arrival(f"x/{port}", one, encode(one)) for one in found]}, {})


def test_a_learner_that_begins_anew_goes_on_from_its_checkpoint(practised, tmp_path):
    lessons = messages(practised[0], Experience)[:20]
    first = learner(tmp_path)
    first.step(0, arrived("experience", *lessons))
    ((_, weights),) = first.step(800_000_000, Inputs({}, {}))
    assert weights.updates == 4
    second = learner(tmp_path, life=1)
    ((_, again),) = second.step(0, Inputs({}, {}))
    assert again.updates == 4
    assert again.path != weights.path
    assert read_package(tmp_path / again.path).model.metadata is not None


def test_unsound_weights_are_refused_and_said(tmp_path):
    node = PracticeActorNode(PracticeActorConfig(), context(tmp_path, "actor"))
    told = Weights(captured_ns=0, path="weights/x.onnx", sha256="", parent="", frames=0, updates=7)
    node.step(0, arrived("weights", told))
    world = make_world("lid")
    seen, _ = world.reset(seed=0)
    judged = StepJudgement(captured_ns=5, attempt=0, goal=0, success=False, lost=False)
    inputs = {"observed": observed_of(seen, 5), "judged": judged}
    emissions = node.step(5, Inputs({p: [Arrival(p, m, encode(m))] for p, m in inputs.items()}, {}))
    said = [message.text for port, message in emissions if port == "alerts"]
    assert len(said) == 1
    assert "weights after 7 updates are refused" in said[0]
    assert node.gauges()["weights_refused"] == 1
    node.close()


@pytest.mark.parametrize(
    ("override", "words"),
    [
        ("actor.task=lit", "no manipulation task is called 'lit'"),
        ("actor.strategy=medal", "medal returns to states of demonstrations"),
        ("actor.package=there_is.onnx", "there_is.onnx"),
        ("learner.learner=magic", "no learner is called 'magic'"),
        ("learner.data=['there_is']", "there_is is no data set"),
        ("learner.updates_per_s=0", "updates_per_s = 0"),
        ("world.reward=magic", "no reward is called 'magic'"),
    ],
)
def test_what_does_not_exist_is_refused_before_anything_moves(tmp_path, override, words):
    with pytest.raises(InputError, match=words):
        run(tmp_path / "bad", override)


def test_who_practises_another_task_stops_the_run_and_says_why(tmp_path):
    failures = run(tmp_path / "bad", "actor.task=place", seconds=2.0).failures
    assert "asks for goal 0 of the task 'place'; here is 'lid'" in failures["world"]
