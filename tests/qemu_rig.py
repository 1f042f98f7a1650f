"""The emulated chip on the bench: it runs by itself, in real time, and its clock is what counts.

The clock is read from the drives that it sends every 5 ms. Where this computer was kept from
running for longer than that, the chip or its plant was kept waiting too, and what was seen says
nothing of the firmware: the rig notes that it was disturbed.
"""

import os
import select
import socket
import time

from firmware_bridge.emulators.plant import Plant
from firmware_bridge.emulators.qemu import Qemu, hurry
from firmware_bridge.framing import Decoder
from firmware_bridge.protocol import BY_NAME, Link, unpack

PATIENCE_S = 60.0  # for the next drive
LONG_US = 100_000  # by which a clock can be seen to begin anew
MOST_AT_ONCE = 2  # drives; a chip that was late says several
MOST_AWAY_S = 0.012  # of this process, between two looks


class QemuRig:
    """A `Rig` of `controller_bench` around the chip."""

    def __init__(self, plant_axes):
        self._plant_axes = plant_axes
        self._qemu = Qemu()
        self._wires = {link: self._connect(link) for link in Link}
        self._drives = Decoder()
        self._looked_s = 0.0
        self.plant = Plant(plant_axes)
        self.now_us = 0
        self.sensed = b""  # what comes from the plant besides
        self.was_disturbed = self._has_restarted = False
        hurry(0)  # the host and the plant keep time too

    def begin_anew(self):
        """Power-up, with a plant as it was at first."""
        self.power_cycle()
        self.plant = Plant(self._plant_axes)
        self._looked_s = time.monotonic()
        self.was_disturbed = False

    def power_cycle(self):
        """Takes the chip's power away and gives it back; the robot stays where it is."""
        self._wait_until(lambda: self.now_us > LONG_US)
        self._has_restarted = False
        self._qemu.reset()
        self._wait_until(lambda: self._has_restarted)

    def step(self, to_board):
        """Hands over the host's bytes, and waits until the chip says something."""
        if to_board:
            self._wires[Link.HOST].sendall(to_board)
        host = self._look()
        now_s = time.monotonic()
        self.was_disturbed |= now_s - self._looked_s > MOST_AWAY_S
        self._looked_s = now_s
        return host

    def close(self):
        for wire in self._wires.values():
            wire.close()
        self._qemu.close()
        os.sched_setscheduler(0, os.SCHED_OTHER, os.sched_param(0))

    def _connect(self, link):
        host, port = self._qemu.address(link).removeprefix("tcp://").split(":")
        wire = socket.create_connection((host, int(port)))
        wire.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return wire

    def _wait_until(self, condition):
        give_up = time.monotonic() + PATIENCE_S
        while not condition():
            assert time.monotonic() < give_up, "the chip does not run"
            self._look()

    def _look(self):
        """Waits for bytes, up to a period; answers drives; returns what the chip told the host."""
        ready, _, _ = select.select(list(self._wires.values()), [], [], MOST_AWAY_S / 2)
        host = b""
        if self._wires[Link.PLANT] in ready:
            self._answer(self._wires[Link.PLANT].recv(4096))
        if self._wires[Link.HOST] in ready:
            host = self._wires[Link.HOST].recv(4096)
        return host

    def _answer(self, data):
        sensed = self.plant.receive(data) + self.sensed
        self.sensed = b""
        if sensed:
            self._wires[Link.PLANT].sendall(sensed)
        frames = self._drives.feed(data)
        self.was_disturbed |= len(frames) > MOST_AT_ONCE
        for frame in frames:
            if frame.type == BY_NAME["drive"].id:
                time_us = unpack(frame.type, frame.payload).time_us
                self._has_restarted |= time_us < self.now_us
                self.now_us = time_us
