"""The C++ engines are built where they can be, and are missed in one line where they cannot."""

from __future__ import annotations

import importlib.util
import os
import shutil
import subprocess
import sys
import sysconfig
import zipfile
from pathlib import Path

import pytest

from engines.errors import MissingEngine
from engines.matching import IMPLEMENTATIONS, extension, present

ROOT = Path(__file__).resolve().parents[2]
IN_CPP = [name for name, entry in IMPLEMENTATIONS.items() if entry.in_cpp]
NOWHERE = {"CC": "/nowhere/cc", "CXX": "/nowhere/c++"}
needs_compiler = pytest.mark.skipif(
    not (extension._compiler() and extension._headers()),
    reason="a C++ compiler or the Python headers are not here",
)


def without_extension(code, *words):
    """Run code as it runs where nothing was built: the checkout alone, no install of it.

    ``-S`` leaves out what the install adds to Python's start, by which the extension is found.
    """
    places = [str(ROOT), sysconfig.get_path("purelib"), sysconfig.get_path("platlib")]
    command = [sys.executable, "-S", "-c", f"import sys; sys.path[:0] = {places}\n{code}", *words]
    environment = {name: text for name, text in os.environ.items() if name != "CXX"}
    return subprocess.run(command, capture_output=True, text=True, cwd=ROOT, env=environment)


def lab_without_extension(*words):
    return without_extension("from lab.cli import main; main()", *words)


# -- an install without them ----------------------------------------------------------------------


def test_without_the_extension_the_others_are_present_and_these_say_what_to_do():
    seen = without_extension(
        "from engines.matching import IMPLEMENTATIONS, present\n"
        "print(*present())\n"
        "print(*(entry.missing for entry in IMPLEMENTATIONS.values() if entry.missing), sep='\\n')"
    )
    assert seen.returncode == 0, seen.stderr
    here, *missing = seen.stdout.splitlines()
    assert here.split() == [name for name in IMPLEMENTATIONS if name not in IN_CPP]
    assert [line.split(" is left out: ")[0] for line in missing] == IN_CPP
    assert all("run make setup" in line for line in missing)


@pytest.mark.parametrize("name", IN_CPP)
def test_an_engine_that_was_not_built_cannot_be_made(name):
    seen = without_extension(
        "from engines.errors import MissingEngine\n"
        "from engines.matching import IMPLEMENTATIONS\n"
        "try:\n"
        f"    IMPLEMENTATIONS[{name!r}].create(orders=10)\n"
        "except MissingEngine as error:\n"
        "    print(error)"
    )
    assert seen.stdout.startswith(f"{name} is left out: "), seen.stderr
    assert len(seen.stdout.splitlines()) == 1


def test_importing_it_says_the_same():
    seen = without_extension("from engines.matching.native import Native")
    assert "engines.errors.MissingEngine: the engines in C++ are left out: " in seen.stderr


@pytest.mark.parametrize(
    "words",
    [
        ("run", "matching_throughput", "--engines", "price_ladder,native"),
        ("replay", "data/samples/XLAB_2026-01-02_34200000_57600000_10.zip", "--format", "lobster")
        + ("--engine", "native"),
    ],
    ids=["run", "replay"],
)
def test_the_command_line_asked_for_it_answers_in_one_line(words):
    seen = lab_without_extension(*words)
    assert seen.returncode == 2
    said = [line for line in seen.stderr.splitlines() if not line.startswith('{"phase"')]
    assert len(said) == 1
    assert "native is left out: " in said[0] and "run make setup" in said[0]
    assert seen.stdout == ""


def test_the_list_names_what_is_missing_and_why():
    seen = lab_without_extension("list")
    assert seen.returncode == 0
    for name in IN_CPP:
        assert f"\n{name} is left out: " in seen.stdout


def test_an_experiments_panel_asked_for_it_shows_the_line_and_runs_nothing():
    seen = without_extension(
        "import lab\n"
        "panel = lab.panel('matching_throughput', engines=['binary_heap'], rounds=1)\n"
        "print(panel.run_button.disabled)\n"
        "panel.controls.controls['engines'].value = ['binary_heap', 'native']\n"
        "print(panel.run_button.disabled, panel.estimate.value)"
    )
    assert seen.returncode == 0, seen.stderr
    before, after = seen.stdout.strip().split("\n", 1)
    assert before == "False"
    assert after.startswith("True ") and "native is left out: " in after


def test_a_books_view_is_not_made_and_the_error_is_the_line():
    seen = without_extension("import lab\nlab.book(engine='native')")
    assert seen.stderr.splitlines()[-1].startswith("engines.errors.MissingEngine: native is left")


# -- what is missing ------------------------------------------------------------------------------


@pytest.fixture
def not_built(monkeypatch):
    """Have the extension not found, and nothing remembered of it."""
    monkeypatch.setattr(extension, "is_built", lambda: False)
    monkeypatch.delenv("CXX", raising=False)
    extension.what_is_missing.cache_clear()
    yield monkeypatch
    extension.what_is_missing.cache_clear()


