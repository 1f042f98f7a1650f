/* Lives of a controller from standard input, for a build with the compiler's sanitisers.
 *
 * A record is a byte (0: from the host, 1: from the plant, 2: a step), the time (u64, us), the
 * number of bytes (u32) and the bytes, little-endian. What the controller says goes to standard
 * output, after each step first what it tells the host. */
#include <stdio.h>
#include <string.h>

#include "controller.h"

#define STEP 2U

struct record {
    uint8_t what;
    uint64_t now_us;
    uint32_t size;
} __attribute__((packed));

static struct rx_controller controller;

static void say(enum rx_link link) {
    uint8_t bytes[RX_OUTBOX_BYTES];
    const size_t size = rx_take(&controller, link, bytes, sizeof bytes);
    (void)fwrite(bytes, 1, size, stdout);
}

static void live(const struct record *record, const uint8_t *bytes) {
    if (record->what == STEP) {
        rx_step(&controller, record->now_us);
        say(RX_LINK_HOST);
        say(RX_LINK_PLANT);
    } else {
        const enum rx_link link = record->what == 0U ? RX_LINK_HOST : RX_LINK_PLANT;
        rx_receive(&controller, link, bytes, record->size, record->now_us);
    }
}

int main(void) {
    struct record record;
    static uint8_t bytes[65536];
    rx_init(&controller);
    while (fread(&record, sizeof record, 1, stdin) == 1U) {
        if (record.size > sizeof bytes || fread(bytes, 1, record.size, stdin) != record.size) {
            return 2;
        }
        live(&record, bytes);
    }
    return 0;
}
