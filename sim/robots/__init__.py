"""Robots a world can hold: name -> "module:Class" of its body, imported when chosen."""

ROBOTS: dict[str, str] = {  # vehicles, of sim.world
    "quadrotor": "sim.robots.quadrotor:QuadrotorBody",
}
ARMS: dict[str, str] = {  # of sim.workbench
    "arm6": "sim.robots.arm6:Arm6Body",
}
