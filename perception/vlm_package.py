"""What a vision-language model learned, as a folder: its low-rank updates and what it was taught.

    reward.json            model and prompt, what was taught (`RewardAbout`), hashes
    updates.safetensors    weights of the updates

The model itself, gigabytes of it, stays where it is; another one under the same name is refused.
Such a reward is a teacher: `train reward --teacher` makes a package for the robot of its verdicts.
"""

import hashlib
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
import numpy as np
import torch
from safetensors import SafetensorError
from safetensors.torch import load, save

from perception.atomic_file import write_atomically
from perception.quantities import FloatArray
from perception.reward import Images, LookSpec, Question
from perception.reward_package import REWARD, RewardAbout, RewardEye
from perception.vlm_model import Asked, Vlm, VlmConfig, VlmError

ABOUT, UPDATES = "reward.json", "updates.safetensors"
FORMAT_VERSION = 1
AT_ONCE = 8  # questions


class VlmAbout(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What `reward.json` holds."""

    format_version: int = FORMAT_VERSION
    model: dict[str, Any]  # fields of VlmConfig
    model_sha256: str  # of the model's own description, see `fingerprint`
    updates_sha256: str
    extra: dict[str, Any]


class VlmPackage(NamedTuple):
    """A folder that was written."""

    path: Path
    sha256: str  # of reward.json, which holds the hash of the updates
    manifest: VlmAbout


def write_vlm(path: Path, vlm: Vlm, extra: dict[str, Any]) -> VlmPackage:
    """Writes the folder; a reader refuses one that was written by half.

    Raises:
        VlmError: the folder cannot be written.
    """
    updates = save(vlm.updates())
    config = {name: getattr(vlm.config, name) for name in VlmConfig.__dataclass_fields__}
    about = VlmAbout(
        model=config,
        model_sha256=fingerprint(vlm.folder),
        updates_sha256=hashlib.sha256(updates).hexdigest(),
        extra=extra,
    )
    content = msgspec.json.format(msgspec.json.encode(about), indent=1) + b"\n"
    try:
        path.mkdir(parents=True, exist_ok=True)
        write_atomically(path / UPDATES, updates)
        write_atomically(path / ABOUT, content)
    except OSError as error:
        raise VlmError(f"{path} cannot be written: {error.strerror}") from error
    return VlmPackage(path, hashlib.sha256(content).hexdigest(), about)


class VlmEye(RewardEye):
    """A reward that was read from such a folder; an `Answerer`."""

    def __init__(self, folder: Path) -> None:
        """Loads the model and its updates.

        Raises:
            VlmError: the folder is none or damaged, or the model is missing or another one.
        """
        content = _content(folder / ABOUT)
        try:
            found = msgspec.json.decode(content, type=VlmAbout)
            self.about = msgspec.convert(found.extra.get(REWARD), RewardAbout)
            config = msgspec.convert(found.model, VlmConfig)
        except (msgspec.ValidationError, msgspec.DecodeError, RecursionError) as error:
            raise VlmError(f"{folder / ABOUT} is malformed: {error}") from error
        if found.format_version != FORMAT_VERSION:
            raise VlmError(
                f"{folder} has format {found.format_version}; this version reads {FORMAT_VERSION}"
            )
        self.path, self.spec = folder, self.about.spec
        self.sha256 = hashlib.sha256(content).hexdigest()
        self._vlm = _with_updates(folder, found, config)

    def log_odds(self, images: Images, view: str, questions: tuple[Question, ...]) -> FloatArray:
        """(N, q) as `perception.reward.Answerer`; not calibrated."""
        return answers(self._vlm, self.spec, images, view, questions)


def answers(
    vlm: Vlm, spec: LookSpec, images: Images, view: str, questions: tuple[Question, ...]
) -> FloatArray:
    """(N, q) log-odds of a model, as `perception.reward.Answerer`."""
    spec.check(view, images.shape[1:], str(images.dtype))
    asked = [Asked(image, view, one.text) for image in images for one in questions]
    vlm.eval()
    with torch.no_grad():
        said = [
            vlm(asked[begin : begin + AT_ONCE]).cpu().numpy()
            for begin in range(0, len(asked), AT_ONCE)
        ]
    return np.concatenate(said).reshape(len(images), len(questions))


def fingerprint(folder: Path) -> str:
    """sha256 of a model's configuration, and of the names and sizes of its weights.

    Not of the weights, which may be many gigabytes: it tells two models apart, not two lessons of
    one that were saved over each other.
    """
    digest = hashlib.sha256((folder / "config.json").read_bytes())
    for path in sorted(folder.glob("*.safetensors")):
        digest.update(f"{path.name} {path.stat().st_size}\n".encode())
    return digest.hexdigest()


def _with_updates(folder: Path, found: VlmAbout, config: VlmConfig) -> Vlm:
    updates = _content(folder / UPDATES)
    if hashlib.sha256(updates).hexdigest() != found.updates_sha256:
        raise VlmError(f"{folder / UPDATES} is damaged; teach it again with 'train reward'")
    with torch.random.fork_rng():
        vlm = Vlm(config)
    if fingerprint(vlm.folder) != found.model_sha256:
        raise VlmError(f"{vlm.folder} holds another model than the one that {folder} was taught on")
    try:
        vlm.take(load(updates))
    except SafetensorError as error:
        raise VlmError(f"{folder / UPDATES} is malformed: {error}") from error
    return vlm


def _content(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise VlmError(
            f"{path} cannot be read ({error.strerror}); 'reflexarc train reward --maker vlm' "
            "writes such a folder"
        ) from error
