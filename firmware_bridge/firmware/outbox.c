#include "outbox.h"

#include "framing.h"

void rx_outbox_put(struct rx_outbox *outbox, uint8_t type, const void *payload, size_t size) {
    uint8_t frame[RX_MAX_ON_WIRE];
    const size_t length = rx_encode_frame(type, outbox->seq, payload, size, frame);
    outbox->seq = rx_next_seq(outbox->seq);
    if (outbox->written - outbox->taken + length > RX_OUTBOX_BYTES) {
        outbox->overflows += 1U;
        return;
    }
    for (size_t i = 0; i < length; ++i) {
        outbox->bytes[outbox->written % RX_OUTBOX_BYTES] = frame[i];
        outbox->written += 1U;
    }
}

size_t rx_outbox_take(struct rx_outbox *outbox, uint8_t *bytes, size_t room) {
    size_t size = 0;
    while (size < room && outbox->taken != outbox->written) {
        bytes[size] = outbox->bytes[outbox->taken % RX_OUTBOX_BYTES];
        outbox->taken += 1U;
        ++size;
    }
    return size;
}
