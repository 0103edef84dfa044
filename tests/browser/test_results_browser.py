"""The results browser in a real JupyterLab, by mouse and by keyboard alone."""

from __future__ import annotations

import json
import shutil
import time
from pathlib import Path

import nbformat
import pytest

OPEN_SECONDS_MAX = 5.0  # of 300 results; measured about 1 s where nothing else runs
EXPORT_SECONDS_MAX = 5.0
MANY = 300
CELL = "import lab\n\nlab.browse()"
ROW = ".exchange-lab-result:visible"


@pytest.fixture
def small_notebook(lab) -> str:
    """A notebook with nothing but the browser, in the browser's own copy of the checkout."""
    cells = [nbformat.v4.new_markdown_cell("# Results"), nbformat.v4.new_code_cell(CELL)]
    kernel = {"display_name": "Python 3 (ipykernel)", "language": "python", "name": "python3"}
    made = nbformat.v4.new_notebook(cells=cells, metadata={"kernelspec": kernel})
    path = lab.checkout / "notebooks" / "results_browser.ipynb"
    nbformat.write(made, path)
    yield f"notebooks/{path.name}"
    path.unlink()


@pytest.fixture
def runs(lab) -> Path:
    """Runs made of shipped results: two hundred and more, two that compare, two that are none."""
    folder = lab.checkout / "data" / "results" / "runs"
    folder.mkdir(exist_ok=True)
    shipped = sorted((lab.checkout / "data" / "results" / "shipped").glob("*.json"))
    of_latency = [path for path in shipped if "matching_latency" in path.name]
    for number in range(MANY):
        source = shipped[number % len(shipped)]
        shutil.copy(source, folder / f"2026{number:04}_{source.name.split('_', 1)[1]}")
    dated(of_latency[0], folder, "2026-12-01T08:00:00Z")
    dated(of_latency[0], folder, "2026-12-02T08:00:00Z")
    (folder / "20261203T080000Z_matching_latency_cut0.json").write_bytes(
        of_latency[0].read_bytes()[:5_000]
    )
    newer = json.loads(of_latency[0].read_text()) | {"schema_version": 99}
    (folder / "20261203T090000Z_matching_latency_new0.json").write_text(json.dumps(newer))
    yield folder
    shutil.rmtree(folder)


def dated(source: Path, folder: Path, created: str) -> None:
    """Save a result as one of another time; without a checksum, which would not fit."""
    content = json.loads(source.read_text()) | {"created": created, "checksum": None}
    name = f"{created.replace(':', '').replace('-', '')}_{content['experiment']}_aaaa.json"
    (folder / name).write_text(json.dumps(content, indent=1) + "\n")


def test_a_visit_to_the_results(notebook, session, lab, runs, small_notebook, report_page) -> None:
    notebook.open(small_notebook)
    browser = opened(notebook)
    filter_by_keyboard(notebook, browser)
    overlay_two(notebook, browser)
    compare_them(notebook, browser)
    export_them(notebook, browser, lab, report_page)
    delete_and_undo(notebook, browser, runs)
    look_at_what_cannot_be_read(notebook, browser)
    assert session.outside() == []
    assert session.complaints() == []


def opened(notebook):
    """Run the cell; three hundred results are there soon."""
    notebook.wait_for_kernel()
    notebook.ask_kernel("import lab, lab.panels.browser")
    start = time.monotonic()
    notebook.run_all()
    browser = notebook.page.locator(".jp-OutputArea-output:has(.exchange-lab-results)").first
    browser.locator(ROW).first.wait_for()
    seconds = time.monotonic() - start
    print(f"{MANY} results are listed after {seconds:.2f} s")
    assert seconds < OPEN_SECONDS_MAX
    browser.evaluate("element => element.scrollIntoView({block: 'start'})")
    notebook.keep("results-1-opened")
    return browser


def filter_by_keyboard(notebook, browser) -> None:
    """Menus by arrows and letters, which add no cell; words typed; a tick by the space bar."""
    page, menu = notebook.page, browser.locator("select").first
    every = place(browser)
    menu.focus()
    while "matching latency" not in words(menu.evaluate("menu => menu.selectedOptions[0].text")):
        page.keyboard.press("ArrowDown")
    assert menu.evaluate("menu => menu === document.activeElement")
    page.keyboard.press("Escape")
    wait_until(page, lambda: place(browser) != every)
    browser.locator("input[type=date]").first.focus()
    page.keyboard.type("12012026")
    wait_until(page, lambda: browser.locator(ROW).count() == 4)
    browser.locator("input[type=text]").first.fill("matching ladder")
    wait_until(page, lambda: browser.locator(ROW).count() == 2)
    assert [words(row) for row in browser.locator(f"{ROW} .when").all_inner_texts()] == [
        "2026-12-02 08:00",
        "2026-12-01 08:00",
    ]
    ticks = browser.locator(f"{ROW} input")
    ticks.first.focus()
    for key in ("b", "ArrowDown", "Space", "Tab", "Space"):
        page.keyboard.press(key)
    assert [tick.is_checked() for tick in ticks.all()] == [True, True]
    assert len(notebook.counts()) == 1  # no letter has made a cell
    notebook.keep("results-2-filtered")


