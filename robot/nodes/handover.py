"""Two cues to the one that is flown on: a shell over the state machine of the handover.

It pairs the readings of one frame. A cue that is missing is waited for until the next frame, and
from then on not at all until it speaks again, so that a dead cue costs one frame once. Whoever
flies, what goes out is a reading as stereo gives it; when nobody may fly it is not valid, and the
policy stops the robot on it.

The teacher lives while its reading is valid and its monitor, where there is one, does not object.
"""

from collections import deque
from dataclasses import dataclass, field

from perception.handover import Actor, Frame, Handover, HandoverConfig, HandoverMachine
from perception.organisation import LessonConfig, Orders, Organisation, Organiser
from perception.proximity import ProximityConfig
from perception.training_wheels import OverrideConfig, StereoOverride
from robot.messages import HandoverState, MonoStatus, ProximityReading, StereoHealth
from robot.node import Emission, Input, Inputs, Node, NodeContext, Output
from robot.nodes.mono import blind_reading

NEAREST_M = 0.05  # m, nearer is as good as touched; keeps disparities finite
CUES = ("teacher", "student")


@dataclass(frozen=True)
class HandoverNodeConfig:
    """Parameters of a handover node."""

    organisation: Organisation = Organisation.TRAINING_WHEELS  # who flies while the student learns
    obstacle_m: float = 1.0  # m, a corridor shorter than this, for both cues; 8 px in the paper
    doubt_frames: int = 8  # that a student distrusts, more than it trusts, until it is distrust
    machine: HandoverConfig = field(default_factory=HandoverConfig)
    wheels: OverrideConfig = field(default_factory=OverrideConfig)
    lesson: LessonConfig = field(default_factory=LessonConfig)


@dataclass
class _Pair:
    """The readings of one frame."""

    captured_ns: int
    teacher: ProximityReading | None = None
    student: ProximityReading | None = None


