"""What a stereo matcher is, and how one is chosen by name."""

from collections.abc import Mapping
from typing import Any, Protocol

from perception.matchers import MATCHERS
from perception.quantities import Disparity, InputError, StereoImages
from perception.tables import config_from_options, load_item


class MatcherConfigError(InputError):
    """An option of a matcher that is out of its range."""


class Matcher(Protocol):
    """Finds the disparity of a rectified pair. Its options are the dataclass `Config`."""

    def match(self, images: StereoImages) -> Disparity:
        """Disparity and confidence for each pixel of the left image, (H, W) float32 each."""
        ...


def make_matcher(name: str, options: Mapping[str, Any] | None = None) -> Matcher:
    """The matcher `name` of the table, with `options` in place of its defaults.

    Every matcher has the option `num_disparities`, its search range in px.

    Raises:
        ChoiceError: on a name that is not in the table or an option that the matcher lacks.
        MatcherConfigError: on a value out of range.
    """
    matcher_class = load_item(MATCHERS, "matcher", name)
    config = config_from_options(matcher_class.Config, options or {}, f"matcher {name}")
    return matcher_class(config)