def overlay_two(notebook, browser) -> None:
    """Two ticked results lie over each other in one figure."""
    browser.locator(".quiet:has-text('in front')").wait_for()
    told = browser.locator(".quiet:has-text('in front')").first.inner_text()
    assert "2026-12-02 08:00" in told
    assert "① 2026-12-01 08:00" in told
    browser.locator("canvas, .figure img").first.wait_for()
    browser.locator("td:has-text('①')").first.wait_for()
    notebook.keep("results-3-overlaid")


def compare_them(notebook, browser) -> None:
    browser.locator("button:text-is('Side by side')").click()
    browser.locator(".exchange-lab-beside table").first.wait_for()
    assert "before: 2026-12-01 08:00" in words(browser.inner_text())
    box, table = (
        browser.locator(selector).first.bounding_box()
        for selector in (".exchange-lab-beside", ".exchange-lab-beside table")
    )
    assert table["x"] + table["width"] <= box["x"] + box["width"] + 1, "the table is cut"
    notebook.keep("results-4-side-by-side")
    browser.locator("button:text-is('Figure')").click()
    browser.locator(".exchange-lab-beside").first.wait_for(state="detached")


def export_them(notebook, browser, lab, report_page) -> None:
    """One report of both, with a title that holds markup, opened from the disk."""
    browser.locator("button:has-text('Title, notes, name')").click()
    browser.locator("input[placeholder^=title]").fill("Two <b>days</b>")
    browser.locator("textarea").fill("seen on a Tuesday")
    browser.locator("input[placeholder^=file]").fill("two_days")
    notebook.page.keyboard.press("Tab")
    start = time.monotonic()
    browser.locator("button:text-is('Export')").click()
    browser.locator(".quiet:has-text('two_days.html')").wait_for(timeout=20_000)
    seconds = time.monotonic() - start
    print(f"the report of two was written {seconds:.2f} s after the click")
    assert seconds < EXPORT_SECONDS_MAX
    notebook.keep("results-5-exported")
    page, asked = report_page
    page.goto((lab.checkout / "data/results/reports/two_days.html").as_uri())
    assert page.locator("h1").inner_text() == "Two <b>days</b>"
    assert "seen on a Tuesday" in page.locator("body").inner_text()
    assert [url for url in asked.requests if not url.startswith(("file:", "data:"))] == []
    assert asked.console == []


def delete_and_undo(notebook, browser, runs) -> None:
    """Two steps by keyboard, and back again."""
    before = {path.name for path in runs.glob("*.json")}
    browser.locator("button:text-is('Delete')").focus()
    notebook.page.keyboard.press("Space")
    browser.locator(".quiet:has-text('Delete 2 results?')").wait_for()
    wait_until(notebook.page, lambda: focused(notebook.page) == "Keep them")
    notebook.keep("results-6-asked")
    notebook.page.keyboard.press("Tab")
    assert focused(notebook.page) == "Delete them"
    notebook.page.keyboard.press("Space")
    browser.locator(".quiet:has-text('2 results deleted')").wait_for()
    assert len({path.name for path in runs.glob("*.json")}) == len(before) - 2
    notebook.keep("results-7-deleted")
    wait_until(notebook.page, lambda: focused(notebook.page) == "Undo")
    notebook.page.keyboard.press("Space")
    wait_until(notebook.page, lambda: browser.locator(ROW).count() == 2)
    assert {path.name for path in runs.glob("*.json")} == before
    browser.locator(".quiet:has-text('in front')").wait_for()


def look_at_what_cannot_be_read(notebook, browser) -> None:
    browser.locator("button:text-is('Show all')").click()
    menu = browser.locator("select").nth(2)
    menu.select_option(index=4)
    wait_until(notebook.page, lambda: browser.locator(f"{ROW} .unreadable").count() == 2)
    said = words(" ".join(browser.locator(f"{ROW} .found").all_inner_texts()))
    assert "has schema version 99" in said
    assert "was cut short" in said
    notebook.keep("results-8-unreadable")


def place(browser) -> str:
    """The line between the pages' buttons."""
    return words(browser.locator(".widget-label:has-text(' of ')").first.inner_text())


def focused(page) -> str:
    return page.evaluate("document.activeElement.textContent").strip()


def words(text: str) -> str:
    """A text with plain spaces: ipywidgets writes a menu's with hard ones."""
    return text.replace("\u00a0", " ")


def wait_until(page, is_so, seconds: float = 10.0) -> None:
    deadline = time.monotonic() + seconds
    while not is_so():
        assert time.monotonic() < deadline, "it did not come about"
        page.wait_for_timeout(50)