class HandoverNode(Node[HandoverNodeConfig]):
    """One reading out per frame, and the state that chose it."""

    inputs = {
        "teacher": Input(ProximityReading),
        "student": Input(ProximityReading),
        "status": Input(MonoStatus, wakes=False),
        "health": Input(StereoHealth, required=False, wakes=False),
    }
    outputs = {"proximity": Output(ProximityReading), "state": Output(HandoverState)}
    Config = HandoverNodeConfig

    def __init__(self, config: HandoverNodeConfig, context: NodeContext) -> None:
        super().__init__(config, context)
        self._machine = HandoverMachine(config.machine)
        self._organiser = Organiser(config.organisation, config.lesson, context.rng())
        self._wheels = StereoOverride(config.wheels)
        self._pairs: deque[_Pair] = deque()  # at most one incomplete frame, and what came after
        self._settled_ns = -1
        self._absent: set[str] = set()
        self._missing = dict.fromkeys(CUES, 0)
        self._version = 0
        self._health: StereoHealth | None = None
        self._doubts = 0  # 0 to doubt_frames
        self._trusts = True
        self._student_flew = False

    def step(self, now_ns: int, inputs: Inputs) -> list[Emission]:
        """Decides each frame whose readings are there, or will not come."""
        del now_ns
        status = inputs.newest("status")
        if status is not None:
            self._version = status.version
        self._health = inputs.newest("health") or self._health
        for cue in CUES:
            for reading in inputs.all(cue):
                self._note(cue, reading)
        emissions: list[Emission] = []
        while self._pairs and (len(self._pairs) > 1 or self._is_complete(self._pairs[0])):
            pair = self._pairs.popleft()
            self._settled_ns = pair.captured_ns
            self._count_missing(pair)
            emissions += self._decide(pair)
        return emissions

    def gauges(self) -> dict[str, float]:
        """How often a cue was missing, and the teacher overrode."""
        missing = {f"missing_{cue}": float(count) for cue, count in self._missing.items()}
        return {**missing, "overrides": float(self._wheels.overrides)}

    def _note(self, cue: str, reading: ProximityReading) -> None:
        """Sorts a reading into its frame; one that comes after its frame was settled is late."""
        self._absent.discard(cue)
        if reading.captured_ns <= self._settled_ns:
            return
        for pair in self._pairs:
            if pair.captured_ns == reading.captured_ns:
                setattr(pair, cue, reading)
                return
        pair = _Pair(reading.captured_ns)
        setattr(pair, cue, reading)
        self._pairs = deque(sorted([*self._pairs, pair], key=lambda p: p.captured_ns))

    def _is_complete(self, pair: _Pair) -> bool:
        return all(getattr(pair, cue) is not None or cue in self._absent for cue in CUES)

    def _count_missing(self, pair: _Pair) -> None:
        for cue in CUES:
            if getattr(pair, cue) is None:
                self._missing[cue] += 1
                self._absent.add(cue)

    def _decide(self, pair: _Pair) -> list[Emission]:
        fault = self._fault(pair.teacher)
        teacher = None if fault else pair.teacher
        student = pair.student if pair.student is not None and pair.student.valid else None
        self._weigh(doubtful=student is None)
        teacher_obstacle, student_obstacle = self._obstacle(teacher), self._obstacle(student)
        before = self._wheels.overrides
        overriding = self._override(teacher, student_obstacle=student_obstacle)
        frame = Frame(
            teacher_obstacle,
            student_obstacle,
            teacher_alive=teacher is not None,
            student_trusted=self._trusts,
            student_version=self._version,
            overridden=self._wheels.overrides > before,
        )
        handover = self._machine.step(frame)
        orders = self._organiser.step(frame, handover)
        self._student_flew = orders.student_flies and orders.wheels
        actor, chosen = _chosen(orders, teacher, student, overriding=overriding)
        if chosen is None:
            chosen = blind_reading(pair.captured_ns, ProximityConfig.sectors)
        state = self._state(pair.captured_ns, frame, handover, orders, actor, overriding, fault)
        return [("proximity", chosen), ("state", state)]

    def _weigh(self, *, doubtful: bool) -> None:
        """Doubt that prevails for a while ends the trust, and as long without ends the doubt."""
        step = 1 if doubtful else -1
        self._doubts = min(max(self._doubts + step, 0), self.config.doubt_frames)
        if self._doubts in (0, self.config.doubt_frames):
            self._trusts = self._doubts == 0

    def _fault(self, teacher: ProximityReading | None) -> str:
        """Why the teacher is not to be believed in this frame; empty: it is."""
        if teacher is None:
            return "missing"
        if self._health is not None and not self._health.ok:
            return self._health.reason
        return "" if teacher.valid else "invalid"

    def _obstacle(self, reading: ProximityReading | None) -> bool:
        return reading is not None and reading.corridor_m < self.config.obstacle_m

    def _override(self, teacher: ProximityReading | None, *, student_obstacle: bool) -> bool:
        """The training wheels, in pixels of which the corridor's threshold is the paper's."""
        px = float("nan")
        if teacher is not None and self._student_flew:
            threshold_px = self.config.wheels.obstacle_px
            px = threshold_px * self.config.obstacle_m / max(teacher.corridor_m, NEAREST_M)
        return self._wheels.step(px, student_obstacle)

    def _state(
        self,
        captured_ns: int,
        frame: Frame,
        handover: Handover,
        orders: Orders,
        actor: Actor,
        overriding: bool,
        fault: str,
    ) -> HandoverState:
        return HandoverState(
            captured_ns=captured_ns,
            valid=actor is not Actor.NOBODY,
            organisation=self.config.organisation,
            stage=handover.stage.value,
            actor=actor.value,
            reason=handover.reason,
            changed=handover.changed,
            stage_frames=handover.frames,
            teacher_alive=frame.teacher_alive,
            teacher_fault=fault,
            student_trusted=frame.student_trusted and frame.student_version > 0,
            teacher_obstacle=frame.teacher_obstacle,
            student_obstacle=frame.student_obstacle,
            overriding=overriding,
            overrides=self._wheels.overrides,
            student_version=frame.student_version,
            **handover.approaches._asdict(),
            least_found=handover.least_found,
            most_found=handover.most_found,
            least_false_alarms=handover.least_false_alarms,
            most_false_alarms=handover.most_false_alarms,
            window_overrides=handover.overrides,
            missing_teacher=self._missing["teacher"],
            missing_student=self._missing["student"],
            labels=orders.labels,
            trains=orders.trains,
            wants_student=orders.wants_student,
        )


def _chosen(
    orders: Orders,
    teacher: ProximityReading | None,
    student: ProximityReading | None,
    *,
    overriding: bool,
) -> tuple[Actor, ProximityReading | None]:
    """Who flies in this frame, on which reading."""
    if orders.student_flies and student is not None and not overriding:
        return Actor.STUDENT, student
    if teacher is not None:
        return Actor.TEACHER, teacher
    return Actor.NOBODY, None
