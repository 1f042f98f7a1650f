"""A study goes on where it stopped, mixes nothing, and leaves no half row."""

import sys
import textwrap

import numpy as np
import pytest

from perception.handover import Frame, HandoverConfig, HandoverMachine
from perception.organisation import LessonConfig, Organisation, Organiser
from perception.quantities import InputError
from robot.cli import main
from robot.commands.study.pssl import estimate_s
from robot.hooks import Hooks
from robot.nodes.searching_policy import SearchingPolicyNode
from robot.study import pssl_worker
from robot.study.cells import ALONE, LEARN, NEW_ROOM, Cell, Protocol, config_hash, flight_of, grid
from robot.study.conduct import Watcher, conduct
from robot.study.judge import Judged, PhaseNotes
from robot.study.measure import StudyError, is_frozen, measure
from robot.study.processes import Processes
from robot.study.ray_workers import RayError, RayWorkers
from robot.study.rows import RowError, is_finished, read_rows, row_path, write_row
from robot.study.seeds import seeds_of
from robot.study.visibly import duration

CELL = Cell("stereo", 1001, "network")
SMALL = Protocol(stereo_s=0.4)

WORKER = textwrap.dedent(
    """
    import json, os, signal, sys, time
    order = json.loads(sys.argv[1])
    seed = order["cell"]["seed"]
    print(json.dumps({"seconds": 1.5}), flush=True)
    if seed == 13:
        sys.exit("node 'mono' failed: no luck")
    if seed == 66:
        os.kill(os.getppid(), signal.SIGKILL)
        time.sleep(0.2)
    if seed == 99:
        signal.signal(signal.SIGINT, lambda *_: sys.exit(3))
        print("{\\"row\\": {\\"half", end="", flush=True)
        print("ready", file=open(order["packages"] + "/ready", "w"), flush=True)
        time.sleep(60)
    print(json.dumps({"row": {"config_hash": "h", "cell": seed}}), flush=True)
    """
)


@pytest.fixture
def worker(tmp_path):
    script = tmp_path / "worker.py"
    script.write_text(WORKER)
    return (sys.executable, str(script))


def plan_of(cells, tmp_path, worker, jobs=1):
    return pssl_worker.plan_of(cells, SMALL, tmp_path / "rows", tmp_path, jobs, worker)


def watcher_into(told):
    return Watcher(
        lambda cell: told.append(("began", cell.seed)),
        lambda cell, seconds: told.append(("seconds", seconds)),
        lambda cell, row: told.append(("finished", cell.seed)),
        lambda cell, why: told.append(("failed", cell.seed, why)),
    )


def test_a_cell_with_a_row_is_finished_and_one_without_is_not(tmp_path):
    write_row(tmp_path, CELL, {"config_hash": "abc"})
    assert is_finished(tmp_path, CELL, "abc")
    assert not is_finished(tmp_path, Cell("stereo", 1002, "network"), "abc")
    assert not is_finished(tmp_path, CELL, "abc", again=True)


def test_a_row_of_another_configuration_is_refused_with_both_hashes(tmp_path):
    write_row(tmp_path, CELL, {"config_hash": "abc"})
    with pytest.raises(RowError, match=r"stereo-network-1001\.json .*abc.*xyz.*--again"):
        is_finished(tmp_path, CELL, "xyz")


@pytest.mark.parametrize("content", ["{", "[]", "{}", ""])
def test_a_file_that_is_no_row_is_named(tmp_path, content):
    row_path(tmp_path, CELL).write_text(content)
    with pytest.raises(RowError, match="no row of a study"):
        read_rows(tmp_path)


def test_a_row_is_written_whole_or_not_at_all(tmp_path):
    write_row(tmp_path, CELL, {"config_hash": "abc"})
    with pytest.raises(ValueError, match="JSON"):
        write_row(tmp_path, CELL, {"config_hash": float("nan")})
    with pytest.raises(TypeError):
        write_row(tmp_path, CELL, {"config_hash": "xyz", "later": object()})
    assert read_rows(tmp_path) == [{"config_hash": "abc"}]


