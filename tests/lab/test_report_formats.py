"""Every format of a report: opens, says the same, is inert, is the same bytes, or is not there."""

from __future__ import annotations

import csv
import errno
import io
import json
import os
import re
import xml.etree.ElementTree as ElementTree
import zlib
from pathlib import Path

import mistune
import pytest
import typst
from PIL import Image

from engines.errors import FileError, InputError
from lab import plots
from lab.measure.result import Result, read
from lab.report import FORMATS, write
from lab.reports import paper
from lab.reports.content import RUNS_DRAWN_MOST, content_of
from lab.reports.markdown import escaped

EVIL = (
    '#panic("x") $x^2$ *b* _i_ <script>alert(1)</script><img src=x onerror=alert(2)> `c` | a & b '
    '[l](http://x.y) ![i](http://x.y/i.png) @ref // c --- http://x.y {{ 7*7 }} "q" \\'
)
PEOPLES = ("html", "pdf", "md")


def markdown_page(text: str) -> str:
    """Return Markdown as HTML, by somebody else's reader that obeys raw HTML."""
    reader = mistune.create_markdown(escape=False, plugins=["table", "strikethrough", "url"])
    made = reader(text)
    assert isinstance(made, str)
    return made


def unpacked(pdf: bytes) -> bytes:
    """Return a PDF with what its streams hold: most of its objects lie in compressed ones."""
    streams = re.findall(rb"stream\r?\n(.*?)\r?\nendstream", pdf, re.S)
    parts = [zlib.decompress(part) for part in streams if part[:1] == b"\x78"]
    assert len(parts) > 5
    return b"\n".join([pdf, *parts])


@pytest.fixture(scope="module")
def evil_result(throughput_result) -> Result:
    """A result whose every text is markup of some kind."""
    result = throughput_result()
    result.verdict.finding = result.machine["name"] = EVIL
    result.notes = [EVIL]
    result.parameters["engines"] = [EVIL]
    for item in result.measurements:
        item.case = EVIL
    return result


@pytest.fixture(scope="module")
def evil(evil_result):
    """What such a report says, and its PDF unpacked."""
    content = content_of([evil_result], EVIL, f"{EVIL}\n  indented\n{'w' * 300}")
    return content, unpacked(paper.paper(content, "r.json"))


class TestEveryFormat:
    @pytest.mark.parametrize("form", FORMATS)
    def test_the_same_results_give_the_same_bytes(self, form, throughput_result, tmp_path):
        found = []
        for folder in ("one", "two"):
            write([throughput_result()], tmp_path / folder / f"r.{form}", notes="mine")
            files = sorted(path for path in (tmp_path / folder).rglob("*") if path.is_file())
            found.append([(path.name, path.read_bytes()) for path in files])
        assert found[0] == found[1]
        assert [name for name, _ in found[0]].count(f"r.{form}") == 1
        has_data = "r.json" in dict(found[0])
        assert has_data == (form in (*PEOPLES, "json"))

    @pytest.mark.parametrize("form", FORMATS)
    @pytest.mark.skipif(not os.path.exists("/dev/full"), reason="this system has no /dev/full")
    def test_a_full_disk_leaves_what_was_there(self, form, throughput_result, tmp_path):
        """The part file is a link to a device that is always full, so the write itself fails."""
        path = tmp_path / f"r.{form}"
        write([throughput_result()], path, title="old")
        before = {item: item.read_bytes() for item in tmp_path.rglob("*") if item.is_file()}
        os.symlink("/dev/full", tmp_path / f".r.{form}.{os.getpid()}.part")
        with pytest.raises(FileError, match=os.strerror(errno.ENOSPC)):
            write([throughput_result()], path, title="new")
        assert {item: item.read_bytes() for item in tmp_path.rglob("*") if item.is_file()} == before

    def test_what_cannot_be_written_leaves_no_folder(self, throughput_result, tmp_path):
        (tmp_path / "below").mkdir()
        os.symlink("/dev/full", tmp_path / "below" / f".r.md.{os.getpid()}.part")
        with pytest.raises(FileError, match="cannot be written"):
            write([throughput_result()], tmp_path / "below" / "r.md")
        assert list((tmp_path / "below").iterdir()) == []

    def test_an_ending_that_nobody_knows_is_named(self, throughput_result, tmp_path):
        with pytest.raises(FileError, match=r"ending \.docx; choose from \.html, \.pdf"):
            write([throughput_result()], tmp_path / "r.docx")
        assert list(tmp_path.iterdir()) == []

    def test_only_the_figures_that_are_asked_for(self, latency_result, tmp_path):
        (one,) = content_of([latency_result()], kinds=["histogram"], case="cancel").sections
        assert [(figure.kind, figure.case) for figure in one.figures] == [("histogram", "cancel")]
        with pytest.raises(InputError, match="no figure is called pie; choose from percentiles"):
            write([latency_result()], tmp_path / "r.html", kinds=["pie"])
        with pytest.raises(InputError, match="no result has numbers for matrix; choose from"):
            write([latency_result()], tmp_path / "r.svg", kinds=["matrix"])

    def test_other_settings_lie_behind_or_apart(self, throughput_result):
        first, other = throughput_result(), throughput_result(live_orders=7_000)
        runs = [first, other, throughput_result()]
        (together,) = content_of(runs).sections
        assert len(together.runs) == 3
        same, apart = content_of(runs, apart=True).sections
        assert [len(same.runs), len(apart.runs)] == [2, 1]
        assert apart.title == "Matching throughput, with live orders 7,000"
        assert same.name != apart.name

    def test_of_many_runs_the_figures_say_how_many_they_show(self, throughput_result):
        runs = [throughput_result(seed=seed) for seed in range(RUNS_DRAWN_MOST + 2)]
        (section,) = content_of(runs).sections
        assert section.left_out.startswith("The figures show 6 of 8 runs")
        assert all(len(figure.runs) == 6 for figure in section.figures)
        assert len(section.runs) == 8

    def test_letters_that_no_format_can_show_are_left_out(self, throughput_result):
        content = content_of([throughput_result()], "a\x00b\udc80\x1b[1m", "x\r\n\ty\x07\n\n")
        assert content.title == "ab[1m"
        assert content.notes == "x\n        y"


