"""Table of verbs: ``reflexarc VERB``, and where its command, or its table of subjects, lives."""

COMMANDS: dict[str, str] = {
    "run": "robot.commands.run:Run",
    "replay": "robot.commands.replay:Replay",
    "recover": "robot.commands.recover:Recover",
    "validate": "robot.commands.validate:Validate",
    "keys": "robot.commands.keys:Keys",
    "top": "robot.commands.top:Top",
    "stop": "robot.commands.stop:Stop",
    "arm": "robot.commands.arm:Arm",
    "disarm": "robot.commands.disarm:Disarm",
    "estop": "robot.commands.estop:Estop",
    "trace": "robot.commands.trace:TraceRun",
    "collect": "robot.commands.collect:Collect",
    "train": "robot.commands.train:TRAIN",
    "finetune": "robot.commands.finetune:Finetune",
    "evaluate": "robot.commands.evaluate:EVALUATE",
    "export": "robot.commands.export:EXPORT",
    "study": "robot.commands.study:STUDY",
    "depth": "robot.commands.depth:Depth",
    "calibrate": "robot.commands.calibrate:Calibrate",
    "doctor": "robot.commands.doctor:Doctor",
}
