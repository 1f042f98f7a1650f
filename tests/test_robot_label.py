"""label: the page by real requests, the terminal, what stays on the disk, and what it teaches."""

import io
import json
import threading
import urllib.error
import urllib.request

import cv2
import numpy as np
import pytest
from practised_lamp import PACKAGE, keeper_of, practise, write_run
from tiny_reward import (
    GOALS,
    LAMP,
    SIDE,
    TINY,
    VIEWS,
    attempt_of,
    image_of,
    write_attempts,
)

from perception.model_package import read_package
from perception.reward import LookSpec, Question
from perception.reward_makers.embedded import EmbeddedMaker
from perception.reward_module import Config
from policies.kept_attempts import read_attempt, read_list
from policies.label_book import LabelBook, LabelError, image_hash, read_labels, standing
from policies.label_looks import read_labelled, with_labels
from policies.label_queue import estimate_of, questions_of
from policies.labelling import Sitting
from policies.reward_frames import look_spec, looks_of, seen
from robot.label_server import LabelServer

NOW = "2025-01-02T03:04:05+00:00"
GREY = 150  # between the dark and the light that are shown
CONFIG = Config(backbone="tiny", learning_rate=0.01, backbone_rate=0.01)


@pytest.fixture
def run(tmp_path):
    return write_run(tmp_path / "run")


@pytest.fixture
def book(run):
    with LabelBook(run / "labels") as opened:
        yield opened


@pytest.fixture
def sitting(run, book):
    attempts = run / "attempts"
    return Sitting(attempts, questions_of(attempts, read_list(attempts)), book, "ann", lambda: NOW)


@pytest.fixture
def server(sitting):
    with LabelServer(sitting) as serving:
        yield serving


def got(url, body=None, **headers):
    """Status, headers and body of a request."""
    data = None if body is None else json.dumps(body).encode()
    given = {"Content-Type": "application/json", **headers} if data else headers
    try:
        with urllib.request.urlopen(urllib.request.Request(url, data, given), timeout=20) as reply:
            return reply.status, reply.headers, reply.read()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.headers, error.read()


def state_of(server):
    return json.loads(got(server.url + "state")[2])


def press(server, answer, key=None):
    asked = state_of(server)["asked"]
    status, _, body = got(server.url + "answer", {"key": key or asked["key"], "answer": answer})
    return status, body


def test_kinds_take_turns_and_nothing_is_asked_twice(sitting):
    asked = [(one.attempt, one.moment, one.kind) for one in sitting.questions]
    assert asked[:2] == [(0, 1, "no"), (1, 1, "yes")]  # the nearest to yes, then the least sure
    assert len({one[:2] for one in asked}) == len(asked)


def test_a_key_writes_a_label_with_who_when_and_which_images_before_the_next_question(
    server, run, sitting
):
    first = state_of(server)
    assert (first["done"], first["asked"]["instruction"]) == (0, "light the lamp")
    assert press(server, "no")[0] == 200
    (label,) = read_labels(run / "labels")
    assert (label.by, label.at, label.answer, label.package) == ("ann", NOW, "no", PACKAGE)
    assert f"{label.attempt}-{label.moment}" == first["asked"]["key"]
    images = read_attempt(run / "attempts" / f"attempt-{label.attempt:06d}.npz").images
    for view in VIEWS:
        assert label.images[view] == image_hash(images[view][label.moment])
    after = state_of(server)
    assert after["done"] == 1
    assert after["asked"]["key"] != first["asked"]["key"]


def test_the_page_shows_the_images_that_are_asked_about(server, run):
    asked = state_of(server)["asked"]
    status, headers, body = got(f"{server.url}image/{asked['key']}/{asked['moment']}/wrist.png")
    assert (status, headers["Content-Type"]) == (200, "image/png")
    shown = cv2.imdecode(np.frombuffer(body, np.uint8), cv2.IMREAD_COLOR)[..., ::-1]
    attempt = int(asked["key"].split("-")[0])
    seen = read_attempt(run / "attempts" / f"attempt-{attempt:06d}.npz").images["wrist"]
    np.testing.assert_array_equal(shown, seen[asked["moment"]])
    for name in ("", "page.js", "page.css"):
        status, headers, body = got(server.url + name)
        assert status == 200
        assert b"http" not in body.replace(b"html", b"")  # nothing from elsewhere
        assert headers["Content-Security-Policy"].startswith("default-src 'none'")


