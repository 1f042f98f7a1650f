"""The other half of `mutants`: runs where cosmic-ray is installed, so it imports nothing of ours.

Prints a line of JSON for each mutant of a file: the operator, and the whole changed source.
"""

import json
import sys
from collections.abc import Iterator
from pathlib import Path

PARAMETRISED = ("core/VariableReplacer", "core/VariableInserter")  # need names: not used


def main() -> None:
    source = Path(sys.argv[1]).read_text(encoding="utf-8")
    for operator, text in mutants(source):
        print(json.dumps([operator, text]))


def mutants(source: str) -> Iterator[tuple[str, str]]:
    from cosmic_ray.mutating import mutate_code  # type: ignore[import-not-found]
    from cosmic_ray.plugins import get_operator, operator_names  # type: ignore[import-not-found]

    for name in operator_names():
        if name in PARAMETRISED:
            continue
        occurrence = 0
        while (text := mutate_code(source, get_operator(name)(), occurrence)) is not None:
            yield name.removeprefix("core/"), text
            occurrence += 1


if __name__ == "__main__":
    main()
