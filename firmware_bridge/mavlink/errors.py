"""What `open` says when no vehicle answers as it should."""

from firmware_bridge.errors import BridgeInputError
from firmware_bridge.mavlink.autopilots import AUTOPILOTS
from firmware_bridge.mavlink.options import Config
from firmware_bridge.mavlink.wire import Wire


class VehicleNotFoundError(BridgeInputError):
    """Nobody, nobody intelligible, or another vehicle answers."""


class WrongAutopilotError(BridgeInputError):
    """The vehicle is of another family than `[link] autopilot` says."""


def not_found(config: Config, wire: Wire) -> VehicleNotFoundError:
    """Says what came instead, and what to check."""
    corrupt = wire.counters["corrupt"] + wire.counters["unsigned"]
    who = f"vehicle {config.system_id} (component {config.component_id})"
    where = f"on {config.port} within {config.open_timeout_s:g} s"
    senders = ", ".join(f"{s.system}/{s.component}" for s in sorted(wire.others))
    if senders:
        return VehicleNotFoundError(
            f"no heartbeat of {who} {where}, but of system/component {senders}: "
            "set [link] system_id and component_id to the vehicle's"
        )
    if corrupt:
        return VehicleNotFoundError(
            f"no heartbeat of {who} {where}, only {corrupt} damaged or unsigned pieces: check "
            "[link] baud, signing_key_file, and that the port speaks MAVLink 2"
        )
    return VehicleNotFoundError(
        f"nobody answers {where}: check that the flight controller is powered and sends MAVLink "
        "there, and that no ground station has taken the port"
    )


def wrong_autopilot(config: Config, autopilot_id: int) -> WrongAutopilotError:
    """Says which it is."""
    names = {row.mav_autopilot: row.name for row in AUTOPILOTS.values()}
    found = names.get(autopilot_id, f"of MAV_AUTOPILOT {autopilot_id}, which cannot be flown")
    return WrongAutopilotError(
        f"vehicle {config.system_id} on {config.port} is {found}, [link] autopilot says "
        f"{config.autopilot!r}: valid are {', '.join(AUTOPILOTS)}"
    )
