import shutil

import pytest

from firmware_bridge.emulators import host_build, native_framing
from firmware_bridge.errors import FirmwareBuildError

has_compiler = pytest.mark.skipif(
    not any(map(shutil.which, host_build.COMPILERS)), reason="sudo apt install gcc libc6-dev"
)


def test_without_a_compiler_one_line_says_how_to_get_one(monkeypatch):
    monkeypatch.setenv("PATH", "")
    with pytest.raises(FirmwareBuildError, match=r"^no C compiler is here .*apt install gcc.*$"):
        host_build.shared_library(native_framing.SOURCES)


@has_compiler
def test_a_source_that_does_not_compile_is_named_in_one_line(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    source = tmp_path / "wrong.c"
    source.write_text("int wrong(long value);\nint wrong(long value) { return value; }\n")
    with pytest.raises(FirmwareBuildError, match=r"^the firmware does not build .*wrong\.c:2:.*$"):
        host_build.shared_library([source])
    assert not list((tmp_path / "cache" / "reflexarc").iterdir())


@has_compiler
def test_a_library_is_built_anew_when_a_header_changes(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    source, header = tmp_path / "one.c", tmp_path / "one.h"
    source.write_text('#include "one.h"\nint one(void) { return ONE; }\n')
    header.write_text("int one(void);\n#define ONE 1\n")
    first = host_build.shared_library([source])
    assert host_build.shared_library([source]) == first
    header.write_text("int one(void);\n#define ONE 2\n")
    assert host_build.shared_library([source]) != first
