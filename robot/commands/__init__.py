"""Table of verbs: ``reflexarc VERB``, and where the command lives."""

COMMANDS: dict[str, str] = {
    "run": "robot.commands.run:Run",
    "replay": "robot.commands.replay:Replay",
    "recover": "robot.commands.recover:Recover",
    "validate": "robot.commands.validate:Validate",
    "keys": "robot.commands.keys:Keys",
    "top": "robot.commands.top:Top",
    "stop": "robot.commands.stop:Stop",
    "trace": "robot.commands.trace:TraceRun",
    "train": "robot.commands.train:Train",
    "evaluate": "robot.commands.evaluate:Evaluate",
    "export": "robot.commands.export:Export",
    "study": "robot.commands.study:Study",
    "depth": "robot.commands.depth:Depth",
    "doctor": "robot.commands.doctor:Doctor",
}
