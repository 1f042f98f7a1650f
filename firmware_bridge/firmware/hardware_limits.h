/* What this hardware keeps, whatever a host asks for: to be set for the robot at hand, then built.
 *
 * A configuration beyond one of these is refused with BEYOND_HARDWARE. */
#ifndef REFLEXARC_HARDWARE_LIMITS_H
#define REFLEXARC_HARDWARE_LIMITS_H

#define RX_HARDWARE_MINIMUM (-10.0F) /* axis */
#define RX_HARDWARE_MAXIMUM 10.0F /* axis */
#define RX_HARDWARE_SLEW_PER_S 50.0F /* axis/s */
#define RX_HARDWARE_ACCELERATION_PER_S2 1000.0F /* axis/s^2, of an axis that has such a limit */
#define RX_HARDWARE_WATCHDOG_MS 1000U
#define RX_HARDWARE_HEARTBEAT_MS 5000U
#define RX_HARDWARE_SENSOR_MS 1000U

#endif
