"""The other half of `arm_speed`: runs in the peer's environment, so it imports nothing of ours.

Reads how many seconds a turn takes, one line each; answers with two numbers, simulated seconds per
second by the wall and per second of the processor.
"""

import sys
import time
import warnings
from typing import Any

import gymnasium
import mujoco

STEPS_PER_ATTEMPT = 50  # its own limit


def main() -> None:
    warnings.simplefilter("ignore")
    import gymnasium_robotics  # type: ignore[import-not-found]  # only in the peer's environment
    from gymnasium_robotics.utils import mujoco_utils  # type: ignore[import-not-found]

    mend(mujoco_utils)
    gymnasium.register_envs(gymnasium_robotics)
    env = gymnasium.make("FetchPickAndPlace-v4", disable_env_checker=True)
    env.reset(seed=0)
    env.action_space.seed(0)
    period_s = env.unwrapped.dt  # type: ignore[attr-defined]  # of its own base class
    versions = f"gymnasium-robotics {gymnasium_robotics.__version__}, mujoco {mujoco.__version__}"
    print(versions, flush=True)
    for line in iter(sys.stdin.readline, ""):
        wall_s, processor_s, steps = time.perf_counter(), time.process_time(), 0
        while time.perf_counter() - wall_s < float(line):
            env.reset()
            for _ in range(STEPS_PER_ATTEMPT):
                env.step(env.action_space.sample())
            steps += STEPS_PER_ATTEMPT
        wall_s, processor_s = time.perf_counter() - wall_s, time.process_time() - processor_s
        print(steps * period_s / wall_s, steps * period_s / processor_s, flush=True)


def mend(mujoco_utils: Any) -> None:
    """Replaces what compares joint types with enumerators, which MuJoCo 4 calls unequal."""
    qpos_sizes, dof_sizes = {0: 7, 1: 4}, {0: 6, 1: 3}  # of free and ball joints; others have 1

    def qpos(model: Any, name: str) -> slice:
        joint = model.joint(name)
        return slice(joint.qposadr[0], joint.qposadr[0] + qpos_sizes.get(int(joint.type[0]), 1))

    def set_joint_qpos(model: Any, data: Any, name: str, value: Any) -> None:
        data.qpos[qpos(model, name)] = value

    def get_joint_qpos(model: Any, data: Any, name: str) -> Any:
        return data.qpos[qpos(model, name)].copy()

    def get_joint_qvel(model: Any, data: Any, name: str) -> Any:
        joint = model.joint(name)
        size = dof_sizes.get(int(joint.type[0]), 1)
        return data.qvel[joint.dofadr[0] : joint.dofadr[0] + size].copy()

    for function in (set_joint_qpos, get_joint_qpos, get_joint_qvel):
        setattr(mujoco_utils, function.__name__, function)


if __name__ == "__main__":
    main()
