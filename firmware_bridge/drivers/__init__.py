"""Kinds of hardware: name in `[link] driver` -> "module:Class", imported when chosen.

The options of `[link]` are the fields of the class's `Config`.
"""

DRIVERS = {
    "fake": "firmware_bridge.drivers.fake:FakeDriver",
    "mcu": "firmware_bridge.drivers.mcu:McuDriver",
    "feetech": "firmware_bridge.drivers.feetech:FeetechDriver",
    "mavlink": "firmware_bridge.drivers.mavlink:MavlinkDriver",
}
SIMULATED = ("fake",)
"""Rows without hardware behind them: they may arm themselves, and a replay runs them again."""
