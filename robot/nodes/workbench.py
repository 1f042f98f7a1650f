"""The arm at its table in place of hardware and cameras: setpoints in, observations out.

Who sets the scene for an attempt is the world itself, or, with `then = "order"`, whoever practises
there: it says what is tried next, and is told after each step whether the goal is said to be
reached. A reward source says so, or with `judges = false` nobody here; what is true goes to
watchers alone. Somebody at the bench, who is played by the truth about what only a person can mend,
calls for help then.
"""

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

import msgspec

from perception.quantities import InputError
from policies.practice_env import ACHIEVED
from policies.rewards import make_reward, require_seen
from robot.messages import (
    AttemptOrder,
    AttemptReport,
    CameraImage,
    HelpNeeded,
    Instruction,
    Observed,
    Setpoint,
    StepJudgement,
)
from robot.node import Emission, Input, Inputs, Node, NodeContext, Output, Role
from robot.nodes.actuator import stops
from robot.observed import observed_of
from sim.manipulation_tasks import make_manipulation

if TYPE_CHECKING:
    from sim.arm_cameras import BenchCameras

WATCHDOG_S = 0.2  # without a setpoint, after which the arm brakes and holds by itself
SEEDS = 2**31
CAMERAS = {
    "": {},
    "front": {"image": "front"},
    "wrist": {"image": "wrist"},
    "both": {"image": "front", "wrist": "wrist"},
}
"""By `camera`: which camera's image goes out of which port."""


@dataclass(frozen=True)
class WorkbenchConfig:
    """Parameters of a simulated workbench."""

    task: str = "lid"  # row of sim.manipulation_tasks.MANIPULATION_TASKS
    options: dict[str, Any] = field(default_factory=dict)  # of that task
    goal: int = 0  # of the first attempt
    then: Literal["reset", "switch", "order"] = "reset"
    """After an attempt: put things back, or the next goal, or what who practises asks for."""
    reward: str = "truth"  # row of policies.rewards.REWARDS; who judges for one who practises
    reward_options: dict[str, Any] = field(default_factory=dict)
    judges: bool = True  # false: nobody judges here, as a node that sees does
    calls_help: bool = True  # false: nobody calls for a person here, as a node that sees does
    sees: tuple[str, ...] = ()  # tensors that are observed, such as tool_position_m; empty: all
    attempt_s: float = 0.0  # s until an attempt has failed; 0: the task's own
    observe_hz: float = 5.0  # of a policy
    camera: str = "front"  # front, wrist, both, or empty for none: it costs some 6 ms an image
    camera_hz: float = 5.0

    def __post_init__(self) -> None:
        """Refuses what does not exist, before anything starts."""
        goals = make_manipulation(self.task, self.options).goals
        if not 0 <= self.goal < len(goals):
            listed = ", ".join(f"{index} {goal.text!r}" for index, goal in enumerate(goals))
            raise InputError(f"task {self.task} has no goal {self.goal}; valid goals: {listed}")
        if self.camera not in CAMERAS:
            raise InputError(f"camera = {self.camera!r}: give front, wrist, both, or nothing")
        require_seen(make_reward(self.reward, self.reward_options), (), "this node to its judge")