class TestPaper:
    def query(self, content, selector):
        """Return what the set paper holds, as typst itself tells it."""
        given = json.dumps(paper._plain(content, "r.json"))
        found = typst.query(
            Path(paper.__file__).with_name(paper.TEMPLATE),
            selector,
            sys_inputs={"report": given},
        )
        return json.loads(found)

    def test_markup_in_a_title_stays_text(self, evil):
        """A panic would stop typst; a formula, a reference or a picture would be an element."""
        content, made = evil
        assert made.startswith(b"%PDF-")
        headings = json.dumps(self.query(content, "heading"))
        assert json.dumps(EVIL)[1:-1] in headings
        assert "INDENTED" not in headings
        for element in ("math.equation", "ref", "link", "emph"):
            assert self.query(content, element) == []
        strong = {json.dumps(item["body"]) for item in self.query(content, "strong")}
        assert not any("panic" in text for text in strong)

    def test_it_asks_nothing_of_the_network_and_runs_nothing(self, evil):
        _, made = evil
        for action in (b"/JavaScript", b"/JS", b"/URI", b"/Launch", b"/SubmitForm", b"/OpenAction"):
            assert action not in made

    def test_it_can_be_read_aloud(self, evil):
        """Tagged, named, its language told: typst refuses to write PDF/UA where one lacks."""
        content, made = evil
        assert b"pdfuaid" in made
        assert b"/Lang" in made
        images = self.query(content, "image")
        assert [image["alt"] for image in images] == [
            figure.words for section in content.sections for figure in section.figures
        ]

    def test_the_fonts_come_along(self, evil):
        _, made = evil
        fonts = set(re.findall(rb"/BaseFont ?/[A-Z]{6}\+([\w-]+)", made))
        assert fonts and all(font.startswith(b"DejaVuSans") for font in fonts)

    def test_letters_of_another_script_ask_the_machine_for_a_font(self):
        assert paper._is_covered("µ × ① ±25 % –")
        assert not paper._is_covered("日本語")

    def test_several_experiments_have_a_list(self, throughput_result, scaling_result):
        content = content_of([throughput_result(), scaling_result()])
        names = [section.name for section in content.sections]
        assert names == ["matching_throughput", "matching_scaling"]
        for name in names:
            assert len(self.query(content, f"<{name}>")) == 1
            assert any(link["dest"] == f"<{name}>" for link in self.query(content, "link"))
        headings = [item["level"] for item in self.query(content, "heading")]
        assert headings.count(2) == 2 + 1  # the sections, and where the data lies
        assert all(later - before <= 1 for before, later in zip(headings, headings[1:]))  # noqa: B905


