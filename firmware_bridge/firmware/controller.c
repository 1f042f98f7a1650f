#include "controller.h"

#include <string.h>

#define TICKS_PER_TELEMETRY 2U
#define TICKS_PER_COUNTERS 100U
#define MOST_LATE_US 1000000U /* ticks that are later than this are not made up for */

const size_t rx_controller_bytes = sizeof(struct rx_controller);

/* Payloads lie where the frame put them, so they are copied before their fields are used. */
typedef void (*rx_handler)(struct rx_controller *, const uint8_t *payload, uint16_t seq,
                           uint64_t now_us);

static void say(struct rx_controller *controller, uint8_t type, const void *payload, size_t size) {
    const enum rx_link link = type == RX_ID_DRIVE ? RX_LINK_PLANT : RX_LINK_HOST;
    rx_outbox_put(&controller->outboxes[link], type, payload, size);
}

static void answer(struct rx_controller *controller, uint8_t about, uint8_t index,
                   enum rx_reason reason) {
    const struct rx_verdict verdict = {about, index, (uint8_t)reason,
                                       (uint8_t)controller->safety.mode};
    say(controller, RX_ID_VERDICT, &verdict, sizeof verdict);
}

static void on_hello(struct rx_controller *controller, const uint8_t *payload, uint16_t seq,
                     uint64_t now_us) {
    controller->host_seq = seq;
    struct rx_hello hello;
    memcpy(&hello, payload, sizeof hello);
    controller->is_greeted = hello.schema_hash == RX_SCHEMA_HASH;
    rx_safety_hello(&controller->safety, now_us);
    const struct rx_identity identity = {RX_SCHEMA_HASH, now_us, RX_FIRMWARE_VERSION,
                                         (uint8_t)controller->safety.mode, RX_MAX_AXES};
    say(controller, RX_ID_IDENTITY, &identity, sizeof identity);
}

static void on_heartbeat(struct rx_controller *controller, const uint8_t *payload, uint16_t seq,
                         uint64_t now_us) {
    (void)seq;
    rx_safety_heartbeat(&controller->safety, payload[0], now_us);
}

static void on_configure(struct rx_controller *controller, const uint8_t *payload, uint16_t seq,
                         uint64_t now_us) {
    (void)seq;
    (void)now_us;
    struct rx_configure told;
    memcpy(&told, payload, sizeof told);
    answer(controller, RX_ID_CONFIGURE, 0, rx_safety_configure(&controller->safety, &told));
}

static void on_configure_axis(struct rx_controller *controller, const uint8_t *payload,
                              uint16_t seq, uint64_t now_us) {
    (void)seq;
    (void)now_us;
    struct rx_configure_axis axis;
    memcpy(&axis, payload, sizeof axis);
    answer(controller, RX_ID_CONFIGURE_AXIS, axis.index,
           rx_safety_configure_axis(&controller->safety, &axis));
}

static void on_wish(struct rx_controller *controller, const uint8_t *payload, uint16_t seq,
                    uint64_t now_us) {
    (void)seq;
    const uint8_t wish = payload[0];
    answer(controller, RX_ID_WISH, wish, rx_safety_wish(&controller->safety, wish, now_us));
}

static void on_command(struct rx_controller *controller, const uint8_t *payload, uint16_t seq,
                       uint64_t now_us) {
    struct rx_command command;
    memcpy(&command, payload, sizeof command);
    struct rx_asked asked = {.stamped_us = command.stamped_us, .seq = seq};
    memcpy(asked.values, command.values, sizeof asked.values);
    (void)rx_safety_command(&controller->safety, &asked, now_us);
}

static void on_time_request(struct rx_controller *controller, const uint8_t *payload, uint16_t seq,
                            uint64_t now_us) {
    (void)seq;
    struct rx_time_request request;
    memcpy(&request, payload, sizeof request);
    const struct rx_time_reply reply = {request.host_us, now_us, now_us};
    say(controller, RX_ID_TIME_REPLY, &reply, sizeof reply);
}

