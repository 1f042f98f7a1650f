"""The story of a flight that learned, as one picture over time."""

import math
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from robot.story import Rate, Span, Story

Picture = NDArray[np.uint8]  # (H, W, 3), BGR
Colour = tuple[int, int, int]

WIDTH_PX, LEFT_PX, RIGHT_PX = 1600, 110, 30
MOST_PER_M = 2.5  # 1/m, upper rim of the nearness
OBSTACLE_PER_M = 1.0  # 1/m
INK, GREY, PALE = (40, 40, 40), (150, 150, 150), (228, 228, 228)
TEACHER, STUDENT, NOBODY = (190, 110, 30), (30, 120, 240), (40, 40, 220)
FAULT, CRASH = (215, 215, 250), (40, 40, 220)
ACTORS = {"teacher": TEACHER, "student": STUDENT, "nobody": NOBODY}
STAGES = {
    "collect": (235, 235, 235),
    "train": (225, 240, 225),
    "shadow": (240, 225, 205),
    "mono": (190, 220, 255),
    "revert": (205, 205, 245),
}
LEAST_LABEL_PX = 8  # per letter; a narrower span has no name


def draw_story(story: Story) -> Picture:
    """Nearness of both cues, doubt, overrides, stages and who flew, over time."""
    page = _Page(story.length_s)
    for span in story.spans("teacher_fault"):
        page.shade(span, FAULT)
    page.frame(NEARNESS, "nearest thing ahead, 1/m", (0.0, 1.0, 2.0), MOST_PER_M)
    page.frame(DOUBT, "doubt in one camera, 0 to 1", (0.0, 0.5, 1.0), 1.0)
    page.level(NEARNESS, OBSTACLE_PER_M, MOST_PER_M)
    page.line(NEARNESS, story.teacher, MOST_PER_M, TEACHER)
    page.line(NEARNESS, story.student, MOST_PER_M, STUDENT)
    page.line(DOUBT, story.doubt, 1.0, STUDENT)
    rates = story.override_rates()
    most = max([1.0, *(rate.per_min for rate in rates)])
    page.frame(OVERRIDES, "overrides per minute of one camera's flight", (0.0, round(most)), most)
    for rate in rates:
        page.bar(OVERRIDES, rate, most)
    for span in story.spans("stage"):
        page.band(STAGE, span, STAGES.get(span.name, PALE), span.name)
    for span in story.spans("actor"):
        page.band(ACTOR, span, ACTORS.get(span.name, PALE))
    page.label(STAGE, "stage")
    page.label(ACTOR, "flies")
    for at_s in story.rooms_s:
        page.mark(at_s, "another room")
    for at_s in story.collisions_s:
        page.cross(at_s)
    for span in story.spans("teacher_fault"):
        page.name(span)
    page.seconds()
    page.legend(story)
    return page.image


class Rows(NamedTuple):
    """A strip of the page."""

    top: int  # px
    bottom: int


NEARNESS, DOUBT, OVERRIDES = Rows(50, 330), Rows(365, 450), Rows(485, 545)
STAGE, ACTOR = Rows(570, 600), Rows(607, 631)
TIME_PX, LEGEND_PX, HEIGHT_PX = 655, 700, 725


