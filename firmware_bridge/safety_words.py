"""The words of the arming state machine, as both ends of the wire use them."""

from enum import IntEnum


class Mode(IntEnum):
    """What a controller is doing about its actuators."""

    BOOT = 0
    """Powered up, silent; it does not know its limits yet."""
    DISARMED = 1
    """It knows its limits; no torque."""
    ARMED = 2
    """Torque, holding still where it was found."""
    ACTIVE = 3
    """Follows commands."""
    PROTECTIVE_STOP = 4
    """Stopped by itself or on request, in the configured way, until it is reset."""
    ESTOP = 5
    """No torque, until it is reset and armed anew."""

    @property
    def is_engaged(self) -> bool:
        """Whether it holds or moves the robot as it was told."""
        return self in (Mode.ARMED, Mode.ACTIVE)


class Wish(IntEnum):
    """What a person or a host may ask of a controller."""

    ARM = 1
    DISARM = 2
    STOP = 3
    """A protective stop."""
    ESTOP = 4
    RESET = 5
    """Ends a stop: a protective stop resumes armed, an e-stop disarmed."""


class Reaction(IntEnum):
    """What a protective stop does with the actuators."""

    HOLD = 0
    """Positions stay where they are; velocities go to their stop."""
    DECELERATE = 1
    """The setpoint comes to rest within its limits, then stays."""
    LIMP = 2
    """Torque off."""
    LAND = 3
    """All axes stop while one goes down to its minimum; then torque off."""


class Reason(IntEnum):
    """Why a controller stopped, or refused what it was asked."""

    NONE = 0
    NOT_CONFIGURED = 1
    SCHEMA = 2
    """Host and controller do not have the same table of packets: reflash."""
    WATCHDOG = 3
    """No good command in time."""
    HEARTBEAT = 4
    """The host went silent."""
    SENSOR_LOST = 5
    SENSOR_RANGE = 6
    """Not finite, or beyond what the sensor can say."""
    SENSOR_STUCK = 7
    SENSOR_GARBAGE = 8
    """It leapt faster than the axis can move."""
    FOLLOWING = 9
    """What is measured does not follow the setpoint."""
    SPEED = 10
    EFFORT = 11
    VOLTAGE = 12
    TEMPERATURE = 13
    JUMP = 14
    """The first command was too far from where the robot is."""
    MISMATCH = 15
    """Host and controller disagreed about who is engaged."""
    REQUESTED = 16
    OUTSIDE = 17
    """Measured outside of the axis's range."""
    WRONG_MODE = 18
    NON_FINITE = 19
    STALE = 20
    BEYOND_HARDWARE = 21
    """A limit that the hardware does not keep."""
    BAD_VALUE = 22
    RESTARTED = 23
    """Another host said hello."""


class AxisKind(IntEnum):
    """What an axis of the command means."""

    POSITION = 0
    VELOCITY = 1
