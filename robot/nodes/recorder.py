"""Writes everything that crosses the bus into the run's log."""

from dataclasses import dataclass
from pathlib import Path

from robot.clock import SECOND_NS
from robot.messages import Alert, Message
from robot.node import Emission, Input, Inputs, Node, NodeContext, Role
from robot.record import LogFile, LogWriter

FLUSH_PERIOD_NS = SECOND_NS // 2  # at most a second may be lost, the queue on the way included


@dataclass(frozen=True)
class RecorderConfig:
    """Parameters of a recorder."""

    file: str = "log.mcap"  # name inside the run folder


class RecorderNode(Node[RecorderConfig]):
    """Records; a full disk costs log, counted and said, never the flight."""

    inputs = {"log": Input(Message, many=True)}
    role = Role.WATCHING
    Config = RecorderConfig

    def __init__(self, config: RecorderConfig, context: NodeContext) -> None:
        super().__init__(config, context)
        self._writer: LogWriter | None = None
        if context.run_dir is not None:
            log = LogFile(_unused(context.run_dir / config.file, context.life))
            clock = "lockstep" if context.lockstep else "wall"
            metadata = {"graph": context.graph_json, "seed": str(context.seed), "clock": clock}
            self._writer = LogWriter(log, metadata)
        self._flushed_ns = 0
        self._warned = False

    def step(self, now_ns: int, inputs: Inputs) -> list[Emission]:
        """Appends what came in; flushes twice a second, so that a kill costs no second."""
        if self._writer is None:
            return []
        for arrival in inputs.arrivals("log"):
            self._writer.write(arrival)
        if now_ns - self._flushed_ns >= FLUSH_PERIOD_NS:
            self._flushed_ns = now_ns
            self._writer.flush()
        return self._warn(now_ns)

    def gauges(self) -> dict[str, float]:
        """Messages written and lost."""
        if self._writer is None:
            return {}
        return {"log_messages": self._writer.written, "log_lost": self._writer.lost}

    def close(self) -> None:
        """Completes the file."""
        if self._writer is not None:
            self._writer.close()
            self._warn(0)

    def _warn(self, now_ns: int) -> list[Emission]:
        """Says once that the log has ended early."""
        if self._writer is None or self._writer.error is None or self._warned:
            return []
        self._warned = True
        text = (
            f"recording stopped: {self._writer.error.strerror}; the run goes on, messages from "
            "here on are counted as lost (free some space, or give --out on another disk)"
        )
        print(text, flush=True)  # noqa: T201 - shown by the supervisor under the node's name
        return [("alerts", Alert(captured_ns=now_ns, text=text))]


def _unused(path: Path, life: int) -> Path:
    """``log.mcap``, and after a restart ``log-2.mcap``: no log is written over."""
    return path.with_stem(f"{path.stem}-{life + 1}") if life else path
