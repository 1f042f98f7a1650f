"""Mutants of a source file, by the published tools, less those that change nothing.

`mutation` says what is left out, and why.
"""

import ast
import hashlib
import json
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import NamedTuple

PEERS = Path(__file__).parent / ".peers-mutation"
PACKAGES = ("cosmic-ray==8.7.0", "universalmutator==1.14.1")
PEER = Path(__file__).parent / "mutants_peer.py"


class Mutant(NamedTuple):
    """A changed source."""

    name: str  # the operator, or a number
    text: str

    @property
    def key(self) -> str:
        """The same for equal texts."""
        return hashlib.sha256(self.text.encode()).hexdigest()[:16]


def install_tools() -> Path:
    """The folder with the tools' programs."""
    python = PEERS / "bin" / "python"
    if not python.exists():
        subprocess.run([sys.executable, "-m", "venv", PEERS], check=True)
        pip = [python, "-m", "pip", "--disable-pip-version-check", "install", "-q"]
        subprocess.run([*pip, *PACKAGES], check=True)
    return python.parent


def python_mutants(source: Path, tools: Path) -> tuple[list[Mutant], dict[str, int]]:
    """Those of cosmic-ray, and how many were left out for which reason."""
    output = subprocess.run(
        [tools / "python", PEER, source], check=True, capture_output=True, text=True
    ).stdout
    made = [Mutant(*row) for row in map(json.loads, output.splitlines())]
    original = meaning(source.read_text(encoding="utf-8"))
    return distinct(made, original, meaning)


def meaning(text: str) -> str:
    """The program without annotations, docstrings and `@kernel`; "" if it is none."""
    try:
        return ast.unparse(_Bare().visit(ast.parse(text)))
    except SyntaxError:
        return ""


class _Bare(ast.NodeTransformer):
    def visit_FunctionDef(self, node: ast.FunctionDef) -> ast.AST:
        node.returns = None
        node.decorator_list = [d for d in node.decorator_list if ast.unparse(d) != "kernel"]
        return self.generic_visit(node)

    def visit_arg(self, node: ast.arg) -> ast.AST:
        node.annotation = None
        return node

    def visit_AnnAssign(self, node: ast.AnnAssign) -> ast.AST:
        node.annotation = ast.Constant(None)
        return self.generic_visit(node)

    def visit_Expr(self, node: ast.Expr) -> ast.AST:
        return ast.Pass() if isinstance(node.value, ast.Constant) else self.generic_visit(node)


def c_mutants(source: Path, tools: Path) -> tuple[list[Mutant], dict[str, int]]:
    """Those of universalmutator, and how many were left out for which reason."""
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run(
            [tools / "mutate", source, "c", "--noCheck", "--mutantDir", folder],
            check=True,
            capture_output=True,
            cwd=folder,
        )
        files = sorted(Path(folder).glob("*.mutant.*"), key=lambda path: int(path.suffixes[-2][1:]))
        made = [Mutant(path.suffixes[-2][1:], path.read_text(encoding="utf-8")) for path in files]

    def instructions(text: str) -> str:
        return assembled(text, source.parent)

    return distinct(made, instructions(source.read_text(encoding="utf-8")), instructions)


def assembled(text: str, folder: Path) -> str:
    """What the compiler makes of it; "" if it refuses."""
    from firmware_bridge.emulators.host_build import FLAGS

    command = ["cc", *FLAGS, "-I", folder, "-S", "-x", "c", "-", "-o", "-"]
    done = subprocess.run(command, input=text, capture_output=True, text=True, check=False)
    return done.stdout if done.returncode == 0 else ""


def distinct(
    made: Iterable[Mutant], original: str, meaning_of: Callable[[str], str]
) -> tuple[list[Mutant], dict[str, int]]:
    """One mutant for each meaning that is not the original's."""
    seen, kept, left_out = {original}, [], Counter[str]()
    for mutant in made:
        means = meaning_of(mutant.text)
        if not means:
            left_out["refused by the compiler"] += 1
        elif means == original:
            left_out["means the same"] += 1
        elif means in seen:
            left_out["means what another one does"] += 1
        else:
            seen.add(means)
            kept.append(mutant)
    return kept, dict(left_out)
