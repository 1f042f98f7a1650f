/* From reset to main(): vector table, FPU, initialised and zeroed memory. */
#include "stm32f405.h"

extern uint32_t stack_top, data_begin, data_end, bss_begin, bss_end; /* of the linker script */
extern const uint32_t data_image;

void reset(void);
void board_systick(void);
void board_usart1(void);
void board_usart2(void);
int main(void);

/* A fault leaves nothing to be trusted: start anew, silent and without torque. */
static void fault(void) {
    SCB_AIRCR = SCB_AIRCR_RESET;
    for (;;) {
    }
}

/* By hand, as the compiler may not call memcpy or use the FPU before this is done. */
void reset(void) {
    SCB_CPACR |= SCB_CPACR_FPU;
    __asm volatile("dsb\n isb" ::: "memory");
    const uint32_t *from = &data_image;
    for (volatile uint32_t *to = &data_begin; to != &data_end; ++to) {
        *to = *from++;
    }
    for (volatile uint32_t *to = &bss_begin; to != &bss_end; ++to) {
        *to = 0;
    }
    (void)main();
    fault();
}

typedef void (*handler)(void);

struct vectors {
    uint32_t *stack;
    handler handlers[15 + 82]; /* exceptions: PM0214 2.3.4; interrupts: RM0090 table 62 */
};

#define EXCEPTION(number) ((number) - 1)
#define INTERRUPT(position) (15 + (position))

__attribute__((section(".vectors"), used)) static const struct vectors vectors = {
    .stack = &stack_top,
    .handlers =
        {
            [EXCEPTION(1)] = reset,
            [EXCEPTION(2)] = fault, /* non-maskable */
            [EXCEPTION(3)] = fault, /* hard; memory, bus and usage faults escalate to it */
            [EXCEPTION(4)] = fault,
            [EXCEPTION(5)] = fault,
            [EXCEPTION(6)] = fault,
            [EXCEPTION(11)] = fault,
            [EXCEPTION(12)] = fault,
            [EXCEPTION(14)] = fault,
            [EXCEPTION(15)] = board_systick,
            [INTERRUPT(37)] = board_usart1,
            [INTERRUPT(38)] = board_usart2,
        },
};
