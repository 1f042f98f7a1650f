"""Table of verbs: ``reflexarc VERB``, and where the command lives."""

COMMANDS: dict[str, str] = {
    "run": "robot.commands.run:Run",
    "validate": "robot.commands.validate:Validate",
    "keys": "robot.commands.keys:Keys",
    "depth": "robot.commands.depth:Depth",
    "doctor": "robot.commands.doctor:Doctor",
}
