"""Attempts at a goal: what is asked for, what is said of it, and what is learned from."""

from robot.messages.header import FloatVector, Message


class Instruction(Message, frozen=True, kw_only=True):
    """What is asked of the robot from now on."""

    task: str
    goal: int
    """Index among the goals of the task."""
    text: str
    attempt: int
    """Counts from 0; a new number is a new attempt, also at the same goal."""


class AttemptOrder(Message, frozen=True, kw_only=True):
    """Who practises asks for the next attempt; whoever sets the scene obeys, and only once."""

    task: str
    attempt: int
    """Counts from 1; the same number again is the same order."""
    goal: int
    """Index among the goals of the task."""
    reset: bool
    """Whether a person is asked to put everything where such an attempt begins."""


class StepJudgement(Message, frozen=True, kw_only=True):
    """What is said of the step that led to the observation of the same moment; it may err."""

    attempt: int
    """The order that is followed; 0: none yet."""
    goal: int
    success: bool
    """The goal is said to be reached."""
    lost: bool
    """A person says that only he can put things back."""


class Experience(Message, frozen=True, kw_only=True):
    """One step of practice, whole, so that one that is lost spoils no other."""

    attempt: int
    text: str
    """Of the goal that was tried."""
    names: tuple[str, ...]
    shapes: tuple[tuple[int, ...], ...]
    before: FloatVector
    """All tensors of the observation, as in ``Observed``, before the step."""
    action: tuple[float, ...]
    """In the units of the robot's limits."""
    reward: float
    after: FloatVector
    """Like ``before``, after the step."""
    success: bool
    """Nothing follows, to who learns."""
    ended: bool
    """The attempt is over."""


class AttemptReport(Message, frozen=True, kw_only=True):
    """How an attempt ended, as only the simulator knows."""

    attempt: int
    goal: int
    text: str
    success: bool
    seconds: float
    irreversible: bool
    """Only a person could put things back."""
