"""Nodes that are late, for tests of what notices it."""

import time

from robot.nodes.stereo import StereoNode


class SlowStereo(StereoNode):
    """The stereo node, 30 ms later."""

    def step(self, now_ns, inputs):
        time.sleep(0.03)
        return super().step(now_ns, inputs)
