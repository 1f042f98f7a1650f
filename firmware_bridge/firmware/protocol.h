/* Made from firmware_bridge/protocol.py by `python -m firmware_bridge.header`: do not edit.
 * Payloads as they are on the wire: packed, little-endian. */
#ifndef REFLEXARC_PROTOCOL_H
#define REFLEXARC_PROTOCOL_H

#include <stdint.h>

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "the wire is little-endian");
_Static_assert(sizeof(float) == 4, "the wire carries IEEE 754 binary32");

#define RX_SCHEMA_HASH 0xB99CF29EU
#define RX_MAX_AXES 8U

enum rx_mode {
    RX_MODE_BOOT = 0,
    RX_MODE_DISARMED = 1,
    RX_MODE_ARMED = 2,
    RX_MODE_ACTIVE = 3,
    RX_MODE_PROTECTIVE_STOP = 4,
    RX_MODE_ESTOP = 5,
};

enum {
    RX_WISH_ARM = 1,
    RX_WISH_DISARM = 2,
    RX_WISH_STOP = 3,
    RX_WISH_ESTOP = 4,
    RX_WISH_RESET = 5,
};

enum rx_reaction {
    RX_REACTION_HOLD = 0,
    RX_REACTION_DECELERATE = 1,
    RX_REACTION_LIMP = 2,
    RX_REACTION_LAND = 3,
};

enum rx_reason {
    RX_REASON_NONE = 0,
    RX_REASON_NOT_CONFIGURED = 1,
    RX_REASON_SCHEMA = 2,
    RX_REASON_WATCHDOG = 3,
    RX_REASON_HEARTBEAT = 4,
    RX_REASON_SENSOR_LOST = 5,
    RX_REASON_SENSOR_RANGE = 6,
    RX_REASON_SENSOR_STUCK = 7,
    RX_REASON_SENSOR_GARBAGE = 8,
    RX_REASON_FOLLOWING = 9,
    RX_REASON_SPEED = 10,
    RX_REASON_EFFORT = 11,
    RX_REASON_VOLTAGE = 12,
    RX_REASON_TEMPERATURE = 13,
    RX_REASON_JUMP = 14,
    RX_REASON_MISMATCH = 15,
    RX_REASON_REQUESTED = 16,
    RX_REASON_OUTSIDE = 17,
    RX_REASON_WRONG_MODE = 18,
    RX_REASON_NON_FINITE = 19,
    RX_REASON_STALE = 20,
    RX_REASON_BEYOND_HARDWARE = 21,
    RX_REASON_BAD_VALUE = 22,
    RX_REASON_RESTARTED = 23,
};

enum rx_axis_kind {
    RX_AXIS_KIND_POSITION = 0,
    RX_AXIS_KIND_VELOCITY = 1,
};

/* opens the conversation; host -> controller, on connect */
#define RX_ID_HELLO 1U
struct rx_hello {
    uint32_t schema_hash;
} __attribute__((packed));
_Static_assert(sizeof(struct rx_hello) == 4, "hello has another size on the wire");

/* who it is; controller -> host, answer to hello */
#define RX_ID_IDENTITY 2U
struct rx_identity {
    uint32_t schema_hash;
    uint64_t uptime_us; /* µs */
    uint16_t firmware_version;
    uint8_t mode; /* Mode */
    uint8_t max_axes;
} __attribute__((packed));
_Static_assert(sizeof(struct rx_identity) == 16, "identity has another size on the wire");

/* the host lives, and what it believes; host -> controller, 10 Hz */
#define RX_ID_HEARTBEAT 3U
struct rx_heartbeat {
    uint8_t mode; /* Mode */
} __attribute__((packed));
_Static_assert(sizeof(struct rx_heartbeat) == 1, "heartbeat has another size on the wire");

/* what holds for all axes; host -> controller, on connect */
#define RX_ID_CONFIGURE 4U
struct rx_configure {
    uint8_t axes;
    uint8_t reaction; /* Reaction */
    uint8_t first_command;
    uint8_t land_axis;
    float land_per_s; /* axis/s */
    uint16_t watchdog_ms; /* ms */
    uint16_t heartbeat_ms; /* ms */
    uint16_t sensor_ms; /* ms */
    uint16_t following_ms; /* ms */
    uint16_t max_command_age_ms; /* ms */
    float min_voltage_v; /* V */
    float max_temperature_c; /* °C */
} __attribute__((packed));
_Static_assert(sizeof(struct rx_configure) == 26, "configure has another size on the wire");

