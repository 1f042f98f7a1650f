"""Every command of the README and the docs is one that the command line takes."""

import shlex
from pathlib import Path

import pytest

from robot.cli import parse
from robot.commands.study.practice import StudyPractice
from robot.study.practice_grid import load_grid
from robot.study.seeds import seeds_of

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
INDENT = "    reflexarc "
LEFT_OUT = ("...", "&")  # of a line in which a reader fills in the rest; behind the shell's back


def commands_of(page):
    """The words of each command in an indented block, continued lines and open quotes joined."""
    lines = iter(page.read_text().splitlines())
    for line in lines:
        if not line.startswith(INDENT):
            continue
        command = line
        while (words := whole(command)) is None:
            command = f"{command.removesuffix(chr(92))} {next(lines)}"
        yield [word for word in words[1:] if word not in LEFT_OUT]


def whole(command):
    """The words, or None where the command goes on in the next line."""
    if command.endswith("\\"):
        return None
    try:
        return shlex.split(command, comments=True)
    except ValueError:
        return None


CASES = [(page.relative_to(ROOT), words) for page in PAGES for words in commands_of(page)]


@pytest.mark.parametrize(("page", "words"), CASES, ids=lambda it: str(it)[-60:])
def test_a_command_of_the_docs_is_taken(page, words):
    command = parse(words[0], words[1:])
    if isinstance(command, StudyPractice):
        grid = load_grid(command.grid)
        assert set(command.methods) <= set(grid.method_names), page
        assert set(command.tasks) <= set(grid.tasks), page
        seeds_of(command.seeds or grid.seeds)


def test_the_pages_show_commands_of_every_verb_that_a_user_needs():
    verbs = {words[0] for _, words in CASES}
    assert {"run", "collect", "train", "export", "finetune", "label", "study"} <= verbs
    assert len(CASES) > 150  # the reader of pages has not gone blind
