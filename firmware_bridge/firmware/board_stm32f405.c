/* The board: an STM32F405 at 168 MHz with the host on USART1 and the plant on USART2, 1 Mbaud each.
 *
 * Pins: PA9 and PA10 send and receive for the host, PA2 and PA3 for the plant. The crystal is that
 * of the Netduino Plus 2; where none starts, the internal oscillator serves (1 % at 25 degrees).
 *
 * The same binary runs on QEMU's model of the chip (-M netduinoplus2). It has no clock control: all
 * of RCC reads as zero, the core runs at 168 MHz and timers count at 1 GHz. */
#include "board.h"

#include "ring.h"
#include "stm32f405.h"

#define CORE_HZ 168000000U
#define APB1_HZ 42000000U       /* USART2; its timers count at twice this rate: RM0090 7.2 */
#define APB2_HZ 84000000U       /* USART1 */
#define EMULATED_TIMER_HZ 1000000000U
#define BAUD 1000000U
#define CRYSTAL_MHZ 25U
#define INTERNAL_MHZ 16U
#define PATIENCE 1000000U       /* polls of an oscillator that does not start: tens of ms */
#define WATCHDOG_MS 100U

static struct ring received[BOARD_LINES];
static struct usart *const usarts[BOARD_LINES] = {[BOARD_HOST] = USART1, [BOARD_PLANT] = USART2};

/* HSION cannot be zero while the chip runs from the oscillator that it resets to. */
static bool is_emulated(void) {
    return (RCC_CR & RCC_CR_HSION) == 0U;
}

static bool comes_up(uint32_t ready) {
    for (uint32_t polls = 0; polls < PATIENCE; ++polls) {
        if ((RCC_CR & ready) != 0U) {
            return true;
        }
    }
    return false;
}

/* 1 MHz in, times 336, halved: 168 MHz. Without the PLL nothing would keep time: wait for it, for
 * ever if need be, silent and without torque. */
static void start_clock(void) {
    FLASH_ACR = FLASH_ACR_5_WAIT_STATES | FLASH_ACR_PREFETCH | FLASH_ACR_CACHES;
    RCC_CR |= RCC_CR_HSEON;
    const bool crystal = comes_up(RCC_CR_HSERDY);
    const uint32_t divider = crystal ? CRYSTAL_MHZ : INTERNAL_MHZ;
    const uint32_t source = crystal ? RCC_PLLCFGR_SRC_HSE : 0U;
    RCC_PLLCFGR = divider | (336U << RCC_PLLCFGR_N_POS) | source | (7U << RCC_PLLCFGR_Q_POS);
    RCC_CR |= RCC_CR_PLLON;
    while (!comes_up(RCC_CR_PLLRDY)) {
    }
    RCC_CFGR = RCC_CFGR_SW_PLL | RCC_CFGR_PPRE1_DIV4 | RCC_CFGR_PPRE2_DIV2;
    while ((RCC_CFGR & RCC_CFGR_SWS_MASK) != RCC_CFGR_SWS_PLL) {
    }
}

/* TIM2 counts microseconds: an interrupt that comes late does not lose any. */
static void start_timer(uint32_t timer_hz) {
    TIM2_PSC = timer_hz / 1000000U - 1U;
    TIM2_ARR = UINT32_MAX;
    TIM2_EGR = TIM2_EGR_UG; /* takes the prescaler over: RM0090 18.3.2 */
    TIM2_CR1 = TIM2_CR1_CEN;
}

/* Wakes the main loop each millisecond. */
static void start_systick(void) {
    SYST_RVR = CORE_HZ / 1000U - 1U;
    SYST_CVR = 0;
    SYST_CSR = SYST_CSR_ENABLE | SYST_CSR_TICKINT | SYST_CSR_CORE_CLOCK;
}

