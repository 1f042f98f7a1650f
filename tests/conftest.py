"""Fixtures of the running machine's tests, and how Hypothesis searches: the same way every time."""

import os
import signal
import sys
from pathlib import Path

import pytest
import tiny_nodes
from hypothesis import settings

from robot.cli import main
from robot.nodes import NODES

settings.register_profile("laws", derandomize=True, deadline=None)
settings.load_profile("laws")

if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:  # a shell's background job, and all it starts
    signal.signal(signal.SIGINT, signal.default_int_handler)

HERE = Path(__file__).parent


@pytest.fixture
def asl_room():
    """Six rendered stereo pairs in the EuRoC/ASL layout, see ``tests/data/make_asl_room.py``."""
    return HERE / "data" / "asl_room" / "mav0"


@pytest.fixture
def tiny(monkeypatch):
    """Path of a graph of four quick nodes, whose classes are known while the test runs."""
    for name, target in tiny_nodes.TINY.items():
        monkeypatch.setitem(NODES, name, target)
    return HERE / "graphs" / "tiny.toml"


@pytest.fixture
def tiny_processes(tiny, monkeypatch, tmp_path):
    """The same, known also in the processes that a supervisor starts."""
    interpreter = tmp_path / "python-with-tiny-nodes"
    interpreter.write_text(
        f"#!{sys.executable}\n"
        "import sys\n"
        f"sys.path[:0] = [{str(HERE)!r}, {str(HERE.parent)!r}]\n"
        "import tiny_nodes\n"
        "from robot.nodes import NODES\n"
        "from robot.worker import main\n"
        "NODES.update(tiny_nodes.TINY)\n"
        "sys.exit(main())\n"
    )
    interpreter.chmod(0o700)
    monkeypatch.setattr(sys, "executable", os.fspath(interpreter))
    return tiny


@pytest.fixture
def call(capsys):
    """Runs a command line; gives exit code, standard output, standard error."""

    def run(*arguments):
        try:
            code = main([str(argument) for argument in arguments])
        except SystemExit as end:
            code = end.code
        return (code, *capsys.readouterr())

    return run


@pytest.fixture
def refused(call):
    """Runs a command line that is wrong; gives the one line that says so."""

    def run(*arguments):
        code, out, err = call(*arguments)
        assert (code, out) == (2, "")
        (line,) = err.splitlines()
        return line

    return run
