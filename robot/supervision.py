"""How a supervisor judges its nodes: when to restart one, when one hangs, who may stop the robot.

Pure decisions; processes and sockets are the supervisor's.
"""

import signal
from collections import deque
from dataclasses import dataclass
from typing import Literal

MAX_BACKOFF_S = 30.0
SILENT_SHARE = 0.6  # of a command's greatest age: an acting node silent for so long is a stop


@dataclass(frozen=True)
class Supervision:
    """What the supervisor does about one node: ``[nodes.NAME.supervision]`` of a graph.

    Restarts happen by wall clock; in lockstep a node that dies ends the run, because a second life
    would not repeat the first.
    """

    restart: Literal["never", "on-failure", "always"] = "never"  # always: also after exit code 0
    backoff_s: float = 0.5  # s until the first restart; doubles with each further one in the window
    limit: int = 5  # restarts in the window; one more death ends the run
    window_s: float = 60.0  # s
    start_timeout_s: float = 120.0  # s until ready; a first start compiles kernels on a slow board
    hang_timeout_s: float = 10.0  # s without a sign of life; a step may take so long

    def __post_init__(self) -> None:
        """Refuses what no supervisor could follow.

        Raises:
            ValueError: a time that is not above 0, or a limit below 1.
        """
        for key in ("backoff_s", "window_s", "start_timeout_s", "hang_timeout_s"):
            if not 0 < getattr(self, key) < float("inf"):
                raise ValueError(f"supervision: {key} = {getattr(self, key):g} must be above 0 s")
        if self.limit < 1:
            raise ValueError(
                f"supervision: limit = {self.limit} must be 1 or more; "
                'for no restart at all set restart = "never"'
            )


class RestartBudget:
    """Counts the restarts of one node against its limit."""

    def __init__(self, rules: Supervision) -> None:
        self._rules = rules
        self._restarts_s: deque[float] = deque()
        self.count = 0
        """Restarts so far."""

    def grant(self, now_s: float, exit_code: int | None) -> float | None:
        """Seconds to wait until the next restart; None: there will be none.

        Args:
            now_s: any clock that never runs back.
            exit_code: of the process; below 0 the signal that ended it, None: it threw or hung.
        """
        if self._rules.restart == "never":
            return None
        if self._rules.restart == "on-failure" and exit_code in (0, -signal.SIGTERM):
            return None  # it ended because it wanted to, or because somebody asked it
        while self._restarts_s and now_s - self._restarts_s[0] > self._rules.window_s:
            self._restarts_s.popleft()
        if len(self._restarts_s) >= self._rules.limit:
            return None
        delay_s = min(self._rules.backoff_s * 2 ** len(self._restarts_s), MAX_BACKOFF_S)
        self._restarts_s.append(now_s)
        self.count += 1
        return delay_s
