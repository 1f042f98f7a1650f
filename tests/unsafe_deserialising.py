"""Finds code that turns bytes into objects by running them; ``make check`` fails on each finding.

Ruff bans some of these by name, but not in tests, nor all of them. Run it on files and folders:

    python tests/unsafe_deserialising.py robot tests ...

It reads names, so ``getattr`` with a made-up string escapes it: it guards against slips, not spite.
"""

import ast
import sys
from collections.abc import Iterator
from pathlib import Path

MODULES = {"pickle", "cPickle", "_pickle", "marshal", "shelve", "dill", "cloudpickle", "joblib"}
MODULES |= {"jsonpickle", "pickle5", "klepto", "hickle"}
CALLS = {"eval", "exec", "pandas.read_pickle", "numpy.lib.format.read_array"}
YAML_LOADS = {f"yaml.{name}" for name in ("load", "load_all")}
UNSAFE_YAML = {"full_load", "full_load_all", "unsafe_load", "unsafe_load_all"}
UNSAFE_YAML |= {"Loader", "FullLoader", "UnsafeLoader", "CLoader", "CFullLoader", "CUnsafeLoader"}
BINDS_ALLOWED = {"robot/curve.py"}
"""Where a ZeroMQ socket may be bound: elsewhere nobody would ask for keys."""


def findings(source: str, path: str = "") -> list[tuple[int, str]]:
    """Line numbers and reasons, in the order of the lines."""
    tree = ast.parse(source)
    names = dict(_imported(tree))
    found = []
    for node in ast.walk(tree):
        found += [(node.lineno, reason) for reason in _faults(node, names, path)]
    return sorted(set(found))


def _imported(tree: ast.AST) -> Iterator[tuple[str, str]]:
    """What each imported name stands for: ``np`` -> ``numpy``, ``load`` -> ``numpy.load``."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                root = alias.name.partition(".")[0]
                yield alias.asname or root, alias.name if alias.asname else root
        elif isinstance(node, ast.ImportFrom) and node.module:
            for alias in node.names:
                yield alias.asname or alias.name, f"{node.module}.{alias.name}"


def _full_name(node: ast.AST, names: dict[str, str]) -> str:
    """``numpy.load`` for ``np.load``; empty for what is no plain name."""
    parts = []
    while isinstance(node, ast.Attribute):
        parts.append(node.attr)
        node = node.value
    if not isinstance(node, ast.Name):
        return ""
    return ".".join([names.get(node.id, node.id), *reversed(parts)])


def _faults(node: ast.AST, names: dict[str, str], path: str) -> Iterator[str]:
    if isinstance(node, ast.Import):
        modules = [alias.name for alias in node.names]
    elif isinstance(node, ast.ImportFrom):
        modules = [node.module or "", *(f"{node.module}.{alias.name}" for alias in node.names)]
    else:
        modules = []
    for module in modules:
        if module.partition(".")[0] in MODULES:
            yield f"{module.partition('.')[0]} runs what it reads"
        if module.removeprefix("yaml.") in UNSAFE_YAML:
            yield f"{module} makes any object"
    name = _full_name(node, names)
    if name.startswith("yaml.") and name.removeprefix("yaml.") in UNSAFE_YAML:
        yield f"{name} makes any object; use yaml.safe_load"
    if isinstance(node, ast.Call):
        yield from _call_faults(node, _full_name(node.func, names), path)


def _call_faults(call: ast.Call, name: str, path: str) -> Iterator[str]:
    given = {keyword.arg: keyword.value for keyword in call.keywords}
    if name in CALLS or name.removeprefix("builtins.") in ("eval", "exec"):
        yield f"{name} runs what it reads"
    if name in YAML_LOADS:
        yield f"{name} makes any object; use yaml.safe_load"
    if name in ("torch.load", "torch.jit.load") and not _is(given.get("weights_only"), True):
        yield f"{name} unpickles without weights_only=True"
    if "allow_pickle" in given and not _is(given["allow_pickle"], False):
        yield "allow_pickle lets an array file run code"
    if name in ("numpy.load", "np.load") and len(call.args) > 2 and not _is(call.args[2], False):
        yield "allow_pickle lets an array file run code"
    is_bind = isinstance(call.func, ast.Attribute) and call.func.attr == "bind"
    if is_bind and path.startswith("robot/") and path not in BINDS_ALLOWED:
        yield "a socket is bound past robot.curve.bind, which asks for keys"


def _is(node: ast.AST | None, constant: bool) -> bool:
    return isinstance(node, ast.Constant) and node.value is constant


def _sources(root: Path) -> Iterator[Path]:
    """Python files below a folder; not in hidden folders, where environments of others live."""
    for path in root.rglob("*.py"):
        if not any(part.startswith(".") for part in path.relative_to(root).parts):
            yield path


def main(arguments: list[str]) -> int:
    """Prints the findings; 1 if there are any."""
    count = 0
    for argument in arguments:
        root = Path(argument)
        for path in sorted(_sources(root)) if root.is_dir() else [root]:
            for line, reason in findings(path.read_text(encoding="utf-8"), path.as_posix()):
                sys.stdout.write(f"{path}:{line}: {reason}\n")
                count += 1
    return 1 if count else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
