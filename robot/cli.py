"""The ``reflexarc`` command: finds the verb, parses its dataclass, turns errors into one line.

Exit codes: 0 done, 1 failed, 2 bad input.
"""

import contextlib
import importlib.metadata
import io
import pkgutil
import re
import sys
from collections.abc import Sequence
from typing import Any

import tyro

from robot.commands import COMMANDS
from robot.config import USER_ERRORS

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
    printed = io.StringIO()
    try:
        with contextlib.redirect_stderr(printed):
            return tyro.cli(
                command,
                prog=f"reflexarc {verb}",
                args=list(arguments),
                config=(tyro.conf.FlagCreatePairsOff,),
            )
    except SystemExit as end:
        if end.code == BAD_INPUT:
            _complain(f"{verb}: {_one_line(printed.getvalue())}; see reflexarc {verb} --help")
        raise


def overview() -> str:
    """What ``reflexarc --help`` prints: a line per verb."""
    lines = ["usage: reflexarc VERB ... (each verb has --help)", ""]
    for verb, target in COMMANDS.items():
        summary = (pkgutil.resolve_name(target).__doc__ or "").strip().splitlines()[0]
        lines.append(f"  {verb:<10} {summary}")
    return "\n".join([*lines, ""])


def _complain(text: str) -> int:
    """One line on standard error."""
    sys.stderr.write(f"reflexarc: {' '.join(text.split())}\n")
    return BAD_INPUT


def _one_line(boxed: str) -> str:
    """The first paragraph inside the box that tyro draws around an error."""
    rows = [re.sub(r"^[│|]\s?|\s*[│|]$", "", row).strip() for row in boxed.splitlines()]
    body = [row for row in rows if row and not row.startswith(("╭", "╰"))]
    paragraph = []
    for row in body:
        if row.startswith("─"):
            break
        paragraph.append(row)
    return " ".join(paragraph).rstrip(".") or "the arguments do not fit"


if __name__ == "__main__":
    sys.exit(main())
