"""Practice by what cameras show: who tells whom what, in which order, and what nobody is told."""

import itertools

import numpy as np
import pytest
from seen_bench import ALWAYS, NEVER, TEXTS, lid_features, lid_reward

from perception.quantities import InputError
from robot.clock import VirtualClock
from robot.config import load_robot
from robot.edges import Arrival
from robot.executor import RunOptions, run_in_process
from robot.graph import load_graph
from robot.messages import (
    AttemptOrder,
    CameraImage,
    Experience,
    HelpNeeded,
    Instruction,
    StepJudgement,
    Verdict,
)
from robot.node import Inputs, NodeContext, Role
from robot.nodes.features import FeaturesNode, FeaturesNodeConfig
from robot.nodes.practice_actor import PracticeActorConfig, PracticeActorNode
from robot.nodes.reward import RewardConfig, RewardNode
from robot.observed import observed_of
from robot.record import LogReader
from robot.recording import open_recording
from robot.replay import Replay
from robot.validation import validate
from robot.wire import encode
from sim.bench_observation import FELT

STEP_NS = 200_000_000
SECONDS = 4.0
TINY = (
    "learner.encoder=words",
    "learner.options={hidden=[8],critic_hidden=[8],batch_size=8,critic_steps=1,warmup_steps=5}",
    "learner.updates_per_package=10",
)


@pytest.fixture(scope="module")
def packages(tmp_path_factory):
    """Features, and a reward that says yes to every second image."""
    folder = tmp_path_factory.mktemp("packages")
    lid_features(folder / "features.onnx")
    lid_reward(folder / "yes.onnx", ALWAYS)
    return folder


def told(packages, *overrides):
    features = packages / "features.onnx"
    return (
        *TINY,
        f"reward.package={packages / 'yes.onnx'}",
        f"features.package={features}",
        f"learner.features={features}",
        *overrides,
    )


def run(run_dir, overrides, graph="practice_sim", seconds=SECONDS):
    run_dir.mkdir()
    resolved = load_graph(graph, overrides)
    validate(resolved)
    options = RunOptions(seconds, seed=3, lockstep=True, run_dir=run_dir)
    return run_in_process(resolved, options, lambda _: None, lambda: False, lambda *_: None)


def messages(run_dir, *kinds):
    return [message for _, message, _ in LogReader(run_dir / "log.mcap").messages(*kinds)]


@pytest.fixture(scope="module")
def practised(packages, tmp_path_factory):
    """Folder of a run."""
    folder = tmp_path_factory.mktemp("runs") / "practised"
    result = run(folder, told(packages))
    assert result.failures == {}
    assert result.reports["actor"].gauges["weights_swaps"] >= 1
    return folder


def test_a_yes_ends_the_attempt_and_the_next_verdict_is_on_the_other_instruction(practised):
    verdicts = messages(practised, Verdict)
    orders = {order.captured_ns: order for order in messages(practised, AttemptOrder)}
    paid = [(one, after) for one, after in itertools.pairwise(verdicts) if one.yes]
    assert len(paid) >= 5
    for yes, after in paid:
        order = orders[yes.captured_ns]
        assert (order.attempt, order.goal) == (yes.attempt + 1, 1 - yes.goal)
        assert after.captured_ns == yes.captured_ns + STEP_NS
        assert (after.attempt, after.text, after.yes) == (
            order.attempt,
            TEXTS[order.goal],
            False,  # two images of this attempt have to agree
        )


def test_an_order_is_obeyed_one_tick_after_it_was_given(practised):
    began = {one.attempt: one.captured_ns for one in messages(practised, Instruction)}
    for order in messages(practised, AttemptOrder):
        assert began[order.attempt] == order.captured_ns + 20_000_000


def test_lessons_are_paid_by_the_verdict_of_their_moment(practised):
    verdicts = {one.captured_ns: one for one in messages(practised, Verdict)}
    lessons = messages(practised, Experience)
    assert {lesson.success for lesson in lessons} == {True, False}
    for lesson in lessons:
        verdict = verdicts[lesson.captured_ns]
        assert (lesson.success, lesson.text) == (verdict.yes, verdict.text)


def test_a_verdict_carries_its_looks_and_the_bound_it_was_proved_with(practised):
    verdict = messages(practised, Verdict)[-1]
    assert verdict.views == ("front", "wrist")
    assert len(verdict.probability) == len(verdict.against) == 2
    assert (verdict.abstained, verdict.reason, verdict.threshold) == (False, "", ALWAYS)
    assert (verdict.proving_attempts, verdict.confidence) == (200, 0.95)
    assert 0 < verdict.upper <= 0.02
    assert len(verdict.package) == 64


