#include "framing.h"

#include <string.h>

#define CRC_BYTES 2U
#define HEAD_BYTES (RX_FRAME_OVERHEAD - CRC_BYTES)
#define AHEAD 0x8000U /* a seq less than this ahead of the last one is newer, otherwise older */

static void put_u16(uint8_t *bytes, uint16_t value) {
    bytes[0] = (uint8_t)(value & 0xFFU);
    bytes[1] = (uint8_t)(value >> 8);
}

static uint16_t get_u16(const uint8_t *bytes) {
    return (uint16_t)(bytes[0] | (bytes[1] << 8));
}

/* A byte at a time without a table: the high byte is folded onto the places where the polynomial
 * 0x1021 puts its bits. */
uint16_t rx_crc16(const uint8_t *bytes, size_t size) {
    uint32_t crc = 0xFFFFU;
    for (size_t i = 0; i < size; ++i) {
        uint32_t high = (crc >> 8) ^ bytes[i];
        high ^= high >> 4;
        crc = ((crc << 8) ^ (high << 12) ^ (high << 5) ^ high) & 0xFFFFU;
    }
    return (uint16_t)crc;
}

uint16_t rx_next_seq(uint16_t seq) {
    return (uint16_t)(seq % 0xFFFFU + 1U);
}

/* COBS: in place of each zero, and in front, stands how far it is to the next. */
static size_t stuff(const uint8_t *frame, size_t length, uint8_t *out) {
    size_t code_at = 0;
    size_t size = 1;
    for (size_t i = 0; i < length; ++i) {
        if (frame[i] != 0U) {
            out[size] = frame[i];
        } else {
            out[code_at] = (uint8_t)(size - code_at);
            code_at = size;
        }
        ++size;
    }
    out[code_at] = (uint8_t)(size - code_at);
    out[size] = 0;
    return size + 1U;
}

size_t rx_encode_frame(uint8_t type, uint16_t seq, const void *payload, size_t size,
                       uint8_t out[RX_MAX_ON_WIRE]) {
    if (size > RX_MAX_PAYLOAD) {
        return 0;
    }
    uint8_t frame[RX_MAX_FRAME];
    frame[0] = type;
    put_u16(frame + 1, seq);
    memcpy(frame + HEAD_BYTES, payload, size);
    const size_t covered = HEAD_BYTES + size;
    put_u16(frame + covered, rx_crc16(frame, covered));
    return stuff(frame, covered + CRC_BYTES, out);
}

void rx_decoder_init(struct rx_decoder *decoder) {
    *decoder = (struct rx_decoder){.size = 0};
}

/* COBS undone in place, as what is written never overtakes what is read. Returns the bytes; 0 if a
 * code leads beyond the end. */
static size_t unstuff(uint8_t *bytes, size_t size) {
    size_t code_at = 0;
    size_t length = 0;
    for (;;) {
        const size_t following = code_at + bytes[code_at];
        if (following > size) {
            return 0;
        }
        for (size_t i = code_at + 1U; i < following; ++i) {
            bytes[length++] = bytes[i];
        }
        if (following == size) {
            return length;
        }
        bytes[length++] = 0;
        code_at = following;
    }
}

/* Counts a good frame, and by its number those before it that never came. */
static void count(struct rx_decoder *decoder, uint16_t seq) {
    const uint16_t last = decoder->last_seq;
    const bool goes_on = decoder->has_seq && seq != 0U;
    decoder->last_seq = seq;
    decoder->has_seq = true;
    ++decoder->counters.frames;
    if (!goes_on) {
        return;
    }
    const uint32_t step = ((uint32_t)seq - last) & 0xFFFFU;
    if (step == 0U || step >= AHEAD) {
        ++decoder->counters.old;
    } else {
        decoder->counters.lost += step - 1U - (seq < last ? 1U : 0U); /* past 65535 is no 0 */
    }
}

static bool finish(struct rx_decoder *decoder, struct rx_frame *frame) {
    const size_t length = unstuff(decoder->pending, decoder->size);
    if (length < RX_FRAME_OVERHEAD) {
        ++decoder->counters.framing_errors;
        return false;
    }
    const uint8_t *bytes = decoder->pending;
    const size_t covered = length - CRC_BYTES;
    if (rx_crc16(bytes, covered) != get_u16(bytes + covered)) {
        ++decoder->counters.crc_errors;
        return false;
    }
    *frame = (struct rx_frame){
        .type = bytes[0],
        .seq = get_u16(bytes + 1),
        .payload = bytes + HEAD_BYTES,
        .size = covered - HEAD_BYTES,
    };
    count(decoder, frame->seq);
    return true;
}

/* Adds a byte to the frame under way; one too many, and the frame is thrown away. */
static void keep(struct rx_decoder *decoder, uint8_t byte) {
    if (decoder->skipping) {
        return;
    }
    if (decoder->size == RX_MAX_ENCODED) {
        decoder->skipping = true;
        ++decoder->counters.framing_errors;
        return;
    }
    decoder->pending[decoder->size++] = byte;
}

bool rx_decoder_feed(struct rx_decoder *decoder, uint8_t byte, struct rx_frame *frame) {
    if (byte != 0U) {
        keep(decoder, byte);
        return false;
    }
    const bool is_whole = decoder->size > 0U && !decoder->skipping && finish(decoder, frame);
    decoder->size = 0;
    decoder->skipping = false;
    return is_whole;
}
