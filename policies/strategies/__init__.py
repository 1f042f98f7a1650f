"""Ways to practise: name -> "module:Class" (`policies.strategy.Strategy`), imported when chosen."""

STRATEGIES = {
    "episodic": "policies.strategies.episodic:Episodic",
    "forward_backward": "policies.strategies.forward_backward:ForwardBackward",
    "medal": "policies.strategies.medal:Medal",
    "naive": "policies.strategies.naive:Naive",
    "switching": "policies.strategies.switching:Switching",
}
