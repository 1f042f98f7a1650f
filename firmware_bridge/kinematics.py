"""Where an arm's tool is, how it moves with the joints, and which joints bring it somewhere.

One serial chain of hinges, read from the `[joints]` and `[tool]` tables of a robot file. What runs
at 50 Hz is compiled, in `kinematics_kernels`; here is the same in plain NumPy, which tests compare
it with, and which is quick enough for everything that is not done at every tick.

Frames: at zero angles every joint's frame is parallel to the base frame (x ahead, y left, z up).
The tool's frame is parallel to the last joint's: its x axis points out of the gripper.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from firmware_bridge.errors import ArmTableError
from firmware_bridge.kinematics_kernels import damped_step, locate
from firmware_bridge.tables import check_keys, number, vector3

Array = NDArray[np.float64]

POINTING_DOWN = np.array([[0.0, 0.0, 1.0], [0.0, 1.0, 0.0], [-1.0, 0.0, 0.0]])
"""(3, 3) base from tool: x of the tool down, its fingers open along y of the base."""

DAMPING = 0.01  # of the least squares: 1 mm in 10 cm where the arm is stretched

_JOINT_KEYS = ("name", "offset_m", "axis", "minimum_rad", "maximum_rad", "max_speed_rad_s")


class UnreachableError(ArmTableError):
    """No joint angles within their ranges bring the tool there."""


@dataclass(frozen=True)
class Joint:
    """One hinge of the chain."""

    name: str
    offset_m: tuple[float, float, float]  # of its frame, in the frame before
    axis: tuple[float, float, float]  # unit vector in its own frame
    minimum_rad: float
    maximum_rad: float
    max_speed_rad_s: float

    @classmethod
    def from_table(cls, table: Any, index: int) -> "Joint":
        """One row of `[[joints.chain]]`.

        Raises:
            ArmTableError: a key that is unknown or missing, or a value out of its domain.
        """
        where = f"[[joints.chain]] {index}"
        check_keys(where, table, _JOINT_KEYS)
        if not isinstance(table["name"], str) or not table["name"]:
            raise ArmTableError(f"{where} name is {table['name']!r}: give the joint a name")
        axis = vector3(where, table, "axis")
        length = float(np.linalg.norm(axis))
        low, high, speed = (number(where, table, key) for key in _JOINT_KEYS[3:])
        if not length > 0:
            raise ArmTableError(f"{where} axis is {table['axis']}: it needs a direction")
        if not low < high:
            raise ArmTableError(f"{where} minimum_rad {low} is not below maximum_rad {high}")
        if not speed > 0:
            raise ArmTableError(f"{where} max_speed_rad_s {speed} must be > 0")
        offset, unit = (
            _three(vector) for vector in (vector3(where, table, "offset_m"), axis / length)
        )
        return cls(table["name"], offset, unit, low, high, speed)


class Pose(NamedTuple):
    """Where the tool is."""

    position_m: Array  # (3,) base frame
    rotation: Array  # (3, 3) base from tool


@dataclass(frozen=True)
class SerialChain:
    """Joints from the base to the tool."""

    joints: tuple[Joint, ...]
    tool_offset_m: tuple[float, float, float]  # of the tool's point, in the last joint's frame
    servo_lag_s: float  # first order, from a joint's target to its angle

    @classmethod
    def from_tables(cls, joints: Mapping[str, Any], tool_offset_m: ArrayLike) -> "SerialChain":
        """Reads the `[joints]` table of a robot file.

        Args:
            joints: the table.
            tool_offset_m: (3,) of the tool's point, in the last joint's frame; from `[tool]`.

        Raises:
            ArmTableError: a key that is unknown or missing, or a value out of its domain.
        """
        check_keys("[joints]", joints, ("servo_lag_s", "chain"))
        rows = joints["chain"]
        if not isinstance(rows, Sequence) or isinstance(rows, str) or not rows:
            raise ArmTableError("[joints] chain must be a list of tables: write [[joints.chain]]")
        chain = tuple(Joint.from_table(row, index) for index, row in enumerate(rows))
        names = [joint.name for joint in chain]
        if len(set(names)) < len(names):
            raise ArmTableError(f"[joints] names a joint twice: {', '.join(names)}")
        lag_s = number("[joints]", joints, "servo_lag_s")
        if not lag_s > 0:
            raise ArmTableError(f"[joints] servo_lag_s {lag_s} must be > 0")
        return cls(chain, _three(np.asarray(tool_offset_m, np.float64)), lag_s)

    @property
    def names(self) -> tuple[str, ...]:
        """Of the joints, from the base on."""
        return tuple(joint.name for joint in self.joints)

    @cached_property
    def geometry(self) -> tuple[Array, Array, Array]:
        """Offsets (n, 3) m, axes (n, 3), tool offset (3,) m: what the kernels take."""
        return (
            np.array([joint.offset_m for joint in self.joints]),
            np.array([joint.axis for joint in self.joints]),
            np.array(self.tool_offset_m),
        )

    @cached_property
    def ranges_rad(self) -> Array:
        """(2, n) least and greatest angles."""
        rows = [(joint.minimum_rad, joint.maximum_rad) for joint in self.joints]
        return np.ascontiguousarray(np.array(rows).T)

    @cached_property
    def max_speeds_rad_s(self) -> Array:
        """(n,) greatest speeds."""
        return np.array([joint.max_speed_rad_s for joint in self.joints])

    def forward(self, joint_pos_rad: ArrayLike) -> Pose:
        """Where the tool is at these angles (n,)."""
        _, _, pose = self._frames(joint_pos_rad)
        return pose

    def jacobian(self, joint_pos_rad: ArrayLike) -> Array:
        """How the tool moves with the joints: the geometric Jacobian (6, n) in the base frame.

        Rows 0 to 2 are the velocity of the tool's point, m/rad; rows 3 to 5 its angular velocity.
        """
        origins_m, axes, pose = self._frames(joint_pos_rad)
        return np.vstack([np.cross(axes, pose.position_m - origins_m).T, axes.T])

    def solve(self, target: Pose, start_rad: ArrayLike, tolerance_m: float = 1e-5) -> Array:
        """Joint angles (n,) within their ranges that bring the tool to a pose.

        Raises:
            UnreachableError: 200 damped steps from the start did not get there.
        """
        joints, jacobian = np.array(start_rad, np.float64), np.empty((6, len(self.joints)))
        for _ in range(200):
            present = Pose(*locate(*self.geometry, joints, jacobian))
            error = pose_error(target, present)
            largest = np.abs(error).max()
            if largest < tolerance_m:
                return joints
            near = error * min(1.0, 0.1 / largest)  # a straight step holds for short ways only
            joints = joints + damped_step(jacobian, near, joints, self.ranges_rad, DAMPING)
        raise UnreachableError(
            f"the arm cannot bring its tool to {np.round(target.position_m, 3)} m pointing so"
        )

    def damped_step(
        self, joint_pos_rad: ArrayLike, error: Array, damping: float = DAMPING
    ) -> Array:
        """One damped-least-squares step (n,) rad towards a pose, within the joints' ranges.

        dq = Jᵀ (J Jᵀ + λ² I)⁻¹ e (Nakamura and Hanafusa 1986, eq. 20; Wampler 1986). A joint that
        would leave its range is put to its end, and the others take up what it cannot do.

        Args:
            joint_pos_rad: (n,) present angles, within their ranges.
            error: (6,) see `pose_error`.
            damping: λ, m and rad alike: bounds the step where the arm is stretched.
        """
        joints = np.asarray(joint_pos_rad, np.float64)
        jacobian, left = self.jacobian(joints), np.array(error, np.float64)
        step = np.zeros(len(joints))
        free = np.ones(len(joints), bool)
        low, high = self.ranges_rad - joints
        for _ in range(len(joints)):
            J = jacobian * free
            inverse = np.linalg.inv(J @ J.T + damping**2 * np.eye(6))
            proposed = np.where(free, J.T @ inverse @ left, step)
            beyond = free & ((proposed < low) | (proposed > high))
            if not beyond.any():
                return proposed
            step = np.where(beyond, np.clip(proposed, low, high), step)
            left = np.asarray(error) - jacobian @ (step * ~(free & ~beyond))
            free &= ~beyond
        return step

    def _frames(self, joint_pos_rad: ArrayLike) -> tuple[Array, Array, Pose]:
        """Origins (n, 3) m and axes (n, 3) of the joints in the base frame, and the tool's pose."""
        offsets_m, local_axes, tool_offset_m = self.geometry
        rotation, position_m = np.eye(3), np.zeros(3)
        origins_m, axes = np.empty_like(offsets_m), np.empty_like(offsets_m)
        for i, angle_rad in enumerate(np.asarray(joint_pos_rad, np.float64)):
            position_m = position_m + rotation @ offsets_m[i]
            origins_m[i], axes[i] = position_m, rotation @ local_axes[i]
            rotation = rotation @ rotation_about(local_axes[i], float(angle_rad))
        return origins_m, axes, Pose(position_m + rotation @ tool_offset_m, rotation)


def pose_error(target: Pose, present: Pose) -> Array:
    """What brings the tool from its pose to another, (6,): metres, then rad about the base's axes.

    The turn is the vector part of R_target R_presentᵀ: sin of its angle along its axis. It points
    the right way for every turn short of half a revolution.
    """
    R = target.rotation @ present.rotation.T
    turn = np.array([R[2, 1] - R[1, 2], R[0, 2] - R[2, 0], R[1, 0] - R[0, 1]]) / 2
    return np.concatenate([target.position_m - present.position_m, turn])


def rotation_about(axis: Array, angle_rad: float) -> Array:
    """(3, 3) turning by an angle about a unit vector (3,) (Rodrigues)."""
    x, y, z = axis
    K = np.array([[0.0, -z, y], [z, 0.0, -x], [-y, x, 0.0]])
    return np.eye(3) + np.sin(angle_rad) * K + (1 - np.cos(angle_rad)) * K @ K


def _three(vector: Array) -> tuple[float, float, float]:
    x, y, z = vector.tolist()
    return x, y, z
