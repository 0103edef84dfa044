"""Each notebook in a real JupyterLab: it opens with its picture, runs all, shows its figures."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

import pytest
from playwright.sync_api import TimeoutError as PlaywrightTimeout

NOTEBOOKS = sorted(
    path.name for path in (Path(__file__).resolve().parents[2] / "notebooks").glob("[0-9]*.ipynb")
)
START = NOTEBOOKS[0]
SECONDS_MAX = 240  # on a machine that does other things as well

# What the cells hold, by Lab's own model: what nobody has scrolled to may not be drawn.
OUTPUTS = """() => [...window.jupyterapp.shell.currentWidget.content.model.cells]
    .map((cell, at) => ({at, outputs: cell.type === "code" ? cell.outputs.toJSON() : []}))"""
SCROLL_TO_CELL = "(at) => window.jupyterapp.shell.currentWidget.content.scrollToItem(at, 'start')"
# A picture is there when its bytes have come and it takes room on the page.
ALL_LOADED = """(cell) => {
    const images = [...cell.querySelectorAll("img")];
    return images.length > 0 && images.every(
        (image) => image.complete && image.naturalWidth > 300 && image.clientWidth > 300);
}"""
FIGURE = ":is(.figure img, .figure canvas, .jupyter-matplotlib canvas)"


@pytest.mark.parametrize("name", NOTEBOOKS)
def test_it_opens_runs_and_shows_its_figures(name: str, notebook, session) -> None:
    notebook.open(f"notebooks/{name}")
    opens_with_its_picture(notebook, name)
    with suppress(PlaywrightTimeout):  # a cell that fails ends it, and the next line names that one
        notebook.run_all(SECONDS_MAX)
    outputs = notebook.page.evaluate(OUTPUTS)
    assert [told for told in outputs if complains(told["outputs"])] == []
    assert None not in notebook.counts(), "a cell never came to its end"
    figures = [told["at"] for told in outputs if holds(told["outputs"], "image/png")]
    panels = [told["at"] for told in outputs if holds(told["outputs"], "widget-view+json")]
    assert len(figures) >= 2, "a figure that was shipped, and one of this machine"
    for at in figures:
        wait_until(notebook, at, ALL_LOADED)
    for at in panels:
        shown(notebook, at).locator(FIGURE).first.wait_for(timeout=20_000)
    scroll(notebook, panels[0])
    notebook.keep(f"notebook-{name[:2]}-2-panel")
    assert session.outside() == []
    assert session.complaints() == []


def test_the_gallery_leads_to_each_notebook(notebook, session) -> None:
    notebook.open(f"notebooks/{START}")
    for name in NOTEBOOKS[1:]:
        row = notebook.page.locator(f"tr:has(a[href*='{name}'])").first
        row.scroll_into_view_if_needed()
        picture = row.locator("img")
        assert picture.evaluate("image => image.complete && image.naturalWidth") >= 640
        assert len(picture.get_attribute("alt")) > 40
    notebook.page.locator(f"a[href*='{NOTEBOOKS[1]}']:has(img)").first.click()
    title = notebook.page.locator(".jp-NotebookPanel:visible h1").first
    title.get_by_text("What time costs").wait_for(timeout=20_000)
    assert session.outside() == []


def opens_with_its_picture(notebook, name: str) -> None:
    """The committed figure is there before anything has run, its words folded below it."""
    notebook.keep(f"notebook-{name[:2]}-0-opened")
    outputs = notebook.page.evaluate(OUTPUTS)
    first = next(told["at"] for told in outputs if told["outputs"])
    wait_until(notebook, first, ALL_LOADED)
    assert shown(notebook, first).locator("details summary").inner_text() == "in words"
    assert set(notebook.counts()) == {None}
    notebook.keep(f"notebook-{name[:2]}-1-picture")


def complains(outputs: list[dict]) -> bool:
    """Say whether a cell failed or wrote to standard error."""
    return any(out["output_type"] == "error" or out.get("name") == "stderr" for out in outputs)


def holds(outputs: list[dict], kind: str) -> bool:
    """Say whether a cell has an output of a kind."""
    return any(mime.endswith(kind) for out in outputs for mime in out.get("data", {}))


def shown(notebook, at: int):
    """Return a cell, scrolled to."""
    scroll(notebook, at)
    return notebook.page.locator(f'.jp-Cell[data-windowed-list-index="{at}"]')


def scroll(notebook, at: int) -> None:
    notebook.page.evaluate(SCROLL_TO_CELL, at)
    notebook.page.wait_for_timeout(200)


def wait_until(notebook, at: int, condition: str) -> None:
    """Wait until something holds of a cell."""
    cell = shown(notebook, at)
    cell.wait_for(timeout=20_000)
    notebook.page.wait_for_function(condition, arg=cell.element_handle(), timeout=20_000)
