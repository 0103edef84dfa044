"""The README's two screenshots, of the real thing: the gallery, and a panel with a run of its own.

``make screenshots`` writes them into the checkout; as a test it shows that they can be made, and
that those which the README shows are there, as large and as small as these.
"""

from __future__ import annotations

import os
import re
from pathlib import Path

import nbformat
import pytest

from lab.shipped import smaller

CHECKOUT = Path(__file__).resolve().parents[2]
FOLDER = CHECKOUT / "notebooks" / "pictures"
BYTES_MAX = 150_000
RUN_SECONDS_MAX = 120
TALL = {"width": 1366, "height": 1100}  # five rows of the gallery
PANEL = ".jp-OutputArea-output:has(.exchange-lab)"
# The panel's settings: two engines, three rounds, some seconds.
CELL = """import lab

lab.panel("matching_latency", engines=["binary_heap", "price_ladder"], rounds=3, seconds=0.2,
          messages=20_000)"""


@pytest.fixture
def wanted(tmp_path: Path) -> Path:
    """Where the screenshots go: into the checkout only when that is asked for."""
    return FOLDER if os.environ.get("EXCHANGE_LAB_SCREENSHOTS") else tmp_path


@pytest.fixture
def one_panel(lab) -> str:
    """A notebook with nothing but a panel, in the browser's own copy of the checkout."""
    cells = [nbformat.v4.new_markdown_cell("# Two engines"), nbformat.v4.new_code_cell(CELL)]
    kernel = {"display_name": "Python 3 (ipykernel)", "language": "python", "name": "python3"}
    made = nbformat.v4.new_notebook(cells=cells, metadata={"kernelspec": kernel})
    path = lab.checkout / "notebooks" / "two_engines.ipynb"
    nbformat.write(made, path)
    yield f"notebooks/{path.name}"
    path.unlink()


def test_a_screenshot_of_the_gallery(notebook, session, wanted: Path) -> None:
    notebook.page.set_viewport_size(TALL)
    notebook.open()
    notebook.page.keyboard.press("Control+b")  # the list of files goes
    heading = notebook.page.locator("h2:has-text('The notebooks')").first
    heading.evaluate("element => element.scrollIntoView({block: 'start'})")
    for picture in notebook.page.locator("td img:visible").all()[:4]:
        assert picture.evaluate("image => image.complete && image.naturalWidth") >= 640
    keep(notebook, wanted / "screenshot_gallery.png")
    assert session.outside() == []


def test_a_screenshot_of_a_panel(notebook, session, one_panel: str, wanted: Path) -> None:
    """After a run: its figure, table and verdict beside the controls."""
    notebook.open(one_panel)
    notebook.page.keyboard.press("Control+b")
    notebook.run_all()
    panel = notebook.page.locator(PANEL).last
    panel.locator("button:has-text('Run')").first.click(timeout=20_000)
    done = panel.get_by_text(re.compile("^done in")).first
    done.wait_for(timeout=1000 * RUN_SECONDS_MAX)
    so_far = panel.get_by_text(re.compile("so far")).first
    so_far.wait_for(state="hidden", timeout=20_000)
    panel.evaluate("element => element.scrollIntoView({block: 'start'})")
    notebook.page.mouse.move(5, 400)  # away from what would show a tooltip
    notebook.page.wait_for_timeout(1000)
    keep(notebook, wanted / "screenshot_panel.png")
    assert session.outside() == []


def keep(notebook, path: Path) -> None:
    """Write a screenshot with a palette, small enough for a repository."""
    path.write_bytes(smaller(notebook.page.screenshot()))
    assert path.stat().st_size < BYTES_MAX


def test_the_readme_shows_them() -> None:
    text = (CHECKOUT / "README.md").read_text(encoding="utf-8")
    shown = re.findall(r"!\[([^\]]{40,})\]\((notebooks/pictures/screenshot_\w+\.png)\)", text)
    assert [Path(place).stem for _, place in shown] == ["screenshot_panel", "screenshot_gallery"]
    for _, place in shown:
        assert 10_000 < (CHECKOUT / place).stat().st_size < BYTES_MAX
