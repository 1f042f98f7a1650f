"""What can be judged: ``reflexarc evaluate SUBJECT``, and where the command lives."""

from robot.subjects import Subjects

EVALUATE = Subjects(
    "Judge a model package.",
    {
        "mono": "robot.commands.evaluate.mono:EvaluateMono",
        "policy": "robot.commands.evaluate.policy:EvaluatePolicy",
        "reward": "robot.commands.evaluate.reward:EvaluateReward",
    },
)
