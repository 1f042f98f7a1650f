"""The graph of the arm at its table: short runs in lockstep, with an expert and with a package."""

import av
import numpy as np
import pytest

from perception.model_package import TensorSpec
from perception.quantities import InputError
from policies.learner import make_learner
from policies.spec import ACTION, PolicySpec, bounds_of, fixed_shape, with_instruction
from robot.attempts import read_attempts, told
from robot.clock import VirtualClock
from robot.config import load_robot
from robot.edges import Arrival
from robot.executor import RunOptions, run_in_process
from robot.graph import load_graph
from robot.messages import AttemptReport, Command, Instruction, Observed, Setpoint
from robot.node import Inputs, NodeContext
from robot.nodes.workbench import WorkbenchConfig, WorkbenchNode
from robot.observed import tensors_in
from robot.pictures import draw_run
from robot.record import LogReader
from robot.supervisor import Supervisor
from robot.validation import validate
from robot.wire import encode
from sim.arm_cameras import SIDE_PX
from sim.bench_observation import tensors_of
from sim.manipulation_tasks import make_manipulation

NO_CAMERA = ("world.camera=''",)
SWITCH = (*NO_CAMERA, "world.then=switch")


def run(run_dir, *overrides, seconds=8.0, processes=False):
    run_dir.mkdir()
    graph = load_graph("arm_sim", overrides)
    validate(graph)
    options = RunOptions(seconds, seed=3, lockstep=True, run_dir=run_dir)
    if processes:
        supervisor = Supervisor(graph, overrides, options, lambda *_: None)
        return supervisor.run(lambda _: None, lambda: False)
    return run_in_process(graph, options, lambda _: None, lambda: False, lambda *_: None)


def records(run_dir):
    kinds = (Observed, Instruction, Command, AttemptReport)
    return [
        (topic, message) for topic, message, _ in LogReader(run_dir / "log.mcap").messages(*kinds)
    ]


@pytest.fixture(scope="module")
def switching(tmp_path_factory):
    """Folder of a run in which an expert does and undoes without a reset."""
    run_dir = tmp_path_factory.mktemp("runs") / "switching"
    assert run(run_dir, *SWITCH).failures == {}
    return run_dir


def test_an_expert_does_and_undoes_without_a_person(switching):
    attempts = read_attempts(switching / "log.mcap")
    assert [attempt.goal for attempt in attempts[:2]] == [0, 1]
    assert all(attempt.success and not attempt.irreversible for attempt in attempts)
    assert [attempt.attempt for attempt in attempts] == list(range(len(attempts)))


def test_what_is_asked_next_is_said_at_once(switching):
    asked = [m for _, m in records(switching) if isinstance(m, Instruction)]
    assert [message.text for message in asked][:3] == [
        "put the lid on the pot",
        "take the lid off the pot and lay it on the table",
        "put the lid on the pot",
    ]


def test_one_process_per_node_acts_the_same(switching, tmp_path):
    assert run(tmp_path / "processes", *SWITCH, seconds=2.0, processes=True).failures == {}
    there = [str(message) for _, message in records(tmp_path / "processes")]
    here = [str(message) for _, message in records(switching)]
    assert len(there) > 20
    assert there == here[: len(there)]


def test_things_are_put_back_for_the_next_attempt(tmp_path):
    run(tmp_path / "reset", *NO_CAMERA)
    attempts = read_attempts(tmp_path / "reset" / "log.mcap")
    assert {attempt.goal for attempt in attempts} == {0}
    tried = len(attempts)
    assert tried >= 2
    assert told(attempts)[0].startswith(f"put the lid on the pot: {tried} of {tried} attempts")


def test_an_attempt_fails_when_its_time_is_over(tmp_path):
    run(tmp_path / "short", *NO_CAMERA, "world.attempt_s=0.4", seconds=1.0)
    attempts = read_attempts(tmp_path / "short" / "log.mcap")
    assert [attempt.success for attempt in attempts] == [False, False]
    assert told(attempts) == ["put the lid on the pot: 0 of 2 attempts"]


def test_the_film_shows_what_was_asked(tmp_path):
    run(tmp_path / "film", seconds=1.0)
    drawn = draw_run(tmp_path / "film")
    assert [path.name for path in drawn.files] == ["attempts.mp4"]
    with av.open(str(drawn.files[0])) as film:
        frames = [frame.to_ndarray(format="rgb24") for frame in film.decode(video=0)]
    assert len(frames) == 5
    assert frames[1][:24].std() > frames[1][24:48].std()  # words at the top


@pytest.mark.parametrize(
    ("override", "words"),
    [
        ("world.task=lit", "no manipulation task is called 'lit'; valid names: bin_bench"),
        ("world.goal=2", "task lid has no goal 2; valid goals: 0 'put the lid on the pot', 1"),
        ("world.camera=rear", "give front, wrist, both, or nothing"),
        ("world.observe_hz=3", "does not divide the 50 Hz"),
        ("policy.policy=reflex", "pilot reflex shows no goals"),
        ("policy.policy=lit", "'lit' is no policy: give a pilot"),
        ("policy.policy=there_is.onnx", "there_is.onnx"),
    ],
)
def test_what_does_not_exist_is_refused_before_anything_moves(tmp_path, override, words):
    with pytest.raises(InputError, match=words):
        run(tmp_path / "bad", *NO_CAMERA, override)


