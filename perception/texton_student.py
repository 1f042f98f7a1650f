"""The texton student of one robot: from the first frame, through its dictionary, to obstacles.

It joins what the paper has in parts (van Hecke et al., arXiv 1603.08047): a dictionary, the memory
of the nearest neighbours, the threshold and the rule by which it learns anew. Whoever flies it says
for each frame whether it is labelled, whether the student may learn, and whether one is asked for.

Without a dictionary it keeps the first frames with their labels, at most `dictionary_frames`, and
learns one from them; then it looks at them again, so that no label is lost.

    frame             1 .. 499          500              501 ..
    dictionary        none              k-means          fixed for life: features of another
    remembered        0                 all 500          + 1 each       cannot be compared
    learned           never             if asked for     by the rule, if asked for
"""

import math
from collections import deque
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np

from perception.neighbours import CAPACITY, NEIGHBOURS, NearestNeighbours
from perception.persistent import Estimate, LearningConfig, Lesson, PersistentLearner
from perception.quantities import FloatArray, GreyImage, InputError
from perception.student import KnnStudent
from perception.texton_dictionary import learn_dictionary
from perception.texton_package import TextonMemory
from perception.textons import (
    GRID,
    PATCH,
    SIDE_PX,
    TEXTONS,
    TextonDictionary,
    TextonFeatures,
    check_frame,
)

NOTHING = Estimate(math.nan, obstacle=False)


@dataclass(frozen=True)
class TextonConfig:
    """How it learns. The defaults are the paper's, but for the dictionary, which it had before."""

    dictionary_frames: int = 500  # labelled ones from the first on, that show what the room is like
    dictionary_every: int = 10  # of them, each so many-th is learned from; 1 s apart at 10 Hz
    memory_frames: int = CAPACITY  # newest labelled frames remembered
    learning: LearningConfig = field(default_factory=LearningConfig)

    def __post_init__(self) -> None:
        for key in ("dictionary_frames", "dictionary_every"):
            if getattr(self, key) < 1:
                raise InputError(f"{key} = {getattr(self, key)} must be 1 or more")
        if self.memory_frames < NEIGHBOURS:
            raise InputError(f"memory_frames = {self.memory_frames} must be {NEIGHBOURS} or more")


class Sight(NamedTuple):
    """What one frame looks like, until the teacher's answer to it comes."""

    image: GreyImage | None  # (H, W); None once there is a dictionary
    feature: FloatArray | None  # (21,); None before
    estimate: Estimate


class TextonStudent:
    """One camera's student."""

    def __init__(
        self,
        width: int,
        height: int,
        config: TextonConfig,
        rng: np.random.Generator,
        start: TextonDictionary | TextonMemory | None = None,
    ) -> None:
        """Begins with nothing, with a dictionary, or with all that another flight taught.

        Args:
            width: of the frames, px.
            height: of the frames, px.
            config: how it learns.
            rng: for the dictionary, if none is given.
            start: what it knows already.

        Raises:
            TextonFrameError: if the frames are too small for textons.
        """
        self.width, self.height = width, height
        self._config, self._rng = config, rng
        self._features: TextonFeatures | None = None
        self._first: deque[tuple[GreyImage, float]] = deque(maxlen=config.dictionary_frames)
        self.version = 0  # times that it learned and found a threshold; 0 knows nothing
        k = start.k if isinstance(start, TextonMemory) else NEIGHBOURS
        self._student = KnnStudent(capacity=config.memory_frames, k=k)
        self.loop: PersistentLearner[FloatArray] = PersistentLearner(self._student, config.learning)
        if start is not None:
            dictionary = start.dictionary if isinstance(start, TextonMemory) else start
            self._features = TextonFeatures(dictionary, width, height)
        if isinstance(start, TextonMemory):
            self._resume(start)

    @property
    def features(self) -> TextonFeatures | None:
        """How it looks at frames; None: it has no dictionary yet."""
        return self._features

    @property
    def known(self) -> NearestNeighbours:
        """What it answers from."""
        return self._student.known

    @property
    def known_frames(self) -> int:
        """How many frames that are."""
        return len(self.known.pairs.teacher_px)

    @property
    def threshold_px(self) -> float:
        """Above it an estimate is an obstacle; NaN: it knows nothing."""
        return math.nan if self.loop.threshold is None else self.loop.threshold.estimate_px

    @property
    def false_alarm_rate(self) -> float:
        """On the frames that it learned, at its threshold; NaN: it knows nothing."""
        return math.nan if self.loop.threshold is None else self.loop.threshold.rates.false_alarm

    def see(self, image: GreyImage) -> Sight:
        """One frame, in their order.

        Raises:
            TextonFrameError: if it is not a grey frame of the camera's size.
        """
        check_frame(image, self.width, self.height)
        if self._features is None:
            return Sight(image, None, NOTHING)
        feature = self._features.measure(image)
        return Sight(None, feature, self.loop.estimate(feature))

    def teach(self, sight: Sight, teacher_px: float, lesson: Lesson) -> bool:
        """What the teacher measured in a frame, in their order; NaN where it could not.

        Returns:
            Whether it learned: from now on it may answer otherwise.
        """
        if self._features is None:
            return self._remember_first(sight, teacher_px, lesson)
        feature = sight.feature
        if feature is None:  # seen before there was a dictionary
            assert sight.image is not None  # noqa: S101 - one of both is there
            feature = self._features.measure(sight.image)
        return self._teach(feature, sight.estimate.px, teacher_px, lesson)

    def learn(self) -> None:
        """From all that it remembers, at once."""
        self.loop.resume()
        self.version += self.loop.threshold is not None

    def _teach(
        self, feature: FloatArray, estimate_px: float, teacher_px: float, lesson: Lesson
    ) -> bool:
        taught = self.loop.teach(feature, estimate_px, teacher_px, lesson)
        relearned = taught.check is not None and taught.check.relearned
        self.version += relearned and self.loop.threshold is not None
        return relearned

    def _remember_first(self, sight: Sight, teacher_px: float, lesson: Lesson) -> bool:
        """Keeps a frame for the dictionary; the last one needed makes it."""
        if sight.image is None or not lesson.labels or math.isnan(teacher_px):
            return False
        self._first.append((sight.image.copy(), teacher_px))
        if len(self._first) < self._config.dictionary_frames:
            return False
        images = [image for image, _ in self._first]
        dictionary = learn_dictionary(images[:: self._config.dictionary_every], self._rng)
        self._features = TextonFeatures(dictionary, self.width, self.height)
        *before, last = [(self._features.measure(image), px) for image, px in self._first]
        self._first.clear()
        for feature, early_px in before:
            self._teach(feature, math.nan, early_px, Lesson(may_learn=False))
        return self._teach(last[0], math.nan, last[1], lesson)

    def _resume(self, memory: TextonMemory) -> None:
        for feature, teacher_px in zip(*memory.pairs, strict=True):
            self._student.remember(feature, float(teacher_px))
        self.learn()


def warm_up() -> None:
    """Compiles what the first frame would otherwise wait for."""
    textons = np.zeros((TEXTONS, PATCH), np.int16)
    frame = np.zeros((GRID + SIDE_PX, GRID + SIDE_PX), np.uint8)
    features = TextonFeatures(TextonDictionary(textons, textons), *frame.shape)
    student = KnnStudent()
    student.remember(features.measure(frame), 0.0)
    student.relearn()
