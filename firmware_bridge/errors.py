"""What a user of the bridge can do wrong; one base class tells it from a bug.

The bridge stands beside `perception` and may not import it, hence a base class of its own.
"""


class BridgeInputError(ValueError):
    """A robot description or a command that the bridge refuses; the message is one line."""

    exit_code = 2  # what the command line returns for it


class LimitsTableError(BridgeInputError):
    """A `[limits]` table that is incomplete, contradictory or has unknown keys."""


class LinkTableError(BridgeInputError):
    """A `[link]` table that names an unknown driver or an unknown option of one."""


class CommandShapeError(BridgeInputError):
    """A command vector that has not one value per axis."""


class ArmTableError(BridgeInputError):
    """A `[joints]` or `[tool]` table that is incomplete or describes no arm that can move."""


class PacketValueError(BridgeInputError):
    """A packet that was to be sent but does not exist, or whose fields do not fit the table."""


class FrameSizeError(BridgeInputError):
    """A payload that is too long for a frame."""


class FirmwareBuildError(BridgeInputError):
    """Firmware that cannot be built here, or not from these sources."""


class PortError(BridgeInputError):
    """A port to a controller that cannot be used as it was asked to be."""


class PortNotFoundError(PortError):
    """There is no such port, or nobody at its other end."""


class PortBusyError(PortError):
    """Another program has the port."""


class PortPermissionError(PortError):
    """This user may not open the port."""


class PortLostError(PortError):
    """The other end of an open port is gone."""


class EmulatorError(BridgeInputError):
    """QEMU is not installed, does not start, or is gone."""


class CalibrationError(BridgeInputError):
    """A calibration that is missing, damaged, or not that of this robot."""


class ServoError(BridgeInputError):
    """A servo that is silent, or not the one that was expected."""


class FaultError(BridgeInputError):
    """A fault on request that is written wrongly, or that there is not."""


class SchemaMismatchError(BridgeInputError):
    """Host and controller do not have the same table of packets."""


class LimitsRefusedError(BridgeInputError):
    """A limit of the robot's file that the controller's hardware does not keep."""


class ControllerSilentError(BridgeInputError):
    """A port that can be opened, and no controller that answers there as it should."""
