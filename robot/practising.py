"""Makes a practice run out of names: world, learner, strategy, reward, and the data it begins with.

A study and ``reflexarc finetune`` make theirs here, so that equal settings are equal runs. What a
run begins with was made before: data sets, and perhaps a checkpoint of offline training.
"""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from perception.image_features import FeatureEye
from perception.model_package import read_package
from perception.quantities import InputError
from policies.attempt_keeper import AttemptKeeper
from policies.classifier_reward import Classifier
from policies.data_set import DataSet
from policies.data_set_about import hash_of, robot_about
from policies.feature_data import with_features
from policies.finetune import Hooks as PracticeHooks
from policies.finetune import Parts, PracticeRun
from policies.kept_attempts import FOLDER
from policies.learner import Learner, make_learner
from policies.offline_data import OfflineData
from policies.practice_env import PracticeEnv, spec_of
from policies.replay_buffer import ReplayBuffer
from policies.rewards import RewardSource, make_reward, require_seen
from policies.spec import IMAGE_DTYPE, PolicySpec, seeing, with_instruction
from policies.spec_difference import spec_difference
from policies.strategy import Scene, make_strategy
from robot.collecting import Collection
from robot.hooks import Hooks
from robot.policy_reads import policy_spec, refuse_other_features, tensors_read
from robot.practice_method import Method, Offline, finetune_config, tupled
from robot.recipes import load_recipe
from robot.worlds import make_world, vectors_of, world_row

HANDED_OVER = "offline.pt"  # beside the checkpoints
DIGITS = 12  # of a recipe's hash in the name of its folder


class PractiseError(InputError):
    """Data, a checkpoint and a task that do not fit each other."""


class Beginning(NamedTuple):
    """What a run starts from."""

    data: OfflineData | None = None
    checkpoint: Path | None = None  # of offline training


class Practice(NamedTuple):
    """One run: what, which seed, from what, and where its checkpoints are."""

    task: str
    method: Method
    seed: int
    beginning: Beginning
    checkpoints: Path
    keep: int = 0  # attempts whose images are kept beside the checkpoints, for `label`


def collect_recipes(
    names: Sequence[str],
    folder: Path,
    say: Callable[[str], None],
    stopped: Callable[[], bool],
    features: str = "",
) -> list[Path] | None:
    """Makes what is missing of the data of some recipes, each in a folder of its own.

    Args:
        names: of recipes, or paths.
        folder: in which those folders are.
        say: told what is made.
        stopped: asked now and then.
        features: package by which their images become numbers, in folders of their own.

    Returns:
        The folders of the data sets, or None if it was stopped before all was there.

    Raises:
        InputError: a recipe that cannot be followed, or images that the package does not take.
    """
    eye = FeatureEye(read_package(Path(features))) if features else None
    made = []
    for name in names:
        recipe = load_recipe(name)
        out = folder / f"{Path(name).stem}-{hash_of(recipe.to_json())[:DIGITS]}"
        with Collection(recipe, out, say) as collection:
            if collection.missing:
                say(f"collects {len(collection.missing)} episodes of {name} into {out}")
            if not collection.run(lambda _: None, stopped):
                return None
        made.append(out if eye is None else _featured(out, eye, say))
    return made


def _featured(folder: Path, eye: FeatureEye, say: Callable[[str], None]) -> Path:
    """The folder of the same episodes with features, made now or before."""
    out = folder.with_name(f"{folder.name}-{eye.sha256[:DIGITS]}")
    say(f"sees {folder} by {eye.package.path} into {out}")
    return with_features(DataSet(folder), eye, out, lambda _: None).folder


