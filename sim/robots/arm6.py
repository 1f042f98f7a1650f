"""A hobby-size arm of six joints with a parallel gripper, as MuJoCo bodies of plain shapes.

The chain of joints with its ranges is that of the robot file, the very description by which
`firmware_bridge.tool_control` moves it; here come masses, servos and what touches. A servo is a
stiff spring that pulls its joint to a target that itself follows the commanded one with a
first-order lag, which is how hobby servos answer in small steps.

Only the fingers and the palm touch things: the workspace box keeps the rest of the arm away.
"""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
import numpy.typing as npt

from firmware_bridge.kinematics import SerialChain
from firmware_bridge.tool_control import ArmDescription
from perception.quantities import InputError
from sim.bench_things import HAND, TOUCHES_THINGS
from sim.gl import mujoco

JOINTS = 6
FINGERS = ("finger left", "finger right")  # names of the slides; each opens by half
WRIST_CAMERA = "wrist"
TOUCHES_NOTHING = {"contype": 0, "conaffinity": 0}
SPRING_LAG_S = 0.02  # damping over stiffness of a servo: damping ratios are 0.5 to 1.1 by it
PAD_M = (0.020, 0.004, 0.011)  # half sizes along, across and beside the finger
TIP_M = 0.012  # the fingers reach beyond the tool's point
PAD_FRICTION = (1.2, 0.02, 0.0001)  # rubber pads: sliding, twisting m, rolling m
PAD_SOLREF = (0.008, 1.0)  # 8 ms, critically damped: four physics steps
GREY, DARK, RED = (0.75, 0.75, 0.78, 1), (0.2, 0.2, 0.22, 1), (0.7, 0.25, 0.2, 1)


class ArmBodyError(InputError):
    """The [body] section of an arm's file is wrong."""


@dataclass(frozen=True)
class Arm6Body:
    """Masses and servos, the [body] section of a robot file.

    The defaults are our estimates of an arm of this size, not measurements of one.
    """

    link_mass_kg: tuple[float, ...] = (
        0.35,
        0.28,
        0.12,
        0.10,
        0.08,
        0.12,
    )  # turning with each joint
    finger_mass_kg: float = 0.02
    armature_kg_m2: tuple[float, ...] = (0.03, 0.03, 0.03, 0.01, 0.01, 0.01)  # rotors, geared up
    stiffness_nm_rad: tuple[float, ...] = (300.0, 300.0, 300.0, 60.0, 60.0, 40.0)  # of the servos
    finger_stiffness_n_m: float = 900.0
    finger_force_n: float = 18.0  # most that a finger presses with

    def __post_init__(self) -> None:
        """Refuses values that no arm has."""
        for field in fields(self):
            value = getattr(self, field.name)
            wanted = JOINTS if isinstance(field.default, tuple) else 1
            if not np.size(value) == wanted or not np.greater(value, 0).all():
                raise ArmBodyError(f"[body] {field.name} = {value}: give {wanted} positive numbers")

    @classmethod
    def from_table(cls, table: Mapping[str, Any]) -> "Arm6Body":
        """The [body] section of a robot file; keys left out keep their default.

        Raises:
            ArmBodyError: an unknown key, or a value that is not positive numbers, one per joint.
        """
        valid = [field.name for field in fields(cls)]
        if unknown := sorted(set(table) - set(valid)):
            raise ArmBodyError(
                f"[body] unknown {', '.join(unknown)}; valid keys: {', '.join(valid)}"
            )
        values: Any = {key: _numbers(key, value) for key, value in table.items()}
        return cls(**values)

    def add_to(self, spec: Any, arm: ArmDescription) -> None:
        """Adds links, gripper, servos and wrist camera to a MuJoCo specification.

        Raises:
            ArmBodyError: the robot file's chain has not six joints, or too short a lag.
        """
        chain = arm.chain
        if chain.servo_lag_s <= SPRING_LAG_S:
            raise ArmBodyError(f"[joints] servo_lag_s {chain.servo_lag_s}: over {SPRING_LAG_S} s")
        if len(chain.joints) != JOINTS:
            raise ArmBodyError(f"arm6 has {JOINTS} joints, [[joints.chain]] {len(chain.joints)}")
        parent = spec.worldbody.add_body(name="base")
        _shape(parent, (0, 0, 0.03), (0.06, 0.06, 0.03), DARK)
        for index, joint in enumerate(chain.joints):
            is_last = index == JOINTS - 1
            parent = parent.add_body(name=HAND if is_last else joint.name, pos=joint.offset_m)
            parent.add_joint(
                name=joint.name,
                axis=joint.axis,
                range=(joint.minimum_rad, joint.maximum_rad),
                limited=True,
                armature=self.armature_kg_m2[index],
                damping=0.1,
            )
            _add_servo(spec, joint.name, self.stiffness_nm_rad[index], chain.servo_lag_s)
            end_m = arm.tool.offset_m if is_last else chain.joints[index + 1].offset_m
            if not is_last:
                _link(parent, np.array(end_m), self.link_mass_kg[index])
        self._add_gripper(spec, parent, arm)

    def _add_gripper(self, spec: Any, hand: Any, arm: ArmDescription) -> None:
        reach_m, half_m = arm.tool.offset_m[0], arm.limits.axes[3].maximum / 2
        palm_m = reach_m + TIP_M - 2 * PAD_M[0] - 0.004
        _shape(
            hand,
            (palm_m / 2, 0, 0),
            (palm_m / 2, 0.03, 0.018),
            DARK,
            self.link_mass_kg[-1],
            **TOUCHES_THINGS,
        )
        hand.add_camera(
            name=WRIST_CAMERA, pos=(0.02, 0, 0.07), xyaxes=(0, -1, 0, 0.34, 0, 0.94), fovy=75
        )
        for name, side in zip(FINGERS, (1, -1), strict=True):
            finger = hand.add_body(name=name, pos=(reach_m, 0, 0))
            finger.add_joint(
                name=name,
                type=mujoco.mjtJoint.mjJNT_SLIDE,
                axis=(0, side, 0),
                range=(0, half_m),
                limited=True,
                damping=2.0,
                armature=0.05,
            )
            _shape(
                finger,
                (TIP_M - PAD_M[0], side * PAD_M[1], 0),
                PAD_M,
                RED,
                self.finger_mass_kg,
                **TOUCHES_THINGS,
                condim=4,
                friction=PAD_FRICTION,
                solref=PAD_SOLREF,
                priority=1,
            )
            servo = _add_servo(spec, name, self.finger_stiffness_n_m, arm.chain.servo_lag_s)
            servo.forcelimited, servo.forcerange = True, (-self.finger_force_n, self.finger_force_n)


