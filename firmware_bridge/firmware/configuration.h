/* What a controller is told before it may be armed, and what it refuses of that.
 *
 * The twin in Python is firmware_bridge/configuration.py. */
#ifndef REFLEXARC_CONFIGURATION_H
#define REFLEXARC_CONFIGURATION_H

#include <stdbool.h>
#include <stdint.h>

#include "protocol.h"

#define RX_FIRST_COMMAND_RAMP 0U
#define RX_FIRST_COMMAND_ABORT 1U

/* A robot as it was configured. */
struct rx_robot {
    struct rx_configure whole;
    struct rx_configure_axis axes[RX_MAX_AXES];
};

/* What a controller was told so far. Zeros: nothing. */
struct rx_setup {
    struct rx_robot robot;
    bool knows[RX_MAX_AXES];
};

/* Begins anew, unless it is refused; then nothing changes. Returns why; NONE: it is not. */
enum rx_reason rx_setup_configure(struct rx_setup *, const struct rx_configure *);

/* Adds or replaces an axis, unless it is refused; then nothing changes. */
enum rx_reason rx_setup_configure_axis(struct rx_setup *, const struct rx_configure_axis *);

bool rx_setup_is_complete(const struct rx_setup *);

#endif
