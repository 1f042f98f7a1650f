"""The emulated vehicle on a UDP port, in real time: a flight controller to try things on.

    python -m firmware_bridge.emulators.mavlink_udp                              # the same as
    python -m firmware_bridge.emulators.mavlink_udp px4 127.0.0.1:14540

It sends to that address, as PX4's simulation does; a driver with the default port hears it.
"""

import select
import sys
import time
from collections.abc import Callable

from firmware_bridge.emulators.mavlink import TICK_US, EmulatedVehicle
from firmware_bridge.mavlink.autopilots import AUTOPILOTS
from firmware_bridge.mavlink.datagrams import DatagramPort


def exchange(vehicle: EmulatedVehicle, port: DatagramPort, now_us: int) -> None:
    """Hands over what has come, lets it live up to now, and sends what it says."""
    while data := port.read():
        vehicle.receive(data, now_us)
    vehicle.step(now_us)
    for datagram in vehicle.take():
        port.write(datagram)


def serve(vehicle: EmulatedVehicle, port: DatagramPort, goes_on: Callable[[], bool]) -> None:
    """Lets it live by the machine's clock as long as `goes_on` says so."""
    while goes_on():
        select.select([port], [], [], TICK_US / 1e6)
        exchange(vehicle, port, time.monotonic_ns() // 1000)


def main(arguments: list[str]) -> None:
    """Serves until it is interrupted."""
    autopilot, address = arguments or ("px4", "127.0.0.1:14540")
    if autopilot not in AUTOPILOTS:
        raise SystemExit(f"no autopilot {autopilot!r}: valid are {', '.join(AUTOPILOTS)}")
    port = DatagramPort(f"udpout:{address}")
    try:
        serve(EmulatedVehicle(AUTOPILOTS[autopilot]), port, lambda: True)
    except KeyboardInterrupt:
        port.close()


if __name__ == "__main__":
    main(sys.argv[1:])
