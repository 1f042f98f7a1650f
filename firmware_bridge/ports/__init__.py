"""Ways to reach a controller: scheme of an address -> "module:function", imported when chosen.

The function takes what follows the scheme, and the baud rate. A path without a scheme is a serial
port.
"""

PORTS = {
    "serial": "firmware_bridge.ports.serial_port:open_serial",
    "tcp": "firmware_bridge.ports.socket_port:open_tcp",
    "unix": "firmware_bridge.ports.socket_port:open_unix",
    "pty": "firmware_bridge.ports.pty_port:open_pty",
}
