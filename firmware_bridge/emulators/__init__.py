"""The table of emulated controllers."""

# Tables are resolved only when a row is chosen, so that nobody needs a compiler or an emulator.
BOARDS = {
    "python": "firmware_bridge.emulators.controller:PythonBoard",
    "native": "firmware_bridge.emulators.native:NativeBoard",
}
