/* A ring of bytes between one writer (an interrupt) and one reader (the main loop).
 *
 * Each side alone moves its index, so no lock is needed on one core. Indices run freely and wrap;
 * their difference is what is inside. */
#ifndef REFLEXARC_RING_H
#define REFLEXARC_RING_H

#include <stdbool.h>
#include <stdint.h>

#define RING_BYTES 4096U /* a power of two; 40 ms at 1 Mbaud, eight control ticks */

struct ring {
    volatile uint32_t written;
    volatile uint32_t read;
    volatile uint8_t bytes[RING_BYTES];
};

static inline bool ring_put(struct ring *ring, uint8_t byte) {
    const uint32_t written = ring->written;
    if (written - ring->read == RING_BYTES) {
        return false;
    }
    ring->bytes[written % RING_BYTES] = byte;
    ring->written = written + 1U;
    return true;
}

static inline bool ring_get(struct ring *ring, uint8_t *byte) {
    const uint32_t read = ring->read;
    if (ring->written == read) {
        return false;
    }
    *byte = ring->bytes[read % RING_BYTES];
    ring->read = read + 1U;
    return true;
}

static inline bool ring_is_empty(const struct ring *ring) {
    return ring->written == ring->read;
}

#endif
