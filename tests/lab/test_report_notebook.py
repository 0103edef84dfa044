"""A notebook as a page: widgets as figures, formulas drawn, and nothing on it runs or fetches."""

from __future__ import annotations

import base64
import re
from html.parser import HTMLParser
from pathlib import Path

import nbformat
import pytest
from nbformat import v4

import lab
from engines.errors import FileError, MeasurementError
from lab.reports.cells import WIDGET, formula
from lab.reports.notebook import write_notebook

PIXEL = base64.b64encode(
    bytes.fromhex(
        "89504e470d0a1a0a0000000d49484452000000010000000108060000001f15c4890000000d49444154"
        "789c6360000002000001e221bc330000000049454e44ae426082"
    )
).decode()
EVIL = (
    "<script>alert(1)</script><img src='http://x.y/z.png' onerror='alert(2)'>"
    "<a href='javascript:alert(3)'>l</a><iframe src='http://x.y'></iframe>"
    "<meta http-equiv='refresh' content='0;url=http://x.y'><style>@import 'http://x.y';</style>"
    "<p style='background: url(http://x.y)' onclick='alert(4)'>seen</p>"
    "<form action='http://x.y'><input></form><svg onload='alert(5)'></svg><base href='http://x.y'>"
)


class Page(HTMLParser):
    """Collects what a page would run, fetch or show."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.sources: list[str] = []
        self.links: list[str] = []
        self.pictures: list[dict[str, str | None]] = []
        self.words: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        found = dict(attrs)
        self.tags.append(tag)
        assert not [name for name in found if name.startswith("on")], found
        self.sources += [found[name] for name in ("src", "srcset", "action") if name in found]
        self.links += [found["href"]] if tag == "a" and "href" in found else []
        self.pictures += [found] if tag == "img" else []

    def handle_data(self, data):
        self.words.append(data)


def shown(folder: Path, *cells, **options) -> tuple[Page, str]:
    """Write a notebook of some cells as a page and return it, read and raw."""
    path = folder / "essay.ipynb"
    nbformat.write(v4.new_notebook(cells=list(cells)), path)
    text = write_notebook(path, folder / "essay.html", **options).read_text()
    return Page(text), text


def output(**forms) -> dict:
    """Return a code cell that has been run and shows something in several forms."""
    data = {name.replace("text_", "text/"): value for name, value in forms.items()}
    cell = v4.new_code_cell("show()", execution_count=1)
    cell.outputs = [v4.new_output("display_data", data=data)]
    return cell


def test_code_texts_and_outputs_stand_in_their_order(tmp_path):
    cell = v4.new_code_cell("print(1 < 2)", execution_count=1)
    cell.outputs = [v4.new_output("stream", name="stdout", text="\x1b[31mTrue\x1b[0m & so\n")]
    before = v4.new_markdown_cell("# Does it?\n\n| a | b |\n|-|-|\n| 1 | 2 |")
    page, text = shown(tmp_path, before, cell, v4.new_markdown_cell("It **does**."))
    words = " ".join("".join(page.words).split())
    assert words.index("Does it?") < words.index("print(1 < 2)") < words.index("True & so")
    assert "It does." in words
    assert "table" in page.tags
    assert "<title>Does it?</title>" in text
    assert "were not run" not in text


def test_nothing_runs_and_nothing_is_fetched(tmp_path):
    page, text = shown(
        tmp_path,
        v4.new_markdown_cell(EVIL + "\n\n![p](http://x.y/p.png)\n\n[l](javascript:alert(1))"),
        output(text_html=EVIL),
        output(**{"application/javascript": "alert(6)", "text_plain": "<script>"}),
        title=EVIL,
        notes=EVIL,
    )
    assert not {"script", "iframe", "form", "input", "base", "object", "svg"} & set(page.tags)
    assert page.tags.count("meta") == 4  # the page's own
    assert all(source.startswith("data:") for source in page.sources)
    assert not [link for link in page.links if link.startswith(("javascript", "data"))]
    assert "default-src 'none'" in text
    looks = re.findall(r'<[^>]+style="([^"]*)"', text[text.index("<body>") :])
    assert not [look for look in looks if "url" in look]
    assert "seen" in page.words


def test_a_panel_is_shown_as_its_figure_with_table_and_verdict(tmp_path):
    """What the panel itself hands to a notebook, beside the widget."""
    forms = lab.panel("matching_throughput")._repr_mimebundle_()
    assert WIDGET in forms
    cell = v4.new_code_cell("lab.panel('matching_throughput')", execution_count=1)
    cell.outputs = [v4.new_output("display_data", data=forms)]
    page, text = shown(tmp_path, cell)
    (figure,) = page.pictures
    assert figure["src"].startswith("data:image/png;base64,")
    assert "commands a second" in figure["alt"]
    assert "table" in page.tags
    assert 'class="verdict' in text
    assert "VBox(" not in text


def test_a_book_view_is_shown_as_its_drawing(tmp_path):
    cell = v4.new_code_cell("lab.book()", execution_count=1)
    cell.outputs = [v4.new_output("display_data", data=lab.book("calm")._repr_mimebundle_())]
    page, _ = shown(tmp_path, cell)
    assert page.pictures[0]["src"].startswith("data:image/svg+xml;base64,")


def test_a_control_without_a_figure_says_so(tmp_path):
    page, text = shown(tmp_path, output(**{WIDGET: {"model_id": "1"}, "text_plain": "IntSlider()"}))
    assert "a control, which works in the lab only" in text
    assert "IntSlider" not in text


def test_pictures_keep_their_words_and_come_along(tmp_path):
    (tmp_path / "near.png").write_bytes(base64.b64decode(PIXEL))
    cell = output(**{"image/png": PIXEL, "text_plain": "<Figure>"})
    cell.outputs[0].metadata = {"image/png": {"alt": "two <curves>", "width": 400}}
    page, _ = shown(tmp_path, cell, v4.new_markdown_cell("![near](near.png)"))
    assert [picture["alt"] for picture in page.pictures] == ["two <curves>", "near"]
    assert all(picture["src"].startswith("data:image/png") for picture in page.pictures)


def test_formulas_are_drawn(tmp_path):
    page, text = shown(
        tmp_path, v4.new_markdown_cell("Load $\\rho = \\lambda / \\mu$ and\n\n$$\\frac{1}{2}$$")
    )
    assert [picture["alt"] for picture in page.pictures] == [
        "\\rho = \\lambda / \\mu",
        "\\frac{1}{2}",
    ]
    assert "$" not in "".join(page.words)
    assert formula("\\nosuchcommand{<b>}") == "<code>\\nosuchcommand{&lt;b&gt;}</code>"


def test_the_same_notebook_gives_the_same_bytes(tmp_path):
    cells = [v4.new_markdown_cell("$x^2$", id="a"), v4.new_code_cell("1", id="b")]
    assert shown(tmp_path, *cells)[1] == shown(tmp_path, *cells)[1]


def test_cells_that_were_not_run_are_counted(tmp_path):
    _, text = shown(tmp_path, v4.new_code_cell("1"), v4.new_code_cell("2", execution_count=1))
    assert "1 of 2 code cells were not run." in text


def test_it_is_run_before_where_that_is_asked_for(tmp_path):
    """In its own folder, and the notebook's file stays as it was."""
    (tmp_path / "word.txt").write_text("found it")
    _, text = shown(tmp_path, v4.new_code_cell("print(open('word.txt').read())"), execute=True)
    assert "found it" in text
    assert "were not run" not in text
    assert nbformat.read(tmp_path / "essay.ipynb", 4).cells[0].outputs == []
    with pytest.raises(MeasurementError, match="a cell of .*ZeroDivisionError: division by zero"):
        shown(tmp_path, v4.new_code_cell("1 / 0"), execute=True)
    assert "found it" in (tmp_path / "essay.html").read_text()


@pytest.mark.parametrize("content", ["", "{}", '{"nbformat": 9, "cells": []}', "no json", "\xff"])
def test_what_is_no_notebook_is_named(content, tmp_path):
    path = tmp_path / "essay.ipynb"
    path.write_text(content, encoding="latin-1")
    with pytest.raises(FileError, match="essay.ipynb: is no notebook"):
        write_notebook(path, tmp_path / "essay.html")
    assert not (tmp_path / "essay.html").exists()


def test_other_formats_are_refused(tmp_path):
    path = tmp_path / "essay.ipynb"
    nbformat.write(v4.new_notebook(), path)
    with pytest.raises(FileError, match="a notebook becomes a page: name it .html"):
        write_notebook(path, tmp_path / "essay.pdf")