def test_a_row_without_a_place_is_one_line(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(RowError, match="cannot be written"):
        write_row(tmp_path / "file", CELL, {"config_hash": "abc"})


def test_a_configuration_is_what_its_graph_and_protocol_resolve_to():
    life = Cell("life", 3, "network", "dagger")
    same = config_hash(life, Protocol())
    assert config_hash(life, Protocol()) == same
    others = {
        config_hash(life, Protocol(learn_s=601.0)),
        config_hash(Cell("life", 3, "network", "product"), Protocol()),
        config_hash(Cell("life", 4, "network", "dagger"), Protocol()),  # into another room
    }
    assert len(others | {same}) == 4


def test_what_does_not_concern_a_cell_does_not_change_its_configuration():
    stereo = Cell("stereo", 3, "network")
    assert config_hash(stereo, Protocol(learn_s=1.0)) == config_hash(stereo, Protocol())
    curve = Cell("curve", 3)
    assert config_hash(curve, Protocol(curve_updates=7)) != config_hash(curve, Protocol())


def test_a_flight_through_many_rooms_ends_in_rooms_never_seen():
    flights = [flight_of(Cell("rooms", seed, rooms="8"), Protocol(curve_s=80)) for seed in (0, 1)]
    carries = [flight.graph.nodes["simulator"].config.carries for flight in flights]
    assert [carry.at_s for carry in carries[0]] == [*range(10, 80, 10), 80, 95, 110, 125]
    assert flights[0].seconds == 140
    rooms = [carry.to_seed for carry in (*carries[0], *carries[1])]
    assert len(set(rooms)) == len(rooms)
    assert min(rooms) > 100_000


def test_a_student_of_the_authors_asks_for_their_dictionaries():
    with pytest.raises(InputError, match=r"--protocol\.dictionaries"):
        flight_of(Cell("life", 3, "textons_cubicle", "dagger"), Protocol())


def test_a_life_is_unplugged_carried_and_judged_at_the_seconds_of_the_protocol():
    protocol = Protocol(learn_s=100, alone_s=20, new_room_s=10)
    flight = flight_of(Cell("life", 3, "network", "training_wheels"), protocol)
    nodes = flight.graph.nodes
    (fault,) = nodes["camera_faults"].config.schedule
    (carry,) = nodes["simulator"].config.carries
    assert (fault.corruption, fault.from_s, fault.to_s, carry.at_s) == ("unplugged", 100, 120, 120)
    assert nodes["judge"].config.phases == {LEARN: 0.0, ALONE: 100.0, NEW_ROOM: 120.0}
    assert carry.to_seed not in range(100_000)
    assert flight.seconds == 130
    assert "recorder" not in nodes


def test_the_product_that_looks_around_differs_from_the_product_by_its_policy_alone():
    still, searching = (
        flight_of(Cell("life", 3, "network", way), Protocol()).graph.nodes
        for way in ("product", "searching")
    )
    assert [name for name in still if still[name] != searching[name]] == ["policy"]
    assert searching["policy"].node_class is SearchingPolicyNode


def test_corruptions_differ_from_each_other_by_monitor_and_corruption_alone():
    with_monitor, without = (
        flight_of(Cell("corruption", 3, "network", corruption="fog", monitor=m), Protocol()).graph
        for m in ("with", "without")
    )
    assert with_monitor.nodes["stereo"].config.monitor
    assert not without.nodes["stereo"].config.monitor
    assert "learner" not in without.nodes
    assert with_monitor.nodes["camera_faults"].config == without.nodes["camera_faults"].config


def test_the_grid_has_each_cell_once_and_lives_before_what_flies_on_them():
    cells = grid(["network", "textons"], ["product", "dagger"], [0, 1])
    assert len(set(cells)) == len(cells)
    assert len({cell.name for cell in cells}) == len(cells)
    for cell in cells:
        assert cell.parent is None or cells.index(cell.parent) < cells.index(cell)


@pytest.fixture(scope="module")
def cluster():
    """A Ray cluster of two cores on this machine."""
    with RayWorkers(2) as workers:
        yield workers


@pytest.fixture(params=["processes", "ray"])
def workers(request):
    """Who starts the processes of a study."""
    return request.getfixturevalue("cluster") if request.param == "ray" else Processes()


def test_each_row_is_written_when_its_cell_ends_and_failures_stop_nobody(tmp_path, worker, workers):
    told = []
    cells = [Cell("stereo", seed) for seed in (1, 13, 2)]
    plan = plan_of(cells, tmp_path, worker)
    assert not conduct(plan, watcher_into(told), lambda: False, workers)
    assert [row["cell"] for row in read_rows(tmp_path / "rows")] == [1, 2]
    assert ("failed", 13, "ended with 1: node 'mono' failed: no luck") in told
    assert ("seconds", 1.5) in told


def test_a_cell_fails_with_the_life_that_it_builds_on(tmp_path, worker):
    told = []
    corruption = Cell("corruption", 13, "network", corruption="fog", monitor="with")
    cells = [corruption.parent, corruption]
    plan = plan_of(cells, tmp_path, worker)
    assert not conduct(plan, watcher_into(told), lambda: False, Processes())
    assert [each[0] for each in told if each[0] != "seconds"] == ["began", "failed", "failed"]


def test_an_interrupted_study_keeps_what_is_finished_and_leaves_no_half_row(
    tmp_path, worker, workers
):
    cells = [Cell("stereo", 1), Cell("stereo", 99)]
    told = []
    plan = plan_of(cells, tmp_path, worker)
    complete = conduct(plan, watcher_into(told), (tmp_path / "ready").exists, workers)
    assert not complete
    assert [path.name for path in (tmp_path / "rows").iterdir()] == ["stereo-0001.json"]


def test_a_worker_that_is_lost_leaves_a_cell_to_be_measured_again(tmp_path, worker, cluster):
    told = []
    plan = plan_of([Cell("stereo", 66)], tmp_path, worker)  # takes its parent with it
    assert not conduct(plan, watcher_into(told), lambda: False, cluster)
    (reason,) = [each[2] for each in told if each[0] == "failed"]
    assert "its worker was lost" in reason
    assert not (tmp_path / "rows").exists()


def test_without_ray_one_line_says_how_to_get_it_or_do_without(monkeypatch):
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(RayError, match=r"pip install reflexarc\[scale\].*--workers processes"):
        RayWorkers(2)


def test_a_corruption_without_the_package_of_its_life_names_the_life(tmp_path):
    cell = Cell("corruption", 1001, "network", corruption="fog", monitor="with")
    with pytest.raises(StudyError, match="life-network-product-1001"):
        measure(cell, SMALL, tmp_path, Hooks())


def test_a_flight_becomes_a_row_with_commit_configuration_seed_and_hardware(tmp_path):
    seconds = []
    row = measure(CELL, SMALL, tmp_path, Hooks(seconds.append))
    write_row(tmp_path, CELL, row)
    assert is_finished(tmp_path, CELL, config_hash(CELL, SMALL))
    assert {"commit", "hardware", "seed", "sim_seconds", "wall_seconds"} <= row.keys()
    tally = row["judged"]["tallies"]["flight"]["stereo"]
    assert tally["frames"] == 4
    error = tally["teacher_error"]  # truth, pose and images are of the same moment and lens
    assert error["abs_rel_sum"] < 0.1 * error["pixels"]
    assert tally["teacher_by_truth"]["true_negative"] + tally["teacher_by_truth"]["true_positive"]
    assert seconds[-1] == pytest.approx(0.4)
    assert row_path(tmp_path, CELL).stat().st_size < 10_000


def test_an_interrupted_flight_gives_no_row(tmp_path):
    assert measure(CELL, SMALL, tmp_path, Hooks(should_stop=lambda: True)) is None


@pytest.mark.parametrize(
    ("labelled", "versions", "frozen"),
    [(0, [400, 400], True), (0, [], True), (0, [400, 800], False), (1, [400, 400], False)],
)
def test_a_student_alone_is_frozen_if_nothing_was_labelled_and_nothing_swapped(
    labelled, versions, frozen
):
    notes = PhaseNotes(600.0, labelled=labelled, versions=versions)
    assert is_frozen(Judged(phases={ALONE: notes})) is frozen


def test_seeds_are_ranges_and_numbers_each_once():
    assert seeds_of("0-2, 7,1") == [0, 1, 2, 7]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--seeds", "4-0"], "--seeds '4-0'"),
        (["--seeds", "x"], "--seeds 'x'"),
        (["--students", "parrot"], "network, textons"),
        (["--organisations", "none"], "cold_turkey, dagger, training_wheels, product, searching"),
        (["--jobs", "0"], "--jobs 0"),
        (["--report"], "no rows"),
        (["--protocol.learn-s", "0"], "learn_s"),
    ],
)
def test_bad_input_is_one_line_and_exit_code_2(arguments, said, tmp_path, capsys):
    try:
        code = main(["study", "pssl", "--rows", str(tmp_path / "rows"), *arguments])
    except SystemExit as end:
        code = end.code
    error = capsys.readouterr().err
    assert code == 2
    assert said in error
    assert error.count("\n") == 1


