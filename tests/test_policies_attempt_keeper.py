"""What is kept of practice for a person to label: which attempts, how many, and after a stop."""

import json

import numpy as np
import pytest
from practised_lamp import PACKAGE, keeper_of, practise
from tiny_reward import VIEWS

from policies.kept_attempts import KeptError, attempt_path, read_attempt, read_list


@pytest.fixture
def keeper(tmp_path):
    return keeper_of(tmp_path / "attempts", most=8)


def kept(folder, kind):
    """Attempts and moments that are kept for one reason, the best first."""
    found = [one for one in read_list(folder / "attempts").kept if one.kind == kind]
    return [(one.attempt, one.moment) for one in sorted(found, key=lambda one: -one.key)]


def test_the_wrapper_says_what_its_source_says(keeper):
    practise(keeper, [-1.0, 2.0])
    assert keeper._source.begun == 1
    assert keeper.judge(
        0, {v: np.zeros((2, 2, 3), np.uint8) for v in VIEWS}, {"achieved": [0]}
    ) == (keeper._source.next)


def test_nearly_yes_and_hardly_yes_are_kept_with_the_moment_to_ask_about(keeper, tmp_path):
    practise(keeper, [-9.0, -2.0, -5.0])
    practise(keeper, [-9.0, -8.0])
    practise(keeper, [-3.0, -1.0])
    practise(keeper, [-3.0, 0.5], reached=[1])
    practise(keeper, [-3.0, 4.0])
    keeper.begin()
    assert kept(tmp_path, "no") == [(2, 1), (0, 1)]  # two of each kind
    assert kept(tmp_path, "yes") == [(3, 1), (4, 1)]
    assert read_list(tmp_path / "attempts").attempts == 5


def test_looks_disagree_where_a_camera_says_yes_and_another_or_the_opposite_says_no(
    keeper, tmp_path
):
    neither = [(-5.0, -5.0, -5.0)] * 2  # not lit, not put out: nothing contradicts
    practise(keeper, [-5.0, -5.0], looks=neither)
    cameras = [(-1.0, -2.0, 3.0), (2.0, -9.0, 1.0)]
    practise(keeper, [-2.0, -1.0], looks=cameras)
    both_ways = [(-1.0, -2.0, 3.0), (6.0, 5.0, 4.0)]  # lit and put out at once, it is said
    practise(keeper, [-2.0, -4.0], looks=[*both_ways])
    opposed = [(-1.0, -2.0, 3.0), (6.0, 5.0, -4.0)]
    practise(keeper, [-2.0, -4.0], looks=[*opposed])
    keeper.begin()
    assert kept(tmp_path, "disagree") == [(1, 1), (3, 1)]


def test_the_sample_is_drawn_by_chance_alone(tmp_path):
    drawn = []
    for run in range(60):
        keeper = keeper_of(tmp_path / str(run) / "attempts", most=4, seed=run)
        for score in (-9.0, -1.0, 3.0):
            practise(keeper, [score, score])
        keeper.begin()
        drawn += kept(tmp_path / str(run), "sample")
    counts = np.bincount([attempt for attempt, _ in drawn])
    assert counts.sum() == 60
    assert np.abs(counts - 60 / 3).max() < 4 * np.sqrt(60 * 2 / 9)  # standard errors


def test_the_disk_holds_what_is_listed_and_no_more(keeper, tmp_path):
    rng = np.random.default_rng(0)
    for number in range(60):
        practise(keeper, rng.normal(-1, 2, 3).tolist(), seed=number)
    keeper.begin()
    listed = {one.attempt for one in read_list(tmp_path / "attempts").kept}
    files = {*(tmp_path / "attempts").glob("attempt-*.npz")}
    assert files == {attempt_path(tmp_path / "attempts", number) for number in listed}
    assert 4 <= len(listed) <= 8


def test_a_kept_attempt_is_read_as_it_was_seen(keeper, tmp_path):
    practise(keeper, [-2.0, 1.0], reached=[1])
    keeper.begin()
    attempt = read_attempt(attempt_path(tmp_path / "attempts", 0))
    assert attempt.about.instruction == "light the lamp"
    assert attempt.about.package == PACKAGE
    assert attempt.images["wrist"].shape == (2, 16, 16, 3)
    assert attempt.images["front"][1].mean() > attempt.images["front"][0].mean() + 50
    assert attempt.score.tolist() == [-2.0, 1.0]
    assert attempt.said.tolist() == attempt.reached.tolist() == [False, True]


def test_after_a_stop_it_goes_on_as_it_would_have(tmp_path):
    scores = np.random.default_rng(1).normal(-1, 2, (30, 2)).tolist()
    whole, first = (keeper_of(tmp_path / name / "attempts") for name in ("whole", "part"))
    for number, one in enumerate(scores):
        practise(whole, one, seed=number)
    whole.begin()
    for number, one in enumerate(scores[:12]):
        practise(first, one, seed=number)
    first.begin()
    saved = json.loads(json.dumps(first.save()))
    for one in scores[20:]:  # lost: no checkpoint followed
        practise(first, one)
    second = keeper_of(tmp_path / "part" / "attempts")
    second.restore(saved)
    assert second._source.restored == [1.5]
    for number, one in enumerate(scores[12:], start=12):
        practise(second, one, seed=number)
    second.begin()
    lists = [read_list(tmp_path / name / "attempts") for name in ("whole", "part")]
    assert lists[1].attempts == lists[0].attempts == 30
    there = {*lists[1].kept}
    missing = {*lists[0].kept} - there
    assert all(one.attempt < 12 for one in missing)  # removed from the disk before the stop
    for one in there & {*lists[0].kept}:
        same = [
            read_attempt(attempt_path(tmp_path / name / "attempts", one.attempt))
            for name in ("whole", "part")
        ]
        np.testing.assert_array_equal(same[0].images["front"], same[1].images["front"])


def test_a_run_that_kept_nothing_can_begin_to(tmp_path):
    keeper = keeper_of(tmp_path / "attempts")
    keeper.restore({"moments": [0.5]})
    practise(keeper, [-1.0])
    keeper.begin()
    assert read_list(tmp_path / "attempts").attempts == 1


def test_damaged_files_are_refused(keeper, tmp_path):
    practise(keeper, [-1.0, -2.0])
    keeper.begin()
    path = attempt_path(tmp_path / "attempts", 0)
    content = path.read_bytes()
    for broken in (content[: len(content) // 2], b"", bytes(len(content))):
        path.write_bytes(broken)
        with pytest.raises(KeptError, match=r"attempt-000000\.npz"):
            read_attempt(path)
    (tmp_path / "attempts" / "kept.json").write_text("{}")
    with pytest.raises(KeptError, match="malformed"):
        read_list(tmp_path / "attempts")
