"""What a reward gets wrong, to be looked at: a reliability diagram and sheets of its errors."""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from perception.quantities import InputError
from perception.reward_calibration import probability, reliability
from perception.reward_look import scores
from perception.reward_package import RewardEye
from perception.reward_scores import Answered, calibrating
from policies.episodes import Episode, read_episode
from robot.pictures import write_png
from robot.reward_answers import Answers
from robot.study import charts

RELIABILITY, IN_VAIN, MISSED = "reliability.svg", "false_positives.png", "false_negatives.png"
ROWS, COLUMNS = 5, 3  # of a sheet
SCALE = 2  # of its images
CAPTION_PX = 34
INK, PAPER = (40, 40, 40), 255
FONT = cv2.FONT_HERSHEY_SIMPLEX


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
                made.append(write_png(folder / name, _sheet(moments, eye.spec.views)))
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


def _sheet(moments: Sequence[Moment], views: Sequence[str]) -> NDArray[np.uint8]:
    """All views of each moment with its caption, BGR."""
    tiles = [_tile(moment, read_episode(moment.file), views) for moment in moments]
    blank = np.full_like(tiles[0], PAPER)
    tiles += [blank] * (-len(tiles) % COLUMNS)
    rows = [np.hstack(tiles[begin : begin + COLUMNS]) for begin in range(0, len(tiles), COLUMNS)]
    return np.vstack(rows)


def _tile(moment: Moment, episode: Episode, views: Sequence[str]) -> NDArray[np.uint8]:
    seen = np.hstack([episode.observation[view][moment.at] for view in views])
    size = (seen.shape[1] * SCALE, seen.shape[0] * SCALE)
    large = cv2.resize(seen[..., ::-1], size, interpolation=cv2.INTER_NEAREST)
    tile = np.full((size[1] + CAPTION_PX, size[0] + 6, 3), PAPER, np.uint8)
    tile[CAPTION_PX:, :-6] = large
    where = f"{moment.file.stem} at {moment.at} of {len(episode)}, {moment.score:+.1f}"
    for line, text in enumerate((where, episode.about.instruction)):
        cv2.putText(tile, text, (4, 13 + 15 * line), FONT, 0.42, INK, 1, cv2.LINE_AA)
    return tile
