"""Training wheels: the teacher flies only where the student misses something imminent.

The stereo override of van Hecke et al. (arXiv 1603.08047), as in the authors' flight code
(`kevindehecker/paparazzi`, branch IC, `IC_slave.c`). How often it acts is the measure of a student
in flight.
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class OverrideConfig:
    """When the teacher takes over from a student that flies. The defaults are the paper's."""

    obstacle_px: float = 8.0  # px, the teacher's threshold
    margin_px: float = 1.0  # px, so much nearer than that it must be
    most_evidence_px: float = 5.0  # px x frames, how long the student may miss it


class StereoOverride:
    """The training wheels: the teacher acts only where the student misses something imminent.

    c grows by `teacher - (8 + 1)` in each frame in which the teacher is above 9 px and the student
    says free, and is 0 otherwise; above 5 the teacher says obstacle.
    """

    def __init__(self, config: OverrideConfig | None = None) -> None:
        self._config = config or OverrideConfig()
        self._evidence_px = 0.0
        self._is_overriding = False
        self.overrides = 0  # times that the teacher took over, however long it lasted

    def step(self, teacher_px: float, student_obstacle: bool) -> bool:
        """Whether the teacher overrides in this frame; NaN measures nothing and overrides nothing.

        The decision to fly by is `student_obstacle or step(...)`.
        """
        excess_px = teacher_px - (self._config.obstacle_px + self._config.margin_px)
        misses = excess_px > 0 and not student_obstacle
        self._evidence_px = self._evidence_px + excess_px if misses else 0.0
        overrides = self._evidence_px > self._config.most_evidence_px
        self.overrides += overrides and not self._is_overriding
        self._is_overriding = overrides
        return overrides