class WorkbenchNode(Node[WorkbenchConfig]):
    """One workbench, advanced once per period of the node; it says what is asked, and judges."""

    inputs = {
        "setpoint": Input(Setpoint, required=False, wakes=False),
        "order": Input(AttemptOrder, required=False, wakes=False),
    }
    outputs = {
        "observed": Output(Observed, rate_key="observe_hz"),
        "judged": Output(StepJudgement, rate_key="observe_hz"),
        "instruction": Output(Instruction, steady=False),
        "image": Output(CameraImage, rate_key="camera_hz"),
        "wrist": Output(CameraImage, rate_key="camera_hz"),
        "help": Output(HelpNeeded, steady=False),
        "attempt": Output(AttemptReport, steady=False, truth=True),
        "judgement": Output(StepJudgement, rate_key="observe_hz", truth=True),
    }
    role = Role.SOURCE
    owns_time = True
    period_step_s = 0.02  # of the tool controller
    restartable = False
    Config = WorkbenchConfig

    def __init__(self, config: WorkbenchConfig, context: NodeContext) -> None:
        super().__init__(config, context)
        from sim.bench_observation import chosen, tensors_of
        from sim.workbench import TICK_S, Workbench, bench_config

        self._task = make_manipulation(config.task, config.options)
        self._bench: Workbench = Workbench(bench_config(context.robot.tables, self._task))
        self._cameras = self._make_cameras()
        self._tensors = chosen(tensors_of(self._task), config.sees)
        assert context.rate_hz is not None  # noqa: S101 - validated
        period_s = 1 / context.rate_hz
        self._ticks = round(period_s / TICK_S)
        self._observe_every = round(context.rate_hz / config.observe_hz)
        self._image_every = round(context.rate_hz / config.camera_hz)
        self._watchdog_steps = round(WATCHDOG_S / period_s)
        usual_s = self._task.episode_steps / config.observe_hz
        self._attempt_steps = round((config.attempt_s or usual_s) / period_s)
        self._rng = context.rng()
        self._steps = 0
        self._silent = 0  # steps since the last setpoint
        self._attempt, self._began = -1, 0
        self._goal, self._successes = config.goal, 0
        self._is_ordered = config.then == "order"
        chance = int(self._rng.integers(SEEDS)) if self._is_ordered else 0
        self._reward = make_reward(config.reward, config.reward_options, chance)
        self._reached = False  # in this attempt, in truth
        self.safe = True

    def step(self, now_ns: int, inputs: Inputs) -> list[Emission]:
        """The first moment of an attempt, then one period more at each step."""
        emissions: list[Emission] = []
        if self._attempt < 0:
            emissions += self._begin(now_ns, 0, reset=True)
        else:
            self._advance(inputs.newest("setpoint"))
            emissions += self._judge(now_ns)
            for order in inputs.all("order"):
                emissions += self._obey(now_ns, order)
        if self._steps % self._observe_every == 0:
            emissions.append(("observed", self._observe(now_ns)))
            if self._is_ordered:
                emissions += self._say(now_ns)
        if self._cameras is not None and self._steps % self._image_every == 0:
            for port, view in CAMERAS[self.config.camera].items():
                image = self._cameras.draw(self._bench.seen, view)
                emissions.append((port, CameraImage(captured_ns=now_ns, image=image)))
        self._steps += 1
        return emissions

    def gauges(self) -> dict[str, float]:
        """How many attempts ended, and how many of them well."""
        return {"attempts": float(max(self._attempt, 0)), "successes": float(self._successes)}

    def close(self) -> None:
        """Frees OpenGL."""
        if self._cameras is not None:
            self._cameras.close()

    def _make_cameras(self) -> "BenchCameras | None":
        if not self.config.camera:
            return None
        from sim.arm_cameras import BenchCameras, LookConfig

        return BenchCameras(self._bench.model, LookConfig())

    def _begin(self, now_ns: int, attempt: int, *, reset: bool) -> list[Emission]:
        """The next attempt."""
        if reset:
            self._bench.reset(int(self._rng.integers(SEEDS)), self._goal)
        self._attempt, self._began = attempt, self._steps
        self._reached = False
        text = self._task.goals[self._goal].text
        asked = Instruction(
            captured_ns=now_ns,
            task=self.config.task,
            goal=self._goal,
            text=text,
            attempt=self._attempt,
        )
        return [("instruction", asked)]

    def _advance(self, setpoint: Setpoint | None) -> None:
        self._silent = 0 if setpoint is not None else self._silent + 1
        if self._silent > self._watchdog_steps:
            self._bench.controller.stop()
        self._bench.advance(self._ticks, None if setpoint is None else setpoint.values)
        if setpoint is not None:
            self.safe = stops(setpoint.reasons)
        self.safe = self.safe or self._silent > self._watchdog_steps

    def _observe(self, now_ns: int) -> Observed:
        from sim.bench_observation import values_of

        return observed_of(values_of(self._bench.look(), self._tensors), now_ns)

    def _say(self, now_ns: int) -> list[Emission]:
        """What is so at this moment, what the reward source says of it, and a call for help."""
        scene = self._bench.look()
        achieved = self._task.achieved(scene)
        lost = bool(self._task.irreversible(scene))
        is_so = StepJudgement(
            captured_ns=now_ns,
            attempt=self._attempt,
            goal=self._goal,
            success=bool(achieved[self._goal]),
            lost=lost,
        )
        emissions: list[Emission] = [("judgement", is_so)]
        if self.config.judges:
            said = self._reward.judge(self._goal, {}, {ACHIEVED: achieved}).success
            emissions.append(("judged", msgspec.structs.replace(is_so, success=said)))
        if lost and self.config.calls_help:
            reason = "what lies there cannot be reached any more"
            call = HelpNeeded(captured_ns=now_ns, attempt=self._attempt, reason=reason)
            emissions.append(("help", call))
        return emissions

    def _obey(self, now_ns: int, order: AttemptOrder) -> list[Emission]:
        """The attempt that is asked for, unless it is the one that goes on.

        Raises:
            InputError: an order that was not meant for this world.
        """
        if order.attempt == self._attempt:
            return []
        if order.task != self.config.task or not 0 <= order.goal < len(self._task.goals):
            raise InputError(
                f"{order.source} asks for goal {order.goal} of the task {order.task!r}; here is "
                f"{self.config.task!r} with {len(self._task.goals)} goals"
            )
        irreversible = bool(self._task.irreversible(self._bench.look()))
        emissions = [] if self._attempt == 0 else self._report(now_ns, self._reached, irreversible)
        self._goal = order.goal
        return [*emissions, *self._begin(now_ns, order.attempt, reset=order.reset)]

    def _judge(self, now_ns: int) -> list[Emission]:
        """Whether the attempt is over, and what comes after it."""
        scene = self._bench.look()
        success = bool(self._task.achieved(scene)[self._goal])
        self._reached |= success
        if self._is_ordered:
            return []
        irreversible = bool(self._task.irreversible(scene))
        if not (success or irreversible or self._steps - self._began >= self._attempt_steps):
            return []
        emissions = self._report(now_ns, success, irreversible)
        if self.config.then == "switch":
            self._goal = (self._goal + 1) % len(self._task.goals)
        reset = irreversible or self.config.then == "reset"
        return [*emissions, *self._begin(now_ns, self._attempt + 1, reset=reset)]

    def _report(self, now_ns: int, success: bool, irreversible: bool) -> list[Emission]:
        """How the attempt ended, in truth."""
        assert self.context.rate_hz is not None  # noqa: S101 - validated
        report = AttemptReport(
            captured_ns=now_ns,
            attempt=self._attempt,
            goal=self._goal,
            text=self._task.goals[self._goal].text,
            success=success,
            seconds=(self._steps - self._began) / self.context.rate_hz,
            irreversible=irreversible,
        )
        self._successes += success
        return [("attempt", report)]
