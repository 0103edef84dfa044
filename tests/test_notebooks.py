"""The notebooks as committed, and each of them run from top to bottom."""

from __future__ import annotations

import html
import re
import shutil
from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

from lab.gallery import PIXELS, SUBJECTS
from lab.shipped import FIGURE_TAG, strip

CHECKOUT = Path(__file__).resolve().parents[1]
NOTEBOOKS = sorted((CHECKOUT / "notebooks").glob("*.ipynb"))
BYTES_MAX = 1_000_000
CELLS_MAX = 60
CELL_SECONDS_MAX = 300
# What an essay has, in this order; between them stands its road from slow to fast.
PARTS = (
    "How to read it",
    "Words",
    "Is it right?",
    "Hand it on",
    "Roads not taken",
    "Where to go next",
)

# Runs are saved among a person's own; those of this test are taken away again.
_TIDY = """
from lab.measure.result import RUNS, Result

for value in list(globals().values()):
    if isinstance(value, Result) and value.path and value.path.parent == RUNS:
        value.path.unlink(missing_ok=True)
"""

every_notebook = pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)


def test_there_are_notebooks_in_reading_order() -> None:
    names = [path.name for path in NOTEBOOKS]
    assert names[0] == "00_start_here.ipynb"
    assert {
        "01_what_time_costs.ipynb",
        "02_where_threads_live.ipynb",
        "03_memory.ipynb",
        "04_matching_engines.ipynb",
        "05_latency_under_load.ipynb",
        "13_compare_and_report.ipynb",
    } <= set(names)
    assert all(re.fullmatch(r"\d\d_[a-z0-9_]+\.ipynb", name) for name in names)


@every_notebook
def test_the_first_cell_says_what_how_long_and_on_what(path: Path) -> None:
    first = nbformat.read(path, as_version=4).cells[0]
    assert first.cell_type == "markdown"
    assert first.source.startswith("# ")
    assert re.search(r"^\*\*.+\?\*\*$", first.source, re.MULTILINE), "no question in bold"
    for said in ("what you get", "how long it takes", "what the machine must offer"):
        assert said in first.source


@every_notebook
def test_it_is_an_essay_with_all_its_parts(path: Path) -> None:
    cells = nbformat.read(path, as_version=4).cells
    assert len(cells) <= CELLS_MAX
    text = "\n".join(cell.source for cell in cells if cell.cell_type == "markdown")
    titles = re.findall(r"^##+ (.+)$", text, re.MULTILINE)
    assert set(PARTS) <= set(titles), f"it lacks {set(PARTS) - set(titles)}"
    assert titles[-2:] == ["Roads not taken", "Where to go next"]
    assert titles.index("Words") < titles.index("Is it right?")
    words = text.split("## Words\n", 1)[1].split("\n## ", 1)[0]
    assert words.count("**") >= 8, "a word that is explained is bold"


@every_notebook
def test_the_panel_follows_the_first_figure(path: Path) -> None:
    code = [cell for cell in nbformat.read(path, as_version=4).cells if cell.cell_type == "code"]
    assert "picture(" in code[0].source
    assert "lab.panel(" in code[1].source


@every_notebook
def test_its_number_is_in_its_title(path: Path) -> None:
    first = nbformat.read(path, as_version=4).cells[0].source
    assert first.startswith(f"# {path.name[:2]} ")


def test_the_gallery_shows_every_other_notebook() -> None:
    """A row each: its picture with alternative text, its title, and its question word by word."""
    cells = nbformat.read(NOTEBOOKS[0], as_version=4).cells
    rows = [row for cell in cells for row in cell.source.splitlines() if "<img " in row]
    others = NOTEBOOKS[1:]
    assert {path.name[:2] for path in others} == set(SUBJECTS)
    for row, path in zip(rows, others, strict=True):
        (question,) = re.findall(
            r"^\*\*(.+\?)\*\*$",
            nbformat.read(path, as_version=4).cells[0].source,
            re.MULTILINE,
        )
        assert question in row
        assert row.count(f"]({path.name})") == 2  # the picture leads there, and the title
        picture, words = re.findall(r'<img src="([^"]+)".* alt="([^"]+)"', row)[0]
        assert len(words) > 40
        dots = (NOTEBOOKS[0].parent / picture).read_bytes()
        assert dots[:8] == b"\x89PNG\r\n\x1a\n"
        assert tuple(int.from_bytes(dots[at : at + 4], "big") for at in (16, 20)) == PIXELS
        assert len(dots) < 60_000


