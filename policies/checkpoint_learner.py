"""A learner from its checkpoint alone: which it is, of which spec and with which choices.

Training and practice know what they load; who only has the file, to export it, does not.
"""

import json
from pathlib import Path
from typing import Any

import msgspec

from policies.checkpoint import CheckpointError, read_contents
from policies.learner import Learner, make_learner
from policies.spec import PolicySpec


def learner_of(path: Path) -> Learner:
    """The learner that was saved.

    Raises:
        CheckpointError: missing, damaged, no checkpoint, of another version, or of a learner or
            with an option that this version does not have.
    """
    content = read_contents(path)
    try:
        spec = msgspec.json.decode(content["spec"], type=PolicySpec)
        options = {name: _tupled(value) for name, value in json.loads(content["config"]).items()}
        learner = make_learner(content["learner"], spec, options)
    except (ValueError, TypeError, AttributeError) as error:
        raise CheckpointError(f"no learner can be made of {path}: {error}") from error
    learner.load(path)
    return learner


def _tupled(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value
