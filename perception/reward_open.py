"""Opens a reward by its path: a package for a robot, or the folder of a vision-language model."""

from pathlib import Path

from perception.model_package import read_package
from perception.reward_package import RewardEye
from perception.tables import load_item

FOLDERS = {"vlm": "perception.vlm_package:VlmEye"}  # needs torch and transformers


def open_reward(path: Path) -> RewardEye:
    """Who answers.

    Raises:
        InputError: it is missing, damaged, or none of a reward.
        ModuleNotFoundError: it is a vision-language model and what that needs is not installed.
    """
    if path.is_dir():
        return load_item(FOLDERS, "kind of reward", "vlm")(path)
    return RewardEye(read_package(path))
