/* The main loop: bytes in, ticks that are due, bytes out; then sleep. Nothing in it waits. */
#include "board.h"
#include "controller.h"

_Static_assert((int)BOARD_HOST == (int)RX_LINK_HOST, "lines of the board are links");
_Static_assert((int)BOARD_PLANT == (int)RX_LINK_PLANT, "lines of the board are links");

static struct rx_controller controller;

static void receive(enum board_line line) {
    uint8_t bytes[64];
    const size_t size = board_read(line, bytes, sizeof bytes);
    rx_receive(&controller, (enum rx_link)line, bytes, size, board_now_us());
}

/* Sends what the line takes now; whether nothing is left. */
static bool send(enum board_line line) {
    uint8_t byte;
    while (board_can_send(line)) {
        if (rx_take(&controller, (enum rx_link)line, &byte, 1) == 0U) {
            return true;
        }
        board_send(line, byte);
    }
    return false;
}

int main(void) {
    board_init();
    rx_init(&controller);
    for (;;) {
        receive(BOARD_HOST);
        receive(BOARD_PLANT);
        rx_step(&controller, board_now_us());
        const bool host_is_served = send(BOARD_HOST);
        const bool plant_is_served = send(BOARD_PLANT);
        board_feed_watchdog();
        if (host_is_served && plant_is_served) {
            board_sleep();
        }
    }
}