def test_policy_and_learner_see_what_the_arm_feels_and_features_alone(practised):
    lesson = messages(practised, Experience)[0]
    assert lesson.names == (*FELT, "front_features", "wrist_features")
    assert lesson.shapes[-2:] == ((8,), (8,))
    assert not np.array_equal(lesson.before[-16:], lesson.after[-16:])  # the wrist's camera moves


def test_the_truth_is_logged_and_reaches_nobody_who_acts_learns_or_judges(packages, practised):
    graph = load_graph("practice_sim", told(packages))
    watching = {n for n, node in graph.nodes.items() if node.node_class.role is Role.WATCHING}
    assert watching == {"recorder"}
    for edge in graph.edges:
        assert edge.reader in watching or not edge.topic.startswith("truth/")
    topics = {topic for topic, _, _ in LogReader(practised / "log.mcap").messages(StepJudgement)}
    assert topics == {"truth/world/judgement", "reward/judged"}
    truth = [
        one
        for topic, one, _ in LogReader(practised / "log.mcap").messages(StepJudgement)
        if topic == "truth/world/judgement"
    ]
    assert not any(one.success for one in truth if one.goal == 0)  # what the reward said is not so
    told_so = "truth/world/judgement is for evaluation only"
    connected = graph.path.read_text().replace("reward.judged ->", "world.judgement ->")
    bad = practised / "bad.toml"
    bad.write_text(connected)
    with pytest.raises(InputError, match=told_so):
        validate(load_graph(str(bad), told(packages)))


def test_a_recorded_run_judges_and_sees_alike_when_it_is_done_again(practised):
    recording = open_recording(practised / "log.mcap")
    again = frozenset({"reward", "features", "actuator"})
    replay = Replay(recording, again)
    result = replay.run(lambda _: None, lambda _: None, lambda: False, stop_at_difference=False)
    assert (result.first, result.differing, result.unlogged) == (None, 0, 0)
    assert result.steps["reward"] == result.steps["features"] == 20
    assert result.compared > 100


def test_the_variant_with_object_state_says_so_and_shows_it(packages, tmp_path):
    features = ("features.package=", "learner.features=")
    assert run(tmp_path / "run", (*told(packages), *features), "practice_sim_state", 1.0)
    lesson = messages(tmp_path / "run", Experience)[0]
    assert lesson.names == (*FELT, "object_position_m", "object_up")
    assert "where objects are" in load_graph("practice_sim_state", told(packages)).description


# the nodes by hand


def context(name):
    return NodeContext(name, load_robot("arm6"), 0, VirtualClock(), rate_hz=5.0)


class Seat:
    """A reward node, shown one moment after the other."""

    def __init__(self, package, **config):
        self.node = RewardNode(RewardConfig(str(package), **config), context("reward"))
        self.now_ns, self.rng = 0, np.random.default_rng(0)
        self.ask(TEXTS[0])

    def ask(self, text, attempt=1):
        told = Instruction(captured_ns=self.now_ns, task="lid", goal=0, text=text, attempt=attempt)
        return self.node.step(self.now_ns, Inputs(arrived(instruction=told), {}))

    def scene(self):
        return self.rng.integers(40, 215, (100, 100, 3), dtype=np.uint8)

    def see(self, tool_m=0.0, late_ns=0, **images):
        """The verdict and what is told to who practises; None: no image."""
        self.now_ns += STEP_NS
        felt = {"tool_position_m": np.float32([tool_m, 0, 0])}
        shown = {"front": self.scene(), "wrist": self.scene(), **images}
        found = {
            view: CameraImage(captured_ns=self.now_ns - late_ns, image=image)
            for view, image in shown.items()
            if image is not None
        }
        inputs = arrived(observed=observed_of(felt, self.now_ns), **found)
        (_, verdict), (_, judged) = self.node.step(self.now_ns, Inputs(inputs, {}))
        assert (judged.success, judged.abstained) == (verdict.yes, verdict.abstained)
        self.lost = judged.lost
        return verdict


def arrived(**found):
    return {port: [Arrival(f"x/{port}", one, encode(one))] for port, one in found.items()}


@pytest.fixture
def seat(packages):
    return Seat(packages / "yes.onnx")


BLACK = np.zeros((100, 100, 3), np.uint8)
GREY = np.full((100, 100, 3), 120, np.uint8)


