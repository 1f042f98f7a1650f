"""Laws of the quarantine of examples."""

from typing import NamedTuple

from perception.quarantine import Quarantine


class Example(NamedTuple):
    number: int
    valid: bool = True


def passed(quarantine, examples):
    return [example.number for example in quarantine.passed(examples)]


def test_an_example_passes_after_so_many_more_without_objection():
    quarantine = Quarantine(3)
    assert passed(quarantine, [Example(k) for k in range(3)]) == []
    assert passed(quarantine, [Example(3), Example(4)]) == [0, 1]


def test_an_objection_drops_all_that_wait_and_itself():
    quarantine = Quarantine(3)
    passed(quarantine, [Example(k) for k in range(5)])
    assert passed(quarantine, [Example(5, valid=False), *map(Example, range(6, 10))]) == [6]
    assert quarantine.dropped == 3


def test_without_a_quarantine_all_that_is_valid_passes_at_once():
    examples = [Example(0), Example(1, valid=False), Example(2)]
    assert passed(Quarantine(0), examples) == [0, 2]
