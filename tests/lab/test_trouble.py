"""What a person meets when something is in the way: it is said in a line, and nothing is half done.

A full disk, a folder that is read only, a damaged result, one of a newer program, a title that is
no plain text; through panels, the results browser, the command line and reports. A killed kernel
and a closed tab need a browser: tests/browser/test_trouble.py.
"""

from __future__ import annotations

import io
import json
import os
import resource
import shutil
import subprocess
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from html import escape
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from engines.errors import ExchangeLabError, FileError, InputError
from lab import cli
from lab.experiments import EXPERIMENTS
from lab.measure import index
from lab.measure.drafts import draft_folder
from lab.measure.job import Job
from lab.measure.result import SHIPPED, Result, load, results, save
from lab.measure.runner import run_experiment
from lab.panels import Panel
from lab.panels.browser import Browser
from lab.report import FORMATS, write

IS_ROOT = os.geteuid() == 0
TINY = {
    "messages": 200,
    "live_orders": 100,
    "rounds": 1,
    "seconds": 0.01,
    "engines": ["binary_heap"],
}
ROOM_BYTES = 16 * 1024  # what is left on a full disk: too little for a result or a report


def silent(*_: object) -> None:
    """Report to nobody."""


@contextmanager
def mounted(place: Path, options: str) -> Iterator[bool]:
    """A small file system of our own in a folder; without the right to it, none: False."""
    words = ["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(place)]
    has_it = IS_ROOT and shutil.which("mount") is not None
    has_it = has_it and subprocess.run(words, capture_output=True).returncode == 0
    try:
        yield has_it
    finally:
        if has_it:
            subprocess.run(["umount", "-l", str(place)], check=True)


@pytest.fixture
def full_disk(tmp_path: Path) -> Iterator[Path]:
    """A folder on a disk that is full, nearly; without rights, one where no file may grow."""
    place = tmp_path / "full"
    place.mkdir()
    with mounted(place, f"size={2 * ROOM_BYTES}") as is_disk:
        if is_disk:
            (place / "filler").write_bytes(bytes(ROOM_BYTES))
            yield place
            return
        before = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (ROOM_BYTES, before[1]))
        try:
            yield place
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, before)


@contextmanager
def read_only(place: Path) -> Iterator[None]:
    """A folder in which nothing can be made or removed; root, too, meets a read-only file system."""
    if not IS_ROOT:
        place.chmod(0o555)
        try:
            yield
        finally:
            place.chmod(0o755)
        return
    if subprocess.run(["mount", "--bind", place, place], capture_output=True).returncode:
        pytest.skip("a root that may not mount: nothing is read only for it")
    try:
        subprocess.run(["mount", "-o", "remount,ro,bind", place], check=True)
        yield
    finally:
        subprocess.run(["umount", "-l", place], check=True)


@pytest.fixture
def folders(tmp_path: Path, latency_result: Callable[..., Result]) -> dict[str, Path]:
    """The folders of a panel, with a shipped result."""
    made = {name: tmp_path / name for name in ("runs", "shipped", "reports")}
    save(latency_result(samples=2_000), made["shipped"])
    return made


def command(*words: object) -> tuple[int, str, str]:
    """Run a ``lab`` command in this process; return its code and what it said."""
    output, errors = io.StringIO(), io.StringIO()
    with redirect_stdout(output), redirect_stderr(errors), pytest.raises(SystemExit) as left:
        cli.main([str(word) for word in words])
    assert "Traceback" not in errors.getvalue()
    return left.value.code, output.getvalue(), errors.getvalue()  # type: ignore[return-value]


def ended(panel: Panel, seconds: float = 60) -> str:
    """Press Run, wait for the run's end and return how the panel names it."""
    panel.run_button.click()
    end_s = time.monotonic() + seconds
    while panel.run_button.disabled:
        assert time.monotonic() < end_s
        time.sleep(0.02)
    return panel.phase.value


def left_in(place: Path) -> list[str]:
    """Return the files in a folder, hidden ones too, without what the test put there."""
    return [path.name for path in place.rglob("*") if path.is_file() and path.name != "filler"]


# -- a full disk ----------------------------------------------------------------------------------


def test_a_run_onto_a_full_disk_is_refused_before_it_measures(full_disk):
    told: list[tuple] = []
    with pytest.raises(FileError, match="cannot be written .*; choose another folder"):
        run_experiment(
            "matching_throughput", TINY, None, lambda *t: told.append(t), full_disk / "runs"
        )
    assert [phase for phase, *_ in told] == ["starting"]
    assert left_in(full_disk) == []


def test_a_disk_that_fills_up_during_a_run_leaves_no_half_of_a_result(full_disk, latency_result):
    with pytest.raises(FileError, match="cannot be written"):
        save(latency_result(), full_disk)
    assert left_in(full_disk) == []


