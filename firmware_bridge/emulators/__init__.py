"""The tables of emulated controllers: those that are told the time, and those that run by it."""

# Tables are resolved only when a row is chosen, so that nobody needs a compiler or an emulator.
BOARDS = {
    "python": "firmware_bridge.emulators.controller:PythonBoard",
    "native": "firmware_bridge.emulators.native:NativeBoard",
}
RUNNING_BOARDS = {
    "qemu": "firmware_bridge.emulators.qemu:Qemu",
    "python": "firmware_bridge.emulators.board_process:BoardProcess",
}
