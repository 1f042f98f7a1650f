"""Runs tests against a changed source, in a process that is thrown away afterwards."""

import importlib.util
import os
import shutil
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

import pytest
from hypothesis import settings

TOP = Path(__file__).resolve().parent.parent
ARGUMENTS = (
    *("-x", "-q", "--noconftest", "-p", "no:cacheprovider", "--rootdir", str(TOP)),
    *("-c", os.devnull, "--assert=plain", "-W", "error"),  # without plugins it starts quicker
)


def run(source: Path, text: str, tests: Sequence[str]) -> int:
    """The exit code of pytest with `text` in place of `source`."""
    os.environ["PYTEST_DISABLE_PLUGIN_AUTOLOAD"] = "1"
    settings.register_profile("trial", derandomize=True, deadline=None, database=None)
    settings.load_profile("trial")
    with tempfile.TemporaryDirectory() as folder:
        if source.suffix == ".py":
            replace_module(source, text, Path(folder))
        else:
            replace_firmware(source, text, Path(folder))
        return pytest.main([*ARGUMENTS, *(str(TOP / test) for test in tests)])


def replace_module(source: Path, text: str, folder: Path) -> None:
    """Whoever imports the module of this process gets the changed one."""
    name = ".".join(source.relative_to(TOP).with_suffix("").parts)
    changed = folder / source.name
    changed.write_text(text, encoding="utf-8")
    spec = importlib.util.spec_from_file_location(name, changed)
    if spec is None or spec.loader is None:
        raise ImportError(f"{changed} cannot be imported")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)


def replace_firmware(source: Path, text: str, folder: Path) -> None:
    """Whoever builds the firmware of this process builds a copy with the changed file."""
    from firmware_bridge.emulators import host_build

    copy = folder / "firmware"
    shutil.copytree(source.parent, copy)
    (copy / source.name).write_text(text, encoding="utf-8")
    host_build.FIRMWARE = copy
    os.environ["XDG_CACHE_HOME"] = str(folder)
