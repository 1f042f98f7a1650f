"""Asking a vehicle for the controls: prove to be alive, ask for the mode, ask to arm.

Each step waits for the heartbeat to show the one before; that a command was accepted is not enough.

    PROVING -- a stream of 1.2 s --> SWITCHING -- mode echoed --> ARMING -- armed --> done
"""

from collections.abc import Callable
from enum import Enum, auto
from typing import Final

from firmware_bridge.mavlink.asking import Asker
from firmware_bridge.mavlink.autopilots import Autopilot
from firmware_bridge.mavlink.stream import Stream
from firmware_bridge.mavlink.vehicle import Vehicle

DO_SET_MODE: Final = 176  # MAV_CMD_DO_SET_MODE
ARM_DISARM: Final = 400  # MAV_CMD_COMPONENT_ARM_DISARM
ECHO_NS: Final = 3_000_000_000  # for a heartbeat to show what was accepted: three of them


class _Step(Enum):
    PROVING = auto()
    SWITCHING = auto()
    ARMING = auto()
    DONE = auto()


class Handover:
    """One attempt at a time; it ends done, or with the word that says why not."""

    def __init__(
        self,
        autopilot: Autopilot,
        vehicle: Vehicle,
        asker: Asker,
        stream: Stream,
        why_not: Callable[[int], str | None],
    ) -> None:
        """Begins nothing.

        Args:
            autopilot: whose modes are asked for.
            vehicle: who is asked.
            asker: asks.
            stream: of set-points, the proof of life.
            why_not: what speaks against having the controls, at a monotonic time in ns.
        """
        self._autopilot, self._vehicle, self._asker = autopilot, vehicle, asker
        self._stream, self._why_not = stream, why_not
        self._step, self._since_ns = _Step.DONE, 0

    @property
    def is_done(self) -> bool:
        """Whether the vehicle is armed and follows."""
        return self._step is _Step.DONE

    def begin(self, now_ns: int) -> None:
        """Starts an attempt."""
        self._enter(_Step.PROVING, now_ns)

    def tick(self, now_ns: int) -> str | None:
        """Takes the step that is due; says why the attempt failed, if it did."""
        if (why_not := self._why_not(now_ns)) is not None:
            return why_not
        if self._step is _Step.PROVING:
            self._prove(now_ns)
            return None
        return self._switch(now_ns) if self._step is _Step.SWITCHING else self._arm(now_ns)

    def cancel(self) -> None:
        """Stops asking; a question to arm that is still under way is undone."""
        self._asker.forget(DO_SET_MODE)
        if self._step is _Step.ARMING and not self._vehicle.armed:
            self._asker.ask(ARM_DISARM, (0.0, 0.0))

    def _prove(self, now_ns: int) -> None:
        if self._stream.is_proof(now_ns):
            self._enter(_Step.SWITCHING, now_ns)
            if not self._vehicle.follows:
                params = self._autopilot.mode_params(self._autopilot.controlled)
                self._asker.ask(DO_SET_MODE, params)

    def _switch(self, now_ns: int) -> str | None:
        if not self._vehicle.follows:
            return self._denial(DO_SET_MODE, now_ns)
        if self._vehicle.armed or not self._vehicle.prearm_fails:
            self._asker.forget(DO_SET_MODE)
            self._enter(_Step.ARMING, now_ns)
            if not self._vehicle.armed:
                self._asker.ask(ARM_DISARM, (1.0, 0.0))
        elif now_ns - self._since_ns > ECHO_NS:  # its checks are those of the mode it is in now
            return "prearm_check"
        return None

    def _arm(self, now_ns: int) -> str | None:
        if not self._vehicle.follows:
            return f"mode_{self._vehicle.mode}"
        if not self._vehicle.armed:
            return self._denial(ARM_DISARM, now_ns)
        self._asker.forget(ARM_DISARM)
        self._enter(_Step.DONE, now_ns)
        return None

    def _denial(self, command: int, now_ns: int) -> str | None:
        """The answer, unless it is good or may still come, or an echo that stayed away."""
        answer = self._asker.answer(command)
        if answer not in (None, "accepted"):
            return answer
        return "not_echoed" if now_ns - self._since_ns > ECHO_NS else None

    def _enter(self, step: _Step, now_ns: int) -> None:
        self._step, self._since_ns = step, now_ns
