"""What can be taught: ``reflexarc train SUBJECT``, and where the command lives."""

from robot.subjects import Subjects

TRAIN = Subjects(
    "Teach a model by data; it becomes a model package.",
    {
        "mono": "robot.commands.train.mono:TrainMono",
        "policy": "robot.commands.train.policy:TrainPolicy",
        "reward": "robot.commands.train.reward:TrainReward",
    },
)
