"""Seeds as a person writes them."""

import re

from perception.quantities import InputError

MOST_SEED = 99_999


def seeds_of(text: str) -> list[int]:
    """The seeds that `0-4`, `7` or `0,3,8-9` stand for, each once, in that order.

    Raises:
        InputError: it stands for none.
    """
    seeds: dict[int, None] = {}
    for part in text.split(","):
        match = re.fullmatch(r"\s*(\d{1,5})(?:\s*-\s*(\d{1,5}))?\s*", part)
        first, last = (int(match[1]), int(match[2] or match[1])) if match else (1, 0)
        if first > last or last > MOST_SEED:
            raise InputError(
                f"--seeds {text!r}: write them as 0-4 or 0,3,7; from 0 to {MOST_SEED}, rising"
            )
        seeds.update(dict.fromkeys(range(first, last + 1)))
    return list(seeds)
