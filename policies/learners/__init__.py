"""Algorithms that learn a policy: name -> "module:Class".

Imported when chosen, because they need torch.
"""

LEARNERS = {
    "bc": "policies.learners.bc:BehaviourCloning",
    "calql": "policies.learners.calql:CalQL",
    "clone": "policies.learners.clone:PilotClone",
    "cql": "policies.learners.cql:CQL",
    "drq": "policies.learners.drq:DrQ",
    "iql": "policies.learners.iql:IQL",
    "rlpd": "policies.learners.rlpd:RLPD",
    "sac": "policies.learners.sac:SAC",
    "wsrl": "policies.learners.wsrl:WSRL",
}
