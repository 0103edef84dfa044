"""An executed notebook as one HTML page that asks nothing of the network.

Widgets become the figures that they carry with them, formulas become drawings. Whatever the
notebook's cells hold, nothing on the page runs: markup is cleaned and scripts are left out.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import nbformat
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from engines.errors import FileError, MeasurementError
from lab.reports.cells import Cells, StyledCode
from lab.reports.content import as_typed
from lab.reports.files import PagePath, target, write_all

TEMPLATE = "notebook.html"
CELL_SECONDS_MOST = 1800


@dataclass(frozen=True)
class _Shown:
    """One cell on the page."""

    is_code: bool
    source: Markup
    outputs: list[Markup]


def write_notebook(
    notebook: str | os.PathLike[str],
    path: str | os.PathLike[str],
    title: str | None = None,
    notes: str = "",
    execute: bool = False,
) -> PagePath:
    """Write a notebook as a page.

    Parameters
    ----------
    notebook
        The file; it is not changed.
    path
        The page; ``.html`` is added to a name without an ending.
    title, notes
        Plain text for its top and its end; without a title the notebook's own stands.
    execute
        Whether it is run before, in its own folder and in a kernel of its own.

    Raises
    ------
    FileError
        The notebook cannot be read, or the page cannot be written.
    MeasurementError
        A cell failed.
    """
    place = Path(notebook)
    page, form = target(Path(path))
    if form != "html":
        raise FileError(page, f"has the ending .{form}; a notebook becomes a page: name it .html")
    content = _read(place)
    if execute:
        _execute(place, content)
    made = _page(place, content, as_typed(title or "").strip(), as_typed(notes).strip("\n"))
    write_all({page: made.encode()})
    return PagePath(page)


def _read(path: Path) -> Any:
    try:
        return nbformat.reads(path.read_text(encoding="utf-8"), as_version=4)
    except OSError as error:
        raise FileError(path, f"cannot be read ({error.strerror}); check the name") from None
    except Exception as error:  # what is no JSON, no notebook, or from a newer Jupyter
        problem = str(error).split("\n")[0][:200]
        raise FileError(path, f"is no notebook ({problem}); take the original") from None


def _execute(path: Path, content: Any) -> None:
    """Run every cell, as Jupyter would."""
    from nbclient import NotebookClient
    from nbclient.exceptions import CellExecutionError, CellTimeoutError, DeadKernelError

    folder = {"metadata": {"path": str(path.resolve().parent)}}
    client = NotebookClient(content, timeout=CELL_SECONDS_MOST, resources=folder)
    try:
        client.execute()
    except CellExecutionError as error:
        words = f"a cell of {path} failed ({error.ename}: {error.evalue})"
        raise MeasurementError(f"{words}; mend it, or leave out --execute") from None
    except (CellTimeoutError, DeadKernelError) as error:
        words = str(error).split("\n")[0]
        raise MeasurementError(f"{path} could not be run to its end ({words}); try again") from None


def _page(path: Path, content: Any, title: str, notes: str) -> str:
    cells = Cells(path.resolve().parent)
    code = [cell for cell in content.cells if cell.cell_type == "code" and cell.source.strip()]
    not_run = sum(cell.execution_count is None for cell in code)
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).resolve().parent),
        autoescape=True,  # what a person typed stays text
        undefined=StrictUndefined,
        trim_blocks=True,
    )
    return environment.get_template(TEMPLATE).render(
        title=title,
        tab=title or _own_title(content.cells) or path.stem,
        notes=notes,
        cells=list(_shown(cells, content.cells)),
        not_run=f"{not_run} of {len(code)} code cells were not run." if not_run else "",
        name=path.name,
        digest=hashlib.blake2b(nbformat.writes(content).encode(), digest_size=8).hexdigest(),
        code_style=Markup(StyledCode.css()),
    )


def _shown(cells: Cells, found: Iterable[Any]) -> Iterable[_Shown]:
    for cell in found:
        if cell.cell_type == "markdown":
            yield _Shown(False, cells.markdown(cell.source, cell.get("attachments", {})), [])
        elif cell.cell_type == "code" and cell.source.strip():
            outputs = [cells.output(output) for output in cell.outputs]
            yield _Shown(True, StyledCode.html(cell.source), [one for one in outputs if one])


def _own_title(cells: Iterable[Any]) -> str:
    """Return the notebook's first heading."""
    for cell in cells:
        for line in cell.source.split("\n") if cell.cell_type == "markdown" else []:
            if line.startswith("# "):
                return line[2:].strip()
    return ""
