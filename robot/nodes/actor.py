"""Observed tensors and an instruction to commands: a shell over a policy that is told its goal."""

from dataclasses import dataclass, field
from typing import Any

from numpy.typing import NDArray

from policies.instructed import make_instructed
from robot.clock import SECOND_NS
from robot.messages import CameraImage, Command, Instruction, Observed
from robot.node import Emission, Input, Inputs, Node, NodeContext, Output
from robot.observed import tensors_in


@dataclass(frozen=True)
class ActorConfig:
    """Parameters of an actor."""

    policy: str = "lid_expert"  # a row of policies.pilots, or the path of a model package (.onnx)
    options: dict[str, Any] = field(default_factory=dict)  # of that pilot's Config, but its goal
    camera: str = "front"  # what a policy calls the image that comes in


class ActorNode(Node[ActorConfig]):
    """One command per observation, once it was told what to do."""

    inputs = {
        "observed": Input(Observed),
        "instruction": Input(Instruction, wakes=False),
        "image": Input(CameraImage, required=False, wakes=False),
    }
    outputs = {"command": Output(Command)}
    Config = ActorConfig

    def __init__(self, config: ActorConfig, context: NodeContext) -> None:
        """Opens the policy, so that one that does not fit is refused before anything moves."""
        super().__init__(config, context)
        limits, rate_hz = context.robot.limits, context.rate_hz or 0.0
        self._policy = make_instructed(config.policy, limits, rate_hz, config.options)
        self._rng = context.rng()
        self._is_told = False
        self._sees = config.camera in self._policy.reads
        self._image: CameraImage | None = None
        self._period_ns = SECOND_NS / rate_hz if rate_hz else 0.0

    def step(self, now_ns: int, inputs: Inputs) -> list[Emission]:
        """Acts on the newest observation; the command is as old as that.

        An image may be as old as one period: it comes by another way.
        """
        del now_ns
        asked = inputs.newest("instruction")
        if asked is not None:
            self._policy.begin(asked.task, asked.goal, asked.text, self._rng)
            self._is_told = True
        self._image = inputs.newest("image") or self._image
        observed = inputs.newest("observed")
        if observed is None or not self._is_told:
            return []
        seen: dict[str, NDArray[Any]] = {**tensors_in(observed)}
        if self._sees:
            image = self._image
            if image is None or observed.captured_ns - image.captured_ns > self._period_ns:
                return []  # who sees nothing does nothing; the actuator stops
            seen[self.config.camera] = image.image
        action = self._policy.act(seen)
        values = tuple(float(value) for value in action)
        command = Command(captured_ns=observed.captured_ns, valid=observed.valid, values=values)
        return [("command", command)]