@pytest.mark.parametrize(
    ("shown", "reason"),
    [
        ({"wrist": None}, "wrist is missing"),
        ({"late_ns": 100_000_000}, "front is missing"),
        ({"front": BLACK}, "front is black (0, limit 16)"),
        ({"wrist": GREY}, "wrist is covered (0, limit 3)"),
    ],
)
def test_what_is_not_to_be_believed_is_answered_by_a_reason_and_pays_nothing(seat, shown, reason):
    assert [seat.see().yes, seat.see().yes] == [False, True]
    doubtful = seat.see(**shown)
    assert (doubtful.abstained, doubtful.yes, doubtful.reason) == (True, False, reason)
    assert doubtful.probability == ()
    assert [seat.see().yes, seat.see().yes] == [False, True]  # what it saw before does not count


def test_a_camera_that_stands_still_while_the_arm_moves_is_not_believed(seat):
    still = seat.scene()
    assert not seat.see(tool_m=0.00, front=still).abstained
    assert not seat.see(tool_m=0.00, front=still).abstained  # nor does the arm move
    assert seat.see(tool_m=0.05, front=still).reason == "front is frozen (0.05, limit 0.01)"
    assert not seat.see(tool_m=0.06).abstained


@pytest.mark.parametrize(("threshold", "calls"), [(None, False), (ALWAYS, True), (NEVER, False)])
def test_it_calls_for_a_person_if_it_was_taught_to_see_that_one_is_needed(
    tmp_path, threshold, calls
):
    lid_reward(tmp_path / "reward.onnx", lost=threshold)
    seat = Seat(tmp_path / "reward.onnx")
    seat.see()
    assert seat.lost == calls
    seat.see(wrist=BLACK)  # what is not believed calls nobody
    assert not seat.lost


def test_who_hesitates_abstains_where_a_no_may_be_a_success(tmp_path):
    lid_reward(tmp_path / "reward.onnx", NEVER, unsure=ALWAYS)
    assert not Seat(tmp_path / "reward.onnx").see().abstained
    hesitant = Seat(tmp_path / "reward.onnx", hesitates=True).see()
    assert (hesitant.yes, hesitant.reason) == (False, "it may be a success")
    lid_reward(tmp_path / "reward.onnx", NEVER)
    with pytest.raises(InputError, match="does not know where it may miss a success: prove it"):
        Seat(tmp_path / "reward.onnx", hesitates=True)


class Passage:
    """A features node, shown one moment after the other."""

    def __init__(self, package, **config):
        self.node = FeaturesNode(FeaturesNodeConfig(str(package), **config), context("features"))
        self.now_ns, self.rng = 0, np.random.default_rng(0)

    def see(self, tool_m=0.0, tool="tool_position_m", **images):
        """Whether the moment is passed on."""
        self.now_ns += STEP_NS
        shown = {
            view: self.rng.integers(40, 215, (100, 100, 3), dtype=np.uint8)
            for view in ("front", "wrist")
        } | images
        found = {
            view: CameraImage(captured_ns=self.now_ns, image=image) for view, image in shown.items()
        }
        observed = observed_of({tool: np.float32([tool_m, 0, 0])}, self.now_ns)
        return bool(self.node.step(self.now_ns, Inputs(arrived(observed=observed, **found), {})))


def test_a_policy_is_shown_nothing_while_a_camera_is_black_covered_or_frozen(packages):
    passage = Passage(packages / "features.onnx")
    still = np.random.default_rng(1).integers(40, 215, (100, 100, 3), dtype=np.uint8)
    assert passage.see(front=still)
    assert not passage.see(front=BLACK)
    assert not passage.see(wrist=GREY)
    assert passage.see(front=still)
    assert not passage.see(tool_m=0.05, front=still)
    assert passage.see(tool_m=0.06)  # it comes back as soon as the camera does
    assert passage.node.gauges() == {"passed": 3.0, "doubted": 3.0}


def test_who_feels_no_tool_cannot_tell_whether_a_camera_is_frozen(packages):
    with pytest.raises(InputError, match="'tool_position_m' is not observed; there are: nose_m"):
        Passage(packages / "features.onnx").see(tool="nose_m")