class _Page:
    """A drawing whose x axis is time."""

    def __init__(self, length_s: float) -> None:
        self._length_s = max(length_s, 1e-3)
        self.image: Picture = np.full((HEIGHT_PX, WIDTH_PX, 3), 255, np.uint8)

    def _x(self, at_s: float) -> int:
        return LEFT_PX + round((WIDTH_PX - LEFT_PX - RIGHT_PX) * at_s / self._length_s)

    def shade(self, span: Span, colour: Colour) -> None:
        """A stretch of both plots."""
        corners = (self._x(span.from_s), NEARNESS.top), (self._x(span.to_s), DOUBT.bottom)
        cv2.rectangle(self.image, *corners, colour, -1)

    def name(self, span: Span) -> None:
        """What a stretch is called, above the plots."""
        self._text(span.name, (self._x(span.from_s) + 4, NEARNESS.top + 18), CRASH)

    def frame(self, rows: Rows, title: str, ticks: Sequence[float], most: float) -> None:
        """A plot's rim with its numbers."""
        corners = (LEFT_PX, rows.top), (WIDTH_PX - RIGHT_PX, rows.bottom)
        cv2.rectangle(self.image, *corners, GREY, 1)
        for tick in ticks:
            self._text(f"{tick:g}", (LEFT_PX - 40, _y(rows, tick, most) + 5))
        self._text(title, (LEFT_PX, rows.top - 8))

    def level(self, rows: Rows, value: float, most: float) -> None:
        """A threshold."""
        y = _y(rows, value, most)
        cv2.line(self.image, (LEFT_PX, y), (WIDTH_PX - RIGHT_PX, y), GREY, 1)

    def line(
        self, rows: Rows, points: Sequence[tuple[float, float]], most: float, colour: Colour
    ) -> None:
        """A cue over time, with gaps where it is NaN."""
        for piece in _pieces(points):
            places = [[self._x(at_s), _y(rows, value, most)] for at_s, value in piece]
            cv2.polylines(self.image, [np.array(places, np.int32)], False, colour, 1, cv2.LINE_AA)

    def bar(self, rows: Rows, rate: Rate, most: float) -> None:
        """A number that holds for a stretch of time; nothing to see is a line at the bottom."""
        top = min(_y(rows, rate.per_min, most), rows.bottom - 2)
        corners = (self._x(rate.from_s) + 2, top), (self._x(rate.to_s) - 2, rows.bottom)
        cv2.rectangle(self.image, *corners, STUDENT, -1)

    def band(self, rows: Rows, span: Span, colour: Colour, name: str = "") -> None:
        """A stretch of a strip, with its name where there is room."""
        left, right = self._x(span.from_s), self._x(span.to_s)
        cv2.rectangle(self.image, (left, rows.top), (right, rows.bottom), colour, -1)
        cv2.line(self.image, (left, rows.top), (left, rows.bottom), GREY, 1)
        if right - left >= LEAST_LABEL_PX * len(name):
            self._text(name, (left + 4, rows.bottom - 9))

    def label(self, rows: Rows, text: str) -> None:
        """What a strip is."""
        self._text(text, (LEFT_PX - 62, rows.bottom - 8))

    def mark(self, at_s: float, text: str) -> None:
        """A moment."""
        x = self._x(at_s)
        cv2.line(self.image, (x, NEARNESS.top - 25), (x, ACTOR.bottom), INK, 2)
        self._text(text, (x + 6, NEARNESS.top - 28))

    def cross(self, at_s: float) -> None:
        """A collision."""
        centre = (self._x(at_s), NEARNESS.bottom - 12)
        cv2.drawMarker(self.image, centre, CRASH, cv2.MARKER_TILTED_CROSS, 16, 3, cv2.LINE_AA)

    def seconds(self) -> None:
        """The time axis."""
        step_s = next(s for s in (1, 5, 10, 30, 60, 300, 900, 1e9) if self._length_s / s <= 15)
        for number in range(int(self._length_s / step_s) + 1):
            self._text(f"{number * step_s:g} s", (self._x(number * step_s) - 10, TIME_PX))

    def legend(self, story: Story) -> None:
        """What the colours mean, and how often the teacher overrode."""
        marks = ((TEACHER, "stereo"), (STUDENT, "one camera"), (NOBODY, "nobody: it stops"))
        for column, (colour, text) in enumerate(marks):
            x = LEFT_PX + column * 190
            cv2.circle(self.image, (x + 6, LEGEND_PX - 5), 7, colour, -1, cv2.LINE_AA)
            self._text(text, (x + 20, LEGEND_PX))
        overrides, crashes = story.states[-1].overrides, len(story.collisions_s)
        text = f"{overrides} overrides, {crashes} collisions; above the line: an obstacle"
        self._text(text, (LEFT_PX + 600, LEGEND_PX))

    def _text(self, text: str, at: tuple[int, int], colour: Colour = INK) -> None:
        font = cv2.FONT_HERSHEY_SIMPLEX
        cv2.putText(self.image, text, at, font, 0.5, colour, 1, cv2.LINE_AA)


def _y(rows: Rows, value: float, most: float) -> int:
    share = min(max(value / most, 0.0), 1.0)
    return rows.bottom - round((rows.bottom - rows.top) * share)


def _pieces(points: Sequence[tuple[float, float]]) -> Iterator[list[tuple[float, float]]]:
    """Runs of points without a NaN between them."""
    piece: list[tuple[float, float]] = []
    for point in points:
        if math.isnan(point[1]):
            if piece:
                yield piece
            piece = []
        else:
            piece.append(point)
    if piece:
        yield piece
