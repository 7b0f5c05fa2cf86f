"""Compiling, and what is left behind when it fails."""

import stat

import pytest

from laconvnet.ops.native import build


@pytest.fixture
def folder(monkeypatch, tmp_path):
    monkeypatch.setattr(build, "LIBRARY", tmp_path / "library.so")
    monkeypatch.setattr(build, "NOT_BUILT", tmp_path / "not_built.txt")
    monkeypatch.delenv(build.SKIP_VARIABLE, raising=False)
    return tmp_path


def compiler(folder, script):
    path = folder / "compiler"
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(path.stat().st_mode | stat.S_IXUSR)
    return str(path)


def test_no_compiler(folder, monkeypatch):
    monkeypatch.setenv("CXX", "no-such-compiler")
    assert build.build() == "no C++ compiler no-such-compiler on the PATH"
    assert build.NOT_BUILT.read_text() == "no C++ compiler no-such-compiler on the PATH\n"


def test_a_broken_compiler_leaves_a_reason_and_no_older_library(folder, monkeypatch):
    build.LIBRARY.write_bytes(b"old, and perhaps of other sources")
    monkeypatch.setenv("CXX", compiler(folder, "printf 'cannot find cc1plus \\351\\n' >&2; exit 3"))
    reason = build.build()
    assert "-std=c++17" in reason and "ended with code 3" in reason and "cannot find cc1plus" in reason
    assert build.NOT_BUILT.read_text() == reason + "\n"
    assert {path.name for path in folder.iterdir()} == {"compiler", "not_built.txt"}


def test_a_compiler_that_works_replaces_the_library_and_the_reason(folder, monkeypatch):
    """The stand-in writes what it was asked to make: its arguments."""
    build.NOT_BUILT.write_text("once there was no compiler")
    script = 'arguments="$*"; while [ "$1" != -o ]; do shift; done; echo "$arguments" > "$2"'
    monkeypatch.setenv("CXX", compiler(folder, script) + " -DEXTRA")
    assert build.build() is None
    linked = build.LIBRARY.read_text()
    assert "-shared" in linked and "-DEXTRA" in linked
    assert all(f"kernels-{name}.o" in linked for name in build.CAPABILITIES)
    assert {path.name for path in folder.iterdir()} == {"compiler", "library.so"}


def test_a_folder_that_cannot_be_written_does_not_stop_an_installation(folder, monkeypatch):
    monkeypatch.setattr(build, "NOT_BUILT", folder / "missing" / "not_built.txt")
    monkeypatch.setenv("CXX", "no-such-compiler")
    assert build.build() == "no C++ compiler no-such-compiler on the PATH"


def test_skipping(folder, monkeypatch):
    build.LIBRARY.write_bytes(b"old")
    monkeypatch.setenv(build.SKIP_VARIABLE, "1")
    assert build.build() == "LACONVNET_SKIP_NATIVE was set"
    assert not build.LIBRARY.exists()


def test_a_compiler_older_than_an_instruction_set_makes_the_others(folder, monkeypatch):
    refuse = 'case "$*" in *avx512bf16*) exit 1;; esac'
    script = f'{refuse}; made="$*"; while [ "$1" != -o ]; do shift; done; echo "$made" > "$2"'
    monkeypatch.setenv("CXX", compiler(folder, script))
    assert build.build() is None
    linked = build.LIBRARY.read_text()
    assert "kernels-baseline.o" in linked and "avx512_bf16" not in linked
