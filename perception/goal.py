"""What a policy is asked to bring about, said in words.

It lies on the lowest floor because worlds name their goals and loops that practise choose among
them, and neither knows the other.
"""

from typing import Literal, NamedTuple

Direction = Literal["forward", "backward"]
DIRECTIONS: tuple[Direction, ...] = ("forward", "backward")


class Goal(NamedTuple):
    """One thing to bring about."""

    text: str  # the instruction, as a person would say it
    direction: Direction  # backward undoes a forward goal
