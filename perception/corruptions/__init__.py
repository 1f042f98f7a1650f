"""What happens to stereo pairs: name -> "module:Class". See `perception.corruption`."""

CORRUPTIONS = {
    "unplugged": "perception.corruptions.unplugged:Unplugged",
    "black": "perception.corruptions.black:Black",
    "frozen": "perception.corruptions.frozen:Frozen",
    "covered": "perception.corruptions.covered:Covered",
    "swapped": "perception.corruptions.swapped:Swapped",
    "rotated": "perception.corruptions.rotated:Rotated",
    "blur": "perception.corruptions.blur:Blur",
    "noise": "perception.corruptions.noise:Noise",
    "dark": "perception.corruptions.dark:Dark",
    "fog": "perception.corruptions.fog:Fog",
}
