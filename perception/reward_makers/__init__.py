"""Table of makers: name -> "module:Class", a `perception.reward.Maker`."""

REWARD_MAKERS: dict[str, str] = {
    "embedded": "perception.reward_makers.embedded:EmbeddedMaker",
    "vlm": "perception.reward_makers.vlm:VlmMaker",
}
