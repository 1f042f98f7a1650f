"""What a grid's page says of methods beside each other."""

import json

import msgspec
import pytest

from perception.quantities import InputError
from robot.study.practice_compare import compared
from robot.study.practice_grid import Over, PracticeGrid, load_grid
from robot.study.practice_report import comparison, curves, write_page

GRID = PracticeGrid("grid", "0-2", {}, reference="bc", beside={"other": ["oracle"]})


def row(method, seed, hits, way=(0.5, 0.5), task="lid"):
    points = [{"step": 1000 * n, "success": success} for n, success in enumerate(way)]
    return {
        "cell": f"{task}-{method}-{seed:04d}",
        "config_hash": "0",
        "task": task,
        "method": method,
        "seed": seed,
        "final": {"trials": 100, "successes": hits},
        "steps": 1000 * (len(way) - 1),
        "first_success": way[0],
        "mean_success": sum(way) / len(way),
        "regret": 0.5,
        "continuing_reward": 0.0,
        "resets_per_1000_steps": 0.0,
        "interventions_per_1000_steps": 0.0,
        "attempts": 0,
        "wall_seconds": 60.0,
        "curve": points,
    }


ROWS = [
    *(row("bc", seed, hits) for seed, hits in enumerate((60, 70, 80))),
    *(row("wsrl", seed, hits, (0.5, 0.2, 0.6, 0.9)) for seed, hits in enumerate((90, 90, 90))),
]


def test_a_method_is_compared_on_the_seeds_that_both_have():
    found = compared([*ROWS, row("wsrl", 7, 0)], "wsrl", "bc")
    assert found.seeds == 3
    assert found.more.value == pytest.approx(0.2)
    assert found.more.low == pytest.approx(0.1)  # the worst seed alone, drawn three times
    assert found.more.high == pytest.approx(0.3)
    assert compared([*ROWS, row("rlpd", 7, 0)], "rlpd", "bc") is None


def test_of_the_gap_counts_what_is_left_to_1():
    found = compared(ROWS, "wsrl", "bc")
    assert found.of_gap == pytest.approx(0.2 / 0.3)
    assert found.of_own_gap == pytest.approx(0.4 / 0.5)
    assert found.dip == pytest.approx(0.3)
    worse = [*ROWS[:3], *(row("iql", seed, 40) for seed in range(3))]
    assert compared(worse, "iql", "bc").of_gap == pytest.approx(-1)


def test_a_gap_that_is_hardly_there_has_no_part_that_is_closed():
    solved = [row("bc", seed, 99) for seed in range(3)] + ROWS[3:]
    assert compared(solved, "wsrl", "bc").of_gap is None
    assert "| wsrl | 3 | -0.09 (-0.09 to -0.09) | - | 80% | 0.30 |" in comparison(solved, "bc")


def test_a_method_that_did_not_practise_is_a_level_and_others_are_lines_with_bands():
    svg = curves("lid", ROWS)
    assert svg.count("<polyline") == svg.count("<polygon") == 1
    assert "- - bc" in svg
    assert "wsrl" in svg


def test_methods_of_another_grid_stand_beside(tmp_path):
    other = tmp_path / "practice_other"
    other.mkdir()
    for one in (row("oracle", 0, 100, (0.5, 0.9, 1.0)), row("hidden", 0, 1)):
        (other / f"{one['cell']}.json").write_text(json.dumps(one))
    page = write_page(tmp_path / "practice_grid", GRID, ROWS).read_text()
    assert "| oracle | 1 |" in page
    assert "| oracle | 1 | +0.40" in page
    assert "hidden" not in page
    assert "](practice_grid_lid.svg)" in page
    assert "oracle" in (tmp_path / "practice_grid_lid.svg").read_text()


def test_each_task_is_compared_by_itself(tmp_path):
    drawer = [{**one, "task": "drawer"} for one in ROWS]
    page = write_page(tmp_path / "practice_grid", GRID, [*ROWS, *drawer]).read_text()
    assert page.index("## lid") < page.index("## drawer")
    assert page.count("| wsrl | 3 | +0.20") == 2


SEEN = PracticeGrid("seen", "0-2", {}, reference="bc", ideal="truth")


def seen_row(method, seed, forward, back, task="lid", **more):
    """A row of practice in both directions."""
    found = row(method, seed, forward, task=task)
    return found | {"final_backward": {"trials": 100, "successes": back}} | more


def judged_row(method, seed, forward, back, in_vain):
    said = {"said": [[90, 5], [3, 2]], "ece": 0.01}
    paid = {"attempts": 50, "successes": 20, "false_successes": in_vain}
    return seen_row(method, seed, forward, back, verdicts=said, **paid)


