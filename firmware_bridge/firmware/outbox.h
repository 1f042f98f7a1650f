/* What a controller wants to send on one wire: numbered frames, in bounded memory.
 *
 * The twin in Python is firmware_bridge/emulators/outbox.py. */
#ifndef REFLEXARC_OUTBOX_H
#define REFLEXARC_OUTBOX_H

#include <stddef.h>
#include <stdint.h>

#define RX_OUTBOX_BYTES 4096U /* a power of two */

/* Zeros: nothing was sent. Indices run freely and wrap; their difference is what waits. */
struct rx_outbox {
    uint16_t seq; /* of the next frame */
    uint32_t written;
    uint32_t taken;
    uint32_t overflows; /* frames that found no room */
    uint8_t bytes[RX_OUTBOX_BYTES];
};

/* Adds a frame, whole or not at all. */
void rx_outbox_put(struct rx_outbox *, uint8_t type, const void *payload, size_t size);

/* Takes what waits, at most `room` bytes. */
size_t rx_outbox_take(struct rx_outbox *, uint8_t *bytes, size_t room);

#endif
