"""What a person meets when something is in the way: it is said in a line, and nothing is half done.

A full disk, a folder that is read only, a damaged result, one of a newer program, a title that is
no plain text; through panels, the results browser, the command line and reports. A killed kernel
and a closed tab need a browser: tests/browser/test_trouble.py.
"""

from __future__ import annotations

import io
import json
import os
import re
import resource
import shutil
import subprocess
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from html import escape, unescape
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from engines.errors import FileError
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
    """A folder in which nothing can be made or removed, by root either."""
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
    many = 40 if ending == "csv" else 1  # the rows of one would have room
    with pytest.raises(FileError, match="cannot be written .*; free some room"):
        write([result] * many, page)
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
    own = latency_result(samples=2_000)
    own.created = "2026-11-24T05:40:00Z"  # the newest, so the first of the list
    save(own, folders["runs"])
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


# -- a damaged result, and one of a newer program -------------------------------------------------

UNREADABLE: dict[str, Callable[[bytes], bytes]] = {
    "cut short": lambda text: text[: len(text) // 2],
    "empty": lambda text: b"",
    "no text": lambda text: bytes(range(256)),
    "zeros": lambda text: bytes(len(text)),
    "a list": lambda text: b"[1, 2, 3]",
    "another's": lambda text: b'{"name": "package", "version": "1.0"}',
    "deeply nested": lambda text: b"[" * 200_000,
    "a number changed": lambda text: text.replace(b'"seconds": 11.5', b'"seconds": 1.5'),
    "a field of the wrong type": lambda text: text.replace(b'"seconds": 11.5', b'"seconds": "x"'),
    "a version that is none": lambda text: text.replace(
        b'"schema_version": 3', b'"schema_version": "3"'
    ),
    "newer": lambda text: text.replace(b'"schema_version": 3', b'"schema_version": 4'),
    "much newer": lambda text: json.dumps(
        {"schema_version": 7, "experiment": {"name": "matching_latency"}, "found": []}
    ).encode(),
}


@pytest.fixture(params=UNREADABLE)
def spoilt(request, folders) -> Path:
    """A result that cannot be read, among the runs; a sound one lies among the shipped."""
    (sound,) = folders["shipped"].glob("*.json")
    text = UNREADABLE[request.param](sound.read_bytes())
    assert text != sound.read_bytes()
    folders["runs"].mkdir()
    path = folders["runs"] / sound.name.replace("2026", "2027")
    path.write_bytes(text)
    return path


def test_what_cannot_be_read_is_named_and_the_rest_is_there(spoilt, folders):
    with pytest.raises(FileError) as told:
        load(spoilt)
    assert str(spoilt) in str(told.value) and "\n" not in str(told.value)
    (sound,) = folders["shipped"].glob("*.json")
    shutil.copy(sound, folders["runs"])
    with warnings.catch_warnings(record=True) as left_out:
        warnings.simplefilter("always")
        assert len(results(folders["runs"])) == 1
    (warning,) = left_out
    assert spoilt.name in str(warning.message)


def test_the_command_line_names_what_cannot_be_read(spoilt, folders, tmp_path):
    (sound,) = folders["shipped"].glob("*.json")
    for words in (["report", spoilt], ["compare", sound, spoilt], ["report", folders["runs"]]):
        code, output, errors = command(*words)
        assert (code, output) == (2, ""), words
        assert spoilt.name in errors.splitlines()[-1] and len(errors.splitlines()[-1]) < 400
    shutil.copy(sound, folders["runs"])
    page = tmp_path / "page.html"
    code, _, errors = command("report", folders["runs"], "--output", page)
    assert code == 0 and page.is_file()
    (line,) = errors.splitlines()
    assert line.startswith("lab: left out: ") and spoilt.name in line


def test_a_panel_names_what_cannot_be_read_and_can_run(spoilt, folders):
    shutil.rmtree(folders["shipped"])  # or it would not look among the runs
    panel = Panel(EXPERIMENTS["matching_latency"], TINY, **folders)
    assert spoilt.name in panel.message.value and "failed" not in panel.message.value
    assert "press Run" in panel.origin.value
    assert not panel.run_button.disabled and panel.export.button.disabled


def test_a_browser_lists_what_cannot_be_read_and_deletes_it(spoilt, folders):
    made = browser(folders)
    (entry,) = [entry for entry in made.found if entry.path == spoilt]
    tick(made, made.found.index(entry))
    assert "failed" not in made.message.value
    if entry.is_readable:  # its header is whole, so its damage shows when it is read
        assert spoilt.name in made.message.value
        entry = next(entry for entry in made.found if entry.path == spoilt)
    assert not entry.is_readable and entry.reason
    assert escape(entry.reason[:20]) in made.list.ticks[made.found.index(entry)].description
    assert made.export.button.disabled
    made.delete_button.click()
    made.yes_button.click()
    assert not spoilt.exists() and len(trash_of(folders)) == 1
    assert [entry.path for entry in made.found] == list(folders["shipped"].glob("*.json"))


def test_a_file_that_vanishes_is_no_trouble(folders, latency_result):
    own = latency_result(samples=2_000)
    own.created = "2026-11-24T05:40:00Z"
    path = save(own, folders["runs"])
    made = browser(folders)
    path.unlink()
    tick(made, 0)
    assert path.name in made.message.value and "cannot be read" in made.message.value
    assert len(made.found) == 1
    made.delete_button.click()  # nothing is chosen any more
    made.yes_button.click()
    assert len(list(folders["shipped"].glob("*.json"))) == 1


SHORT = min(SHIPPED.glob("*.json"), key=lambda path: path.stat().st_size)


@settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_whatever_happens_to_a_file_it_is_as_it_was_or_an_error_of_ours(data, tmp_path):
    """Bits are flipped, parts are cut out, doubled or replaced."""
    text = bytearray(SHORT.read_bytes())
    for _ in range(data.draw(st.integers(1, 3))):
        at = data.draw(st.integers(0, len(text)))
        length = data.draw(st.sampled_from([0, 1, 100, 4096, len(text)]))
        text[at : at + length] = data.draw(st.binary(max_size=8))
    path = tmp_path / "20260101T000000Z_page_cost_0000.json"
    path.write_bytes(text)
    try:
        found = load(path)
    except FileError as error:
        assert "\n" not in str(error)
    else:
        assert found.content() == load(SHORT).content()
    (entry,) = index.entries([tmp_path], SHIPPED)
    assert entry.path == path
    path.unlink()


# -- words that are no plain text -----------------------------------------------------------------

EVIL = (
    "<script>document.title = 'taken over'</script><img src=x onerror=alert(1)> & </title>"
    ' #panic("run") #read("/etc/passwd") $x$ @nobody *bold* _thin_ `raw` \\ // none /* "quoted" '
    "[link](javascript:alert(1)) | pipe ~~gone~~ {{ 7 * 7 }} {% raise %} <<x>> = head"
)


@pytest.fixture
def marked(latency_result) -> Result:
    """A result that holds markup wherever a file can hold words."""
    result = latency_result(rivals=("price_ladder", "binary_heap"), samples=2_000)
    result.verdict.finding = result.verdict.reason = result.verdict.remedy = EVIL
    result.machine["name"] = result.machine["cpu"] = EVIL
    result.notes = [EVIL]
    return result


def test_markup_is_inert_on_a_page(marked, tmp_path):
    page = write([marked], tmp_path / "page.html", title=EVIL, notes=EVIL).read_text()
    assert unescape(page.partition("<title>")[2].partition("</title>")[0]) == EVIL
    assert page.count("&lt;script&gt;") > 3  # also in the finding, the verdict and the notes
    assert "<script" not in page and "<img src=x" not in page


def test_markup_is_inert_on_paper(marked, tmp_path):
    """Typst would stop at ``#panic`` and print the password file."""
    plain = write([marked], tmp_path / "plain.pdf", title="plain").read_bytes()
    marked_up = write([marked], tmp_path / "marked.pdf", title=EVIL, notes=EVIL).read_bytes()
    assert marked_up.startswith(b"%PDF") and len(marked_up) < len(plain) + 50_000
    assert b"/JavaScript" not in marked_up and b"/URI" not in marked_up  # a title, no link


def test_markup_is_inert_in_markdown(marked, tmp_path):
    text = write([marked], tmp_path / "page.md", title=EVIL, notes=EVIL).read_text()
    assert text.startswith("# ") and text.count("script") > 3
    assert not re.search(r"(?<!\\)(<script|<img src=x|\]\(javascript:|\| pipe|`raw|\*bold)", text)


def test_data_hold_the_words_as_they_were_typed(marked, tmp_path):
    content = json.loads(write([marked], tmp_path / "all.json", title=EVIL, notes=EVIL).read_text())
    assert content["title"] == EVIL
    marked.measurements[0].rival = "=HYPERLINK(1)"
    lines = write([marked], tmp_path / "rows.csv", title=EVIL, notes=EVIL).read_text().splitlines()
    assert not any(line.startswith(("=", "+", "@")) or ",=" in line for line in lines)


def test_a_name_that_leads_elsewhere_is_refused(folders):
    panel = Panel(EXPERIMENTS["matching_latency"], TINY, **folders)
    for name in ("../outside", "a/b", "..", "a\\b"):
        panel.export.name.value = name
        panel.export.button.click()
        assert "is no file" in panel.export.said.value
    panel.export.name.value, panel.export.title.value = "<b>name</b>", EVIL
    panel.export.button.click()
    assert "<b>name" not in panel.export.said.value
    assert "/b>.html" in panel.export.said.value or "is no file" in panel.export.said.value
    assert left_in(folders["reports"].parent) == left_in(folders["shipped"])
