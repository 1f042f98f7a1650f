"""Runs tests against firmware that counts which of its lines and branches were passed.

    python -m benchmarks.c_coverage_trial FOLDER TEST...

The counts are written to the folder when the process ends.
"""

import os
import sys

import pytest

from firmware_bridge.emulators import host_build


def main() -> int:
    folder, *tests = sys.argv[1:]
    os.environ["XDG_CACHE_HOME"] = folder  # a library that was built for here alone
    host_build.FLAGS = (*host_build.FLAGS, "-O0", "--coverage", "-dumpdir", f"{folder}/")
    return pytest.main(["-q", "-p", "no:cacheprovider", *tests])


if __name__ == "__main__":
    sys.exit(main())
