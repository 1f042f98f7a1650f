"""Labelling without a browser: one picture of all questions, and a line of text for each."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TextIO

from perception.quantities import InputError
from policies.label_book import Answer
from policies.labelling import Sitting
from robot.contact_sheet import sheet, tile
from robot.pictures import write_png

SHEET = "sheet.png"
ANSWERS: dict[str, Answer] = {"y": "yes", "n": "no", "s": "skip", "u": "undo"}
HELP = "y: reached, n: not reached, s: cannot be told, u: take back, q: end here"


def draw_questions(sitting: Sitting, folder: Path) -> Path:
    """All questions with their numbers, as one picture.

    Raises:
        InputError: it cannot be written, or an attempt is damaged.
    """
    tiles = []
    for number, question in enumerate(sitting.questions, start=1):
        shown = sitting.shown(question)
        words = (f"{number}", shown.attempt.about.instruction)
        tiles.append(tile([*shown.images(question.moment).values()], words))
    try:
        return write_png(folder / SHEET, sheet(tiles))
    except OSError as error:
        raise InputError(f"{folder / SHEET} cannot be written: {error.strerror}") from error


def ask(sitting: Sitting, lines: TextIO, say: Callable[[str], None]) -> None:
    """Asks until all are answered, the lines end, or a person has had enough.

    Raises:
        InputError: an answer cannot be written, or an attempt is damaged.
    """
    say(HELP)
    for answer in _answers(sitting, lines, say):
        if answer == "undo":
            say("taken back" if sitting.undo() else "nothing to take back in this sitting")
        elif (shown := sitting.current()) is not None:
            sitting.answer(shown, answer)


def _answers(sitting: Sitting, lines: TextIO, say: Callable[[str], None]) -> Iterator[Answer]:
    """What is typed; the question is asked anew after what is no answer."""
    while (shown := sitting.current()) is not None:
        number = sitting.questions.index(shown.question) + 1
        say(f"{number} of {len(sitting.questions)}, {shown.attempt.about.instruction}?")
        typed = lines.readline()
        if not typed or typed.strip() == "q":
            return
        if typed.strip() in ANSWERS:
            yield ANSWERS[typed.strip()]
        else:
            say(HELP)
