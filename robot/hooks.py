"""How a measurement speaks with who asked for it."""

from collections.abc import Callable
from dataclasses import dataclass


class Interrupted(Exception):  # noqa: N818 - nothing is wrong
    """Somebody stopped it."""


@dataclass
class Hooks:
    """Each may be left out."""

    progress: Callable[[float], None] = lambda _: None
    """Told how far it is, in units of its study, such as simulated seconds."""
    should_stop: Callable[[], bool] = lambda: False
    judging: Callable[[float], None] = lambda _: None
    """Told how many attempts of an evaluation are done."""

    def go_on(self, _: float) -> None:
        """Nothing, unless it is to stop.

        Raises:
            Interrupted: it is.
        """
        if self.should_stop():
            raise Interrupted