class Arm6:
    """The arm in a compiled model: what is measured of it and what it is told."""

    def __init__(self, model: Any, chain: SerialChain) -> None:
        """Finds the arm's joints and servos in a model by name."""
        self._chain = chain
        names = (*chain.names, *FINGERS)
        self._qpos = np.array([model.joint(name).qposadr[0] for name in names])
        self._act = np.array([model.actuator(name).actadr[0] for name in names])
        self._ctrl = slice(model.actuator(names[0]).id, model.actuator(names[-1]).id + 1)

    def place(self, data: Any, joint_pos_rad: npt.ArrayLike, opening_m: float) -> None:
        """Puts the arm there, its servos holding it."""
        held = np.append(joint_pos_rad, (opening_m / 2, opening_m / 2))
        data.qpos[self._qpos] = data.ctrl[self._ctrl] = data.act[self._act] = held

    def command(self, data: Any, joint_target_rad: npt.ArrayLike, opening_m: float) -> None:
        """Gives the servos new targets."""
        ctrl = data.ctrl[self._ctrl]  # a view: the arm's servos were added in this order
        ctrl[:JOINTS], ctrl[JOINTS:] = joint_target_rad, opening_m / 2

    def joint_pos_rad(self, data: Any) -> npt.NDArray[np.float64]:
        """Measured angles (6,)."""
        return data.qpos[self._qpos[:JOINTS]]

    def opening_m(self, data: Any) -> float:
        """Measured distance between the fingertips."""
        return float(data.qpos[self._qpos[JOINTS:]].sum())


def _add_servo(spec: Any, name: str, stiffness: float, lag_s: float) -> Any:
    """A damped spring towards a target that follows the command late: together, the lag."""
    servo = spec.add_actuator(name=name, target=name, trntype=mujoco.mjtTrn.mjTRN_JOINT)
    servo.set_to_position(
        kp=stiffness,
        kv=stiffness * SPRING_LAG_S,
        timeconst=lag_s - SPRING_LAG_S,
        inheritrange=1.0,
    )
    return servo


def _link(body: Any, end_m: npt.NDArray[np.float64], mass_kg: float) -> None:
    """A bar from a joint to the next."""
    half = np.maximum(np.abs(end_m) / 2, 0.022)
    _shape(body, tuple((end_m / 2).tolist()), tuple(half.tolist()), GREY, mass_kg)


def _shape(
    body: Any,
    center_m: tuple[float, ...],
    half_m: tuple[float, ...],
    colour: tuple[float, ...],
    mass_kg: float = 1.0,
    **rest: Any,
) -> None:
    body.add_geom(
        type=mujoco.mjtGeom.mjGEOM_BOX,
        pos=center_m,
        size=half_m,
        rgba=colour,
        mass=mass_kg,
        **(rest or TOUCHES_NOTHING),
    )


def _numbers(key: str, value: Any) -> float | tuple[float, ...]:
    numbers = value if isinstance(value, list | tuple) else [value]
    if not all(type(number) in (int, float) and np.isfinite(number) for number in numbers):
        raise ArmBodyError(f"[body] {key} = {value!r}: give finite numbers")
    return tuple(map(float, numbers)) if isinstance(value, list | tuple) else float(value)
