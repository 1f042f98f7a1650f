"""Stereo matchers: name -> "module:Class". See `perception.matcher.Matcher`."""

MATCHERS = {
    "sgbm": "perception.matchers.sgbm:SgbmMatcher",
    "bm": "perception.matchers.bm:BmMatcher",
    "sad": "perception.matchers.sad:SadMatcher",
}