def test_the_page_does_not_say_what_the_reward_said(server):
    text = got(server.url + "state")[2].decode()
    assert not [word for word in ("score", "said", "kind", PACKAGE) if word in text]


def test_nothing_is_served_without_the_token_or_to_another_host(server):
    root = f"http://{server.host}/"
    for path in ("", "state", "x/state", server.url.split("/")[3][:-1] + "/state"):
        assert got(root + path)[0] == 404
    assert got(server.url + "state", Host="evil.example")[0] == 404
    assert got(root + "x/answer", {"key": "0-1", "answer": "yes"})[0] == 404
    assert got(f"{server.url}image/0-1/../../../secret")[0] == 404
    assert got(f"{server.url}image/0-1/99/wrist.png")[0] == 404
    assert server.url.startswith("http://127.0.0.1:")


def test_what_is_no_answer_changes_nothing(server, run):
    assert press(server, "maybe")[0] == 400
    assert press(server, "yes", key="7-7")[0] == 409  # answered in another window
    assert got(server.url + "answer", ["yes"])[0] == 400
    assert got(server.url + "answer", {"key": "x" * 2000, "answer": "yes"})[0] == 400
    form = got(server.url + "answer", {"key": "0-1", "answer": "yes"}, **{"Content-Type": "text/x"})
    assert form[0] == 400
    assert read_labels(run / "labels") == []


def test_undo_takes_the_last_answer_back_and_the_line_stays(server, run):
    first = state_of(server)["asked"]["key"]
    press(server, "yes")
    press(server, "skip")
    press(server, "undo")
    press(server, "undo")
    assert state_of(server)["asked"]["key"] == first
    press(server, "undo")  # nothing is left to take back
    labels = read_labels(run / "labels")
    assert [label.answer for label in labels] == ["yes", "skip", "undo", "undo"]
    assert standing(labels) == []


