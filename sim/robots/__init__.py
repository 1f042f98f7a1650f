"""Vehicles a world can hold: name -> "module:Class" of its body, imported when chosen."""

ROBOTS: dict[str, str] = {
    "quadrotor": "sim.robots.quadrotor:QuadrotorBody",
}
