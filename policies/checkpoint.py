"""Saving a learner so that it goes on to the bit, and reading it back without running anything.

One torch file: format version, name of the learner, spec, config, and the state of each part. It is
read with `weights_only=True`, which makes tensors and plain containers and nothing else.
"""

import io
import os
import tempfile
from dataclasses import asdict
from pathlib import Path
from typing import Any

import msgspec
import torch

from perception.quantities import InputError
from policies.spec import PolicySpec

FORMAT_VERSION = 1
KEYS = {"format_version", "learner", "spec", "config", "state"}


class CheckpointError(InputError):
    """A checkpoint that is missing, damaged, foreign or of another version, spec or size."""


def write_checkpoint(
    path: Path, learner: str, spec: PolicySpec, config: Any, state: dict[str, Any]
) -> None:
    """Writes the file whole or not at all.

    Args:
        path: of the file.
        learner: name of the algorithm.
        spec: of the policy.
        config: the dataclass of choices.
        state: plain containers of tensors and numbers.
    """
    content = {
        "format_version": FORMAT_VERSION,
        "learner": learner,
        "spec": _spec_text(spec),
        "config": msgspec.json.encode(asdict(config)).decode(),
        "state": state,
    }
    descriptor, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(descriptor, "wb") as file:
            torch.save(content, file)
        Path(temporary).replace(path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise


def read_checkpoint(path: Path, learners: tuple[str, ...], spec: PolicySpec) -> dict[str, Any]:
    """The state that one of `learners` saved for a policy of this spec.

    Raises:
        CheckpointError: if it is anything else.
    """
    content = read_contents(path)
    if content["learner"] not in learners:
        raise CheckpointError(
            f"{path} is of learner {content['learner']!r}; needed is one of {', '.join(learners)}"
        )
    if content["spec"] != _spec_text(spec):
        raise CheckpointError(
            f"{path} is of a policy with another spec: it reads and commands "
            f"{_named(content['spec'])}, this one {_named(_spec_text(spec))}"
        )
    return content["state"]


def read_contents(path: Path) -> dict[str, Any]:
    """All of a checkpoint, by the names in `KEYS`, whoever saved it.

    Raises:
        CheckpointError: it is missing, damaged, no checkpoint or of another version.
    """
    content = _read(path)
    if not isinstance(content, dict) or content.keys() != KEYS:
        raise CheckpointError(f"{path} is not a checkpoint of a learner")
    if content["format_version"] != FORMAT_VERSION:
        raise CheckpointError(
            f"{path} has checkpoint format {content['format_version']}; this version reads "
            f"{FORMAT_VERSION}: train again"
        )
    return content


def _read(path: Path) -> Any:
    try:
        packed = io.BytesIO(path.read_bytes())  # torch seeks in a cut file, which fails like a disk
    except OSError as error:
        raise CheckpointError(f"cannot read {path}: {error.strerror}") from error
    try:
        return torch.load(packed, weights_only=True)
    except Exception as error:  # what damaged bytes raise in torch shares no base below Exception
        reason = " ".join(str(error).split())[:120]
        raise CheckpointError(f"{path} is damaged or no checkpoint: {reason}") from error


def _spec_text(spec: PolicySpec) -> str:
    return msgspec.json.encode(spec).decode()


def _named(spec_text: str) -> str:
    spec = msgspec.json.decode(spec_text)
    tensors = [f"{tensor['name']} {tensor['shape']}" for tensor in spec["observation"]]
    axes = [bound["name"] for bound in spec["action"]]
    return f"({', '.join(tensors)}) -> ({', '.join(axes)}) at {spec['rate_hz']:g} Hz"
