"""Hand-written policies: name -> "module:Class", imported when chosen."""

PILOTS = {
    "constant": "policies.pilots.constant:Constant",
    "reflex": "policies.pilots.reflex:Reflex",
    "tabletop_expert": "policies.pilots.tabletop_expert:TabletopExpert",
    "wander": "policies.pilots.wander:Wander",
}
