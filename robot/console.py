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

    def node_line(self, node: str, line: str) -> None:
        """Shows one line that a node printed."""
        with self._lock:
            self._console.print(f"[cyan]\\[{escape(node)}][/cyan] {escape(line)}")

    def say(self, text: str) -> None:
        """One line for the user."""
        if not self._quiet:
            self._console.print(escape(text))

    @contextlib.contextmanager
    def progress(self, title: str, total_s: float | None) -> Iterator[Callable[[float], None]]:
        """A bar on a terminal, a line now and then elsewhere; yields what to tell progress to."""
        if self._quiet:
            yield lambda _: None
        elif self._console.is_terminal:
            columns = (
                SpinnerColumn(),
                TextColumn("{task.description}"),
                BarColumn(),
                _Seconds(),
                _Speed(),
            )
            with Progress(*columns, console=self._console, transient=True) as bar:
                task = bar.add_task(title, total=total_s)
                yield lambda seconds: bar.update(task, completed=seconds)
        else:
            yield _Lines(title, total_s)


class _Seconds(ProgressColumn):
    """Seconds done, of all."""

    def render(self, task: Task) -> Text:
        of = f" / {task.total:.0f}" if task.total else ""
        return Text(f"{task.completed:.1f}{of} s")


class _Lines:
    """Progress for a log file or a pipe: a line every few seconds."""

    def __init__(self, title: str, total_s: float | None) -> None:
        self._title = title
        self._of = f" of {total_s:g}" if total_s else ""
        self._next = time.monotonic() + NOT_A_TERMINAL_PERIOD_S

    def __call__(self, seconds: float) -> None:
        """Told how far the run is."""
        if time.monotonic() >= self._next:
            self._next += NOT_A_TERMINAL_PERIOD_S
            sys.stderr.write(f"{self._title}: {seconds:.1f}{self._of} s\n")