static void connect_pins(void) {
    static const uint32_t pins[] = {2, 3, 9, 10};
    for (uint32_t i = 0; i < sizeof pins / sizeof pins[0]; ++i) {
        const uint32_t pin = pins[i];
        GPIOA_MODER |= GPIO_MODE_ALTERNATE << (2U * pin);
        GPIOA_PUPDR |= GPIO_PULL_UP << (2U * pin); /* an open line is quiet */
        volatile uint32_t *const function = pin < 8U ? &GPIOA_AFRL : &GPIOA_AFRH;
        *function |= GPIO_AF7_USART << (4U * (pin % 8U));
    }
}

static void start_usart(struct usart *usart, uint32_t bus_hz) {
    usart->BRR = (bus_hz + BAUD / 2U) / BAUD; /* in sixteenths, as the register: RM0090 30.3.4 */
    usart->CR1 = USART_CR1_UE | USART_CR1_RE | USART_CR1_TE | USART_CR1_RXNEIE;
}

static void start_watchdog(void) {
    IWDG_KR = IWDG_KR_START;
    IWDG_KR = IWDG_KR_UNLOCK;
    IWDG_PR = IWDG_PR_DIV32; /* of 32 kHz: a count per millisecond */
    IWDG_RLR = WATCHDOG_MS;
}

void board_init(void) {
    const bool emulated = is_emulated();
    if (!emulated) {
        start_clock();
    }
    RCC_AHB1ENR |= RCC_AHB1ENR_GPIOA;
    RCC_APB1ENR |= RCC_APB1ENR_TIM2 | RCC_APB1ENR_USART2;
    RCC_APB2ENR |= RCC_APB2ENR_USART1;
    (void)RCC_APB2ENR; /* a peripheral listens two cycles after its clock: errata ES0182 */
    start_timer(emulated ? EMULATED_TIMER_HZ : 2U * APB1_HZ);
    start_systick();
    connect_pins();
    start_usart(USART1, APB2_HZ);
    start_usart(USART2, APB1_HZ);
    NVIC_ISER1 = NVIC_USART1 | NVIC_USART2;
    start_watchdog();
}

uint64_t board_now_us(void) {
    static uint64_t now_us;
    const uint32_t since_us = TIM2_CNT - (uint32_t)now_us;
    now_us += since_us;
    return now_us;
}

size_t board_read(enum board_line line, uint8_t *bytes, size_t room) {
    size_t taken = 0;
    while (taken < room && ring_get(&received[line], &bytes[taken])) {
        ++taken;
    }
    return taken;
}

bool board_can_send(enum board_line line) {
    return (usarts[line]->SR & USART_SR_TXE) != 0U;
}

void board_send(enum board_line line, uint8_t byte) {
    usarts[line]->DR = byte;
}

/* With interrupts held off, one that comes between look and sleep ends the sleep all the same. */
void board_sleep(void) {
    __asm volatile("cpsid i" ::: "memory");
    if (ring_is_empty(&received[BOARD_HOST]) && ring_is_empty(&received[BOARD_PLANT])) {
        __asm volatile("dsb\n wfi" ::: "memory");
    }
    __asm volatile("cpsie i" ::: "memory");
}

void board_feed_watchdog(void) {
    IWDG_KR = IWDG_KR_FEED;
}

/* Reading SR, then DR, clears RXNE and the error flags: RM0090 30.6.1. All that is there: the model
 * of QEMU may give the next byte at once, and then does not interrupt again. */
static void receive(enum board_line line) {
    struct usart *const usart = usarts[line];
    while ((usart->SR & (USART_SR_RXNE | USART_SR_ORE)) != 0U) {
        (void)ring_put(&received[line], (uint8_t)usart->DR);
    }
}

void board_systick(void);
void board_usart1(void);
void board_usart2(void);

void board_systick(void) {
}

void board_usart1(void) {
    receive(BOARD_HOST);
}

void board_usart2(void) {
    receive(BOARD_PLANT);
}
