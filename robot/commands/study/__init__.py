"""What can be studied: ``reflexarc study SUBJECT``, and where the command lives."""

from robot.subjects import Subjects

STUDY = Subjects(
    "Measure over seeds, resumable, and make the report from the rows.",
    {
        "practice": "robot.commands.study.practice:StudyPractice",
        "pssl": "robot.commands.study.pssl:StudyPssl",
        "robofume": "robot.commands.study.robofume:StudyRobofume",
    },
)