@every_notebook
def test_only_tagged_figures_are_committed(path: Path) -> None:
    notebook = nbformat.read(path, as_version=4)
    nbformat.validate(notebook)
    assert path.stat().st_size < BYTES_MAX
    assert "widgets" not in notebook.metadata
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    tagged = [cell for cell in code if FIGURE_TAG in cell.metadata.get("tags", [])]
    assert code[0] in tagged, "a notebook opens with a picture"
    for cell in tagged:
        picture, *_, words = cell.outputs
        alternative = picture.metadata["image/png"]["alt"]
        assert set(picture.data) == {"image/png", "text/plain"}
        assert len(alternative) > 100
        assert html.escape(alternative) in words.data["text/html"]
    assert not any(cell.outputs for cell in code if cell not in tagged)
    assert not any(cell.execution_count for cell in code)


@every_notebook
def test_links_between_notebooks_lead_somewhere(path: Path) -> None:
    for cell in nbformat.read(path, as_version=4).cells:
        for name in re.findall(r"\]\(([^)#]+\.ipynb)", cell.source):
            assert (path.parent / name).is_file(), f"{cell.id} links to {name}"


@every_notebook
def test_code_cells_are_short(path: Path) -> None:
    """Library code lives in ``lab``; a notebook shows how it is used."""
    lengths = [
        len(cell.source.splitlines())
        for cell in nbformat.read(path, as_version=4).cells
        if cell.cell_type == "code"
    ]
    assert max(lengths) <= 18
    assert sorted(lengths)[len(lengths) // 2] <= 5


@every_notebook
def test_it_runs_from_top_to_bottom(path: Path, tmp_path: Path) -> None:
    """In a copy of its folder's place, so that what it writes stays out of the checkout."""
    notebook = nbformat.read(path, as_version=4)
    committed = _alternatives(notebook)
    strip(notebook)
    place = tmp_path / "notebooks"
    place.mkdir()
    (tmp_path / "data").mkdir()
    for shared in ("samples", "results/shipped"):
        shutil.copytree(CHECKOUT / "data" / shared, tmp_path / "data" / shared)
    client = NotebookClient(
        notebook, timeout=CELL_SECONDS_MAX, resources={"metadata": {"path": str(place)}}
    )
    notebook.cells.append(nbformat.v4.new_code_cell(_TIDY))
    client.execute()  # raises with the cell and its traceback where one fails
    for cell in notebook.cells:
        if cell.cell_type != "code":
            continue
        complaints = [output for output in cell.outputs if output.get("name") == "stderr"]
        assert not complaints, f"{cell.id} complains: {complaints[0].text}"
    assert any("image/png" in output.get("data", {}) for output in _outputs(notebook))
    assert _alternatives(notebook) == committed, "run python -m lab.shipped --only figures"
    assert any(
        "application/vnd.jupyter.widget-view+json" in output.get("data", {})
        for output in _outputs(notebook)
    ), "no panel"


def _alternatives(notebook: nbformat.NotebookNode) -> list[str]:
    """Return the words of the figures in tagged cells."""
    tagged = [cell for cell in notebook.cells if FIGURE_TAG in cell.metadata.get("tags", [])]
    return [cell.outputs[0].metadata["image/png"]["alt"] for cell in tagged]


def _outputs(notebook: nbformat.NotebookNode) -> list[nbformat.NotebookNode]:
    """Return the outputs of all code cells."""
    return [
        output for cell in notebook.cells if cell.cell_type == "code" for output in cell.outputs
    ]
