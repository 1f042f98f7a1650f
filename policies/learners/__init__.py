"""Algorithms that learn a policy: name -> "module:Class".

Imported when chosen, because they need torch.
"""

LEARNERS = {
    "bc": "policies.learners.bc:BehaviourCloning",
    "clone": "policies.learners.clone:PilotClone",
    "sac": "policies.learners.sac:SAC",
}
