"""A reward as a robot carries it: the package, what it was taught, and what it promises.

    image        (1, H, W, 3)  uint8, RGB, of one camera
    view         (1, V)        1 for that camera, 0 for the others
    instruction  (2, D)        vectors of two sentences, such as one and its opposite
    log_odds     (2,)          of "yes" against "no" to each, not yet calibrated

The manifest carries the vectors of all instructions that were taught, so nothing here encodes text.
An instruction that was not taught is refused, with its distance to those that were: the promise of
`perception/reward_bound.py` was never proved for it.
"""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import msgspec
import numpy as np

from perception.image_trust import Usual
from perception.model_package import ModelPackage, TensorSpec
from perception.quantities import FloatArray
from perception.reward import Images, LookSpec, Question, RewardInputError
from perception.reward_bound import Bound
from perception.reward_calibration import Calibration
from perception.reward_look import LookRule

KIND = "success"
IMAGE, VIEW, INSTRUCTION, LOG_ODDS = "image", "view", "instruction", "log_odds"
QUESTIONS = 2  # sentences that are answered at once
REWARD = "reward"  # in the manifest's extra
EVEN = 0.0  # log-odds


class RewardAbout(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a reward was taught, and what it promises."""

    spec: LookSpec
    encoder: str  # of the vectors
    instructions: dict[str, list[float]]  # vector by text
    opposites: dict[str, list[str]]  # texts that must be "no" when a text is "yes"
    calibration: Calibration = Calibration()
    rule: LookRule
    bound: Bound | None = None  # None: held-out attempts were never looked at
    data: list[str] = []  # hashes of the recipes that taught it
    held: list[str] = []  # of the recipes whose attempts proved the bound
    unsure: float | None = None  # log-odds above which a "no" may be a success; None: not known
    usual: dict[str, Usual] = {}  # by camera: what the images of those attempts look like
    lost: str = ""  # what is asked to know whether only a person can help; empty: nothing
    lost_bound: Bound | None = None  # of how often that is said in vain; None: it is not said


class Asked(NamedTuple):
    """A question with its opposites."""

    question: Question
    opposites: tuple[Question, ...]


def asked_of(
    text: str, vectors: Mapping[str, Sequence[float]], opposites: Mapping[str, Sequence[str]]
) -> Asked:
    """The question that a known instruction is, with its opposites."""

    def question(one: str) -> Question:
        return Question(one, np.array(vectors[one], np.float32))

    return Asked(question(text), tuple(map(question, opposites.get(text, ()))))


class RewardEye:
    """A reward that was read from a package; an `Answerer`."""

    def __init__(self, package: ModelPackage) -> None:
        """Reads what it is.

        Raises:
            RewardInputError: the package is none of a reward, or is malformed.
        """
        self.package, self.about = package, about_of(package)
        self.path, self.sha256, self.spec = package.path, package.sha256, self.about.spec

    def log_odds(self, images: Images, view: str, questions: tuple[Question, ...]) -> FloatArray:
        """(N, q) as `perception.reward.Answerer`; not calibrated."""
        self.spec.check(view, images.shape[1:], str(images.dtype))
        eye = np.eye(len(self.spec.views), dtype=np.float32)[[self.spec.views.index(view)]]
        said = np.empty((len(images), len(questions)), np.float32)
        for begin in range(0, len(questions), QUESTIONS):
            some = questions[begin : begin + QUESTIONS]
            vectors = np.array([(*some, some[-1])[i].vector for i in range(QUESTIONS)], np.float32)
            for row, image in enumerate(images):
                arrays = {IMAGE: image[np.newaxis], VIEW: eye, INSTRUCTION: vectors}
                answers = self.package.model.infer(arrays)[LOG_ODDS]
                said[row, begin : begin + len(some)] = answers[: len(some)]
        return said

    def asked(self, text: str, unknown: Mapping[str, Sequence[float]] | None = None) -> Asked:
        """The question that an instruction is, with the opposites that it was taught with.

        Args:
            text: the instruction.
            unknown: vectors of instructions that it was not taught, by text, to be asked all the
                same (zero-shot); None: they are refused.

        Raises:
            RewardInputError: it was not taught; the line says how far it is from those that were.
        """
        if text in self.about.instructions:
            return asked_of(text, self.about.instructions, self.about.opposites)
        if unknown is None or text not in unknown:
            raise RewardInputError(f"{self.path} was not taught {text!r}{self._near({})}")
        return Asked(Question(text, np.array(unknown[text], np.float32)), ())

    def refusal(self) -> str | None:
        """Why it pays nothing; None: it pays."""
        if self.about.bound is None:
            return "no held-out attempts have proved how seldom it errs: 'reflexarc export reward'"
        return self.about.bound.refusal()

    def refuse_unknown(self, vectors: Mapping[str, Sequence[float]]) -> None:
        """Passes if every instruction was taught.

        Args:
            vectors: of the instructions that will be asked, by text; empty where not known.

        Raises:
            RewardInputError: the first that was not, with its distance to those that were.
        """
        for text, vector in vectors.items():
            if text not in self.about.instructions:
                near = self._near({text: vector})
                raise RewardInputError(
                    f"{self.path} was not taught {text!r}{near}; teach it with "
                    "'reflexarc train reward', or ask all the same with --zero-shot"
                )

    def _near(self, vectors: Mapping[str, Sequence[float]]) -> str:
        """How far instructions are from those that were taught, for a message."""
        known = self.about.instructions
        listed = ", ".join(map(repr, known))
        for vector in vectors.values():
            if len(vector) != self.spec.vector:
                break
            cosines = {text: float(np.dot(vector, known[text])) for text in known}
            nearest = max(cosines, key=cosines.__getitem__)
            return f" (cosine distance {1 - cosines[nearest]:.2f} to {nearest!r}); known: {listed}"
        return f"; known: {listed}"


def about_of(package: ModelPackage) -> RewardAbout:
    """What a package says of its reward.

    Raises:
        RewardInputError: it is a package of another kind, or is malformed.
    """
    manifest = package.manifest
    if manifest.kind != KIND:
        raise RewardInputError(
            f"{package.path} is a {manifest.kind} package; needed is one of kind {KIND}, as "
            "'reflexarc train reward' writes it"
        )
    try:
        about = msgspec.convert(manifest.extra.get(REWARD), RewardAbout)
    except msgspec.ValidationError as error:
        raise RewardInputError(
            f"{package.path}: its reward is malformed: {error}; if an older version wrote it, "
            "prove it again with 'reflexarc export reward'"
        ) from error
    if (manifest.inputs, manifest.outputs) != tensors_of(about.spec):
        raise RewardInputError(f"{package.path}: its tensors are not those of a reward")
    return about


def threshold_of(about: RewardAbout) -> float:
    """Log-odds above which it says yes; even odds where nothing is promised."""
    if about.bound is None or about.bound.threshold is None:
        return EVEN
    return about.bound.threshold


def tensors_of(spec: LookSpec) -> tuple[tuple[TensorSpec, ...], tuple[TensorSpec, ...]]:
    """Inputs and outputs of the graph."""
    return (
        (
            TensorSpec(IMAGE, (1, spec.height, spec.width, 3), "uint8", "1"),
            TensorSpec(VIEW, (1, len(spec.views)), "float32", "1"),
            TensorSpec(INSTRUCTION, (QUESTIONS, spec.vector), "float32", "1"),
        ),
        (TensorSpec(LOG_ODDS, (QUESTIONS,), "float32", "1"),),
    )