def practice_run(
    told: Practice, hooks: Hooks, log: Callable[[int, Any], None] = lambda *_: None
) -> PracticeRun:
    """The run, ready for its first step or for that after its checkpoint.

    Args:
        told: which run.
        hooks: told steps; while it learns offline, minus the updates that are left.
        log: told metrics.

    Raises:
        Interrupted: it was stopped while it learned offline, which begins anew then.
        InputError: a name or an option that there is not, data of another robot or task, or a
            checkpoint that is damaged or of another run.
    """
    method, seed, data = told.method, told.seed, told.beginning.data
    world, config = world_of(told.task, method), finetune_config(method)
    vectors = instructions_for(told.task, world, data, method)
    spec = with_instruction(policy_spec(world, method), vectors.shape[1])
    data = data and data.seeing(tensors_read(world, method))
    learner = make_learner(method.learner, spec, tupled(method.learner_options), seed)
    offline = offline_buffer(data, learner, seed)
    shown = len(offline or ()) if method.data_online else 0
    capacity = min(method.online_capacity, config.steps + shown)
    online = ReplayBuffer(spec, capacity, seed, discount=learner.practice.discount)
    if data is not None and method.data_online:
        data.add(online, [e for e in data.episodes() if e.about.task == told.task])
    reward = keeping(reward_for(told.task, world, method, seed), world, told)
    scene = Scene(world.goals, vectors, world.episode_steps, shown_states(world, data))
    parts = Parts(
        world,
        evaluation_world_of(told.task, method, spec),
        learner,
        online,
        offline,
        make_strategy(method.strategy, scene, method.strategy_options, seed),
        reward,
        vectors,
    )
    practice_hooks = PracticeHooks(hooks.progress, log, hooks.should_stop, hooks.judging)
    run = PracticeRun(parts, config, seed, practice_hooks, told.checkpoints)
    if not run.resume():
        _begin(learner, offline, told, hooks)
    return run


def world_of(task: str, method: Method) -> PracticeEnv:
    """A world for a method; raises as `make_world`."""
    return make_world(task, features=method.features)


def evaluation_world_of(task: str, method: Method, reads: PolicySpec) -> PracticeEnv:
    """Another one for evaluations, in which nothing is drawn that a policy does not read."""
    looks = bool(method.features) or any(one.dtype == IMAGE_DTYPE for one in reads.observation)
    return make_world(task, features=method.features, images=looks)


def reward_for(task: str, world: PracticeEnv, method: Method, seed: int) -> RewardSource:
    """Who judges the goals of a world.

    Raises:
        InputError: no such source, or one that cannot judge them or does not see what it needs.
    """
    reward = make_reward(method.reward, method.reward_options, seed, world.goals)
    require_seen(reward, [tensor.name for tensor in world.tensors], f"the task {task}")
    return reward


def refuse_unfit(
    task: str, world: PracticeEnv, method: Method, seed: int, checkpoint: Path | None
) -> None:
    """Passes if a run could begin, as far as that can be told without data and sentence encoder.

    Raises:
        InputError: a reward that cannot judge, a tensor that is not observed, or no checkpoint.
    """
    reward_for(task, world, method, seed)
    policy_spec(world, method)
    if checkpoint is not None and not checkpoint.is_file():
        raise PractiseError(
            f"there is no checkpoint {checkpoint}; 'reflexarc train policy' writes one"
        )


def keeping(reward: RewardSource, world: PracticeEnv, told: Practice) -> RewardSource:
    """The source, which keeps some of what it saw if that is wanted and it looks at images."""
    if not told.keep or not isinstance(reward, Classifier):
        return reward
    folder = told.checkpoints.parent / FOLDER
    return AttemptKeeper(
        reward, folder, told.keep, world.goals, reward.sha256, told.seed, reward.promised
    )


