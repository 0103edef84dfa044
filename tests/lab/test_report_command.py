"""``lab report``: its formats and notes, and what a folder has that cannot be read."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from lab import cli
from lab.measure.result import SCHEMA_VERSION, load, save


@pytest.fixture
def folder(throughput_result, scaling_result, tmp_path):
    """Two results of one experiment, one of another, a cut file, a newer one, a report's data."""
    place = tmp_path / "results"
    old, new = throughput_result(seed=1), throughput_result(seed=2)
    old.created, new.created = "2026-11-20T05:40:00Z", "2026-11-22T05:40:00Z"
    paths = [save(result, place) for result in (old, new, scaling_result())]
    (place / "cut.json").write_text(paths[0].read_text()[:500])
    content = json.loads(paths[0].read_text()) | {"schema_version": SCHEMA_VERSION + 1}
    (place / "newer.json").write_text(json.dumps(content))
    (place / "page.json").write_text('{"report_version": 1, "title": "t", "results": []}')
    return place


def lab_report(capsys, *words) -> tuple[int, str, str]:
    """Return the exit code of ``lab report``, its output and its errors."""
    with pytest.raises(SystemExit) as left:
        cli.main(["report", *map(str, words)])
    seen = capsys.readouterr()
    return int(left.value.code or 0), seen.out, seen.err


def test_a_folder_becomes_one_report_and_what_cannot_be_read_is_named(folder, tmp_path, capsys):
    page = tmp_path / "page.html"
    code, out, errors = lab_report(capsys, folder, "--output", page, "--json")
    assert code == 0
    told = json.loads(out)
    assert Path(told["path"]) == page
    assert len(told["results"]) == 3
    assert [line.split(": ")[1] for line in errors.splitlines()] == ["left out", "left out"]
    assert "cut.json, row 26: is not JSON" in errors
    assert f"newer.json: has schema version {SCHEMA_VERSION + 1}" in errors
    assert len(told["left_out"]) == 2
    text = page.read_text()
    assert 'href="#matching_throughput"' in text and 'id="matching_scaling"' in text
    newest, oldest = text.index("2026-11-23"), text.index("2026-11-20")
    assert newest and oldest


def test_one_experiment_of_a_folder_the_newest_first(folder, tmp_path, capsys):
    data = tmp_path / "all.json"
    words = ["--experiment", "matching_throughput", "--output", data]
    assert lab_report(capsys, folder, *words)[0] == 0
    found = json.loads(data.read_text())["results"]
    assert [item["created"][:10] for item in found] == ["2026-11-22", "2026-11-20"]
    code, _, errors = lab_report(capsys, folder, "--experiment", "jitter")
    assert code == 2
    assert "holds no result of jitter; choose from matching_scaling" in errors


def test_a_report_can_be_made_of_a_reports_data(folder, tmp_path, capsys):
    """With the checksums of the results that it is made of; one that was changed is refused."""
    lab_report(capsys, folder, "--output", tmp_path / "page.html")
    data = tmp_path / "page.json"
    table = tmp_path / "table.csv"
    assert lab_report(capsys, data, "--output", table)[0] == 0
    assert len(table.read_text().splitlines()) > 10
    content = json.loads(data.read_text())
    content["results"][0]["measurements"][0]["median"] *= 2
    data.write_text(json.dumps(content))
    code, _, errors = lab_report(capsys, data, "--output", table)
    assert code == 2
    assert "page.json: was changed after it was written" in errors


def test_a_result_that_is_named_twice_is_told_once(folder, tmp_path, capsys):
    (path,) = folder.glob("*scaling*.json")
    code, out, _ = lab_report(capsys, path, path, "--output", tmp_path / "r.csv", "--json")
    assert code == 0
    assert json.loads(out)["results"] == [str(path)]


def test_a_damaged_file_that_is_named_ends_the_call(folder, tmp_path, capsys):
    page = tmp_path / "page.html"
    code, out, errors = lab_report(capsys, folder / "cut.json", "--output", page)
    assert (code, out, len(errors.splitlines())) == (2, "", 1)
    assert "cut.json, row 26: is not JSON" in errors
    assert not page.exists()


def test_a_folder_where_nothing_can_be_read(tmp_path, capsys):
    (tmp_path / "cut.json").write_text("{")
    code, _, errors = lab_report(capsys, tmp_path, "--output", tmp_path / "page.html")
    assert code == 2
    assert "holds no result that can be read" in errors and "cut.json" in errors


def test_notes_come_from_a_file(folder, tmp_path, capsys):
    (path,) = folder.glob("*scaling*.json")
    notes = tmp_path / "notes.txt"
    notes.write_text("µ: <b>seen</b>\n  twice", encoding="utf-8")
    page = tmp_path / "page.html"
    words = ["--output", page, "--title", "<i>Mine</i>", "--notes-file", notes]
    assert lab_report(capsys, path, *words)[0] == 0
    text = page.read_text()
    assert "µ: &lt;b&gt;seen&lt;/b&gt;\n  twice" in text
    assert "<h1>&lt;i&gt;Mine&lt;/i&gt;</h1>" in text
    notes.write_bytes(b"\xff\xfe")
    assert "are not UTF-8" in lab_report(capsys, path, *words)[2]
    assert "give one" in lab_report(capsys, path, *words, "--notes", "x")[2]
    notes.unlink()
    assert "cannot be read" in lab_report(capsys, path, *words)[2]


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["--format", "csv", "--output", "r"], "r.csv"),
        (["--format", "csv", "--output", "r.csv"], "r.csv"),
        (["--format", "csv", "--output", "r.2026"], "r.2026.csv"),
        (["--format", "csv"], "report.csv"),
        (["--output", "r.JSON"], "r.JSON"),
    ],
)
def test_the_format_by_name_or_by_ending(words, expected, folder, tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    code, out, _ = lab_report(capsys, folder, *words)
    assert (code, out.strip()) == (0, expected)
    assert (tmp_path / expected).stat().st_size > 1000


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["--format", "csv", "--output", "r.html"], "name two formats; give one"),
        (["--output", "r.docx"], "has the ending .docx; choose from .html"),
        (["--figure", "pie", "--output", "r.svg"], "no figure is called pie"),
        (["--execute"], "--execute is for a notebook"),
        (["--output", "r" * 300 + ".html"], "cannot be a file (File name too long)"),
    ],
)
def test_one_line_says_what_is_wrong(words, expected, folder, tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    code, out, errors = lab_report(capsys, folder / next(folder.glob("*scaling*.json")), *words)
    assert (code, out) == (2, "")
    assert expected in errors.splitlines()[-1]
    assert [path.name for path in tmp_path.iterdir()] == ["results"]


def test_one_figure_of_one_kind(folder, tmp_path, capsys):
    (path,) = folder.glob("*scaling*.json")
    drawing = tmp_path / "figure.svg"
    assert lab_report(capsys, path, "--figure", "scaling", "--output", drawing)[0] == 0
    assert drawing.read_text().lstrip().startswith("<?xml")
    assert load(path).experiment == "matching_scaling"


def test_a_notebook_stands_alone(folder, tmp_path, capsys):
    notebook = tmp_path / "essay.ipynb"
    notebook.write_text('{"nbformat": 4, "nbformat_minor": 5, "metadata": {}, "cells": []}')
    page = tmp_path / "essay.html"
    assert lab_report(capsys, notebook, "--output", page)[0] == 0
    assert "essay.ipynb" in page.read_text()
    assert "name it alone" in lab_report(capsys, notebook, folder)[2]
    assert "--case is for results" in lab_report(capsys, notebook, "--case", "all")[2]
