/* Frames on a wire that may lose, add and change bytes.
 *
 *     COBS( type u8 | seq u16 | payload | crc u16 )  0x00        little-endian
 *
 * The twin in Python, with the reasons, is firmware_bridge/framing.py; tests and fuzzing compare
 * both. Whatever arrives, the decoder gives frames or counts errors, and is in step again behind
 * the next zero. */
#ifndef REFLEXARC_FRAMING_H
#define REFLEXARC_FRAMING_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define RX_FRAME_OVERHEAD 5U /* type, seq, CRC */
#define RX_MAX_FRAME 250U    /* before COBS, whose codes are therefore never 255 */
#define RX_MAX_PAYLOAD (RX_MAX_FRAME - RX_FRAME_OVERHEAD)
#define RX_MAX_ENCODED (RX_MAX_FRAME + 1U)
#define RX_MAX_ON_WIRE (RX_MAX_ENCODED + 1U) /* with the delimiter */

/* What arrived whole. */
struct rx_frame {
    uint8_t type;
    uint16_t seq;
    const uint8_t *payload; /* in the decoder: until it is fed the next byte */
    size_t size;
};

/* Events since the decoder was initialised. */
struct rx_frame_counters {
    uint32_t frames;
    uint32_t crc_errors;
    uint32_t framing_errors; /* no COBS, too short or too long */
    uint32_t lost;           /* frames that never arrived, by gaps in seq */
    uint32_t old;            /* with the last seq or an older one; they are handed over too */
};

struct rx_decoder {
    uint8_t pending[RX_MAX_ENCODED]; /* the frame under way */
    size_t size;                     /* of what is pending */
    bool skipping;                   /* that frame is too long: to its end */
    bool has_seq;
    uint16_t last_seq;
    struct rx_frame_counters counters;
};

void rx_decoder_init(struct rx_decoder *);

/* Takes a byte; whether it completed a frame, which is then in `frame`. */
bool rx_decoder_feed(struct rx_decoder *, uint8_t byte, struct rx_frame *frame);

/* Writes a frame with its delimiter, and returns the bytes; 0: the payload is too long. */
size_t rx_encode_frame(uint8_t type, uint16_t seq, const void *payload, size_t size,
                       uint8_t out[RX_MAX_ON_WIRE]);

/* The number of the frame after `seq`. A sender begins with 0, which never comes again. */
uint16_t rx_next_seq(uint16_t seq);

/* CRC-16/CCITT-FALSE. */
uint16_t rx_crc16(const uint8_t *bytes, size_t size);

#endif
