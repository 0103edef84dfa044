"""The report: whole or not at all, inert, self-contained, the same bytes for the same results."""

from __future__ import annotations

import errno
import json
import os
import re
from html.parser import HTMLParser
from pathlib import Path

import pytest

from engines.errors import FileError, InputError
from lab import plots, tables
from lab.measure.result import CHECKOUT, Result, save
from lab.plots import reading
from lab.report import write
from lab.reports.page import TEMPLATE

FETCHES = ("src", "href", "action", "data", "poster", "srcset", "background")


class Page(HTMLParser):
    """Collects what a page has: tags, images, addresses, headings, text."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.images: list[dict[str, str]] = []
        self.addresses: list[str] = []
        self.texts: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        found = dict(attrs)
        if tag == "img":
            self.images.append(found)
        self.addresses += [found[name] for name in FETCHES if name in found]
        assert not any(name.startswith("on") for name in found), f"{tag} has a script: {found}"

    def handle_data(self, data):
        self.texts.append(data)


@pytest.fixture
def page(latency_result, tmp_path):
    return Page(write([latency_result()], tmp_path / "report.html").read_text())


def test_a_report_asks_nothing_of_the_network(page, tmp_path):
    text = (tmp_path / "report.html").read_text()
    assert all(address.startswith("data:") for address in page.addresses)
    assert "default-src 'none'" in text
    assert not re.search(r"url\(|@import", text)
    assert "script" not in page.tags


def test_every_figure_is_an_image_with_its_words(page, latency_result):
    kinds = plots.kinds(latency_result())
    assert len(page.images) == len(kinds) >= 3
    for image, kind in zip(page.images, kinds, strict=True):
        assert image["src"].startswith("data:image/svg+xml;base64,")
        assert "price_ladder" in image["alt"]
        assert image["alt"].startswith(plots.KINDS[kind].name)
    of_times = [image["alt"] for image in page.images[:2]]
    assert all("30 ns" in words for words in of_times)


def test_a_report_has_the_order_of_a_panel(latency_result, tmp_path):
    result = latency_result()
    result.notes = ["the machine was quiet"]
    text = write([result], tmp_path / "a.html", notes="my own words").read_text()
    expected = [
        result.question,
        "Half of all commands",
        "<img",
        "<table>",
        "stable: noise",
        "AMD EPYC, 2 CPUs, KVM</td>",
        "lab run matching_latency",
        "lab.run(",
        "Orders that rest in the books",
        "the machine was quiet",
        "my own words",
    ]
    body = text[text.index("<body>") :]
    places = [body.index(words) for words in expected]
    assert places == sorted(places)


def test_the_numbers_of_the_result_stand_in_the_table(latency_result):
    result = latency_result(rivals=("binary_heap", "price_ladder"))
    (table,) = tables.measurements(result)
    rows = {(row[0], row[1]): row for row in table.rows}
    ladder = rows["price_ladder", "all"]
    assert [cell.replace("\u00a0", " ") for cell in ladder[2:5]] == [
        "30 ns",
        "28.5 ns to 31.8 ns",
        "90 ns",
    ]
    assert "against binary_heap" in table.headings
    assert ladder[table.headings.index("against binary_heap")].startswith("× 19")


def test_an_interval_shows_that_its_ends_differ(latency_result, throughput_result):
    result = throughput_result()
    last = result.measurements[-1]
    last.low, last.high = 9_121_000.0, 9_124_000.0
    result.comparisons[-1].low, result.comparisons[-1].high = 17.97, 17.99
    (table,) = tables.measurements(result)
    assert table.rows[-1][3].replace("\u00a0", " ") == "9.121 M/s to 9.124 M/s"
    result.comparisons[-1].low, result.comparisons[-1].high = 346.71, 346.79
    assert "(346.7 to 346.8)" in tables.measurements(result)[0].rows[-1][-3]


def test_tables_of_the_same_headings_become_one(latency_result):
    runs = [latency_result(), latency_result(seed=3)]
    found = [table for run in runs for table in tables.measurements(run)]
    (table,) = tables.joined(found)
    assert table.rows == found[0].rows + found[1].rows
    assert table.headings == found[0].headings
    found += tables.measurements(latency_result(rivals=("binary_heap", "price_ladder")))
    (table,) = tables.joined(found)
    assert "against baseline" in table.headings
    assert len(table.rows) == sum(len(item.rows) for item in found)


def test_a_finding_and_a_remark_are_said_once(latency_result, tmp_path):
    runs = [latency_result(), latency_result(seed=3)]
    for run in runs:
        run.notes = ["the machine was quiet"]
    text = write(runs, tmp_path / "a.html").read_text()
    assert text.count("the machine was quiet") == 1
    visible = " ".join(Page(text).texts)
    assert visible.count(reading.finding(runs[0])) == 1
    words = [plots.percentiles(runs, title="Service time by percentile")]
    assert "Service time by percentile" in [t.get_text() for t in words[0].texts]
    assert not any(t.get_text().startswith("Half of all") for t in words[0].texts)


def test_a_notebook_shows_a_report_as_a_link(throughput_result, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    page = write([throughput_result()], "my <b> report.html")
    assert isinstance(page, Path) and page.read_text()
    shown = page._repr_html_()
    assert 'href="my%20%3Cb%3E%20report.html"' in shown
    assert ">my &lt;b&gt; report.html</a>" in shown


def test_a_wrong_digest_is_called_void(throughput_result):
    result = throughput_result()
    result.measurements[0].digest_ok = False
    (table,) = tables.measurements(result)
    assert [row[-1] for row in table.rows] == ["WRONG: void", "right", "right", "right"]


def test_what_a_person_types_is_inert(throughput_result, tmp_path):
    evil = "<script>alert(1)</script><img src=x onerror=alert(2)>\"&'{{ 7*7 }}"
    result = throughput_result()
    result.verdict.finding = result.machine["name"] = evil
    result.notes = [evil]
    result.parameters["engines"] = [evil]
    text = write([result], tmp_path / "evil.html", title=evil, notes=evil).read_text()
    page = Page(text)
    assert "script" not in page.tags
    assert all(image["src"].startswith("data:") for image in page.images)
    assert "".join(page.texts).count("<script>alert(1)</script>") >= 5
    assert "{{ 7*7 }}" in text


def test_the_data_lie_beside_it(latency_result, throughput_result, tmp_path):
    results = [latency_result(), throughput_result()]
    page = write(results, tmp_path / "both.html")
    data = json.loads((tmp_path / "both.json").read_text())
    assert [Result.model_validate(item) for item in data["results"]] == results
    assert "both.json" in page.read_text()
    expected = sum(len(plots.kinds(result)) for result in results)
    assert len(Page(page.read_text()).images) == expected


def test_the_same_results_give_the_same_bytes(throughput_result, tmp_path):
    first, second = (tmp_path / name / "a.html" for name in ("one", "two"))
    for path in (first, second):
        write([throughput_result()], path, notes="note")
    assert first.read_bytes() == second.read_bytes()
    assert first.with_suffix(".json").read_bytes() == second.with_suffix(".json").read_bytes()


def test_a_name_without_ending_gets_one(throughput_result, tmp_path):
    assert write([throughput_result()], tmp_path / "plain").name == "plain.html"
    with pytest.raises(FileError, match="ending .exe; choose from .html"):
        write([throughput_result()], tmp_path / "paper.exe")


def test_no_result_makes_no_report(tmp_path):
    with pytest.raises(InputError, match="0 results make no report"):
        write([], tmp_path / "empty.html")
    assert list(tmp_path.iterdir()) == []


def test_a_result_of_the_same_name_is_not_overwritten(throughput_result, tmp_path):
    path = save(throughput_result(), tmp_path)
    before = path.read_bytes()
    page, data = path.with_suffix(".html"), path.with_suffix(".data.json")
    for _ in range(2):  # the second time over its older self
        write([throughput_result()], page)
        assert set(tmp_path.iterdir()) == {path, page, data}
    assert path.read_bytes() == before
    assert data.name in page.read_text()
    data.write_text("{}")
    with pytest.raises(FileError, match="something else than a report's data.*--output"):
        write([throughput_result()], page)
    assert data.read_text() == "{}"


def test_a_report_replaces_its_older_self(throughput_result, tmp_path):
    path = write([throughput_result()], tmp_path / "a.html", title="first")
    write([throughput_result()], path, title="second")
    assert "second" in path.read_text()
    assert json.loads(path.with_suffix(".json").read_text())["title"] == "second"
    assert sorted(item.name for item in tmp_path.iterdir()) == ["a.html", "a.json"]


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="this system has no /dev/full")
def test_a_full_disk_leaves_what_was_there(throughput_result, tmp_path):
    """The part file is a link to a device that is always full, so the write itself fails."""
    old = write([throughput_result()], tmp_path / "a.html", title="old")
    before = {item.name: item.read_bytes() for item in tmp_path.iterdir()}
    os.symlink("/dev/full", tmp_path / f".a.html.{os.getpid()}.part")
    with pytest.raises(FileError, match=os.strerror(errno.ENOSPC)):
        write([throughput_result()], old, title="new")
    assert {item.name: item.read_bytes() for item in tmp_path.iterdir()} == before


def test_a_folder_that_cannot_be_made_is_named(throughput_result, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(FileError, match="cannot be written"):
        write([throughput_result()], tmp_path / "file" / "a.html")


def test_a_folder_is_no_page(throughput_result, tmp_path):
    (tmp_path / "a.html").mkdir()
    with pytest.raises(FileError, match="is a folder"):
        write([throughput_result()], tmp_path / "a.html")


def test_the_template_is_found_beside_the_module():
    assert (CHECKOUT / "lab" / "reports" / TEMPLATE).is_file()
