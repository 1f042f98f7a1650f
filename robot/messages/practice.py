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
    abstained: bool = False
    """Who judges does not believe what it sees: the step is nobody's lesson."""


class Verdict(Message, frozen=True, kw_only=True):
    """What a reward that sees says of the moment of the same ``captured_ns``, and why."""

    attempt: int
    """The order that is followed; 0: none yet."""
    goal: int
    text: str
    """The instruction that it was asked."""
    views: tuple[str, ...]
    """Cameras that it looks through."""
    probability: tuple[float, ...]
    """By camera, of "yes" at this moment; empty: it abstained."""
    against: tuple[float, ...]
    """By camera, of "yes" to the likeliest opposite; empty: not asked."""
    score: float
    """Log-odds of the look that agrees least, over the last images."""
    threshold: float
    """Log-odds above which it says yes."""
    yes: bool
    """The goal is said to be reached."""
    abstained: bool
    """It does not believe the images, and pays nothing."""
    reason: str
    """Why it abstained; empty: it did not."""
    package: str
    """SHA-256 of the reward, hex."""
    upper: float
    """What was proved: it says yes in vain in at most this part of all attempts, 0 to 1."""
    confidence: float
    """Of that proof, 0 to 1."""
    proving_attempts: int
    """Held-out attempts behind it."""


class HelpNeeded(Message, frozen=True, kw_only=True):
    """A person who watches says that only he can put things back; said until he has."""

    attempt: int
    reason: str


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
