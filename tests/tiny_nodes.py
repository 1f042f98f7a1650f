"""Nodes of a few lines, quick to start, for tests of what runs nodes."""

import os
from dataclasses import dataclass

import numpy as np

from robot.messages import Command, FlightState, Message, Setpoint, StereoFrame
from robot.node import Input, NoConfig, Node, Output, Role
from robot.nodes.actuator import ActuatorNode, stops

HOVER = (0.0, 0.0, 1.4)  # m/s, rad/s, m
TINY = {
    "ticker": "tiny_nodes:Ticker",
    "stoppable": "tiny_nodes:Stoppable",
    "glider": "tiny_nodes:Glider",
    "relay": "tiny_nodes:Relay",
    "telling_actuator": "tiny_nodes:TellingActuator",
    "watcher": "tiny_nodes:Watcher",
    "painter": "tiny_nodes:Painter",
    "looker": "tiny_nodes:Looker",
    "apprentice": "tiny_nodes:Apprentice",
}


@dataclass(frozen=True)
class TickerConfig:
    last: int = 0  # steps until it has nothing more to say; 0: never
    bulk: int = 1  # messages per step


class Ticker(Node[TickerConfig]):
    """A source: says how often it has stepped, what it last heard, and a random number."""

    inputs = {"setpoint": Input(Setpoint, required=False, wakes=False)}
    outputs = {"count": Output(Command), "hint": Output(Command, truth=True)}
    role = Role.SOURCE
    owns_time = True
    Config = TickerConfig

    def __init__(self, config, context):
        super().__init__(config, context)
        self._rng = context.rng()
        self._n = 0

    def step(self, now_ns, inputs):
        heard = inputs.newest("setpoint")
        yaw = 0.0 if heard is None else heard.values[1] / 2
        forward = float(self._rng.random())
        self._n += 1
        self.finished = self._n == self.config.last
        said = Command(captured_ns=now_ns, values=(forward, yaw + 0.1, 1.4))
        hint = Command(captured_ns=now_ns, values=(float(self._n), 0.0, 1.4))
        return [("count", said)] * self.config.bulk + [("hint", hint)]


class Stoppable(Ticker):
    """A ticker that is stopped when its setpoint says so, and has no watchdog."""

    restartable = False

    def __init__(self, config, context):
        super().__init__(config, context)
        self.safe = False

    def step(self, now_ns, inputs):
        heard = inputs.newest("setpoint")
        if heard is not None:
            self.safe = stops(heard.reasons)
        return super().step(now_ns, inputs)


class Glider(Node[NoConfig]):
    """A vehicle that follows its setpoint, hovers when none comes, and wants to go ahead."""

    inputs = {"setpoint": Input(Setpoint, required=False, wakes=False)}
    outputs = {"state": Output(FlightState), "command": Output(Command)}
    role = Role.SOURCE
    restartable = False

    def __init__(self, config, context):
        super().__init__(config, context)
        self._told, self._is_at, self._missed = np.array(HOVER), np.array(HOVER), 0
        self._rng = context.rng()
        self.safe = True

    def step(self, now_ns, inputs):
        heard = inputs.newest("setpoint")
        self._missed = 0 if heard is not None else self._missed + 1
        if heard is not None:
            self._told = np.array(heard.values)
        elif self._missed > 5:
            self._told = np.array(HOVER)
        self.safe = self._missed > 5 or stops(heard.reasons if heard else ())
        self._is_at = self._is_at + 0.3 * (self._told - self._is_at)
        forward, yaw, altitude = (self._is_at + self._rng.normal(0, 1e-3, 3)).tolist()
        state = FlightState(
            captured_ns=now_ns,
            gyro_rad_s=(0.0, 0.0, yaw),
            accel_m_s2=(0.0, 0.0, 9.8),
            altitude_m=altitude,
            velocity_b_m_s=(forward, 0.0, 0.0),
            on_watchdog=self._missed > 5,
        )
        return [
            ("state", state),
            ("command", Command(captured_ns=now_ns, values=(0.5, 0.2, 1.4))),
        ]


@dataclass(frozen=True)
class RelayConfig:
    throw_at: int = 0  # the step that throws; 0: none
    throw_on_close: bool = False
    non_finite_at: int = 0  # the step that commands what no robot can do; 0: none


class Relay(Node[RelayConfig]):
    """Passes commands on."""

    inputs = {"command": Input(Command)}
    outputs = {"command": Output(Command)}
    Config = RelayConfig

    def __init__(self, config, context):
        super().__init__(config, context)
        self._n = 0

    def step(self, now_ns, inputs):
        self._n += 1
        if self._n == self.config.throw_at:
            raise RuntimeError("boom, said the relay")
        commands = inputs.all("command")
        if self._n == self.config.non_finite_at:
            return [("command", Command(captured_ns=now_ns, values=(np.nan, 0.0, 1.4)))]
        return [("command", Command(captured_ns=c.captured_ns, values=c.values)) for c in commands]

    def close(self):
        print("relay closed", flush=True)  # noqa: T201 - tests read it
        if self.config.throw_on_close:
            raise RuntimeError("cannot close")


class TellingActuator(ActuatorNode):
    """The real actuator; it tells what its driver does when it is closed."""

    def close(self):
        super().close()
        state = self._driver.read(0)
        print(f"stopped={state.stopped} forward={state.values[0]:g}", flush=True)  # noqa: T201 - tests read it


class Watcher(Node[NoConfig]):
    """May read all there is, and would like to command."""

    inputs = {"seen": Input(Message, many=True)}
    outputs = {"command": Output(Command)}
    role = Role.WATCHING


class Painter(Node[NoConfig]):
    """A source of large images: the left one filled in place, the right one always the same."""

    outputs = {"frame": Output(StereoFrame)}
    role = Role.SOURCE
    owns_time = True

    def __init__(self, config, context):
        super().__init__(config, context)
        self._n = 0
        self._right = np.zeros((200, 200), np.uint8)

    def step(self, now_ns, inputs):
        self._n += 1
        left = self.context.loan("frame", (200, 200), "uint8")
        left[:] = self._n
        self._right[:] = 2 * self._n  # the same memory in every step
        return [("frame", StereoFrame(captured_ns=now_ns, left=left, right=self._right))]


class Looker(Node[NoConfig]):
    """Says how bright the images are, and keeps the last five of them."""

    inputs = {"frame": Input(StereoFrame)}
    outputs = {"brightness": Output(Command)}

    def __init__(self, config, context):
        super().__init__(config, context)
        self._kept = []

    def step(self, now_ns, inputs):
        for frame in inputs.all("frame"):
            self._kept = [*self._kept[-4:], frame]
        return [
            (
                "brightness",
                Command(
                    captured_ns=f.captured_ns,
                    values=(float(f.left.mean()), float(f.right.mean()), 0.0),
                ),
            )
            for f in self._kept
        ]


class Apprentice(Node[NoConfig]):
    """Would learn; tells with which priority."""

    inputs = {"count": Input(Command)}
    role = Role.LEARNING

    def step(self, now_ns, inputs):
        return []

    def gauges(self):
        idle = os.sched_getscheduler(0) == os.SCHED_IDLE
        return {"niceness": float(os.nice(0)), "idle": float(idle)}
