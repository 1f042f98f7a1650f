/* What the controller needs of a board: two serial lines, a clock, sleep, a watchdog. */
#ifndef REFLEXARC_BOARD_H
#define REFLEXARC_BOARD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum board_line { BOARD_HOST, BOARD_PLANT, BOARD_LINES };

void board_init(void);

/* Monotonic microseconds since power-up. To be called at least once per 71 minutes (2^32 us), and
 * from the main loop alone. */
uint64_t board_now_us(void);

/* Takes what came over a line, at most `room` bytes; bytes that found the buffer full are lost, and
 * the checksum of their frame tells. */
size_t board_read(enum board_line line, uint8_t *bytes, size_t room);

bool board_can_send(enum board_line line);
void board_send(enum board_line line, uint8_t byte); /* only when board_can_send */

/* Until a byte comes or a millisecond is over. */
void board_sleep(void);

/* Resets the chip when it is not fed for 100 ms. */
void board_feed_watchdog(void);

#endif
