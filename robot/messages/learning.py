"""What is learned on the way: weights, how far what sees by them is trusted, and who flies."""

from robot.messages.header import Message


class Weights(Message, frozen=True, kw_only=True):
    """A model package that a learner has written, for the node that acts by it."""

    path: str
    """Of the package, inside the run folder."""
    sha256: str
    """Of the package, hex."""
    parent: str
    """SHA-256 of the package that a learner announced before it; empty: the first."""
    frames: int
    """Labelled images that it had seen, all of this run."""
    updates: int
    """Steps of learning behind it, all of this run."""


class MonoStatus(Message, frozen=True, kw_only=True):
    """Which weights the mono node sees by, and how far it trusts what it sees in this frame."""

    trusted: float
    """Share of pixels whose expected relative error is let through, 0 to 1."""
    doubt: float = 0.0
    """Probability that the frame is badly wrong, 0 to 1; see ``perception.mono_trust``."""
    version: int
    """Updates behind the weights; 0: it has none."""
    frames: int
    """Labelled images behind the weights."""
    package: str
    """SHA-256 of the weights, hex; empty: none."""
    parent: str
    """SHA-256 of those that they came from."""
    swaps: int
    """Weights taken since the start."""
    refused: int
    """Weights refused since the start."""
    rollbacks: int
    """Times that it went back to the weights before."""


class HandoverState(Message, frozen=True, kw_only=True):
    """Who flies and why; see ``perception.handover`` and ``perception.organisation``."""

    organisation: str
    """A member of ``perception.organisation.Organisation``."""
    stage: str
    """A member of ``perception.handover.Stage``."""
    actor: str
    """``teacher``, ``student`` or ``nobody``: whose reading went out."""
    reason: str
    """Of the last change of stage."""
    changed: bool
    """Whether the stage changed in this frame."""
    stage_frames: int
    """Frames in this stage."""
    teacher_alive: bool
    """A valid reading of the teacher was there, and its monitor did not object."""
    teacher_fault: str = ""
    """Why not: ``missing``, ``invalid``, or the monitor's reason; empty: alive."""
    student_trusted: bool
    """The student's readings are valid, but for a few."""
    teacher_obstacle: bool
    student_obstacle: bool
    overriding: bool
    """The teacher acts because the student misses something imminent."""
    overrides: int
    """Since the start."""
    student_version: int
    """Updates behind the student's weights; 0: there is no student."""
    found: int
    """Approaches in the window that the student found."""
    missed: int
    """Approaches in the window that it missed."""
    false_alarms: int
    """Runs in the window in which it alone said obstacle."""
    least_found: float
    """Lower bound of the part found, 0 to 1, at 95 %."""
    most_found: float
    """Upper bound."""
    least_false_alarms: float
    """Lower bound of the part of false alarms among its alarms, 0 to 1."""
    most_false_alarms: float
    """Upper bound."""
    window_overrides: int
    """Approaches in the window in which the teacher overrode."""
    missing_teacher: int
    """Frames without a reading of the teacher since the start."""
    missing_student: int
    """Frames without a reading of the student since the start."""
    labels: bool
    """The learner shall remember this frame."""
    trains: bool
    """The learner shall learn."""
    wants_student: bool
    """The learner shall announce what it has learned."""
