"""Edge policies, and the account of every loss."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from perception.quantities import InputError
from robot.edges import LOSSLESS_DEPTH, EdgeBuffer, EdgePolicy, Keep, parse_policy
from robot.messages import Alert

POLICIES = {
    "latest": EdgePolicy(Keep.LATEST),
    "latest, delayed": EdgePolicy(Keep.LATEST, delayed=True),
    "queue(1)": EdgePolicy(Keep.QUEUE, 1),
    "queue(512)": EdgePolicy(Keep.QUEUE, 512),
    "queue(3), delayed": EdgePolicy(Keep.QUEUE, 3, delayed=True),
    "lossless(0.5)": EdgePolicy(Keep.LOSSLESS, LOSSLESS_DEPTH, 0.5),
    "lossless(2), delayed": EdgePolicy(Keep.LOSSLESS, LOSSLESS_DEPTH, 2.0, delayed=True),
}


@pytest.mark.parametrize(("text", "policy"), POLICIES.items())
def test_a_policy_is_read_and_written_alike(text, policy):
    assert parse_policy(text) == policy
    assert str(policy) == text
    assert parse_policy(f"  {text} ") == policy


@pytest.mark.parametrize(
    "text",
    [
        "",
        "newest",
        "latest, late",
        "queue",
        "queue()",
        "queue(-1)",
        "queue(1.5)",
        "queue(n)",
        "queue(3) delayed",
        "lossless",
        "lossless()",
        "lossless(-1)",
        "lossless(1.2.3)",
        "lossless(.)",
        "lossless(inf)",
        "latest\nlatest",
    ],
)
def test_bad_policy_text_is_refused_in_one_line_that_lists_the_policies(text):
    with pytest.raises(InputError) as refusal:
        parse_policy(text)
    line = str(refusal.value)
    assert repr(text) in line
    assert "\n" not in line
    for choice in ("latest", "queue(N)", "lossless(SECONDS)", "delayed"):
        assert choice in line


@pytest.mark.parametrize("depth", ["0", "1000001", "9" * 30])
def test_a_queue_of_nothing_or_without_bound_is_refused(depth):
    with pytest.raises(InputError, match="holds 1 to 1000000 messages"):
        parse_policy(f"queue({depth})")


def _message(seq):
    return Alert(captured_ns=0, seq=seq, text="")


def _seqs(arrivals):
    return [arrival.message.seq for arrival in arrivals]


def _filled(policy, seqs, *, lossless=False):
    buffer = EdgeBuffer("a/b", parse_policy(policy), lossless=lossless)
    for seq in seqs:
        buffer.push(_message(seq), [])
    return buffer


def test_latest_keeps_the_newest():
    buffer = _filled("latest", range(4))
    assert _seqs(buffer.take()) == [3]
    assert (buffer.received, buffer.dropped) == (1, 3)


def test_a_queue_drops_the_oldest():
    buffer = _filled("queue(2)", range(5))
    assert _seqs(buffer.take()) == [3, 4]
    assert (buffer.received, buffer.dropped) == (2, 3)


@pytest.mark.parametrize(
    ("policy", "lossless"), [("latest", True), ("queue(1)", True), ("lossless(1)", False)]
)
def test_lockstep_and_lossless_edges_keep_all(policy, lossless):
    buffer = _filled(policy, range(200), lossless=lossless)
    assert _seqs(buffer.take()) == list(range(200))
    assert (buffer.received, buffer.dropped) == (200, 0)


def test_take_leaves_later_messages_waiting():
    buffer = _filled("queue(9)", range(5))
    assert _seqs(buffer.take(up_to_seq=-1)) == []
    assert _seqs(buffer.take(up_to_seq=2)) == [0, 1, 2]
    assert _seqs(buffer.take(up_to_seq=2)) == []
    assert _seqs(buffer.take()) == [3, 4]


def test_a_gap_in_seq_is_a_loss_and_the_end_marker_tells_of_those_after_the_last():
    buffer = _filled("queue(9)", [0, 3])
    assert (buffer.newest_seq, buffer.received, buffer.dropped) == (3, 2, 2)
    buffer.close(sent=6)
    assert (buffer.received, buffer.dropped) == (2, 4)


def test_an_edge_on_which_nothing_was_sent_lost_nothing():
    buffer = _filled("latest", [])
    buffer.close(sent=0)
    assert (buffer.received, buffer.dropped) == (0, 0)


@given(
    policy=st.sampled_from([*POLICIES]),
    lossless=st.booleans(),
    fates=st.lists(st.sampled_from(["arrive", "lose", "take"]), max_size=40),
)
def test_what_was_sent_was_received_or_dropped(policy, lossless, fates):
    buffer = EdgeBuffer("a/b", parse_policy(policy), lossless=lossless)
    sent = 0
    taken = []
    for fate in fates:
        if fate == "take":
            taken += buffer.take()
            continue
        if fate == "arrive":
            buffer.push(_message(sent), [])
        sent += 1
    taken += buffer.take()
    buffer.close(sent)
    assert buffer.received + buffer.dropped == sent
    assert buffer.received == len(taken)
    assert _seqs(taken) == sorted(set(_seqs(taken)))


def test_a_message_that_a_newer_one_overtook_is_already_counted_as_dropped():
    buffer = EdgeBuffer("a/b", parse_policy("queue(9)"), lossless=False)
    for seq in (0, 3, 1, 4):
        buffer.push(_message(seq), [])
    assert [arrival.message.seq for arrival in buffer.take()] == [0, 3, 4]
    assert (buffer.received, buffer.dropped, buffer.newest_seq) == (3, 2, 4)


def test_a_reader_goes_on_counting_where_the_one_before_it_has_stopped():
    buffer = EdgeBuffer("a/b", parse_policy("queue(9)"), lossless=False)
    buffer.resume(received=5, dropped=2, next_seq=7)
    buffer.push(_message(9), [])  # two were under way when the other died
    buffer.push(_message(12), [])  # two more had no room
    assert (buffer.received, buffer.dropped, buffer.lost) == (7, 4, 2)


def test_what_a_writer_that_died_had_under_way_is_lost_with_it_and_the_rest_dropped():
    buffer = EdgeBuffer("a/b", parse_policy("queue(9)"), lossless=False)
    buffer.push(_message(0), [])
    buffer.writer_resumed(5)
    buffer.push(_message(2), [])  # of the old process: 1 had no room
    buffer.push(_message(7), [])  # 3 and 4 died with it, 5 and 6 of the new one had no room
    assert (buffer.received, buffer.dropped, buffer.lost) == (3, 3, 2)
    buffer.close(9)
    assert (buffer.received, buffer.dropped, buffer.lost) == (3, 4, 2)


def test_a_reader_to_which_nothing_came_after_its_restart_has_lost_it_all():
    buffer = EdgeBuffer("a/b", parse_policy("latest"), lossless=False)
    buffer.resume(received=3, dropped=0, next_seq=3, lost=1)
    buffer.close(8)
    assert (buffer.received, buffer.dropped, buffer.lost) == (3, 0, 6)
