"""What can be exported: ``reflexarc export SUBJECT``, and where the command lives."""

from robot.subjects import Subjects

EXPORT = Subjects(
    "Write a model package for the robot, or data for the learners of others.",
    {
        "episodes": "robot.commands.export.episodes:ExportEpisodes",
        "features": "robot.commands.export.features:ExportFeatures",
        "mono": "robot.commands.export.mono:ExportMono",
        "policy": "robot.commands.export.policy:ExportPolicy",
        "reward": "robot.commands.export.reward:ExportReward",
        "textons": "robot.commands.export.textons:ExportTextons",
    },
)
