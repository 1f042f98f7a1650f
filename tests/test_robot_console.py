"""What a person sees while a run goes on."""

import pytest

from robot import console
from robot.console import Console


def test_a_nodes_words_stand_behind_its_name_as_they_are(capsys):
    Console(quiet=False).node_line("policy", "range [0, 1] is [bold]fine[/bold]")
    out, err = capsys.readouterr()
    assert out == ""
    assert err == "[policy] range [0, 1] is [bold]fine[/bold]\n"


def test_quiet_says_nothing_but_what_nodes_print(capsys):
    quiet = Console(quiet=True)
    quiet.say("hello")
    with quiet.progress("room_sim", 60.0) as progress:
        progress(30.0)
    assert capsys.readouterr() == ("", "")
    quiet.node_line("policy", "boom")
    assert "boom" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("total_s", "line"), [(60.0, "room: 30.0 of 60 s"), (None, "room: 30.0 s")]
)
def test_where_no_bar_can_be_drawn_progress_is_a_line_now_and_then(
    total_s, line, capsys, monkeypatch
):
    now_s = [100.0]
    monkeypatch.setattr(console.time, "monotonic", lambda: now_s[0])
    with Console(quiet=False).progress("room", total_s) as progress:
        progress(10.0)
        now_s[0] += console.NOT_A_TERMINAL_PERIOD_S
        progress(30.0)
        progress(31.0)
    assert capsys.readouterr().err == f"{line}\n"


def test_on_a_terminal_progress_is_a_bar(capsys, monkeypatch):
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("TERM", "xterm")
    shown = Console(quiet=False)
    assert shown._console.is_terminal
    with shown.progress("room", 60.0) as progress:
        progress(30.0)
    assert "30.0 / 60 s" in capsys.readouterr().err
