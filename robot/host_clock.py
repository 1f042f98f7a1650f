"""Stamps of another host on our clock, as far as `firmware_bridge.clock_sync` knows that host's."""

import msgspec

from firmware_bridge.clock_sync import Estimate
from robot.messages import Message

MAX_BOUND_NS = 50_000_000  # a fifth of the age at which a 10 Hz command counts as stale
NEVER_NS = 0  # the stamp of what has no known time: the host's boot, older than any limit


def shifted(message: Message, estimate: Estimate | None) -> Message:
    """A message of another host with its stamps on our clock.

    Without an estimate, or with one too loose to judge a command's age by, the message is stale:
    as old as can be, and not valid. A stamp of a clock that is ahead would else look fresh.
    """
    if estimate is None or estimate.bound_ns > MAX_BOUND_NS:
        return msgspec.structs.replace(message, captured_ns=NEVER_NS, sent_ns=NEVER_NS, valid=False)
    return msgspec.structs.replace(
        message,
        captured_ns=message.captured_ns - estimate.offset_ns,
        sent_ns=message.sent_ns - estimate.offset_ns,
    )
