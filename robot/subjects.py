"""A verb with subjects: ``reflexarc VERB SUBJECT``, each with options and help of its own."""

from collections.abc import Mapping
from typing import NamedTuple


class Subjects(NamedTuple):
    """What stands in the table of verbs in place of a command."""

    summary: str  # of the verb, one line
    table: Mapping[str, str]  # subject -> "module:Class" of its command
