"""A learner from its checkpoint alone: which it is, of which spec and with which choices.

Training and practice know what they load; who only has the file, to export it, does not.
"""

import io
import json
from pathlib import Path
from typing import Any

import msgspec
import torch

from policies.checkpoint import FORMAT_VERSION, KEYS, CheckpointError
from policies.learner import Learner, make_learner
from policies.spec import PolicySpec


def learner_of(path: Path) -> Learner:
    """The learner that was saved.

    Raises:
        CheckpointError: missing, damaged, no checkpoint, of another version, or of a learner or
            with an option that this version does not have.
    """
    content = _contents(path)
    try:
        spec = msgspec.json.decode(content["spec"], type=PolicySpec)
        options = {name: _tupled(value) for name, value in json.loads(content["config"]).items()}
        learner = make_learner(content["learner"], spec, options)
    except (ValueError, TypeError, AttributeError) as error:
        raise CheckpointError(f"no learner can be made of {path}: {error}") from error
    learner.load(path)
    return learner


def _contents(path: Path) -> dict[str, Any]:
    try:
        packed = io.BytesIO(path.read_bytes())
    except OSError as error:
        raise CheckpointError(f"cannot read {path}: {error.strerror}") from error
    try:
        content = torch.load(packed, weights_only=True)
    except Exception as error:  # what damaged bytes raise in torch shares no base below Exception
        raise CheckpointError(f"{path} is damaged or no checkpoint") from error
    if not isinstance(content, dict) or content.keys() != KEYS:
        raise CheckpointError(f"{path} is not a checkpoint of a learner")
    if content["format_version"] != FORMAT_VERSION:
        raise CheckpointError(
            f"{path} has checkpoint format {content['format_version']}; this version reads "
            f"{FORMAT_VERSION}: train again"
        )
    return content


def _tupled(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value
