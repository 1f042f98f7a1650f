"""``reflexarc label``: a person says what a reward was unsure of while a robot practised."""

import getpass
import json
import sys
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import tyro

from perception.quantities import InputError
from policies import kept_attempts, label_book
from policies.kept_attempts import KeptList, read_list
from policies.label_book import LabelBook, standing
from policies.label_queue import estimate_of, questions_of
from policies.labelling import Sitting
from robot.commands.run import interruptible
from robot.console import Console
from robot.label_server import LabelServer
from robot.label_terminal import ask, draw_questions
from robot.options import require_at_least

LOOK_S = 0.2  # between two looks at whether Ctrl-C was pressed
TRUTH = "truth"


@dataclass(frozen=True)
class Label:
    """Say of images from practice whether the goal is reached in them; train reward --labels.

    Asked is what the reward nearly paid for, what its cameras disagree on, what it paid for, and a
    random sample, in turns. It opens a page on this machine: y, n, s (cannot be told), u (take
    back). Each answer is saved at once; the same command goes on where it was.

    Example: reflexarc label runs/finetune-lid_images
    """

    run: tyro.conf.Positional[Path]
    """Folder of a run of reflexarc finetune with a reward that looks."""
    most: int = 60
    """Questions at most, with those that were answered before."""
    terminal: bool = False
    """Without a browser: one picture of all questions, answers typed."""
    by: str = ""
    """Who answers; default: the user."""
    truth: bool = False
    """Let the simulator answer, for studies; a real run has no truth."""
    json: bool = False
    """Print the outcome as JSON."""

    def __call__(self) -> int:
        """Asks; what was answered is on the disk whatever happens."""
        require_at_least(self, {"most": 1})
        attempts, console = self.run / kept_attempts.FOLDER, Console(quiet=self.json)
        found = read_list(attempts)
        questions = questions_of(attempts, found)[: self.most]
        if not questions:
            raise InputError(f"{attempts} keeps no attempt yet; let it practise longer")
        folder = self.run / label_book.FOLDER
        with LabelBook(folder) as book:
            sitting = Sitting(attempts, questions, book, self._name(), _now)
            if self.truth:
                _answer_by_truth(sitting, attempts)
            elif self.terminal:
                sys.stderr.write(f"look at {draw_questions(sitting, folder)}\n")
                ask(sitting, sys.stdin, _say)
            elif sitting.current() is not None:
                _serve(sitting, console)
            self._report(_outcome(folder, found, sitting, book))
        return 0

    def _name(self) -> str:
        if self.truth:
            return TRUTH
        return self.by or getpass.getuser()

    def _report(self, outcome: dict[str, Any]) -> None:
        if self.json:
            sys.stdout.write(json.dumps(outcome) + "\n")
            return
        sys.stdout.write(
            f"{outcome['answered']} of {outcome['questions']} answered: {outcome['yes']} reached, "
            f"{outcome['no']} not, {outcome['skipped']} cannot be told\n"
        )
        if outcome["sampled"]:
            sys.stdout.write(
                f"of {outcome['sampled']} attempts drawn from {outcome['attempts']}: "
                f"{outcome['in_vain']} said to succeed in vain (95 %: at most "
                f"{100 * outcome['in_vain_upper']:.0f} % of all), {outcome['missed']} missed\n"
            )
        if outcome["broken"]:
            sys.stdout.write(
                f"the promise of at most {100 * outcome['promised']:g} % in vain was not kept "
                f"(95 %: at least {100 * outcome['in_vain_lower']:.0f} %): attempts are no longer "
                "like those that proved it; collect some of this policy with --pilot, teach the "
                "reward with them and these labels, and prove it by others\n"
            )
        sys.stdout.write(
            f"labels: {outcome['labels']}; 'reflexarc train reward DATA --labels {self.run}' "
            "teaches with them\n"
        )


def _serve(sitting: Sitting, console: Console) -> None:
    """Until a person ends it on the page, or by Ctrl-C."""
    with LabelServer(sitting) as server, interruptible() as interrupted:
        sys.stderr.write(f"open {server.url} on this machine; Ctrl-C ends\n")
        with console.progress("labelled", len(sitting.questions), "moments") as progress:
            while not server.ended.wait(LOOK_S) and not interrupted():
                progress(sitting.done)


def _answer_by_truth(sitting: Sitting, attempts: Path) -> None:
    """What a simulator recorded.

    Raises:
        InputError: an attempt without truth.
    """
    while (shown := sitting.current()) is not None:
        reached = shown.attempt.reached
        if not len(reached):
            raise InputError(f"{attempts} holds no truth, as a real robot knows none; label by eye")
        sitting.answer(shown, "yes" if reached[shown.question.moment] else "no")


def _outcome(folder: Path, found: KeptList, sitting: Sitting, book: LabelBook) -> dict[str, Any]:
    answers = [label.answer for label in standing(book.labels)]
    estimate = estimate_of(found, book.labels)
    return {
        "labels": str(folder / label_book.BOOK),
        "questions": len(sitting.questions),
        "answered": sitting.done,
        "yes": answers.count("yes"),
        "no": answers.count("no"),
        "skipped": answers.count("skip"),
        **estimate._asdict(),
        "broken": estimate.broken,
    }


def _say(text: str) -> None:
    sys.stderr.write(text + "\n")


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")
