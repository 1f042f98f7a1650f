"""Practice through a graph: what ``reflexarc finetune --graph`` was told, as parameters of nodes.

A graph to practise by has a world that obeys orders, one node that acts and one that learns; one
that also has a node that judges by what cameras show needs the package of its reward.
"""

import contextlib
import io
import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from perception.atomic_file import write_atomically
from perception.image_features import FeatureEye
from perception.model_package import read_package
from perception.quantities import InputError
from perception.reward_judge import RewardJudge
from robot.commands.run import Run
from robot.config import list_configs
from robot.graph import load_graph
from robot.graph_file import read_graph
from robot.practice_figures import read_figures
from robot.worlds import world_row
from sim.manipulation_tasks import MANIPULATION_TASKS, make_manipulation

WORLD, ACTOR, LEARNER = "workbench", "practice_actor", "practice_learner"
REWARD, FEATURES = "reward", "features"
CHECKPOINT = Path("weights") / "learner.pt"  # in a run's folder
OUTCOME = "practice.json"
RUN = "run-"  # the folder of a run, in the folder of the practice


class GraphPracticeError(InputError):
    """A graph that nobody can practise by, or what a graph cannot be told."""


class Wishes(NamedTuple):
    """What is practised in a graph."""

    graph: str
    task: str
    reward: str  # truth, noisy_truth, or the path of a package
    reward_options: Sequence[str] = ()  # KEY=VALUE, likewise the next
    features: Path | None = None
    data: Sequence[Path] = ()
    start: Path | None = None  # a checkpoint
    learner: str = ""
    learner_options: Sequence[str] = ()
    strategy: str = ""
    strategy_options: Sequence[str] = ()
    capacity: int = 100_000
    reset_every_attempts: int | None = None  # None: as the graph says


class Prepared(NamedTuple):
    """A graph that is ready to run."""

    overrides: tuple[str, ...]
    step_hz: float  # how often it acts


def prepare(wishes: Wishes) -> Prepared:
    """The overrides that make a graph do what is wished.

    Raises:
        InputError: a graph that nobody can practise by, a task that has no workbench, a reward that
            the graph does not have, or one that pays nothing for this task.
    """
    names = practice_nodes(wishes.graph)
    task = _task_of(wishes.task)
    world, actor, learner = (names[kind] for kind in (WORLD, ACTOR, LEARNER))
    told = [f"{node}.task={task}" for node in (world, actor, learner)]
    told += _rewarded(wishes, names, task)
    told += _seeing(wishes, names)
    told += [f"{learner}.options.{option}" for option in wishes.learner_options]
    told += [f"{actor}.strategy_options.{option}" for option in wishes.strategy_options]
    told += [f"{learner}.capacity={wishes.capacity}"]
    if wishes.learner:
        told.append(f"{learner}.learner={wishes.learner}")
    if wishes.strategy:
        told.append(f"{actor}.strategy={wishes.strategy}")
    if wishes.data:
        told.append(f"{learner}.data={json.dumps([str(folder) for folder in wishes.data])}")
    if wishes.start is not None:
        told.append(f"{learner}.start={wishes.start}")
    if wishes.reset_every_attempts is not None:
        told.append(f"{actor}.reset_every_attempts={wishes.reset_every_attempts}")
    graph = load_graph(wishes.graph, told)
    return Prepared(tuple(told), graph.nodes[learner].config.act_hz)


def practice_nodes(graph: str) -> dict[str, str]:
    """The nodes of a graph that practise, by class.

    Raises:
        GraphPracticeError: it lacks one; lists the graphs that do not.
        InputError: there is no such graph.
    """
    needed = (WORLD, ACTOR, LEARNER)
    names = {node.class_name: name for name, node in load_graph(graph).nodes.items()}
    if missing := [kind for kind in needed if kind not in names]:
        valid = [
            name
            for name, path in list_configs("graphs").items()
            if {*needed} <= {node.get("class") for node in read_graph(path)["nodes"].values()}
        ]
        raise GraphPracticeError(
            f"--graph {graph} has no {missing[0]}, so nobody practises in it; valid graphs: "
            f"{', '.join(valid)}"
        )
    return names


def next_run(out: Path) -> Path:
    """The folder of the next run of a practice."""
    return out / f"{RUN}{len(runs_of(out)) + 1}"


def runs_of(out: Path) -> list[Path]:
    """The folders of the runs so far, oldest first."""
    return sorted(out.glob(f"{RUN}[0-9]*"), key=lambda path: int(path.name[len(RUN) :]))


