"""Reports from a panel in a real JupyterLab: every format exported, opened, and asking nobody."""

from __future__ import annotations

import csv
import json
import re
import subprocess
import time
from pathlib import Path

import nbformat
import pytest
from PIL import Image

EXPORT_SECONDS_MAX = {"html": 5.0, "pdf": 15.0}  # the others: as HTML
HTML_BYTES_MAX = 5_000_000
TITLE = '<img src="http://x.y/z.png"> #panic("x") **b** $x^2$'
NOTES = '<script>alert(1)</script>\n#image("/etc/passwd")\n![i](http://x.y/i.png)'
CELL = 'import lab\n\nlab.panel("matching_latency")'
FOLDER = Path("data", "results", "reports")


@pytest.fixture
def panel_notebook(lab) -> str:
    """A notebook with nothing but a panel, in the browser's own copy of the checkout."""
    cells = [nbformat.v4.new_markdown_cell("# Export"), nbformat.v4.new_code_cell(CELL)]
    kernel = {"display_name": "Python 3 (ipykernel)", "language": "python", "name": "python3"}
    made = nbformat.v4.new_notebook(cells=cells, metadata={"kernelspec": kernel})
    path = lab.checkout / "notebooks" / "exported_panel.ipynb"
    nbformat.write(made, path)
    yield f"notebooks/{path.name}"
    path.unlink()


def test_every_format_is_exported_and_opened(
    notebook, session, lab, panel_notebook, report_page
) -> None:
    notebook.open(panel_notebook)
    notebook.run_all()
    page = notebook.page
    page.locator('button:has-text("Run")').first.wait_for(timeout=30_000)
    assert page.locator(".jp-OutputArea-output.jp-RenderedHTMLCommon:visible").count() == 0, (
        "JupyterLab shows the widget, not the picture that it carries along"
    )
    type_title_and_notes(page)
    files = {form: exported(notebook, lab, form) for form in formats_of(page)}
    notebook.keep("reports-1-exported")
    assert set(files) == {"html", "pdf", "md", "json", "csv", "svg", "png"}
    look_at_the_page(notebook, files["html"], report_page)
    look_at_the_rest(files, report_page[0])
    look_at_the_notebook(notebook, lab, panel_notebook, report_page)
    assert session.outside() == []
    assert session.complaints() == []


def type_title_and_notes(page) -> None:
    """Open the fold and type markup into both fields."""
    page.get_by_text("Title, notes, name").first.click()
    page.locator('input[placeholder="title (optional)"]').fill(TITLE)
    page.locator('textarea[placeholder="notes (optional)"]').fill(NOTES)
    page.locator('textarea[placeholder="notes (optional)"]').blur()


def formats_of(page) -> list[str]:
    """Return the endings that the menu of formats offers."""
    options = page.locator('select:has(option:has-text("(.html)")) option').all_inner_texts()
    return [re.search(r"\(\.(\w+)\)", option).group(1) for option in options]


def exported(notebook, lab, form: str) -> Path:
    """Choose a format, click Export and return the file; print how long it took."""
    page, folder = notebook.page, lab.checkout / FOLDER
    menu = page.locator('select:has(option:has-text("(.html)"))')
    before = {path: path.stat().st_mtime_ns for path in folder.glob(f"*.{form}")}
    texts = menu.locator("option").all_inner_texts()
    menu.select_option(label=next(text for text in texts if f"(.{form})" in text))
    start = time.monotonic()
    page.locator('button:has-text("Export")').first.click()
    limit_s = EXPORT_SECONDS_MAX.get(form, EXPORT_SECONDS_MAX["html"])
    while time.monotonic() - start < 3 * limit_s:
        found = [
            path for path in folder.glob(f"*.{form}") if before.get(path) != path.stat().st_mtime_ns
        ]
        said = page.locator(f'.widget-html:has-text("report:"):has-text(".{form}")').count()
        if found and said:
            break
        time.sleep(0.02)
    seconds = time.monotonic() - start
    print(f"export of {form}: {seconds:.2f} s, {found[0].stat().st_size / 1e6:.2f} MB")
    assert seconds < limit_s
    return found[0]


def look_at_the_page(notebook, path: Path, report_page) -> None:
    """The HTML opens from the disk without the network, prints, and obeys nothing typed."""
    page, asked = report_page
    page.context.set_offline(True)
    page.goto(path.as_uri())
    assert path.stat().st_size < HTML_BYTES_MAX
    assert page.locator("h1").inner_text() == TITLE
    assert page.locator(".notes").inner_text().strip() == NOTES
    figures = page.locator("img").all()
    assert len(figures) >= 3
    for figure in figures:
        assert figure.evaluate("image => image.complete && image.naturalWidth") > 300
        assert len(figure.get_attribute("alt")) > 40
    wide = page.evaluate("document.documentElement.scrollWidth - innerWidth")
    assert wide <= 0, f"the page is {wide} pixels too wide"
    page.screenshot(path=notebook.screenshots / "reports-2-page.png", full_page=True)
    printed = page.pdf(format="A4")
    assert printed.startswith(b"%PDF-")
    assert_asked_nobody(asked)


def look_at_the_rest(files: dict[str, Path], page) -> None:
    """The other formats are what their endings say."""
    assert files["pdf"].read_bytes().startswith(b"%PDF-")
    assert "\\<img src=" in files["md"].read_text()
    folder = files["md"].with_name(f"{files['md'].stem}_figures")
    assert len(list(folder.glob("*.png"))) >= 3
    assert json.loads(files["json"].read_text())["notes"] == NOTES
    with files["csv"].open(newline="") as lines:
        assert {row["experiment"] for row in csv.DictReader(lines)} == {"matching_latency"}
    with Image.open(files["png"]) as figure:
        assert figure.size[0] > 1000
    page.goto(files["svg"].as_uri())
    assert page.evaluate("document.documentElement.tagName") == "svg"


def look_at_the_notebook(notebook, lab, name: str, report_page) -> None:
    """The notebook, saved and exported, shows the panel as its figure."""
    notebook.page.locator(".jp-Cell").first.click()
    notebook.page.keyboard.press("Control+s")
    notebook.page.wait_for_function(
        "() => !window.jupyterapp.shell.currentWidget.context.model.dirty", timeout=10_000
    )
    page = lab.checkout / FOLDER / "exported_panel.html"
    command = [lab.checkout / ".venv/bin/lab", "report", name, "--output", page]
    subprocess.run(command, cwd=lab.checkout, check=True, capture_output=True)
    shown, asked = report_page
    shown.goto(page.as_uri())
    (figure,) = shown.locator("img").all()
    assert figure.evaluate("image => image.naturalWidth") > 600
    assert shown.locator("table").count() >= 1
    assert "stable" in shown.locator(".verdict").inner_text()
    shown.screenshot(path=notebook.screenshots / "reports-3-notebook.png", full_page=True)
    assert_asked_nobody(asked)


def assert_asked_nobody(asked) -> None:
    """Require that a page fetched nothing and complained of nothing."""
    assert [url for url in asked.requests if not url.startswith(("file:", "data:"))] == []
    assert asked.console == []
