"""Tables of the studies' pages, as Markdown."""

from collections.abc import Sequence


def line(cells: Sequence[str]) -> str:
    """One row."""
    return f"| {' | '.join(cells)} |\n"


def head(*columns: str) -> str:
    """What stands above the rows."""
    return line(columns) + line(["---"] * len(columns))


def table(lines: Sequence[Sequence[str]]) -> str:
    """A head and what stands under it."""
    columns, *found = lines
    return head(*columns) + "".join(map(line, found))
