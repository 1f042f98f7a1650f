"""Why a link is not up, in one line for the person at the robot and in one word for the log."""

from firmware_bridge.errors import BridgeInputError, ControllerSilentError
from firmware_bridge.handshake import Stage
from firmware_bridge.link import HostLink

WORDS = {
    Stage.GREETING: "no_answer",
    Stage.CONFIGURING: "not_configured",
    Stage.ASKING: "not_configured",
    Stage.FOREIGN: "not_configured",
    Stage.DONE: "no_telemetry",
    Stage.REFUSED: "refused",
}


def word_of(link: HostLink) -> str:
    """A fault word; "" while the link is up."""
    if link.is_up:
        return ""
    if link.line is None:
        return "port_lost"
    error = link.handshake.error
    if error is not None:
        return _snake(type(error).__name__.removesuffix("Error"))
    return WORDS[link.handshake.stage]


def error_of(link: HostLink, where: str, baud: int) -> BridgeInputError:
    """What is wrong and how to mend it, for a link that did not come up in time."""
    if link.error is not None:
        return link.error
    return ControllerSilentError(f"the controller at {where} {_missing(link, baud)}")


def _missing(link: HostLink, baud: int) -> str:
    stage = link.handshake.stage
    if stage is not Stage.GREETING:
        return f"has answered, but: {stage.value}"
    counted, count = link.counters, 0 if link.line is None else link.line.received_bytes
    errors = counted.get("crc_errors", 0) + counted.get("framing_errors", 0)
    if counted.get("frames", 0):
        return "sends packets but does not answer hello: is the wire from host to controller in?"
    if errors:
        return (
            f"sends {count} bytes of which nothing is a packet ({errors} framing errors): its baud "
            f"rate is not {baud}, or it is another device"
        )
    if count:
        return f"has begun a packet and not ended it ({count} bytes): reset it"
    return f"says nothing: is it powered, flashed (make firmware), and set to {baud} baud?"


def _snake(name: str) -> str:
    return "".join(f"_{c.lower()}" if c.isupper() else c for c in name).lstrip("_")
