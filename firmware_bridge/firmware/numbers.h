/* The little arithmetic that safety needs, without the mathematical library. */
#ifndef REFLEXARC_NUMBERS_H
#define REFLEXARC_NUMBERS_H

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

/* By the bits: an exponent of ones is that of an infinity, or of what is not a number. */
static inline bool rx_is_finite(float value) {
    uint32_t bits;
    memcpy(&bits, &value, sizeof bits);
    return (bits & 0x7F800000U) != 0x7F800000U;
}

static inline float rx_clip(float value, float low, float high) {
    const float raised = value < low ? low : value;
    return raised > high ? high : raised;
}

/* Without its sign. */
static inline float rx_size(float value) {
    return value < 0.0F ? -value : value;
}

#endif
