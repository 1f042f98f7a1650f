"""Reads data recipes, the TOML files of ``configs/data/``."""

import dataclasses

from perception.quantities import InputError
from policies.recipe import Recipe, RecipeRow
from robot.config import find_config, read_toml, refuse_unknown, to_config

ROW_KEYS = [field.name for field in dataclasses.fields(RecipeRow)]


def load_recipe(name_or_path: str) -> Recipe:
    """A recipe by its name under ``configs/data/`` or by path.

    Raises:
        InputError: no such recipe, no TOML, an unknown key, or values that mean nothing.
    """
    path = find_config("data", name_or_path)
    table = read_toml(path)
    rows = table.get("rows", [])
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        raise InputError(f"{path}: rows must be a list of tables: write [[rows]]")
    for number, row in enumerate(rows):
        refuse_unknown(f"{path}: rows[{number}]", row, ROW_KEYS)
    return to_config(str(path), {"rows": [], **table}, Recipe)
