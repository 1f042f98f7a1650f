"""The texton student on frames that are near or far by their looks."""

import math

import numpy as np
import pytest

from perception.persistent import LearningConfig, Lesson
from perception.quantities import InputError
from perception.texton_dictionary import learn_dictionary
from perception.texton_package import TextonMemory
from perception.texton_student import TextonConfig, TextonStudent
from perception.textons import TextonFrameError

WIDTH, HEIGHT = 64, 48
QUICK = TextonConfig(
    dictionary_frames=20, dictionary_every=2, learning=LearningConfig(check_frames=30)
)
NOT_ASKED = Lesson(may_learn=False)


def scene(near, rng):
    """A frame: coarse stripes where something is near, fine ones where all is far."""
    period_px = 16 if near else 4
    row = 127 + 100 * np.sign(np.sin(2 * np.pi * (np.arange(WIDTH) + rng.integers(16)) / period_px))
    return np.clip(row + rng.normal(0, 8, (HEIGHT, WIDTH)), 0, 255).astype(np.uint8)


def flight(frames, seed=0):
    """Frames with the teacher's px: ten near, ten far, and so on."""
    rng = np.random.default_rng(seed)
    for i in range(frames):
        near = i // 10 % 2 == 0
        yield scene(near, rng), 12.0 if near else 3.0


def fly(student, frames, lesson=None, seed=0):
    """The sights of a flight, each taught at once; and after which frames it learned."""
    sights, learned = [], []
    for i, (image, teacher_px) in enumerate(flight(frames, seed)):
        sights.append(student.see(image))
        if student.teach(sights[-1], teacher_px, lesson or Lesson()):
            learned.append(i)
    return sights, learned


def student_of(config=QUICK, start=None):
    return TextonStudent(WIDTH, HEIGHT, config, np.random.default_rng(0), start)


def test_it_learns_its_dictionary_from_the_first_frames_and_forgets_none_of_them():
    student = student_of()
    sights, learned = fly(student, 60)
    assert [s.feature is None for s in sights] == [True] * 20 + [False] * 40
    assert learned == [31]  # 30 frames, and then until the smoothed teacher says free
    assert student.known_frames == 32


def test_what_it_learned_it_tells_of_frames_that_it_never_saw():
    student = student_of()
    fly(student, 60)
    assert student.version == 1
    sights, _ = fly(student, 100, seed=1)
    said = [sight.estimate.obstacle for sight in sights]
    true = [near_px > 8 for _, near_px in flight(100)]
    settled = [i for i in range(100) if i % 10 >= 4]  # the moving average is over 4 frames
    assert [said[i] for i in settled] == [true[i] for i in settled]


def test_before_it_has_learned_it_knows_nothing():
    student = student_of()
    sights, learned = fly(student, 60, NOT_ASKED)
    assert learned == []
    assert student.version == 0
    assert math.isnan(student.threshold_px)
    assert all(math.isnan(s.estimate.px) and not s.estimate.obstacle for s in sights)


def test_a_lesson_that_is_due_waits_until_nothing_is_near():
    student = student_of()
    fly(student, 45, NOT_ASKED)  # the last five are near
    image, near_px = next(flight(1))
    must = Lesson(must_learn=True)
    assert not any(student.teach(student.see(image), near_px, must) for _ in range(5))
    assert any(student.teach(student.see(image), 3.0, must) for _ in range(3))


def test_what_is_not_labelled_is_not_remembered_but_what_was_is_learned():
    student = student_of()
    fly(student, 60, NOT_ASKED)
    _, learned = fly(student, 60, Lesson(labels=False, must_learn=True))
    assert learned
    assert student.known_frames == 60
    fly(student, 20, Lesson(must_learn=True))
    assert student.known_frames > 60


def test_without_a_label_there_is_no_dictionary_either():
    student = student_of()
    fly(student, 60, Lesson(labels=False))
    sights, _ = fly(student, 25)
    assert [s.feature is None for s in sights] == [True] * 20 + [False] * 5


def test_a_frame_seen_before_there_was_a_dictionary_may_be_taught_after():
    student = student_of()
    late = student.see(next(flight(1))[0])
    fly(student, 20, NOT_ASKED)
    student.teach(late, 3.0, NOT_ASKED)
    for image, _ in flight(3):
        student.teach(student.see(image), 3.0, Lesson(must_learn=True))
    assert student.known_frames >= 21


def test_the_memory_holds_the_newest_frames():
    student = student_of(TextonConfig(20, 2, memory_frames=40, learning=QUICK.learning))
    fly(student, 100, Lesson(must_learn=True))
    assert student.known_frames == 40


def test_with_a_dictionary_it_begins_at_the_first_frame():
    images = [image for image, _ in flight(20)]
    dictionary = learn_dictionary(images, np.random.default_rng(1))
    sights, learned = fly(student_of(start=dictionary), 60)
    assert all(sight.feature is not None for sight in sights)
    assert learned[0] > 0


def test_from_the_memory_of_another_flight_it_answers_at_once_and_as_that_one_did():
    old = student_of()
    fly(old, 60)
    known = old.known
    memory = TextonMemory(old.features.dictionary, known.pairs, known.k, "ab" * 32)
    new = student_of(start=memory)
    assert (new.version, new.threshold_px) == (1, old.threshold_px)
    answers = [[s.estimate for s in fly(each, 30, NOT_ASKED, seed=2)[0]][4:] for each in (old, new)]
    assert answers[0] == answers[1]


def test_the_same_flight_gives_the_same_student_to_the_bit():
    runs = [[s.estimate for s in fly(student_of(), 80)[0]] for _ in range(2)]
    assert repr(runs[0]) == repr(runs[1])


@pytest.mark.parametrize(
    "image", [np.zeros((HEIGHT, WIDTH, 3), np.uint8), np.zeros((96, 128), np.uint8)]
)
def test_a_frame_of_another_size_or_colour_is_refused_even_before_the_dictionary(image):
    with pytest.raises(TextonFrameError, match="64x48"):
        student_of().see(image)


@pytest.mark.parametrize(
    "choice", [{"dictionary_frames": 0}, {"dictionary_every": 0}, {"memory_frames": 4}]
)
def test_a_setting_that_makes_no_sense_is_refused(choice):
    with pytest.raises(InputError, match=next(iter(choice))):
        TextonConfig(**choice)