def test_a_study_whose_rows_are_of_another_protocol_is_refused(tmp_path, capsys):
    write_row(tmp_path, CELL, {"config_hash": "abc"})
    arguments = ["--kinds", "stereo", "--students", "network", "--seeds", "1001"]
    assert main(["study", "pssl", "--rows", str(tmp_path), *arguments]) == 2
    assert "measured with configuration abc" in capsys.readouterr().err


def test_the_estimate_goes_by_rows_of_the_same_kind_and_student():
    rows = [
        {"kind": "stereo", "student": "network", "wall_seconds": 60.0, "sim_seconds": 30.0},
        {"kind": "life", "student": "network", "wall_seconds": 1.0, "sim_seconds": 30.0},
    ]
    cells = [CELL, Cell("stereo", 2, "network")]
    assert estimate_s(cells, Protocol(stereo_s=100.0), rows) == 400.0


def test_durations_are_read_by_a_person():
    assert [duration(s) for s in (40, 720, 12_600)] == ["40 s", "12 min", "3.5 h"]


@pytest.mark.parametrize("organisation", Organisation)
@pytest.mark.parametrize("gated", [True, False])
def test_no_organisation_labels_or_trains_while_the_teacher_is_gone(organisation, gated):
    config = LessonConfig(gated=gated, lesson_frames=5)
    organiser = Organiser(organisation, config, np.random.default_rng(0))
    machine = HandoverMachine(HandoverConfig(collect_frames=5))
    for number in range(60):
        frame = Frame(False, False, teacher_alive=number < 30, student_version=number > 20)
        orders = organiser.step(frame, machine.step(frame))
        if number >= 30:
            assert not orders.labels
            assert not orders.trains
