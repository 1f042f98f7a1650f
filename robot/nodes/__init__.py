"""Table of node classes: the name in a graph file, and where the class lives."""

NODES: dict[str, str] = {
    "actor": "robot.nodes.actor:ActorNode",
    "plant": "robot.nodes.plant:PlantNode",
    "actuator": "robot.nodes.actuator:ActuatorNode",
    "camera": "robot.nodes.camera:CameraNode",
    "camera_faults": "robot.nodes.camera_faults:CameraFaultsNode",
    "handover": "robot.nodes.handover:HandoverNode",
    "judge": "robot.nodes.judge:JudgeNode",
    "learner": "robot.nodes.learner:LearnerNode",
    "mono": "robot.nodes.mono:MonoNode",
    "policy": "robot.nodes.policy:PolicyNode",
    "practice_actor": "robot.nodes.practice_actor:PracticeActorNode",
    "practice_learner": "robot.nodes.practice_learner:PracticeLearnerNode",
    "recorder": "robot.nodes.recorder:RecorderNode",
    "searching_policy": "robot.nodes.searching_policy:SearchingPolicyNode",
    "simulator": "robot.nodes.simulator:SimulatorNode",
    "stereo": "robot.nodes.stereo:StereoNode",
    "textons": "robot.nodes.textons:TextonsNode",
    "unplugging": "robot.nodes.unplugging:UnpluggingNode",
    "viewer": "robot.nodes.viewer:ViewerNode",
    "workbench": "robot.nodes.workbench:WorkbenchNode",
}
