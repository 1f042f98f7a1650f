"""Learns by what another node practises, and sends it weights as packages.

A fixed number of updates per second of the run's own time; in lockstep all that are due, by wall
clock no more than a step has time for, the rest is skipped and counted. With each package goes a
checkpoint, from which a process that takes the place of a dead one goes on; the robot acts on
meanwhile by the weights that it has.
"""

import math
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from perception.image_features import FeatureEye
from perception.model_package import TensorSpec, read_package
from perception.quantities import InputError
from policies.instructions import encode_instructions
from policies.learner import make_learner
from policies.learning_beside import LearningBeside, Taken
from policies.offline_data import OfflineData, open_offline
from policies.spec import PolicySpec, bounds_of, seeing, with_instruction
from policies.spec_difference import spec_difference
from robot.clock import SECOND_NS
from robot.config import RobotConfig
from robot.messages import Alert, Experience, Observed, Weights
from robot.node import Emission, Input, Inputs, Node, NodeContext, Output, Role
from robot.observed import tensors_in
from robot.policy_reads import refuse_other_features
from robot.practising import begin_from
from robot.training_library import with_training
from robot.weights import WeightsFolder
from sim.bench_observation import chosen, tensors_of
from sim.manipulation import Manipulation
from sim.manipulation_tasks import make_manipulation

CHECKPOINT = "learner.pt"  # in it


@dataclass(frozen=True)
class PracticeLearnerConfig:
    """Parameters of one who learns."""

    task: str = "lid"  # row of sim.manipulation_tasks.MANIPULATION_TASKS
    task_options: dict[str, Any] = field(default_factory=dict)  # of that task
    sees: tuple[str, ...] = ()  # tensors of the task that the policy reads; empty: all
    features: str = ""  # package of the features that it reads besides; empty: none
    views: tuple[str, ...] = ("front", "wrist")  # cameras whose features those are
    learner: str = "rlpd"  # row of policies.learners.LEARNERS
    options: dict[str, Any] = field(default_factory=dict)  # of that learner
    data: list[str] = field(default_factory=list)  # folders that reflexarc collect filled
    start: str = ""  # a checkpoint of train policy to go on from
    encoder: str = "minilm"  # of the goals, where no data know their vectors
    act_hz: float = 5.0  # how often the other node acts
    updates_per_s: float = 5.0  # of the run's time
    updates_per_package: int = 50  # 10 s at least between two
    capacity: int = 100_000  # steps of practice that are kept
    keep_packages: int = 5  # newest files kept in the run folder

    def __post_init__(self) -> None:
        """Refuses what means nothing."""
        chosen(tensors_of(make_manipulation(self.task, self.task_options)), self.sees)
        names = ("act_hz", "updates_per_s", "updates_per_package", "capacity", "keep_packages")
        for name in names:
            if not getattr(self, name) > 0:
                raise InputError(f"{name} = {getattr(self, name)} must be above 0")