static void on_sense(struct rx_controller *controller, const uint8_t *payload, uint16_t seq,
                     uint64_t now_us) {
    (void)seq;
    struct rx_sense sense;
    memcpy(&sense, payload, sizeof sense);
    struct rx_sample sample = {.time_us = sense.time_us,
                               .voltage_v = sense.voltage_v,
                               .temperature_c = sense.temperature_c};
    memcpy(sample.values, sense.values, sizeof sample.values);
    memcpy(sample.efforts, sense.efforts, sizeof sample.efforts);
    rx_safety_sense(&controller->safety, &sample, now_us);
    const bool is_newer = !controller->has_sense || sense.time_us > controller->sense.time_us;
    if (is_newer && sense.time_us <= now_us) {
        controller->sense = sense;
        controller->has_sense = true;
    }
}

struct row {
    rx_handler handler;
    enum rx_link link;
    uint8_t type;
    uint8_t size;
};

static const struct row rows[] = {
    {on_hello, RX_LINK_HOST, RX_ID_HELLO, sizeof(struct rx_hello)},
    {on_heartbeat, RX_LINK_HOST, RX_ID_HEARTBEAT, sizeof(struct rx_heartbeat)},
    {on_configure, RX_LINK_HOST, RX_ID_CONFIGURE, sizeof(struct rx_configure)},
    {on_configure_axis, RX_LINK_HOST, RX_ID_CONFIGURE_AXIS, sizeof(struct rx_configure_axis)},
    {on_wish, RX_LINK_HOST, RX_ID_WISH, sizeof(struct rx_wish)},
    {on_command, RX_LINK_HOST, RX_ID_COMMAND, sizeof(struct rx_command)},
    {on_time_request, RX_LINK_HOST, RX_ID_TIME_REQUEST, sizeof(struct rx_time_request)},
    {on_sense, RX_LINK_PLANT, RX_ID_SENSE, sizeof(struct rx_sense)},
};

static const struct row *row_of(const struct rx_frame *frame, enum rx_link link) {
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; ++i) {
        if (rows[i].type == frame->type) {
            return rows[i].size == frame->size && rows[i].link == link ? &rows[i] : NULL;
        }
    }
    return NULL;
}

static bool is_stop(const struct rx_frame *frame) {
    return frame->type == RX_ID_WISH &&
           (frame->payload[0] == RX_WISH_STOP || frame->payload[0] == RX_WISH_ESTOP);
}

/* Does what a host says, once: a wire may repeat what it has carried. */
static void hear_host(struct rx_controller *controller, const struct row *row,
                      const struct rx_frame *frame, uint64_t now_us) {
    const bool is_newer = rx_is_newer(frame->seq, controller->host_seq);
    if (is_newer) {
        controller->host_seq = frame->seq;
    }
    if (is_newer || is_stop(frame) || row->type == RX_ID_COMMAND) { /* safety looks at those itself */
        row->handler(controller, frame->payload, frame->seq, now_us);
    } else {
        controller->safety.counters.refused += 1U;
    }
}

static void dispatch(struct rx_controller *controller, enum rx_link link,
                     const struct rx_frame *frame, uint64_t now_us) {
    const struct row *const row = row_of(frame, link);
    if (row == NULL) {
        controller->unknown += 1U;
    } else if (link == RX_LINK_PLANT || row->type == RX_ID_HELLO) {
        row->handler(controller, frame->payload, frame->seq, now_us);
    } else if (controller->is_greeted) {
        hear_host(controller, row, frame, now_us);
    }
}

static void copy_setpoint(const struct rx_safety *safety, float setpoint[RX_MAX_AXES]) {
    for (uint32_t i = 0; i < RX_MAX_AXES; ++i) {
        setpoint[i] = i < safety->robot.whole.axes ? safety->setpoints.axes[i].value : 0.0F;
    }
}

static void send_drive(struct rx_controller *controller, const float setpoint[RX_MAX_AXES],
                       uint64_t due_us) {
    struct rx_drive drive = {.time_us = due_us,
                             .torque = rx_safety_torque(&controller->safety) ? 1U : 0U};
    memcpy(drive.setpoint, setpoint, sizeof drive.setpoint);
    say(controller, RX_ID_DRIVE, &drive, sizeof drive);
}

