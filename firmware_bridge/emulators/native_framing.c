/* Many bytes at once for the decoder of the firmware, as a call from Python costs more than a byte. */
#include <string.h>

#include "framing.h"

size_t native_decoder_bytes(void);
size_t native_decoder_feed(struct rx_decoder *, const uint8_t *data, size_t size, uint8_t *out);

size_t native_decoder_bytes(void) {
    return sizeof(struct rx_decoder);
}

/* Writes each frame to `out`, of at least `size` + RX_MAX_ENCODED bytes: its size, type, seq, then
 * the payload. Returns the bytes written. A frame was longer on the wire than it is here. */
size_t native_decoder_feed(struct rx_decoder *decoder, const uint8_t *data, size_t size,
                           uint8_t *out) {
    size_t written = 0;
    for (size_t i = 0; i < size; ++i) {
        struct rx_frame frame;
        if (rx_decoder_feed(decoder, data[i], &frame)) {
            out[written] = (uint8_t)frame.size;
            out[written + 1] = frame.type;
            out[written + 2] = (uint8_t)(frame.seq & 0xFFU);
            out[written + 3] = (uint8_t)(frame.seq >> 8);
            memcpy(out + written + 4, frame.payload, frame.size);
            written += 4 + frame.size;
        }
    }
    return written;
}
