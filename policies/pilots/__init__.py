"""Hand-written policies: name -> "module:Class", imported when chosen."""

PILOTS = {
    "constant": "policies.pilots.constant:Constant",
    "lid_expert": "policies.pilots.lid_expert:LidExpert",
    "reflex": "policies.pilots.reflex:Reflex",
    "wander": "policies.pilots.wander:Wander",
}
