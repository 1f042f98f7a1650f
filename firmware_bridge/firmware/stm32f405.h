/* Registers of the STM32F405 that the firmware touches, by the names of the reference manual.
 *
 * Sections and tables are those of RM0090 (STM32F405/415, reference manual, ST) and, for the core,
 * of PM0214 (Cortex-M4 programming manual, ST). Only what is used is here; there is no HAL. */
#ifndef REFLEXARC_STM32F405_H
#define REFLEXARC_STM32F405_H

#include <stdint.h>

#define REGISTER(address) (*(volatile uint32_t *)(address))

/* Reset and clock control: RM0090 7.3. */
#define RCC_CR REGISTER(0x40023800U)
#define RCC_CR_HSION (1U << 0)
#define RCC_CR_HSEON (1U << 16)
#define RCC_CR_HSERDY (1U << 17)
#define RCC_CR_PLLON (1U << 24)
#define RCC_CR_PLLRDY (1U << 25)
#define RCC_PLLCFGR REGISTER(0x40023804U)
#define RCC_PLLCFGR_N_POS 6U
#define RCC_PLLCFGR_SRC_HSE (1U << 22)
#define RCC_PLLCFGR_Q_POS 24U
#define RCC_CFGR REGISTER(0x40023808U)
#define RCC_CFGR_SW_PLL 2U
#define RCC_CFGR_SWS_MASK (3U << 2)
#define RCC_CFGR_SWS_PLL (2U << 2)
#define RCC_CFGR_PPRE1_DIV4 (5U << 10)
#define RCC_CFGR_PPRE2_DIV2 (4U << 13)
#define RCC_AHB1ENR REGISTER(0x40023830U)
#define RCC_AHB1ENR_GPIOA (1U << 0)
#define RCC_APB1ENR REGISTER(0x40023840U)
#define RCC_APB1ENR_TIM2 (1U << 0)
#define RCC_APB1ENR_USART2 (1U << 17)
#define RCC_APB2ENR REGISTER(0x40023844U)
#define RCC_APB2ENR_USART1 (1U << 4)

/* Flash interface: RM0090 3.9.1. */
#define FLASH_ACR REGISTER(0x40023C00U)
#define FLASH_ACR_5_WAIT_STATES 5U /* 150 to 168 MHz at 2.7 to 3.6 V: table 10 */
#define FLASH_ACR_PREFETCH (1U << 8)
#define FLASH_ACR_CACHES (3U << 9)

/* General-purpose I/O, port A: RM0090 8.4. */
#define GPIOA_MODER REGISTER(0x40020000U)
#define GPIOA_PUPDR REGISTER(0x4002000CU)
#define GPIOA_AFRL REGISTER(0x40020020U)
#define GPIOA_AFRH REGISTER(0x40020024U)
#define GPIO_MODE_ALTERNATE 2U
#define GPIO_PULL_UP 1U
#define GPIO_AF7_USART 7U /* USART1 to 3: figure 26 */

/* USART: RM0090 30.6. */
struct usart {
    volatile uint32_t SR;
    volatile uint32_t DR;
    volatile uint32_t BRR;
    volatile uint32_t CR1;
};
#define USART1 ((struct usart *)0x40011000U)
#define USART2 ((struct usart *)0x40004400U)
#define USART_SR_ORE (1U << 3)
#define USART_SR_RXNE (1U << 5)
#define USART_SR_TXE (1U << 7)
#define USART_CR1_RE (1U << 2)
#define USART_CR1_TE (1U << 3)
#define USART_CR1_RXNEIE (1U << 5)
#define USART_CR1_UE (1U << 13)

/* TIM2, a 32-bit timer: RM0090 18.4. */
#define TIM2_CR1 REGISTER(0x40000000U)
#define TIM2_CR1_CEN (1U << 0)
#define TIM2_EGR REGISTER(0x40000014U)
#define TIM2_EGR_UG (1U << 0)
#define TIM2_CNT REGISTER(0x40000024U)
#define TIM2_PSC REGISTER(0x40000028U)
#define TIM2_ARR REGISTER(0x4000002CU)

/* Independent watchdog: RM0090 21.4. */
#define IWDG_KR REGISTER(0x40003000U)
#define IWDG_KR_START 0xCCCCU
#define IWDG_KR_UNLOCK 0x5555U
#define IWDG_KR_FEED 0xAAAAU
#define IWDG_PR REGISTER(0x40003004U)
#define IWDG_PR_DIV32 3U
#define IWDG_RLR REGISTER(0x40003008U)

/* Core: PM0214 4.5 (SysTick), 4.3 (NVIC), 4.4 (system control), 4.6 (FPU). */
#define SYST_CSR REGISTER(0xE000E010U)
#define SYST_CSR_ENABLE (1U << 0)
#define SYST_CSR_TICKINT (1U << 1)
#define SYST_CSR_CORE_CLOCK (1U << 2)
#define SYST_RVR REGISTER(0xE000E014U)
#define SYST_CVR REGISTER(0xE000E018U)
#define NVIC_ISER1 REGISTER(0xE000E104U) /* interrupts 32 to 63 */
#define NVIC_USART1 (1U << (37U - 32U)) /* positions: RM0090 table 62 */
#define NVIC_USART2 (1U << (38U - 32U))
#define SCB_AIRCR REGISTER(0xE000ED0CU)
#define SCB_AIRCR_RESET 0x05FA0004U /* key and SYSRESETREQ */
#define SCB_CPACR REGISTER(0xE000ED88U)
#define SCB_CPACR_FPU (0xFU << 20) /* full access to CP10 and CP11 */

#endif