def last_checkpoint(out: Path) -> Path:
    """What the learner last saved in a practice.

    Raises:
        GraphPracticeError: nothing.
    """
    for run in reversed(runs_of(out)):
        if (run / CHECKPOINT).is_file():
            return run / CHECKPOINT
    raise GraphPracticeError(f"--resume: {out} holds no checkpoint; leave it out to begin")


def _task_of(task: str) -> str:
    """The manipulation task of a world: lid_images is lid, seen by cameras.

    Raises:
        GraphPracticeError: it is done at no workbench.
    """
    found = str(world_row(task).options.get("task", ""))
    if found not in MANIPULATION_TASKS:
        raise GraphPracticeError(
            f"{task} is done at no workbench; tasks of a graph: {', '.join(MANIPULATION_TASKS)}"
        )
    return found


def _rewarded(wishes: Wishes, names: Mapping[str, str], task: str) -> list[str]:
    """Who judges."""
    is_package = wishes.reward.endswith(".onnx")
    if REWARD not in names:
        if is_package:
            raise GraphPracticeError(
                f"--graph {wishes.graph} judges by the truth; give --reward truth or noisy_truth, "
                "or practise by practice_sim"
            )
        options = [f"{names[WORLD]}.reward_options.{one}" for one in wishes.reward_options]
        return [f"{names[WORLD]}.reward={wishes.reward}", *options]
    if not is_package or wishes.reward_options:
        raise GraphPracticeError(
            f"--graph {wishes.graph} judges by what cameras show; give --reward "
            "reward_proved.onnx, as 'reflexarc export reward' writes it, and no --reward-set"
        )
    judge = RewardJudge(wishes.reward)
    for goal in make_manipulation(task).goals:
        judge.asked(goal.text)
    node = names[REWARD]
    told = [f"{node}.package={wishes.reward}", f"{node}.sha256={judge.sha256}"]
    if judge.can_hesitate:  # what is missed would be taught as a failure
        told.append(f"{node}.hesitates=true")
    return [*told, f"{names[WORLD]}.calls_help=false"] if judge.tells_lost else told


def _seeing(wishes: Wishes, names: Mapping[str, str]) -> list[str]:
    """What the policy sees."""
    node = load_graph(wishes.graph).nodes.get(names.get(FEATURES, ""))
    views = node is not None and node.config.views
    if wishes.features is None:
        if views:
            raise GraphPracticeError(
                f"--graph {wishes.graph} shows the policy features of images; give --features "
                "features.onnx, as 'reflexarc export features' writes it"
            )
        return []
    if not views:
        raise GraphPracticeError(f"--graph {wishes.graph} shows no images; leave --features out")
    FeatureEye(read_package(wishes.features))
    return [
        f"{names[FEATURES]}.package={wishes.features}",
        f"{names[LEARNER]}.features={wishes.features}",
    ]


def practise_through_graph(
    wishes: Wishes, steps: int, seed: int, out: Path, *, as_json: bool
) -> int:
    """Runs the graph for so many steps, in a folder of its own below `out`, and says what came.

    Args:
        wishes: what is practised.
        steps: of the policy, at most.
        seed: of the run.
        out: folder of the practice.
        as_json: whether the outcome is JSON, and nothing else is printed.

    Returns:
        The exit code; 1 where it was stopped or a node failed.

    Raises:
        InputError: as `prepare`, or what a node refuses.
    """
    prepared = prepare(wishes)
    folder = next_run(out)
    seconds = steps / prepared.step_hz
    command = Run(wishes.graph, seconds, seed, out=folder, set=prepared.overrides, json=as_json)
    with contextlib.redirect_stdout(io.StringIO()) as said:
        code = command()
    summary = json.loads((folder / "summary.json").read_text())
    figures = read_figures(folder / "log.mcap")
    outcome = {"run_dir": str(folder), "ended_by": summary["ended_by"], **figures.as_json()}
    write_atomically(out / OUTCOME, (json.dumps(outcome, indent=1) + "\n").encode())
    if as_json:
        sys.stdout.write(json.dumps(outcome) + "\n")
        return code
    sys.stdout.write(said.getvalue() + figures.told())
    checkpoint = folder / CHECKPOINT
    if checkpoint.is_file():
        sys.stdout.write(f"checkpoint, for 'reflexarc export policy': {checkpoint}\n")
    if summary["ended_by"] == "interrupt":
        sys.stdout.write(f"stopped; go on with the same command and --resume (folder {out})\n")
        return 1
    return code
