"""Hand-written policies: name -> "module:Class", imported when chosen."""

PILOTS = {
    "constant": "policies.pilots.constant:Constant",
    "reflex": "policies.pilots.reflex:Reflex",
    "wander": "policies.pilots.wander:Wander",
}
