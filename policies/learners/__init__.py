"""Algorithms that learn a policy: name -> "module:Class".

Imported when chosen, because they need torch.
"""

LEARNERS = {
    "clone": "policies.learners.clone:PilotClone",
}