def test_two_requests_at_once_are_two_answers_at_most_one_of_each_question(server, run):
    key = state_of(server)["asked"]["key"]
    replies = []
    threads = [
        threading.Thread(target=lambda: replies.append(press(server, "no", key)[0]))
        for _ in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(replies) == [200] + [409] * 7
    assert len(read_labels(run / "labels")) == 1


def test_the_page_ends_the_sitting(server):
    assert not server.ended.is_set()
    got(server.url + "end", {})
    assert server.ended.is_set()


def test_a_damaged_attempt_is_said_on_the_page(server, run):
    for path in (run / "attempts").glob("attempt-*.npz"):
        path.write_bytes(b"")
    status, body = press(server, "no")  # what comes after it cannot be shown
    assert status == 500
    assert b"is no kept attempt" in body
    assert len(read_labels(run / "labels")) == 1


def test_a_killed_writer_costs_its_last_line_alone_and_the_sitting_goes_on(run, sitting, book):
    sitting.answer(sitting.current(), "no")
    sitting.answer(sitting.current(), "yes")
    book.close()
    path = run / "labels" / "labels.jsonl"
    whole = path.read_bytes()
    path.write_bytes(whole[:-20])
    assert [label.answer for label in read_labels(run / "labels")] == ["no"]
    with LabelBook(run / "labels") as again:
        attempts = run / "attempts"
        questions = questions_of(attempts, read_list(attempts))
        second = Sitting(attempts, questions, again, "bob", lambda: NOW)
        assert second.done == 1
        second.answer(second.current(), "yes")
    assert [(one.answer, one.by) for one in read_labels(run / "labels")] == [
        ("no", "ann"),
        ("yes", "bob"),
    ]


def test_only_one_may_label_at_a_time_and_a_changed_line_is_refused(run, book, sitting):
    with pytest.raises(LabelError, match="somebody else is labelling"):
        LabelBook(run / "labels")
    sitting.answer(sitting.current(), "no")
    book.close()
    path = run / "labels" / "labels.jsonl"
    path.write_bytes(path.read_bytes().replace(b'"no"', b'"nope"'))
    with pytest.raises(LabelError, match="line 1 is malformed"):
        LabelBook(run / "labels")


def test_an_image_that_was_changed_or_removed_teaches_nothing(run, book, sitting):
    sitting.answer(sitting.current(), "no")
    spec = LookSpec(VIEWS, SIDE, SIDE, 3)
    known = {GOALS[0].text: []}
    (found,) = read_labelled(run, spec, known)
    assert (found.text, found.reached) == ("light the lamp", False)
    image = next((run / "labels" / "images").glob("*.png"))
    cv2.imwrite(str(image), np.zeros((SIDE, SIDE, 3), np.uint8))
    with pytest.raises(LabelError, match="not the image that was labelled"):
        read_labelled(run, spec, known)


def all_answered(run, answer_to):
    """The labels of a sitting in which every question got an answer."""
    attempts = run / "attempts"
    with LabelBook(run / "labels") as book:
        questions = questions_of(attempts, read_list(attempts))
        sitting = Sitting(attempts, questions, book, "ann", lambda: NOW)
        while (shown := sitting.current()) is not None:
            sitting.answer(shown, answer_to(shown))
        return book.labels


def test_the_sample_alone_tells_how_often_all_attempts_are_paid_in_vain(tmp_path):
    keeper = keeper_of(tmp_path / "attempts", most=120)
    for number in range(100):  # a quarter is said to succeed, half of these in vain
        said = number % 4 == 0
        reached = [1] if number % 8 == 0 else []
        practise(keeper, [-3.0, 2.0 if said else -2.0], reached=reached, seed=number)
    keeper.begin()
    found = read_list(tmp_path / "attempts")
    labels = all_answered(
        tmp_path, lambda seen: "yes" if seen.attempt.reached[seen.question.moment] else "no"
    )
    full = estimate_of(found, labels)
    without_first = [one for one in labels if one.question != _first_sampled(found)]
    assert (full.attempts, full.sampled, full.missed) == (100, 30, 0)
    assert 0 < full.in_vain < 12  # 3.75 are expected
    assert full.in_vain_upper > full.in_vain / 30
    assert estimate_of(found, without_first).sampled == 0  # a gap at the head: no sample


@pytest.mark.parametrize(
    ("promised", "answer", "broken"),
    [(0.02, "no", True), (0.5, "no", False), (None, "no", False), (0.02, "skip", False)],
)
def test_the_sample_tells_a_broken_promise_by_what_is_sure(tmp_path, promised, answer, broken):
    keeper = keeper_of(tmp_path / "attempts", most=60, promised=promised)
    for number in range(40):  # one in four is said to succeed, all of these in vain
        practise(keeper, [-3.0, -2.0 if number % 4 else 2.0], seed=number)
    keeper.begin()
    labels = all_answered(tmp_path, lambda _: answer)
    said = estimate_of(read_list(tmp_path / "attempts"), labels)
    assert (said.sampled, said.in_vain) == (15, 4)
    assert (said.promised, said.broken) == (promised, broken)


def test_a_broken_promise_is_said_in_a_line(call, tmp_path):
    keeper = keeper_of(tmp_path / "attempts", most=60, promised=0.02)
    for number in range(20):
        practise(keeper, [-3.0, 2.0], seed=number)
    keeper.begin()
    code, said, _ = call("label", tmp_path, "--truth")
    assert code == 0
    assert "15 said to succeed in vain" in said
    assert "promise of at most 2 % in vain was not kept (95 %: at least 82 %)" in said
    code, said, _ = call("label", tmp_path, "--truth", "--json")
    assert json.loads(said)["broken"] is True


def _first_sampled(found):
    first = max((one for one in found.kept if one.kind == "sample"), key=lambda one: one.key)
    return first.attempt, first.moment


def test_the_terminal_draws_a_sheet_and_takes_keys_by_line(call, run, monkeypatch):
    monkeypatch.setattr("sys.stdin", io.StringIO("n\nhm\ny\nu\ny\nq\n"))
    code, said, asked = call("label", run, "--terminal", "--by", "ann")
    assert code == 0
    assert "2 of" in said
    assert f"train reward DATA --labels {run}" in said
    assert "y: reached, n: not reached" in asked
    sheet = cv2.imread(str(run / "labels" / "sheet.png"))
    assert sheet.shape[1] == 3 * (2 * 2 * SIDE + 6)
    answers = [label.answer for label in read_labels(run / "labels")]
    assert answers == ["no", "yes", "undo", "yes"]


def test_a_simulator_answers_by_the_truth_that_it_recorded(call, tmp_path):
    keeper = keeper_of(tmp_path / "attempts")
    practise(keeper, [-3.0, 2.0], reached=[1])
    practise(keeper, [-3.0, 2.0])
    keeper.begin()
    code, said, _ = call("label", tmp_path, "--truth", "--json")
    assert code == 0
    outcome = json.loads(said)
    assert (outcome["yes"], outcome["no"], outcome["in_vain"]) == (1, 1, 1)
    assert {label.by for label in read_labels(tmp_path / "labels")} == {"truth"}


def test_wrong_input_is_one_line(refused, tmp_path, run):
    assert "keeps no attempts" in refused("label", tmp_path)
    assert "--keep 60" in refused("label", tmp_path / "nowhere")
    assert "--most 0: must be 1 or more" in refused("label", run, "--most", 0)
    data = write_attempts(tmp_path / "data", 2, 2)
    out = ("--out", tmp_path / "lamp.onnx")
    assert "holds no labels" in refused("train", "reward", data, *out, "--labels", run)
    assert "--label-weight 0.0: must be above 0" in refused(
        "train", "reward", data, *out, "--label-weight", 0
    )
    assert "--near-weight -1.0: must be above 0" in refused(
        "train", "reward", data, *out, "--near-weight", -1
    )


@pytest.fixture
def grey_run(tmp_path):
    """A run that was paid in vain for a lamp that is neither dark nor lit; labelled."""
    keeper = keeper_of(tmp_path / "run" / "attempts", most=60)
    for number in range(12):
        practise(keeper, [-3.0, 1.0], level=GREY, seed=number)
    keeper.begin()
    all_answered(tmp_path / "run", lambda _: "no")
    return tmp_path / "run"


def test_labels_of_what_was_paid_in_vain_teach_the_reward_not_to_pay(grey_run):
    looks = looks_of(
        [seen(attempt_of(n % 2, n < 12, n), LAMP, VIEWS) for n in range(16)],
        look_spec(LAMP),
        LAMP.instructions,
    )
    labelled = read_labelled(grey_run, look_spec(LAMP), LAMP.instructions)
    opposites = {GOALS[0].text: [GOALS[1].text], GOALS[1].text: [GOALS[0].text]}
    rng = np.random.default_rng(99)
    images = np.stack([image_of(GREY, rng) for _ in range(8)])
    lit = Question(GOALS[0].text, np.array(LAMP.instructions[GOALS[0].text], np.float32))
    said = []
    for lesson in (looks, with_labels(looks, labelled, look_spec(LAMP), opposites)):
        maker = EmbeddedMaker(look_spec(LAMP), CONFIG, 0)
        maker.fit(lesson, 60)
        said.append(maker.log_odds(images, "front", (lit,))[:, 0])
    assert (said[0] > 0).all()
    assert (said[1] < 0).all()


def test_training_says_how_many_labels_taught_it(call, grey_run, tmp_path):
    data = write_attempts(tmp_path / "data", 2, 2)
    out = tmp_path / "lamp.onnx"
    more = ("--updates", 2, *TINY, "--labels", grey_run, "--json")
    code, said, _ = call("train", "reward", data, "--out", out, *more)
    assert (code, json.loads(said)["labels"]) == (0, 12)
    assert read_package(out).manifest.extra["labels"] == 12
