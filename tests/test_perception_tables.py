from dataclasses import dataclass

import pytest

from perception.tables import ChoiceError, config_from_options, load_item

TABLE = {"path": "pathlib:Path", "fraction": "fractions:Fraction"}


@dataclass(frozen=True)
class Config:
    """Two options."""

    size_px: int = 3
    name: str = "a"


def test_a_row_is_imported_when_chosen():
    assert load_item(TABLE, "thing", "fraction")(1, 2) * 2 == 1


def test_an_unknown_name_lists_the_valid_ones():
    with pytest.raises(ChoiceError, match="no thing is called 'pat'; valid names: fraction, path"):
        load_item(TABLE, "thing", "pat")


def test_options_replace_defaults_and_unknown_ones_list_the_valid():
    assert config_from_options(Config, {"size_px": 5}, "thing") == Config(5, "a")
    with pytest.raises(ChoiceError, match="thing has no option size; valid options: size_px, name"):
        config_from_options(Config, {"size": 5}, "thing")
