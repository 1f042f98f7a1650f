"""What a person sees while a run goes on: a progress bar, and each node's words under its name.

All of it goes to standard error; standard output carries results only.
"""

import contextlib
import sys
import threading
import time
from collections.abc import Callable, Iterator

import rich.console
from rich.markup import escape
from rich.progress import BarColumn, Progress, ProgressColumn, SpinnerColumn, Task, TextColumn
from rich.text import Text

NOT_A_TERMINAL_PERIOD_S = 5.0  # between progress lines where no bar can be drawn


class _Speed(ProgressColumn):
    """Seconds run per second of real time."""

    def render(self, task: Task) -> Text:
        elapsed = task.elapsed or 0.0
        return Text(f"{task.completed / elapsed:.1f}x real time" if elapsed > 0.5 else "")


class Console:
    """Where a command speaks to a person."""

    def __init__(self, *, quiet: bool) -> None:
        self._quiet = quiet
        self._console = rich.console.Console(stderr=True, highlight=False, soft_wrap=True)
        self._lock = threading.Lock()

    @property
    def quiet(self) -> bool:
        """Whether it says nothing."""
        return self._quiet

    def node_line(self, node: str, line: str) -> None:
        """Shows one line that a node printed."""
        with self._lock:
            self._console.print(f"[cyan]\\[{escape(node)}][/cyan] {escape(line)}")

    def say(self, text: str) -> None:
        """One line for the user."""
        if not self._quiet:
            self._console.print(escape(text))

    @contextlib.contextmanager
    def progress(
        self, title: str, total: float | None, unit: str = "s"
    ) -> Iterator[Callable[[float], None]]:
        """A bar on a terminal, a line now and then elsewhere; yields what to tell progress to.

        Args:
            title: what goes on.
            total: where it ends, in `unit`; None: unknown.
            unit: "s" for seconds of a run, which also shows its speed; else what is counted.
        """
        if self._quiet:
            yield lambda _: None
        elif self._console.is_terminal:
            columns = (
                SpinnerColumn(),
                TextColumn("{task.description}"),
                BarColumn(),
                _Done(unit),
                *([_Speed()] if unit == "s" else []),
            )
            with Progress(*columns, console=self._console, transient=True) as bar:
                task = bar.add_task(title, total=total)
                yield lambda seconds: bar.update(task, completed=seconds)
        else:
            yield _Lines(title, total, unit)


class _Done(ProgressColumn):
    """How much is done, of all."""

    def __init__(self, unit: str) -> None:
        super().__init__()
        self._unit = unit

    def render(self, task: Task) -> Text:
        of = f" / {task.total:.0f}" if task.total else ""
        return Text(f"{_amount(task.completed, self._unit)}{of} {self._unit}")


class _Lines:
    """Progress for a log file or a pipe: a line every few seconds."""

    def __init__(self, title: str, total: float | None, unit: str) -> None:
        self._title = title
        self._of = f" of {total:g}" if total else ""
        self._unit = unit
        self._next = time.monotonic() + NOT_A_TERMINAL_PERIOD_S

    def __call__(self, done: float) -> None:
        """Told how far it is."""
        if time.monotonic() >= self._next:
            self._next += NOT_A_TERMINAL_PERIOD_S
            amount = _amount(done, self._unit)
            sys.stderr.write(f"{self._title}: {amount}{self._of} {self._unit}\n")


def _amount(done: float, unit: str) -> str:
    return f"{done:.1f}" if unit == "s" else f"{done:.0f}"
