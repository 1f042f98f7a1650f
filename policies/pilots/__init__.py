"""Hand-written policies: name -> "module:Class", imported when chosen."""

PILOTS = {
    "bin_expert": "policies.pilots.bin_expert:BinExpert",
    "constant": "policies.pilots.constant:Constant",
    "drawer_expert": "policies.pilots.drawer_expert:DrawerExpert",
    "lid_expert": "policies.pilots.lid_expert:LidExpert",
    "peg_expert": "policies.pilots.peg_expert:PegExpert",
    "place_expert": "policies.pilots.place_expert:PlaceExpert",
    "reflex": "policies.pilots.reflex:Reflex",
    "sweep_expert": "policies.pilots.sweep_expert:SweepExpert",
    "tabletop_expert": "policies.pilots.tabletop_expert:TabletopExpert",
    "wander": "policies.pilots.wander:Wander",
}
