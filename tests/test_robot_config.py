"""Configs: found by name or path, every key known, every fault one line."""

from dataclasses import dataclass, field

import pytest

from firmware_bridge.robot_files import read_robot_file
from perception.quantities import InputError
from robot.config import (
    ROBOT_SECTIONS,
    USER_ERRORS,
    find_config,
    list_configs,
    load_robot,
    read_toml,
    to_config,
)


@dataclass(frozen=True)
class Inner:
    side_m: float = 1.0
    colours: tuple[str, ...] = ("grey",)

    def __post_init__(self):
        if self.side_m <= 0:
            raise ValueError("side_m must be above 0")


@dataclass(frozen=True)
class Outer:
    count: int = 3
    name: str = "box"
    inner: Inner = field(default_factory=Inner)


def _refusal(call, *arguments):
    with pytest.raises(USER_ERRORS) as refusal:
        call(*arguments)
    line = str(refusal.value)
    assert "\n" not in line
    return line


def test_a_table_becomes_a_typed_config_and_what_it_leaves_out_keeps_its_default():
    assert to_config("here", {}, Outer) == Outer()
    table = {"count": 5, "inner": {"colours": ["red", "blue"]}}
    assert to_config("here", table, Outer) == Outer(5, "box", Inner(1.0, ("red", "blue")))


def test_an_integer_is_a_fine_float_and_not_the_other_way_round():
    assert to_config("here", {"inner": {"side_m": 2}}, Outer).inner.side_m == 2.0
    assert "count" in _refusal(to_config, "here", {"count": 2.5}, Outer)


@pytest.mark.parametrize(
    ("table", "fragments"),
    [
        ({"cuont": 5}, ["here", "unknown key 'cuont'", "mean 'count'", "count, name, inner"]),
        ({"zzz": 5}, ["unknown key 'zzz'; valid: count, name, inner"]),
        ({"inner": {"side": 2}}, ["here: inner", "mean 'side_m'", "side_m, colours"]),
        ({"count": "three"}, ["here", "int", "count"]),
        ({"inner": 3}, ["here", "object", "inner"]),
        ({"inner": {"side_m": -1}}, ["here", "side_m must be above 0"]),
    ],
)
def test_a_table_that_does_not_fit_is_refused_naming_the_key_and_the_choices(table, fragments):
    line = _refusal(to_config, "here", table, Outer)
    assert all(fragment in line for fragment in fragments), line


def test_a_config_without_fields_takes_no_keys():
    @dataclass(frozen=True)
    class Nothing:
        pass

    assert "valid: none" in _refusal(to_config, "here", {"x": 1}, Nothing)


@pytest.fixture
def configs(tmp_path, monkeypatch):
    """A working folder with configs of its own."""
    (tmp_path / "configs" / "robots").mkdir(parents=True)
    monkeypatch.chdir(tmp_path)
    return tmp_path / "configs" / "robots"


def test_the_working_folder_is_searched_before_the_installation(configs):
    (configs / "ardrone.toml").write_text("description = 'mine'")
    (configs / "walker.toml").write_text("description = 'mine too'")
    assert find_config("robots", "ardrone") == configs / "ardrone.toml"
    assert {"ardrone", "walker"} <= list_configs("robots").keys()


def test_a_config_is_found_by_path(configs, tmp_path):
    path = tmp_path / "elsewhere.toml"
    path.write_text("")
    assert find_config("robots", str(path)) == path


@pytest.mark.parametrize("name", ["nowhere", "nowhere.toml", "configs", "", "README.md"])
def test_a_config_that_there_is_not_is_refused_listing_those_there_are(name, configs):
    (configs / "walker.toml").write_text("")
    line = _refusal(find_config, "robots", name)
    assert repr(name) in line
    assert "no robot named" in line
    assert "walker" in line
    assert "ardrone" in line


@pytest.mark.parametrize(
    ("content", "fragment"),
    [(b"a = = 1", "line 1"), (b"a = 1\na = 2", "overwrite"), (b"\xff\xfe", "not valid TOML")],
)
def test_a_file_that_is_no_toml_is_refused_with_the_place(content, fragment, tmp_path):
    path = tmp_path / "broken.toml"
    path.write_bytes(content)
    line = _refusal(read_toml, path)
    assert str(path) in line
    assert fragment in line


def test_a_file_that_cannot_be_read_is_refused(tmp_path):
    assert "cannot be read" in _refusal(read_toml, tmp_path)


@pytest.mark.parametrize("name", list_configs("robots"))
def test_every_robot_that_comes_along_has_sections_that_its_libraries_read(name):
    robot = load_robot(name)
    assert robot.limits.axes
    assert set(robot.tables) <= set(ROBOT_SECTIONS)
    if "rig" in robot.tables:
        assert robot.rig.baseline_m > 0
    if "joints" in robot.tables:
        assert len(robot.arm.limits.axes) == 4


def test_an_unknown_section_of_a_robot_is_refused(configs):
    (configs / "walker.toml").write_text("[limit]\nx = 1")
    line = _refusal(load_robot, "walker")
    assert "'limit'" in line
    assert "mean 'limits'" in line
    assert ", ".join(ROBOT_SECTIONS) in line


def test_a_robot_that_extends_another_has_its_tables_but_for_those_it_gives_itself(configs):
    (configs / "walker.toml").write_text(
        "[link]\ndriver = 'fake'\nwatchdog_s = 1\n[body]\nlegs = 2"
    )
    (configs / "runner.toml").write_text("extends = 'walker'\n[body]\nlegs = 4")
    (configs / "racer.toml").write_text("extends = 'runner'\n[link]\ndriver = 'fake'")
    wanted = {"body": {"legs": 4}, "link": {"driver": "fake"}}
    assert load_robot("racer").tables == read_robot_file("racer") == wanted
    assert load_robot("walker").tables["body"] == {"legs": 2}


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("extends = 'walker'", "in a circle: walker"),
        ("extends = 3", "extends = 3 must be the name"),
        ("extends = 'swimmer'", "no robot named 'swimmer'"),
    ],
)
def test_a_robot_that_extends_nothing_sound_is_refused(text, says, configs):
    (configs / "walker.toml").write_text(text)
    assert says in _refusal(load_robot, "walker")


def test_a_section_that_is_needed_and_missing_is_named(configs):
    (configs / "walker.toml").write_text("")
    robot = load_robot("walker")
    with pytest.raises(InputError, match=r"section \[limits\] is missing"):
        robot.limits  # noqa: B018 - parsed when read
    with pytest.raises(InputError, match=r"section \[rig\] is missing"):
        robot.rig  # noqa: B018 - parsed when read


@pytest.mark.parametrize(
    ("section", "text", "fault"),
    [
        ("limits", "[limits]\nmax_command_age_s = 1\naxes = []", "axes"),
        ("rig", "[rig]\nwidth = 128", "height"),
    ],
)
def test_a_section_that_is_wrong_is_a_users_error_that_names_the_file(
    section, text, fault, configs
):
    path = configs / "walker.toml"
    path.write_text(text)
    line = _refusal(lambda: getattr(load_robot("walker"), section))
    assert line.startswith(f"{path}: ")
    assert fault in line