def instructions_for(
    task: str, world: PracticeEnv, data: OfflineData | None, method: Method
) -> NDArray[np.float32]:
    """(goals, D) what a policy is told: the vectors of the data, so that both mean the same.

    Raises:
        PractiseError: data of another robot, spec or encoder, or that know not all goals.
        PolicySpecError: data without what the policy reads.
        FeaturesError: data seen by other features.
    """
    if data is None:
        return vectors_of(world, world_row(task).encoder)
    about, folder = data.sets[0].about, data.sets[0].folder
    robot = robot_about(world_row(task).robot, world.limits)
    if about.robot.name != robot.name:
        raise PractiseError(
            f"{folder} has the robot {about.robot.name!r}, the task {task} is for {robot.name!r}"
        )
    if about.robot != robot:
        raise PractiseError(
            f"{folder} was made within other limits of the robot {robot.name!r}; collect it again"
        )
    for each in data.sets:
        refuse_other_features(each, method.features)
    reads = tensors_read(world, method) if method.features else ()
    if difference := spec_difference(seeing(about.spec, reads), seeing(spec_of(world), reads)):
        raise PractiseError(f"{folder} has {difference} as in the task {task}")
    if missing := [goal.text for goal in world.goals if goal.text not in data.instructions]:
        known = ", ".join(map(repr, data.instructions))
        raise PractiseError(
            f"{folder} knows no instruction {missing[0]!r} of the task {task}; it knows {known}"
        )
    return np.array([data.instructions[goal.text] for goal in world.goals], np.float32)


def offline_buffer(data: OfflineData | None, learner: Learner, seed: int) -> ReplayBuffer | None:
    """All that the learner may learn from: failures too, unless it only imitates."""
    if data is None:
        return None
    practice = learner.practice
    return data.buffer(practice.discount, seed, failures=practice.learns_online)


def shown_states(world: PracticeEnv, data: OfflineData | None) -> dict[str, NDArray[Any]]:
    """(N, ...) by tensor: all states through which forward demonstrations reached their goal.

    As a policy reads them: what is not told to it tells nobody what to return to.
    """
    if data is None:
        return {}
    forward = {goal.text for goal in world.goals if goal.direction == "forward"}
    every = data.episodes(failures=False)
    shown = [one.until_success().observation for one in every if one.about.instruction in forward]
    names = [one.name for one in data.spec.observation if shown and one.name in shown[0]]
    return {name: np.concatenate([one[name] for one in shown]) for name in names}


def learn_offline(
    learner: Learner, data: ReplayBuffer, offline: Offline, seed: int, hooks: Hooks
) -> Learner:
    """Who learned from the data: the learner itself, or the one that it is to begin from.

    Raises:
        Interrupted: it was stopped.
    """
    first = learner
    if offline.learner:
        first = make_learner(offline.learner, data.spec, tupled(offline.options), seed)
        first.prepare(data.rows(np.arange(len(data))))
    for done in range(offline.updates):
        hooks.go_on(0)
        first.update(data.sample(first.practice.rows))
        hooks.progress(done - offline.updates)
    return first


def begin_from(learner: Any, checkpoint: Path) -> None:
    """Takes over what is in a checkpoint, of the same learner or of one that it begins from.

    Raises:
        CheckpointError: missing, damaged, or of another learner, version, spec or size.
    """
    if hasattr(learner, "begin_from"):
        learner.begin_from(checkpoint)
    else:
        learner.load(checkpoint)


def _begin(learner: Learner, data: ReplayBuffer | None, told: Practice, hooks: Hooks) -> None:
    """What comes before the first step."""
    if told.beginning.checkpoint is not None:
        begin_from(learner, told.beginning.checkpoint)
        if data is not None and told.method.offline is not None:
            learn_offline(learner, data, told.method.offline, told.seed, hooks)
        return
    if data is None:
        return
    learner.prepare(data.rows(np.arange(len(data))))
    offline = told.method.offline
    if offline is None:
        return
    if offline.learner and not hasattr(learner, "begin_from"):
        raise PractiseError(
            f"learner {told.method.learner} begins from no other; leave out offline.learner, so "
            "that it learns offline itself, or practise with wsrl"
        )
    first = learn_offline(learner, data, offline, told.seed, hooks)
    if first is not learner:
        told.checkpoints.mkdir(parents=True, exist_ok=True)
        first.save(told.checkpoints / HANDED_OVER)
        begin_from(learner, told.checkpoints / HANDED_OVER)