static void send_telemetry(struct rx_controller *controller, const float setpoint[RX_MAX_AXES],
                           uint64_t due_us) {
    const struct rx_safety *const safety = &controller->safety;
    struct rx_telemetry telemetry = {
        .time_us = due_us,
        .mode = (uint8_t)safety->mode,
        .reason = (uint8_t)safety->reason,
        .torque = rx_safety_torque(safety) ? 1U : 0U,
        .command_seq = safety->gate.seq,
        .voltage_v = controller->sense.voltage_v,
        .temperature_c = controller->sense.temperature_c,
    };
    memcpy(telemetry.setpoint, setpoint, sizeof telemetry.setpoint);
    memcpy(telemetry.measured, controller->sense.values, sizeof telemetry.measured);
    memcpy(telemetry.effort, controller->sense.efforts, sizeof telemetry.effort);
    say(controller, RX_ID_TELEMETRY, &telemetry, sizeof telemetry);
}

static void send_counters(struct rx_controller *controller) {
    struct rx_counters counters = controller->safety.counters;
    counters.unknown = controller->unknown;
    for (uint32_t link = 0; link < RX_LINKS; ++link) {
        const struct rx_frame_counters *const wire = &controller->decoders[link].counters;
        counters.frames += wire->frames;
        counters.lost += wire->lost;
        counters.crc_errors += wire->crc_errors;
        counters.framing_errors += wire->framing_errors;
        counters.send_overflows += controller->outboxes[link].overflows;
    }
    say(controller, RX_ID_COUNTERS, &counters, sizeof counters);
}

/* One control period; what is said of it bears the time when it was due. */
static void tick(struct rx_controller *controller, uint64_t due_us, uint64_t now_us) {
    float setpoint[RX_MAX_AXES];
    controller->ticks += 1U;
    rx_safety_tick(&controller->safety, now_us);
    copy_setpoint(&controller->safety, setpoint);
    send_drive(controller, setpoint, due_us);
    if (controller->is_greeted && controller->ticks % TICKS_PER_TELEMETRY == 0U) {
        send_telemetry(controller, setpoint, due_us);
    }
    if (controller->is_greeted && controller->ticks % TICKS_PER_COUNTERS == 0U) {
        send_counters(controller);
    }
}

/* What is not a number, for all that was not measured yet. */
static void init_sense(struct rx_sense *sense) {
    const float unknown = __builtin_nanf("");
    *sense = (struct rx_sense){.voltage_v = unknown, .temperature_c = unknown};
    for (uint32_t i = 0; i < RX_MAX_AXES; ++i) {
        sense->values[i] = unknown;
        sense->efforts[i] = unknown;
    }
}

void rx_init(struct rx_controller *controller) {
    memset(controller, 0, sizeof *controller);
    rx_safety_init(&controller->safety);
    for (uint32_t link = 0; link < RX_LINKS; ++link) {
        rx_decoder_init(&controller->decoders[link]);
    }
    init_sense(&controller->sense);
    controller->next_us = RX_TICK_US;
}

void rx_receive(struct rx_controller *controller, enum rx_link link, const uint8_t *bytes,
                size_t size, uint64_t now_us) {
    struct rx_frame frame;
    for (size_t i = 0; i < size; ++i) {
        if (rx_decoder_feed(&controller->decoders[link], bytes[i], &frame)) {
            dispatch(controller, link, &frame, now_us);
        }
    }
}

void rx_step(struct rx_controller *controller, uint64_t now_us) {
    if (now_us > controller->next_us + MOST_LATE_US) {
        controller->next_us = now_us - now_us % RX_TICK_US;
    }
    while (controller->next_us <= now_us) {
        tick(controller, controller->next_us, now_us);
        controller->next_us += RX_TICK_US;
    }
}

size_t rx_take(struct rx_controller *controller, enum rx_link link, uint8_t *bytes, size_t room) {
    return rx_outbox_take(&controller->outboxes[link], bytes, room);
}