def test_an_expert_of_another_task_stops_the_run_and_says_why(tmp_path):
    failures = run(tmp_path / "bad", *NO_CAMERA, "policy.policy=sweep_expert").failures
    assert "'object_position_m' as float32 (8, 3), but float32 (2, 3)" in failures["policy"]


def seer(path):
    """A policy that sees with the camera in front, and was taught nothing."""
    image = TensorSpec("front", (SIDE_PX, SIDE_PX, 3), "uint8", "1")
    tensors = (image, *tensors_of(make_manipulation("lid"))[:1])
    spec = PolicySpec(tensors, bounds_of(load_robot("arm6").limits), 5.0)
    texts = [goal.text for goal in make_manipulation("lid").goals]
    small = {"hidden": (8,), "critic_hidden": (8,), "pool": 4, "filters": 4, "units": 8}
    learner = make_learner("drq", with_instruction(spec, 2), small)
    learner.export(
        path, extra={"task": "lid", "instructions": {text: [0.6, 0.8] for text in texts}}
    )
    return f"policy.policy={path}"


def test_a_policy_that_sees_acts_on_what_the_camera_shows(tmp_path):
    policy = seer(tmp_path / "seer.onnx")
    assert run(tmp_path / "run", policy, seconds=1.0).failures == {}
    commands = [m for _, m in records(tmp_path / "run") if isinstance(m, Command)]
    assert len(commands) == 5
    assert len({command.values for command in commands}) == 5  # each image differs
    run(tmp_path / "blind", *NO_CAMERA, policy, seconds=1.0)
    assert not [m for _, m in records(tmp_path / "blind") if isinstance(m, Command)]


def package(path, task="lid", rate_hz=5.0, texts=None):
    """A policy that was hardly taught anything."""
    manipulation = make_manipulation(task)
    texts = [goal.text for goal in manipulation.goals] if texts is None else texts
    spec = PolicySpec(tensors_of(manipulation), bounds_of(load_robot("arm6").limits), rate_hz)
    spec = with_instruction(spec, 16)
    learner = make_learner("bc", spec, {"hidden": (8,)})
    rng = np.random.default_rng(0)
    rows = {t.name: rng.random((32, *fixed_shape(t)), np.float32) for t in spec.observation}
    learner.update({**rows, ACTION: rng.random((32, 4), np.float32)})
    vectors = {text: rng.random(16).tolist() for text in texts}
    learner.export(path, extra={"task": task, "instructions": vectors})
    return f"policy.policy={path}"


def test_a_package_acts_by_the_instruction(tmp_path):
    policy = package(tmp_path / "lid.onnx")
    result = run(tmp_path / "run", *SWITCH, policy, "world.attempt_s=0.6", seconds=2.0)
    assert result.failures == {}
    commands = [m for _, m in records(tmp_path / "run") if isinstance(m, Command)]
    assert len(commands) >= 9
    axes = load_robot("arm6").limits.axes
    for command in commands:
        assert all(a.minimum <= v <= a.maximum for a, v in zip(axes, command.values, strict=True))


def test_a_package_of_another_rate_is_refused_before_anything_moves(tmp_path):
    policy = package(tmp_path / "fast.onnx", rate_hz=10.0)
    with pytest.raises(InputError, match="acts at 10 Hz, the graph runs it at 5 Hz"):
        run(tmp_path / "run", *NO_CAMERA, policy)


@pytest.mark.parametrize(
    ("task", "texts", "words"),
    [
        ("drawer", None, "was taught the task drawer, not lid"),
        ("lid", ["sing"], "was not taught 'put the lid on the pot'; it knows 'sing'"),
    ],
)
def test_a_package_that_was_taught_something_else_ends_the_run(tmp_path, task, texts, words):
    policy = package(tmp_path / "other.onnx", task, texts=texts)
    failures = run(tmp_path / "run", *NO_CAMERA, policy, seconds=1.0).failures
    assert words in failures["policy"]


def test_a_package_without_its_instructions_is_refused(tmp_path):
    policy = package(tmp_path / "mute.onnx", texts=[])
    with pytest.raises(InputError, match="does not say what each text stands for"):
        run(tmp_path / "run", *NO_CAMERA, policy)


def test_the_arm_brakes_when_setpoints_stop_coming():
    context = NodeContext("world", load_robot("arm6"), 0, VirtualClock(), rate_hz=50.0)
    node = WorkbenchNode(WorkbenchConfig(camera=""), context)
    down = Setpoint(captured_ns=0, values=(0.0, 0.1, 0.0, 0.05))
    arrival = Arrival("actuator/setpoint", down, encode(down))
    places = []
    for step in range(40):
        told = {"setpoint": [arrival]} if 1 <= step <= 5 else {}
        emissions = node.step(step * 20_000_000, Inputs(told, {}))
        places += [tensors_in(m)["tool_target_m"][1] for port, m in emissions if port == "observed"]
        assert node.safe == (step == 0 or step > 15)
    node.close()
    assert places[1] > places[0]
    assert places[-1] == places[-2]