class PracticeLearnerNode(Node[PracticeLearnerConfig]):
    """Takes lessons, learns what is due, announces packages."""

    inputs = {"experience": Input(Experience, required=False, wakes=False)}
    outputs = {"weights": Output(Weights, steady=False)}
    role = Role.LEARNING
    min_rate_hz = 1.0
    Config = PracticeLearnerConfig

    @classmethod
    def is_played_back(cls, config: PracticeLearnerConfig, robot: RobotConfig) -> bool:
        """It writes packages; a replay leaves files alone."""
        del config, robot
        return True

    def __init__(self, config: PracticeLearnerConfig, context: NodeContext) -> None:
        super().__init__(config, context)
        self._folder = WeightsFolder(context.run_dir, config.keep_packages)
        self._learning = with_training(self._begun)
        self._since_ns: int | None = None
        self._asked = 0  # updates that the time so far asked for
        self._skipped = self._lost = 0
        self._announced = -1  # updates behind the last package; -1: none yet
        self._parent = ""
        self._knows = bool(config.start or config.data) or context.life > 0

    def step(self, now_ns: int, inputs: Inputs) -> list[Emission]:
        """Remembers, learns what the time asks for, announces what is due."""
        for lesson in inputs.all("experience"):
            self._learning.take(_taken(lesson))
        self._learn(now_ns)
        return self._announce(now_ns) if self._is_due() else []

    def gauges(self) -> dict[str, float]:
        """How far it is."""
        return {
            "lessons": float(self._learning.lessons),
            "updates": float(self._learning.learner.updates),
            "updates_skipped": float(self._skipped),
            "packages_lost": float(self._lost),
            **{f"metric_{name}": value for name, value in self._learning.metrics.items()},
        }

    def _begun(self) -> LearningBeside:
        """The learner with its data, as it was begun or as a dead process left it."""
        config, seed = self.config, self.context.seed
        task = make_manipulation(config.task, config.task_options)
        limits = self.context.robot.limits
        spec = PolicySpec(_observed(config, task), bounds_of(limits), config.act_hz)
        data = _opened(config, spec)
        texts = [goal.text for goal in task.goals]
        vectors = _vectors(config, data, spec, texts)
        told = with_instruction(spec, len(vectors[texts[0]]))
        learner = make_learner(config.learner, told, config.options, seed)
        offline = data.buffer(learner.practice.discount, seed) if data is not None else None
        checkpoint = self._folder.path(CHECKPOINT)
        if self.context.life and checkpoint.is_file():
            learner.load(checkpoint)
        elif config.start:
            begin_from(learner, Path(config.start))
        elif offline is not None:
            learner.prepare(offline.rows(np.arange(len(offline))))
        return LearningBeside(learner, vectors, offline, config.capacity, seed)

    def _learn(self, now_ns: int) -> None:
        """The updates that the time since the last step asks for; what is late is skipped."""
        if not self._learning.is_warm:
            return
        if self._since_ns is None:
            self._since_ns = now_ns
        asked = int((now_ns - self._since_ns) * self.config.updates_per_s / SECOND_NS)
        due, self._asked = asked - self._asked, asked
        at_once = math.ceil(self.config.updates_per_s / (self.context.rate_hz or 1.0))
        do_now = due if self.context.lockstep else min(due, at_once)
        self._skipped += due - do_now
        self._learning.learn(do_now)

    def _is_due(self) -> bool:
        updates = self._learning.learner.updates
        if self._announced < 0:
            return self._knows or updates >= self.config.updates_per_package
        return updates - self._announced >= self.config.updates_per_package

    def _announce(self, now_ns: int) -> list[Emission]:
        learning = self._learning
        updates = learning.learner.updates
        self._announced = updates
        try:
            path = self._folder.path(f"policy-{self.context.life}-{updates:08d}.onnx")
            sha256 = learning.package(path, self._parent, {"task": self.config.task})
            learning.learner.save(self._folder.path(CHECKPOINT))
        except (OSError, InputError, RuntimeError) as error:  # the last: it differs from torch
            self._lost += 1
            text = f"weights after {updates} updates are lost ({error}); practice goes on"
            return [("alerts", Alert(captured_ns=now_ns, text=text))]
        weights = Weights(
            captured_ns=now_ns,
            path=self._folder.keep(path),
            sha256=sha256,
            parent=self._parent,
            frames=learning.lessons,
            updates=updates,
        )
        self._parent = sha256
        return [("weights", weights)]


def _opened(config: PracticeLearnerConfig, spec: PolicySpec) -> OfflineData | None:
    """The data as the policy sees them; None: there are none.

    Raises:
        InputError: folders that are no data sets, data that lack what the policy reads, or that
            were seen by other features.
    """
    if not config.data:
        return None
    data = open_offline([Path(folder) for folder in config.data])
    for each in data.sets:
        refuse_other_features(each, config.features)
    return data.seeing(tuple(tensor.name for tensor in spec.observation))


def _observed(config: PracticeLearnerConfig, task: Manipulation) -> tuple[TensorSpec, ...]:
    """What the policy reads, in the order in which it is observed.

    Raises:
        InputError: a package that is none of features.
    """
    felt = chosen(tensors_of(task), config.sees)
    if not config.features:
        return felt
    return (*felt, *FeatureEye(read_package(config.features)).tensors(config.views))


def _vectors(
    config: PracticeLearnerConfig, data: OfflineData | None, spec: PolicySpec, texts: list[str]
) -> dict[str, Any]:
    """What each goal stands for: (D,) by text.

    Raises:
        InputError: data of another spec, or that know not all goals.
    """
    if data is None:
        encoded = encode_instructions(config.encoder, texts)
        return {text: np.array(encoded[text], np.float32) for text in texts}
    folder = data.sets[0].folder
    seen = seeing(data.sets[0].about.spec, tuple(tensor.name for tensor in spec.observation))
    if difference := spec_difference(seen, spec):
        raise InputError(f"{folder} has {difference} as in the task {config.task}")
    if missing := [text for text in texts if text not in data.instructions]:
        raise InputError(f"{folder} knows no instruction {missing[0]!r} of {config.task}")
    return {text: np.array(data.instructions[text], np.float32) for text in texts}


def _taken(lesson: Experience) -> Taken:
    before, after = (
        tensors_in(
            Observed(
                captured_ns=lesson.captured_ns,
                names=lesson.names,
                shapes=lesson.shapes,
                values=values,
            )
        )
        for values in (lesson.before, lesson.after)
    )
    return Taken(
        lesson.attempt,
        lesson.text,
        before,
        np.array(lesson.action),
        lesson.reward,
        after,
        lesson.success,
        lesson.ended,
    )