@pytest.mark.parametrize("ending", FORMATS)
def test_a_report_onto_a_full_disk_leaves_the_older_one(full_disk, latency_result, ending):
    page = full_disk / f"page.{ending}"
    older = b'{"report_version": 1}' if ending == "json" else b"an older report"
    page.write_bytes(older)
    result = latency_result()
    if ending == "csv":  # its rows are small; of many results they are not
        many = [result] * 40
    else:
        many = [result]
    with pytest.raises(FileError, match="cannot be written .*; free some room"):
        write(many, page)
    assert page.read_bytes() == older and left_in(full_disk) == [page.name]


def test_a_panel_on_a_full_disk_says_so_and_goes_on(full_disk, folders):
    folders |= {"runs": full_disk / "runs", "reports": full_disk / "reports"}
    panel = Panel(EXPERIMENTS["matching_latency"], TINY, **folders)
    assert ended(panel) == "failed"
    assert "cannot be written" in panel.message.value
    assert "shipped with the lab" in panel.origin.value
    panel.export.button.click()
    assert "cannot be written" in panel.export.said.value
    assert not panel.export.button.disabled and not panel.run_button.disabled
    assert left_in(full_disk) == []


def test_without_room_for_temporary_files_a_run_has_its_result(full_disk, monkeypatch, tmp_path):
    with (full_disk / "rest").open("ab", buffering=0) as rest, pytest.raises(OSError):
        while True:  # down to the last byte
            rest.write(bytes(4096))
    monkeypatch.setenv("TMPDIR", str(full_disk))
    monkeypatch.setattr("tempfile.tempdir", str(full_disk))
    job = Job("matching_throughput", TINY, folder=tmp_path / "runs", on_so_far=lambda job: None)
    job.start()
    assert job.wait(60).path == next((tmp_path / "runs").glob("*"))
    assert left_in(full_disk) == ["rest"]


def test_what_a_killed_kernel_left_behind_is_cleared_away(tmp_path, monkeypatch):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    old, new, other = (
        tmp_path / name for name in ("exchange_lab_draft_a", "exchange_lab_draft_b", "other")
    )
    for place in (old, new, other):
        place.mkdir()
        (place / "so_far.json").write_text("{}")
    for place in (old, other):
        os.utime(place, (0, 0))
    with draft_folder() as folder:
        assert {path.name for path in tmp_path.iterdir()} == {new.name, other.name, folder.name}
    assert not folder.exists()


# -- a folder that is read only -------------------------------------------------------------------


def test_runs_and_reports_into_a_read_only_folder(folders):
    with read_only(folders["shipped"]):
        page = folders["shipped"] / "page.html"
        for words in (
            ["run", "matching_throughput", "--folder", folders["shipped"]],
            ["sweep", "matching_throughput", "--seed=1,2", "--folder", folders["shipped"] / "s"],
            ["report", folders["shipped"], "--output", page],
        ):
            code, output, errors = command(*words)
            assert (code, output) == (2, ""), words
            assert "cannot be written" in errors.splitlines()[-1]
    assert len(left_in(folders["shipped"])) == 1


def test_a_panel_whose_results_are_read_only_says_so_and_goes_on(folders):
    folders["runs"].mkdir()
    panel = Panel(EXPERIMENTS["matching_latency"], TINY, **folders)
    with read_only(folders["runs"]):
        assert ended(panel) == "failed"
        assert "cannot be written" in panel.message.value
    assert ended(panel).startswith("done in")
    assert panel.message.value == "" and len(left_in(folders["runs"])) == 1


def test_a_browser_of_a_read_only_folder_shows_it_and_deletes_nothing(folders, latency_result):
    save(latency_result(samples=2_000), folders["runs"])
    with read_only(folders["runs"]):
        made = browser(folders)
        tick(made, 0)
        assert made.results and not made.delete_button.disabled
        made.delete_button.click()
        made.yes_button.click()
        assert "cannot be deleted" in made.message.value
        assert "nothing was" in made.message.value
    assert len(left_in(folders["runs"])) == 1 and trash_of(folders) == []
    made.delete_button.click()
    made.yes_button.click()
    assert left_in(folders["runs"]) == [] and len(trash_of(folders)) == 1
    with read_only(folders["runs"]):
        made.undo_button.click()
        assert "cannot be put back" in made.message.value
    made.undo_button.click()
    assert len(left_in(folders["runs"])) == 1 and trash_of(folders) == []


def browser(folders: dict[str, Path]) -> Browser:
    """Return a results browser of these folders."""
    places = [folders["runs"], folders["shipped"]]
    bin = folders["runs"].parent / "trash"
    return Browser(None, places, folders["shipped"], bin, folders["reports"])


def tick(made: Browser, place: int) -> None:
    """Choose one of the results in the list."""
    made.list.ticks[place].value = True


def trash_of(folders: dict[str, Path]) -> list[Path]:
    return list((folders["runs"].parent / "trash").glob("*"))