/* the limits of one axis; host -> controller, on connect */
#define RX_ID_CONFIGURE_AXIS 5U
struct rx_configure_axis {
    uint8_t index;
    uint8_t kind; /* AxisKind */
    float minimum; /* axis */
    float maximum; /* axis */
    float stop; /* axis */
    float slew_per_s; /* axis/s */
    float acceleration_per_s2; /* axis/s² */
    float max_speed; /* axis/s */
    float max_effort; /* effort */
    float max_following; /* axis */
    float max_jump; /* axis */
    float ramp_per_s; /* axis/s */
} __attribute__((packed));
_Static_assert(sizeof(struct rx_configure_axis) == 42, "configure_axis has another size on the wire");

/* to configure, configure_axis, wish; controller -> host, answer */
#define RX_ID_VERDICT 6U
struct rx_verdict {
    uint8_t about;
    uint8_t index;
    uint8_t reason; /* Reason */
    uint8_t mode; /* Mode */
} __attribute__((packed));
_Static_assert(sizeof(struct rx_verdict) == 4, "verdict has another size on the wire");

/* arm, disarm, stop, e-stop, reset; host -> controller, on request */
#define RX_ID_WISH 7U
struct rx_wish {
    uint8_t wish; /* Wish */
} __attribute__((packed));
_Static_assert(sizeof(struct rx_wish) == 1, "wish has another size on the wire");

/* what the axes shall do; host -> controller, >= 50 Hz */
#define RX_ID_COMMAND 8U
struct rx_command {
    uint64_t stamped_us; /* µs */
    float values[8]; /* axis */
} __attribute__((packed));
_Static_assert(sizeof(struct rx_command) == 40, "command has another size on the wire");

/* what it does and measures; controller -> host, 100 Hz */
#define RX_ID_TELEMETRY 9U
struct rx_telemetry {
    uint64_t time_us; /* µs */
    uint8_t mode; /* Mode */
    uint8_t reason; /* Reason */
    uint8_t torque;
    uint16_t command_seq;
    float setpoint[8]; /* axis */
    float measured[8]; /* axis */
    float effort[8]; /* effort */
    float voltage_v; /* V */
    float temperature_c; /* °C */
} __attribute__((packed));
_Static_assert(sizeof(struct rx_telemetry) == 117, "telemetry has another size on the wire");

/* what went wrong since power-up; controller -> host, 2 Hz */
#define RX_ID_COUNTERS 10U
struct rx_counters {
    uint32_t frames;
    uint32_t lost;
    uint32_t crc_errors;
    uint32_t framing_errors;
    uint32_t unknown;
    uint32_t commands;
    uint32_t refused;
    uint32_t clipped;
    uint32_t watchdogs;
    uint32_t mismatches;
    uint32_t sensor_faults;
    uint32_t stops;
    uint32_t send_overflows;
} __attribute__((packed));
_Static_assert(sizeof(struct rx_counters) == 52, "counters has another size on the wire");

/* what time is it; host -> controller, 4 Hz */
#define RX_ID_TIME_REQUEST 11U
struct rx_time_request {
    uint64_t host_us; /* µs */
} __attribute__((packed));
_Static_assert(sizeof(struct rx_time_request) == 8, "time_request has another size on the wire");

/* that time; controller -> host, answer */
#define RX_ID_TIME_REPLY 12U
struct rx_time_reply {
    uint64_t host_us; /* µs */
    uint64_t received_us; /* µs */
    uint64_t sent_us; /* µs */
} __attribute__((packed));
_Static_assert(sizeof(struct rx_time_reply) == 24, "time_reply has another size on the wire");

/* what the actuators shall do; controller -> plant, 200 Hz */
#define RX_ID_DRIVE 32U
struct rx_drive {
    uint64_t time_us; /* µs */
    uint8_t torque;
    float setpoint[8]; /* axis */
} __attribute__((packed));
_Static_assert(sizeof(struct rx_drive) == 41, "drive has another size on the wire");

/* what the sensors say; plant -> controller, answer to drive */
#define RX_ID_SENSE 33U
struct rx_sense {
    uint64_t time_us; /* µs */
    float values[8]; /* axis */
    float efforts[8]; /* effort */
    float voltage_v; /* V */
    float temperature_c; /* °C */
} __attribute__((packed));
_Static_assert(sizeof(struct rx_sense) == 80, "sense has another size on the wire");

#endif