def test_images_unlike_those_of_the_proof_are_not_believed(tmp_path):
    from perception.image_trust import coarse, usual_of

    rng = np.random.default_rng(1)
    proof = [coarse(rng.integers(40, 215, (100, 100, 3), dtype=np.uint8)) for _ in range(30)]
    path = tmp_path / "reward.onnx"
    lid_reward(path, usual={"front": usual_of(proof)})
    seat = Seat(path)
    assert not seat.see().abstained
    assert seat.see(front=seat.scene() // 2).reason.startswith("front is unusual")


def test_another_attempt_begins_with_nothing_seen(seat):
    assert [seat.see().yes, seat.see().yes] == [False, True]
    seat.ask(TEXTS[1], attempt=2)
    verdict = seat.see()
    assert (verdict.attempt, verdict.text, verdict.yes) == (2, TEXTS[1], False)


def test_by_wall_clock_an_observation_waits_for_its_images_until_the_next_one_comes(packages):
    import dataclasses

    by_wall = dataclasses.replace(context("reward"), lockstep=False)
    node = RewardNode(RewardConfig(str(packages / "yes.onnx")), by_wall)
    rng = np.random.default_rng(0)
    told = Instruction(captured_ns=0, task="lid", goal=0, text=TEXTS[0], attempt=1)
    felt = [observed_of({"tool_position_m": np.zeros(3, np.float32)}, at) for at in (0, STEP_NS)]
    views = [
        CameraImage(captured_ns=0, image=rng.integers(255, size=(100, 100, 3), dtype=np.uint8))
        for _ in range(2)
    ]
    assert node.step(0, Inputs(arrived(instruction=told, observed=felt[0]), {})) == []
    assert node.step(0, Inputs(arrived(front=views[0]), {})) == []
    (_, verdict), _ = node.step(0, Inputs(arrived(wrist=views[1]), {}))
    assert (verdict.captured_ns, verdict.abstained) == (0, False)
    assert node.step(0, Inputs(arrived(observed=felt[1]), {})) == []
    third = observed_of({"tool_position_m": np.zeros(3, np.float32)}, 2 * STEP_NS)
    (_, late), _ = node.step(0, Inputs(arrived(observed=third), {}))
    assert (late.captured_ns, late.reason) == (STEP_NS, "front is missing")


def test_a_reward_that_cannot_be_paid_by_is_refused_in_one_line(packages, tmp_path):
    with pytest.raises(InputError, match="give package=reward_proved"):
        Seat("")
    unproved = tmp_path / "unproved.onnx"
    lid_reward(unproved, None)
    with pytest.raises(InputError, match="pays nothing: no held-out attempts have proved"):
        Seat(unproved)
    elsewhere = tmp_path / "rear.onnx"
    lid_reward(elsewhere, views=("front", "rear"))
    with pytest.raises(InputError, match="looks through 'rear'; a reward node has the cameras"):
        Seat(elsewhere)
    with pytest.raises(InputError, match="it was replaced since this began"):
        Seat(packages / "yes.onnx", sha256="0" * 64)
    with pytest.raises(InputError, match=r"was not taught 'sing'; known: 'put the lid on"):
        Seat(packages / "yes.onnx").ask("sing")
    with pytest.raises(InputError, match=r"uint8 .50, 100, 3.; the reward takes uint8"):
        Seat(packages / "yes.onnx").see(front=BLACK[:50])


def test_a_call_for_help_ends_the_attempt_with_a_reset_and_counts_as_an_intervention():
    node = PracticeActorNode(PracticeActorConfig(), context("actor"))
    orders, now_ns = [], 0

    def step(attempt, **more):
        nonlocal now_ns
        now_ns += STEP_NS
        felt = observed_of({"tool_position_m": np.zeros(3, np.float32)}, now_ns)
        judged = StepJudgement(
            captured_ns=now_ns, attempt=attempt, goal=0, success=False, lost=False
        )
        emissions = node.step(now_ns, Inputs(arrived(observed=felt, judged=judged, **more), {}))
        orders.extend(message for port, message in emissions if port == "order")

    step(0)
    step(1)
    step(1)
    assert [order.reset for order in orders] == [True]
    step(1, help=HelpNeeded(captured_ns=now_ns, attempt=1, reason="the lid lies far away"))
    assert [(order.attempt, order.reset) for order in orders] == [(1, True), (2, True)]
    assert node.gauges()["interventions"] == 1
    node.close()


def test_a_never_satisfied_reward_lets_the_clock_turn_the_instruction(packages, tmp_path):
    lid_reward(tmp_path / "no.onnx", NEVER)
    overrides = told(packages, f"reward.package={tmp_path / 'no.onnx'}")
    run(tmp_path / "run", overrides, seconds=11.0)
    assert not any(one.yes for one in messages(tmp_path / "run", Verdict))
    orders = messages(tmp_path / "run", AttemptOrder)
    assert [(one.attempt, one.goal) for one in orders] == [(1, 0), (2, 1)]
    assert {lesson.reward for lesson in messages(tmp_path / "run", Experience)} == {-1.0}
