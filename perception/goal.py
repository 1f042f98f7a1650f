"""One thing to bring about, said in words: what tasks offer, policies are told, data remember."""

from typing import NamedTuple


class Goal(NamedTuple):
    """A goal of a task; most tasks have two, each undoing the other."""

    text: str  # "put the lid on the pot"
    direction: str  # "forward" or "backward"
