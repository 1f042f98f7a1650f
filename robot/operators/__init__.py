"""What a person acts with: name -> "module:Class" (`robot.teleop.Device`), opened when chosen."""

OPERATORS: dict[str, str] = {
    "gamepad": "robot.operators.gamepad:Gamepad",
    "keyboard": "robot.operators.keyboard:Keyboard",
}
