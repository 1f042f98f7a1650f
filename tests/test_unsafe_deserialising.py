"""The check on unsafe deserialising finds each kind and leaves the safe ones; our code passes."""

import re
from pathlib import Path

import pytest
from unsafe_deserialising import MODULES, findings, main

REPO = Path(__file__).resolve().parent.parent


@pytest.mark.parametrize(
    "source",
    [
        *(f"import {module}" for module in sorted(MODULES)),
        *(f"from {module} import load" for module in sorted(MODULES)),
        "def f():\n    import pickle as p",
        "from yaml import unsafe_load",
        "import yaml\nyaml.load(x)",
        "import yaml\nyaml.load(x, Loader=yaml.FullLoader)",
        "import yaml as y\ny.unsafe_load(x)",
        "import yaml\nread = yaml.full_load",
        "from yaml import load\nload(x)",
        "import torch\ntorch.load(path)",
        "import torch\ntorch.load(path, weights_only=False)",
        "import torch\ntorch.load(path, weights_only=flag)",
        "from torch import load as l\nl(path)",
        "import numpy as np\nnp.load(path, allow_pickle=True)",
        "import numpy as np\nnp.load(path, None, True)",
        "import numpy\nnumpy.load(path, allow_pickle=flag)",
        "import pandas as pd\npd.read_pickle(path)",
        "eval(text)",
        "exec(text)",
        "import builtins\nbuiltins.eval(text)",
    ],
)
def test_each_unsafe_way_is_found(source):
    assert {line for line, _ in findings(source)} == {source.count("\n") + 1}


@pytest.mark.parametrize(
    "source",
    [
        "import yaml\nyaml.safe_load(x)",
        "import torch\ntorch.load(path, weights_only=True)",
        "import numpy as np\nnp.load(path)\nnp.load(path, allow_pickle=False)",
        "model.eval()",
        "import json, tomllib\njson.loads(x)",
        "text = 'import pickle'",
    ],
)
def test_safe_ways_are_left_alone(source):
    assert findings(source) == []


def test_a_socket_of_the_robot_is_bound_in_one_place_only():
    bind = "import zmq\nsocket.bind('tcp://*:1')"
    assert len(findings(bind, "robot/bus.py")) == 1
    assert findings(bind, "robot/curve.py") == findings(bind, "tests/x.py") == []


def test_our_code_is_clean_and_the_build_looks(monkeypatch, capsys):
    makefile = (REPO / "Makefile").read_text()
    sources = re.search(r"^SOURCES := (.*)$", makefile, re.MULTILINE).group(1).split()
    assert "tests/unsafe_deserialising.py $(SOURCES)" in makefile.partition("\ncheck:")[2]
    monkeypatch.chdir(REPO)
    assert main(sources) == 0, capsys.readouterr().out


def test_a_finding_names_file_and_line_and_fails(tmp_path, capsys):
    (tmp_path / "bad.py").write_text("x = 1\nimport pickle\n")
    assert main([str(tmp_path)]) == 1
    assert f"{tmp_path}/bad.py:2: pickle" in capsys.readouterr().out