class TestMarkdown:
    def test_every_text_is_shown_and_not_obeyed(self, evil_result, tmp_path):
        path = write([evil_result], tmp_path / "r.md", EVIL, f"{EVIL}\n\n# no heading\n- no list")
        page = markdown_page(path.read_text())
        assert "<script" not in page and "onerror=alert(2)>" not in page
        assert "x.y" not in "".join(re.findall(r'(?:src|href)="([^"]*)"', page))
        assert page.count("&lt;script&gt;alert(1)&lt;/script&gt;") >= 5
        assert "<p># no heading<br />\n- no list</p>" in page
        assert page.count("<h1>") == 1
        assert not re.search(r"<em>i</em>|<strong>b|<code>c", page)

    def test_its_tables_have_every_row_whole(self, throughput_result, tmp_path):
        result = throughput_result()
        result.measurements[0].case = "a | b"
        page = markdown_page(write([result], tmp_path / "r.md").read_text())
        assert "a | b</td>" in page
        rows = re.findall(r"<tr>(.*?)</tr>", page.split("</table>")[0], re.S)
        assert len({row.count("</td>") + row.count("</th>") for row in rows}) == 1
        assert len(rows) == 1 + len(result.measurements)

    def test_its_figures_lie_beside_it(self, latency_result, tmp_path):
        path = write([latency_result()], tmp_path / "my report.md")
        found = re.findall(r"!\[([^]]{40,})\]\(([^)]+)\)", path.read_text().replace("\\]", ""))
        assert len(found) == len(plots.kinds(latency_result()))
        for _, address in found:
            assert address.startswith("my%20report_figures/")
            with Image.open(tmp_path / address.replace("%20", " ")) as figure:
                assert figure.size[0] > 1000

    @pytest.mark.parametrize(
        ("typed", "expected"),
        [
            ("1. a", "1\\. a"),
            ("- b", "\\- b"),
            ("a_b _c_", "a_b \\_c\\_"),
            ("www.x.y http://x :joy:", "www\\.x.y http\\://x \\:joy:"),
            ("±25 % (17 to 19)", "±25 % (17 to 19)"),
        ],
    )
    def test_only_what_would_be_obeyed_is_escaped(self, typed, expected):
        assert escaped(typed) == expected


class TestRows:
    def read(self, results, tmp_path):
        text = write(results, tmp_path / "r.csv").read_bytes().decode()
        assert text.count("\r\n") == text.count("\n")
        return list(csv.DictReader(io.StringIO(text, newline=""), strict=True))

    def test_a_line_a_measurement_with_every_digit(self, latency_result, tmp_path):
        result = latency_result()
        rows = self.read([result, result], tmp_path)
        assert len(rows) == 2 * len(result.measurements)
        for row, item in zip(rows, result.measurements, strict=False):
            assert (row["rival"], row["case"], row["unit"]) == (item.rival, item.case, item.unit)
            assert float(row["median"]) == item.median
            assert float(row["p99"]) == item.quantiles["99"]
            assert row["digest_ok"] == "true"
            assert json.loads(row["parameters"]) == result.parameters
        compared = {row["rival"]: row["ratio"] for row in rows if row["case"] == "all"}
        ratios = {one.rival: one.ratio for one in result.comparisons if one.rival != one.baseline}
        assert {name: float(compared[name]) for name in ratios} == ratios

    @pytest.mark.parametrize("start", ["=", "+", "-", "@", "\t", "\r"])
    def test_a_spreadsheet_takes_no_text_for_a_formula(self, start, throughput_result, tmp_path):
        result = throughput_result()
        result.measurements[0].rival = f'{start}HYPERLINK("http://x.y","a, b")'
        row = self.read([result], tmp_path)[0]
        assert row["rival"] == f"'{result.measurements[0].rival}"

    def test_numbers_below_nought_stay_numbers(self, throughput_result, tmp_path):
        result = throughput_result()
        result.measurements[0].low = -1.5
        assert float(self.read([result], tmp_path)[0]["low"]) == -1.5


class TestWhole:
    def test_every_result_comes_back_as_it_was(self, latency_result, throughput_result, tmp_path):
        results = [latency_result(), throughput_result()]
        path = write(results, tmp_path / "r.json", "T", "my notes\x00")
        content = json.loads(path.read_text())
        assert (content["title"], content["notes"]) == ("T", "my notes")
        found = [read(path, json.dumps(item).encode()) for item in content["results"]]
        assert [item.measurements for item in found] == [item.measurements for item in results]

    def test_a_file_that_is_no_report_is_not_replaced(self, throughput_result, tmp_path):
        (tmp_path / "r.json").write_text("{}")
        with pytest.raises(FileError, match="something else than a report's data"):
            write([throughput_result()], tmp_path / "r.json")
        assert (tmp_path / "r.json").read_text() == "{}"


class TestOneFigure:
    def test_svg_and_png_are_the_figure_that_was_asked_for(self, latency_result, tmp_path):
        result = latency_result()
        drawn = write([result], tmp_path / "r.svg", kinds=["histogram"], case="cancel").read_text()
        assert ElementTree.fromstring(drawn).tag.endswith("svg")
        assert not re.search(r'(?:href|src)="(?!#|data:)', drawn)
        png = write([result], tmp_path / "r.png", kinds=["histogram"], case="cancel")
        with Image.open(png) as figure:
            assert figure.format == "PNG" and figure.size == (1536, 902)
        other = write([result], tmp_path / "o.svg", kinds=["histogram"]).read_text()
        assert other != drawn
