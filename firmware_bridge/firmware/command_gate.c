#include "command_gate.h"

#include "numbers.h"

#define HALF 0x8000U /* sequence numbers less than this far ahead are newer */

void rx_command_gate_open(struct rx_command_gate *gate, uint64_t now_us) {
    gate->opened_us = now_us;
    gate->passed_us = now_us;
    gate->has_passed = false;
}

static bool is_finite(const struct rx_asked *asked, uint32_t axes) {
    bool finite = true;
    for (uint32_t i = 0; i < axes; ++i) {
        finite = finite && rx_is_finite(asked->values[i]);
    }
    return finite;
}

static bool is_timely(const struct rx_command_gate *gate, uint64_t stamped_us, uint64_t now_us,
                      uint64_t most_us) {
    const uint64_t apart_us = stamped_us < now_us ? now_us - stamped_us : stamped_us - now_us;
    return apart_us <= most_us && stamped_us >= gate->opened_us;
}

bool rx_is_newer(uint16_t seq, uint16_t last) {
    const uint32_t ahead = ((uint32_t)seq - last) & 0xFFFFU;
    return ahead > 0U && ahead < HALF;
}

enum rx_reason rx_command_gate_refuses(const struct rx_command_gate *gate,
                                       const struct rx_robot *robot,
                                       const struct rx_asked *asked, uint64_t now_us) {
    if (!is_finite(asked, robot->whole.axes)) {
        return RX_REASON_NON_FINITE;
    }
    const uint64_t most_us = robot->whole.max_command_age_ms * 1000U;
    const bool passes = is_timely(gate, asked->stamped_us, now_us, most_us) &&
                        (!gate->has_passed || rx_is_newer(asked->seq, gate->seq));
    return passes ? RX_REASON_NONE : RX_REASON_STALE;
}

void rx_command_gate_passes(struct rx_command_gate *gate, uint16_t seq, uint64_t now_us) {
    gate->seq = seq;
    gate->passed_us = now_us;
    gate->has_passed = true;
}