def test_it_says_which_compiler_cannot_be_found(not_built):
    not_built.setenv("CXX", NOWHERE["CXX"])
    assert extension.what_is_missing().startswith("CXX names /nowhere/c++, which is not there; ")
    with pytest.raises(MissingEngine, match="^native is left out: CXX names"):
        IMPLEMENTATIONS["native"].create(orders=1)


def test_it_says_that_there_is_no_compiler(not_built):
    not_built.setattr(shutil, "which", lambda name: None)
    assert extension.what_is_missing().startswith("no C++ compiler was found; install one (Debian")


@needs_compiler
def test_it_says_that_the_headers_are_missing(not_built, tmp_path):
    not_built.setattr(sysconfig, "get_path", lambda name: str(tmp_path))
    assert extension.what_is_missing().startswith("the headers of this Python were not found; ")


@needs_compiler
def test_it_says_how_to_see_why_a_build_failed(not_built):
    assert "failed; run make setup, and if that does not help" in extension.what_is_missing()


def test_present_engines_can_be_made_and_the_others_say_why():
    for name, entry in IMPLEMENTATIONS.items():
        assert (name in present()) == (entry.missing == "")
        assert "\n" not in entry.missing
    for name in present():
        assert IMPLEMENTATIONS[name].create(orders=1).name == name


# -- building -------------------------------------------------------------------------------------


def built(folder, environment):
    """Return the names in the wheel that pip makes of the checkout."""
    if importlib.util.find_spec("scikit_build_core") is None:
        pytest.skip("what builds the project is not installed")
    options = ["--quiet", "--no-build-isolation", "--no-deps", "--no-index", "--wheel-dir", folder]
    command = [sys.executable, "-m", "pip", "wheel", *options, "."]
    subprocess.run(command, cwd=ROOT, env=os.environ | environment, check=True)
    (wheel,) = Path(folder).glob("*.whl")
    return wheel.name, zipfile.ZipFile(wheel).namelist()


def test_without_a_compiler_the_same_install_succeeds(tmp_path):
    name, files = built(tmp_path, NOWHERE)
    assert name.endswith("-py3-none-any.whl")
    assert "engines/matching/native/__init__.py" in files
    assert [file for file in files if file.endswith((".so", ".dylib"))] == []


@pytest.mark.soak
@needs_compiler
def test_with_a_compiler_a_wheel_holds_extension_library_and_header(tmp_path):
    _, files = built(tmp_path, {})
    here = "engines/matching/native/"
    found = [file.removeprefix(here) for file in files if file.startswith(here)]
    assert {"include/exchange_lab.h", "__init__.py", "_native.pyi"} <= set(found)
    assert any(file.startswith("_native.") and file.endswith(".so") for file in found)
    assert any(file.startswith("libexchange_lab.") for file in found)


# -- make setup -----------------------------------------------------------------------------------

SOURCES = ["src/ladder.cpp", "src/layout.hpp", "include/exchange_lab.h", "CMakeLists.txt"]


def planned(*words, **environment):
    """Return what make would do for the stamp of the build."""
    if not (ROOT / ".venv" / ".built").exists() or shutil.which("make") is None:
        pytest.skip("this checkout was not set up by make")
    command = ["make", "--no-print-directory", "--dry-run", *words, ".venv/.built"]
    seen = subprocess.run(
        command, cwd=ROOT, capture_output=True, text=True, env=os.environ | environment
    )
    assert seen.returncode == 0, seen.stderr
    return seen.stdout


@pytest.mark.parametrize("source", SOURCES)
def test_set_up_builds_again_when_a_source_changed_and_installs_no_package_for_it(source):
    plan = planned(f"--what-if=engines/matching/native/{source}")
    assert "[3/4] installing exchange-lab itself" in plan
    assert "[2/4]" not in plan or "[2/4]" in planned()


def test_set_up_builds_nothing_otherwise():
    stale = [
        source
        for source in (ROOT / "engines/matching/native").rglob("*.[ch]pp")
        if source.stat().st_mtime > (ROOT / ".venv/.built").stat().st_mtime
    ]
    if stale or "[2/4]" in planned():
        pytest.skip("this checkout was changed since it was set up")
    if not extension.is_built():
        pytest.skip("without the extension, a compiler that has come is a reason to build")
    assert "[3/4]" not in planned()
    assert "[3/4]" not in planned(**NOWHERE)  # what is built stays, whatever compiler is there now


def test_set_up_sees_a_compiler_that_came_since(tmp_path):
    """The state that the stamp holds is printed by a script that loads nothing of the house."""
    code = "import runpy, sys; sys.argv = ['x']; " + (
        "sys.meta_path[:] = [f for f in sys.meta_path if 'ScikitBuild' not in type(f).__name__]; "
        f"runpy.run_path({str(ROOT / 'engines/matching/extension.py')!r}, run_name='__main__')"
    )
    states = []
    for environment in (NOWHERE, {"CXX": "/bin/sh"}):  # any program stands for a compiler
        command = [sys.executable, "-I", "-c", code]
        seen = subprocess.run(
            command, capture_output=True, text=True, env=os.environ | environment, check=True
        )
        assert "the engines in C++ are left out: " in seen.stderr
        states.append(seen.stdout)
    assert states[0].startswith("not built: - ")
    assert states[1].startswith("not built: /bin/sh ")
