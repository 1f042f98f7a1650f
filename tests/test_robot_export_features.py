"""export features: episodes whose images became a few numbers, and the package that makes them."""

import numpy as np
import pytest
from seen_bench import lid_reward
from tiny_reward import write_attempts

from perception.image_features import FeatureEye, FeaturesError
from perception.model_package import read_package
from policies.data_set import DataSet
from robot.cli import main

NEW = ("{made}/seen", "--out", "{tmp}/x", "--package", "{tmp}/f.onnx")  # of a package to be taught
TINY = ("--set", "backbone=tiny", "--set", "numbers=6", "--set", "updates=3", "--json")


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """Folder with attempts that hold images, the same with features, and the package."""
    folder = tmp_path_factory.mktemp("features")
    write_attempts(folder / "seen", successes=1, failures=1)
    write_attempts(folder / "held", successes=1, failures=0, seed=9)
    write_attempts(folder / "failed", successes=0, failures=1)
    command = ["export", "features", str(folder / "seen"), "--out", str(folder / "out")]
    assert main([*command, "--package", str(folder / "features.onnx"), *TINY]) == 0
    return folder


def test_each_image_becomes_what_the_package_makes_of_it_and_all_else_stays(made):
    eye = FeatureEye(read_package(made / "features.onnx"))
    for seen, told in zip(DataSet(made / "seen"), DataSet(made / "out"), strict=True):
        assert {*told.observation} == {"front_features", "wrist_features"}
        assert (told.about, [*told.action]) == (seen.about, [*seen.action])
        images = seen.observation["wrist"]
        again = np.stack([eye.features(image) for image in images])
        assert np.array_equal(told.observation["wrist_features"], again)
        assert again.shape == (len(images), 6)
        assert np.abs(again[-1] - again[0]).max() > 1e-3  # the lamp was lit, or put out


def test_equal_seeds_make_equal_features_and_the_data_say_by_which_package(made, tmp_path):
    command = ["export", "features", str(made / "seen"), "--out", str(tmp_path / "out")]
    assert main([*command, "--package", str(tmp_path / "features.onnx"), *TINY]) == 0
    one, other = (read_package(f / "features.onnx") for f in (made, tmp_path))
    image = next(iter(DataSet(made / "seen"))).observation["front"][0]
    assert np.array_equal(FeatureEye(one).features(image), FeatureEye(other).features(image))
    assert DataSet(tmp_path / "out").about.recipe["features"] == other.sha256
    assert other.manifest.extra["taught_by"] == DataSet(made / "seen").about.recipe_sha256


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("{made}/out", "--out", "{tmp}/x"), "these episodes hold no images"),
        (("{made}/seen", "--out", "{made}/seen"), "holds"),
        (("{made}/seen", "--out", "{tmp}/x", "--set", "numbers=8"), "is there already"),
        (("{made}/seen", "--out", "{tmp}/x", "--package", "{tmp}/f.txt"), "ends in .onnx"),
        (
            (*NEW, "--set", "numbers=0"),
            "must be 1 or more",
        ),
        (
            (*NEW, "--set", "noise=-1"),
            "give 0 or more",
        ),
        (
            (*NEW, "--held", "{made}/seen"),
            "these teach; collect others",
        ),
        (
            (*NEW, "--held", "{made}/held"),
            "the turns of an arm's hand tell; these have none",
        ),
        (
            ("{made}/failed", "--out", "{tmp}/x", "--package", "{tmp}/f.onnx"),
            "no episode succeeded",
        ),
    ],
)
def test_what_cannot_be_made_is_refused_in_one_line(made, tmp_path, capsys, arguments, words):
    package = () if "--package" in arguments else ("--package", "{made}/features.onnx")
    filled = [one.format(made=made, tmp=tmp_path) for one in (*arguments, *package)]
    assert main(["export", "features", *filled]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert words in line


def test_an_image_of_another_size_and_a_package_of_another_kind_are_refused(made, tmp_path):
    eye = FeatureEye(read_package(made / "features.onnx"))
    with pytest.raises(FeaturesError, match="takes uint8"):
        eye.features(np.zeros((8, 8, 3), np.uint8))
    reward = lid_reward(tmp_path / "reward.onnx")
    with pytest.raises(FeaturesError, match="is a success package; needed is one of kind features"):
        FeatureEye(reward)
