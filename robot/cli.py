"""The ``reflexarc`` command: finds the verb, parses its dataclass, turns errors into one line.

Exit codes: 0 done, 1 failed, 2 bad input.
"""

import contextlib
import importlib.metadata
import io
import pkgutil
import re
import sys
from collections.abc import Mapping, Sequence
from typing import Any

import tyro

from robot.commands import COMMANDS
from robot.config import USER_ERRORS
from robot.subjects import Subjects

DONE, FAILED, BAD_INPUT = 0, 1, 2


def main(argv: Sequence[str] | None = None) -> int:
    """Runs one command line; returns its exit code."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    if arguments[:1] in ([], ["--help"], ["-h"]):
        sys.stdout.write(overview())
        return DONE
    if arguments[0] == "--version":
        sys.stdout.write(f"reflexarc {importlib.metadata.version('reflexarc')}\n")
        return DONE
    verb = arguments[0]
    if verb not in COMMANDS:
        return _complain(f"no verb {verb!r}; verbs: {', '.join(COMMANDS)}; see reflexarc --help")
    try:
        return parse(verb, arguments[1:])()
    except USER_ERRORS as error:
        return _complain(f"{verb}: {error}")
    except BrokenPipeError:  # the reader of our output has gone, as `head` does
        sys.stderr.close()
        return DONE


def parse(verb: str, arguments: Sequence[str]) -> Any:
    """The command object of a verb.

    Raises:
        SystemExit: after help was printed (0), or after one line on what is wrong (2).
    """
    command = pkgutil.resolve_name(COMMANDS[verb])
    name = verb
    if isinstance(command, Subjects):
        subject, arguments = _subject(verb, command, arguments)
        name = f"{verb} {subject}"
        command = pkgutil.resolve_name(command.table[subject])
    printed = io.StringIO()
    try:
        with contextlib.redirect_stderr(printed):
            return tyro.cli(
                command,
                prog=f"reflexarc {name}",
                args=list(arguments),
                config=(tyro.conf.FlagCreatePairsOff,),
            )
    except SystemExit as end:
        if end.code == BAD_INPUT:
            _complain(f"{name}: {_one_line(printed.getvalue())}; see reflexarc {name} --help")
        raise


def overview() -> str:
    """What ``reflexarc --help`` prints: a line per verb."""
    return _listing("usage: reflexarc VERB ... (each verb has --help)", COMMANDS)


def subjects_overview(verb: str, subjects: Subjects) -> str:
    """What ``reflexarc VERB --help`` prints where a verb has subjects: a line for each."""
    usage = f"usage: reflexarc {verb} SUBJECT ... (each subject has --help)"
    return _listing(f"{usage}\n\n{subjects.summary}", subjects.table)


def _listing(head: str, table: Mapping[str, str]) -> str:
    """A line for each row of a table of commands."""
    lines = [head, ""]
    for name, target in table.items():
        item = pkgutil.resolve_name(target)
        text = item.summary if isinstance(item, Subjects) else item.__doc__ or ""
        lines.append(f"  {name:<10} {text.strip().splitlines()[0]}")
    return "\n".join([*lines, ""])


def _subject(verb: str, subjects: Subjects, arguments: Sequence[str]) -> tuple[str, list[str]]:
    """The first argument that is a subject, and the others.

    Raises:
        SystemExit: there is none: after help (0), or after one line that lists them (2).
    """
    for index, argument in enumerate(arguments):
        if argument in subjects.table:
            return argument, [*arguments[:index], *arguments[index + 1 :]]
    if set(arguments) & {"--help", "-h"}:
        sys.stdout.write(subjects_overview(verb, subjects))
        raise SystemExit(DONE)
    given = f"no subject {arguments[0]!r}" if arguments else "a subject is missing"
    names = ", ".join(subjects.table)
    raise SystemExit(_complain(f"{verb}: {given}; subjects: {names}; see reflexarc {verb} --help"))


def _complain(text: str) -> int:
    """One line on standard error."""
    sys.stderr.write(f"reflexarc: {' '.join(text.split())}\n")
    return BAD_INPUT


def _one_line(boxed: str) -> str:
    """The first paragraph inside the box that tyro draws around an error."""
    rows = [re.sub(r"^[│|]\s?|\s*[│|]$", "", row).strip() for row in boxed.splitlines()]
    body = [row for row in rows if row and not row.startswith(("╭", "╰"))]
    if body[1:] and body[1].startswith("---"):  # a title and its rule: a box without a frame
        del body[:2]
    paragraph = []
    for row in body:
        if row.startswith(("─", "---")):
            break
        paragraph.append(row)
    return " ".join(paragraph).rstrip(".") or "the arguments do not fit"


if __name__ == "__main__":
    sys.exit(main())
