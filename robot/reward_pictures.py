"""What a reward gets wrong, to be looked at: a reliability diagram and sheets of its errors."""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from perception.quantities import InputError
from perception.reward_calibration import probability, reliability
from perception.reward_look import scores
from perception.reward_package import RewardEye
from perception.reward_scores import Answered, calibrating
from policies.data_set import number_of
from policies.episodes import Episode, read_episode
from robot.contact_sheet import COLUMNS, sheet, tile
from robot.pictures import write_png
from robot.reward_answers import Answers
from robot.study import charts

RELIABILITY, IN_VAIN, MISSED = "reliability.svg", "false_positives.png", "false_negatives.png"
ROWS = 5  # of a sheet


class Moment(NamedTuple):
    """One moment of one attempt, and how sure the reward was of it."""

    file: Path
    at: int  # moment of the attempt
    score: float  # log-odds of the look that agrees least


def draw_reward(folder: Path, eye: RewardEye, answers: Answers, threshold: float) -> list[Path]:
    """Draws all three; a sheet only where there is an error.

    Raises:
        InputError: the folder cannot be written.
    """
    calibration, rule = eye.about.calibration, eye.about.rule
    honest = [one.honest(calibration) for one in answers.attempts]
    said = [scores(one.own, one.opposite, rule, eye.spec.views) for one in honest]
    try:
        folder.mkdir(parents=True, exist_ok=True)
        (folder / RELIABILITY).write_text(_reliability(honest))
        made = [folder / RELIABILITY]
        sheets = {
            IN_VAIN: _in_vain(answers.files, said, honest, threshold),
            MISSED: _missed(answers.files, said, honest, threshold),
        }
        for name, moments in sheets.items():
            if moments:
                made.append(write_png(folder / name, sheet(_tiles(moments, eye.spec.views))))
    except OSError as error:
        raise InputError(f"--out {folder} cannot be written: {error.strerror}") from error
    return made


def _reliability(honest: Sequence[Answered]) -> str:
    raw, success = calibrating(honest)
    bars = reliability(probability(raw), success)
    axes = charts.Axes("Reliability, of single looks", "probability said", "part that is so")
    series = {
        "found": [(bar.said, bar.found.value) for bar in bars],
        "95 %, low": [(bar.said, bar.found.low) for bar in bars],
        "95 %, high": [(bar.said, bar.found.high) for bar in bars],
        "honest": [(0.0, 0.0), (1.0, 1.0)],
    }
    return charts.lines(axes, series, {})


def _in_vain(
    files: Sequence[Path],
    said: Sequence[NDArray[np.float64]],
    truth: Sequence[Answered],
    threshold: float,
) -> list[Moment]:
    """Of each attempt the surest moment at which "yes" is wrong; the surest first."""
    found = []
    for file, score, one in zip(files, said, truth, strict=True):
        wrong = np.where(one.reached, -np.inf, score)
        index = int(wrong.argmax())
        if wrong[index] > threshold:
            found.append(Moment(file, index, float(wrong[index])))
    return sorted(found, key=lambda moment: -moment.score)[: ROWS * COLUMNS]


def _missed(
    files: Sequence[Path],
    said: Sequence[NDArray[np.float64]],
    truth: Sequence[Answered],
    threshold: float,
) -> list[Moment]:
    """Of each attempt without a right "yes" the moment that was nearest to one; the worst first."""
    found = []
    for file, score, one in zip(files, said, truth, strict=True):
        right = np.where(one.reached, score, -np.inf)
        index = int(right.argmax())
        if one.reached.any() and right[index] <= threshold:
            found.append(Moment(file, index, float(right[index])))
    return sorted(found, key=lambda moment: moment.score)[: ROWS * COLUMNS]


def _tiles(moments: Sequence[Moment], views: Sequence[str]) -> list[NDArray[np.uint8]]:
    """All views of each moment with its caption, BGR."""
    return [_tile(moment, read_episode(moment.file), views) for moment in moments]


def _tile(moment: Moment, episode: Episode, views: Sequence[str]) -> NDArray[np.uint8]:
    name = f"{moment.file.parent.name} {number_of(moment.file)}"
    where = f"{name} at {moment.at} of {len(episode)}, {moment.score:+.1f}"
    images = [episode.observation[view][moment.at] for view in views]
    return tile(images, (where, episode.about.instruction))
