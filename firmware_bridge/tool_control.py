"""From "move the tool so fast that way" to joint angles: the same code for a real arm and a sim.

A policy says at its own rate (5 Hz) how fast the tool shall move along x, y and z of the base and
how wide the gripper shall be open; the tool keeps pointing down. The controller follows that at
50 Hz: velocity within range and slew, the tool's target within the workspace box, joint targets
within ranges and speeds. Targets are integrated, not added to what is measured, so that a servo's
lag and sag do not make the tool creep. One axis, slew 0.4 a tick, tick 1 s:

    tick                  0     1     2     3     4
    command             1.0     -     -   0.0     -
    followed            0.4   0.8   1.0   0.6   0.2
    tool target         0.4   1.2   2.2   2.8   3.0

The box holds for the target: servos that follow late cut corners by up to 2 cm beyond it.
A target that the joints cannot follow waits for them: it never runs ahead by more than 2 cm.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from firmware_bridge.axis_limits import Limits
from firmware_bridge.errors import ArmTableError, CommandShapeError
from firmware_bridge.kernels import kernel
from firmware_bridge.kinematics import DAMPING, POINTING_DOWN, Pose, SerialChain
from firmware_bridge.kinematics_kernels import damped_step, locate
from firmware_bridge.tables import check_keys, vector3

Array = NDArray[np.float64]

TICK_S = 0.02  # s, 50 Hz: as often as hobby servos are told a target
AXES = 4  # x, y, z velocity and gripper opening
MAX_LEAD_M = 0.02  # m, how far a target may run ahead of what the joint targets reach
ITERATIONS = 2  # damped steps a tick: the second takes up the bend of the first


@dataclass(frozen=True)
class Tool:
    """Where the tool sits and where it may be, the `[tool]` section of a robot file."""

    offset_m: tuple[float, float, float]  # of its point, in the last joint's frame
    workspace_min_m: tuple[float, float, float]  # base frame
    workspace_max_m: tuple[float, float, float]
    home_m: tuple[float, float, float]  # where it waits, pointing down

    @classmethod
    def from_table(cls, table: Mapping[str, Any]) -> "Tool":
        """Reads the `[tool]` table.

        Raises:
            ArmTableError: a key that is unknown or missing, an empty box, a home outside of it.
        """
        keys = ("offset_m", "workspace_min_m", "workspace_max_m", "home_m")
        check_keys("[tool]", table, keys)
        offset, low, high, home = (vector3("[tool]", table, key) for key in keys)
        if not (low < high).all():
            raise ArmTableError(f"[tool] workspace_min_m {low} is not below workspace_max_m {high}")
        if not ((low <= home) & (home <= high)).all():
            raise ArmTableError(f"[tool] home_m {home} is outside the workspace {low}..{high}")
        return cls(*(tuple(vector.tolist()) for vector in (offset, low, high, home)))


class ArmDescription(NamedTuple):
    """What a robot file says of an arm, apart from its body."""

    chain: SerialChain
    tool: Tool
    limits: Limits

    @classmethod
    def from_robot(cls, tables: Mapping[str, Mapping[str, Any]]) -> "ArmDescription":
        """Reads `[joints]`, `[tool]` and `[limits]` of a robot file.

        Raises:
            BridgeInputError: a section that is missing or wrong, or limits of another command
                than tool velocity x, y, z in m/s and gripper opening in m.
        """
        if missing := [name for name in ("joints", "tool", "limits") if name not in tables]:
            raise ArmTableError(f"an arm needs the section [{missing[0]}] in its robot file")
        tool, limits = Tool.from_table(tables["tool"]), Limits.from_table(tables["limits"])
        units = [axis.unit for axis in limits.axes]
        if units != ["m/s", "m/s", "m/s", "m"]:
            raise ArmTableError(
                f"[limits] has axes in ({', '.join(units)}): an arm's tool needs (m/s, m/s, m/s, m)"
            )
        return cls(SerialChain.from_tables(tables["joints"], tool.offset_m), tool, limits)


class ArmTargets(NamedTuple):
    """What to tell the servos now."""

    joint_target_rad: Array  # (n,)
    gripper_target_m: float  # between the fingertips


@dataclass
class ControlState:
    """All that changes while an arm is controlled; may be deep-copied."""

    wanted: Array  # (4,) last accepted command
    followed: Array  # (4,) the command as slew lets it be followed
    tool_target_m: Array  # (3,) base frame
    joint_target_rad: Array  # (n,)


class ToolController:
    """Follows tool commands; start it by `reset`."""

    def __init__(self, arm: ArmDescription, tick_s: float = TICK_S) -> None:
        """`tick_s`: s between two calls of `tick`."""
        axes = arm.limits.axes
        self.arm = arm
        self._tick_s = tick_s
        self._range = np.array([[axis.minimum, axis.maximum] for axis in axes]).T  # (2, 4)
        self._slew = np.array([axis.slew_per_s for axis in axes]) * tick_s  # (4,) per tick
        self._stop = np.array([np.nan if axis.stop is None else axis.stop for axis in axes])
        self._box_m = np.array([arm.tool.workspace_min_m, arm.tool.workspace_max_m])  # (2, 3)
        self._step_rad = arm.chain.max_speeds_rad_s * tick_s  # (n,)
        self._scratch = np.empty((6, len(self._step_rad)))  # a Jacobian that nobody reads
        self.state: ControlState

    def home_rad(self) -> Array:
        """Joint angles (n,) at home, pointing down.

        Raises:
            UnreachableError: the arm cannot be there.
        """
        low, high = self.arm.chain.ranges_rad
        bent = np.clip(np.full(len(low), 0.3), low, high)
        return self.solve_down(self.arm.tool.home_m, bent)

    def solve_down(self, position_m: ArrayLike, start_rad: ArrayLike | None = None) -> Array:
        """Joint angles (n,) that bring the tool to a place (3,) of the base frame, pointing down.

        Args:
            position_m: where to.
            start_rad: (n,) angles to begin from; by default the present targets.

        Raises:
            UnreachableError: the arm cannot be there.
        """
        start = self.state.joint_target_rad if start_rad is None else start_rad
        return self.arm.chain.solve(Pose(np.array(position_m, np.float64), POINTING_DOWN), start)

    def locate(self, joint_pos_rad: Array) -> Array:
        """Where the tool is at these angles (n,): (3,) m in the base frame."""
        position_m, _ = locate(*self.arm.chain.geometry, joint_pos_rad, self._scratch)
        return position_m

    def reset(self, joint_pos_rad: ArrayLike, gripper_m: float) -> None:
        """Stands still where the arm is: angles (n,) and opening between the fingertips."""
        joints = np.array(joint_pos_rad, np.float64)
        command = np.array([0.0, 0.0, 0.0, gripper_m])
        place_m = np.clip(self.arm.chain.forward(joints).position_m, *self._box_m)
        self.state = ControlState(command.copy(), command.copy(), place_m, joints)

    def command(self, values: ArrayLike) -> None:
        """Takes a new command (4,): m/s, m/s, m/s, m; clipped to its range.

        A command that is not finite is refused whole: the one before it goes on.

        Raises:
            CommandShapeError: not four values.
        """
        asked = np.asarray(values, np.float64)
        if asked.shape != (AXES,):
            raise CommandShapeError(
                f"a command of shape {asked.shape}: needed are x, y, z velocity and gripper opening"
            )
        if np.isfinite(asked).all():
            self.state.wanted = np.clip(asked, *self._range)

    def stop(self) -> None:
        """Brakes the tool and keeps the gripper as it is: when commands stopped coming."""
        holds = np.isnan(self._stop)
        self.state.wanted = np.where(holds, self.state.wanted, self._stop)

    def tick(self) -> ArmTargets:
        """Lets one tick pass."""
        state, chain = self.state, self.arm.chain
        _follow(
            state.wanted,
            state.followed,
            state.tool_target_m,
            state.joint_target_rad,
            self._slew,
            self._tick_s,
            self._box_m,
            chain.geometry,
            chain.ranges_rad,
            self._step_rad,
        )
        return ArmTargets(state.joint_target_rad.copy(), float(state.followed[3]))


@kernel
def _follow(
    wanted: Array,
    followed: Array,
    tool_m: Array,
    joints: Array,
    slew: Array,
    tick_s: float,
    box_m: Array,
    geometry: tuple[Array, Array, Array],
    ranges_rad: Array,
    step_rad: Array,
) -> None:
    """One tick, in place: see the class."""
    for i in range(len(wanted)):
        followed[i] += min(max(wanted[i] - followed[i], -slew[i]), slew[i])
    for i in range(3):
        tool_m[i] = min(max(tool_m[i] + tick_s * followed[i], box_m[0, i]), box_m[1, i])
    jacobian, error = np.empty((6, len(joints))), np.empty(6)
    before = joints.copy()
    for _ in range(ITERATIONS):
        p, R = locate(geometry[0], geometry[1], geometry[2], joints, jacobian)
        _error_from_down(tool_m, p, R, error)
        step = damped_step(jacobian, error, joints, ranges_rad, DAMPING)
        for i in range(len(joints)):
            joints[i] += step[i]
    share = 1.0
    for i in range(len(joints)):
        share = min(share, step_rad[i] / max(abs(joints[i] - before[i]), step_rad[i]))
    for i in range(len(joints)):
        joints[i] = before[i] + share * (joints[i] - before[i])
    p, R = locate(geometry[0], geometry[1], geometry[2], joints, jacobian)
    ahead = np.sqrt((tool_m[0] - p[0]) ** 2 + (tool_m[1] - p[1]) ** 2 + (tool_m[2] - p[2]) ** 2)
    if ahead > MAX_LEAD_M:
        for i in range(3):
            tool_m[i] = p[i] + (tool_m[i] - p[i]) * (MAX_LEAD_M / ahead)


@kernel
def _error_from_down(tool_m: Array, p: Array, R: Array, error: Array) -> None:
    """`pose_error` of a target at `tool_m` (3,) that points down, into `error` (6,)."""
    # D Rᵀ with D = POINTING_DOWN: rows of D pick columns 2, 1 and -0 of R.
    error[0], error[1], error[2] = tool_m[0] - p[0], tool_m[1] - p[1], tool_m[2] - p[2]
    error[3] = (-R[1, 0] - R[2, 1]) / 2
    error[4] = (R[2, 2] + R[0, 0]) / 2
    error[5] = (R[0, 1] - R[1, 2]) / 2