def test_both_directions_close_a_gap_and_are_a_part_of_the_ideal(tmp_path):
    rows = [seen_row("bc", 0, 40, 60), seen_row("bc", 1, 50, 70), seen_row("truth", 0, 90, 70)]
    rows += [judged_row("vice", 0, 70, 50, 5), judged_row("vice", 1, 90, 82, 3)]
    page = write_page(tmp_path / "practice_seen", SEEN, rows).read_text()
    assert "| bc | 2 | 0.45 | 0.65 | 0.55 | 0.50 0.60 | - | 62% |" in page
    assert "| truth | 1 | 0.90 | 0.70 | 0.80 | 0.80 | 60% | 100% |" in page  # of seed 0 alone
    assert "| vice | 2 | 0.80 | 0.66 | 0.73 | 0.60 0.86 | 40% | 75% |" in page
    assert "| vice | 2 | 100 | 40 | 8 | 8.0 | 5.3 | 60.0 | 28.6 | 92.0 | 0.010 | - |" in page
    assert "All tasks" not in page
    picture = (tmp_path / "practice_seen_lid_in_vain.svg").read_text()
    assert picture.count('r="3"') == 2  # bc and the truth made no attempts by a reward
    assert picture.count('r="6"') == 1


def test_tasks_beside_each_other_have_a_mean_of_those_that_all_have(tmp_path):
    rows = [seen_row("bc", 0, 40, 60), seen_row("truth", 0, 90, 90), seen_row("vice", 0, 80, 60)]
    rows += [seen_row("bc", 0, 80, 80, "drawer"), seen_row("truth", 0, 100, 100, "drawer")]
    rows += [seen_row("bc", 0, 0, 0, "sweep")]
    page = write_page(tmp_path / "practice_seen", SEEN, rows).read_text()
    assert "| lid | drawer | sweep | mean | of the gap of `bc` | of `truth` |" in page
    assert "| bc | 0.50 (1) | 0.80 (1) | 0.00 (1) | 0.65 (2) | - | 68% |" in page
    assert "| truth | 0.90 (1) | 1.00 (1) | - | 0.95 (2) | 86% | 100% |" in page
    assert "| vice | 0.70 (1) | - | - | 0.70 (1) | 40% | 78% |" in page


def test_without_methods_to_compare_with_both_directions_are_shown_all_the_same(tmp_path):
    alone = PracticeGrid("seen", "0-2", {})
    page = write_page(tmp_path / "practice_seen", alone, [seen_row("drq", 0, 10, 90)]).read_text()
    assert "| method | seeds | forward | back | both | each seed |\n" in page
    assert "| drq | 1 | 0.10 | 0.90 | 0.50 | 0.50 |\n" in page


def test_success_is_shown_over_the_number_in_which_grids_differ(tmp_path):
    five = tmp_path / "practice_five"
    five.mkdir()
    for one in (seen_row("bc", 0, 20, 40), seen_row("bc", 7, 99, 99), seen_row("iql", 0, 1, 1)):
        (five / f"{one['cell']}.json").write_text(json.dumps(one))
    over = Over("demonstrations", {"seen": 50, "five": 5, "ten": 10})
    grid = msgspec.structs.replace(SEEN, over=over)
    folder = tmp_path / "practice_seen"
    folder.mkdir()
    rows = [seen_row("bc", 0, 60, 80), seen_row("bc", 1, 0, 0), seen_row("truth", 0, 90, 90)]
    for one in rows:
        (folder / f"{one['cell']}.json").write_text(json.dumps(one))
    page = write_page(folder, grid, rows).read_text()
    assert "| method | 5 | 10 | 50 |" in page
    assert "| bc | 0.30 (1) | - | 0.70 (1) |\n\n" in page  # and no other method, which one has
    assert (tmp_path / "practice_seen_lid_over.svg").read_text().count("<circle") == 2


def test_a_picture_of_errors_is_drawn_where_there_were_some(tmp_path):
    write_page(tmp_path / "practice_seen", SEEN, [judged_row("vice", 0, 70, 50, 0)])
    assert not (tmp_path / "practice_seen_lid_in_vain.svg").exists()


def test_levels_are_told_apart():
    svg = curves("lid", [*ROWS[:3], row("offline", 0, 50)])
    assert "- - bc" in svg
    assert "··· offline" in svg


def test_a_reference_that_is_nowhere_is_refused(tmp_path):
    path = tmp_path / "grid.toml"
    path.write_text('task = "tabletop"\nreference = "bcc"\n[methods.bc]\nlearner = "bc"\n')
    with pytest.raises(InputError, match=r"reference = 'bcc' is none of bc"):
        load_grid(str(path))
