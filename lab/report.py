"""The door of reports: results to a file that someone else can trust and repeat.

A report is for someone who was not there: question, finding, figure, table, verdict, machine, how
to repeat it, then the rest. The same results give the same bytes. ``lab.reports`` has the parts.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from engines.errors import InputError
from lab.measure.result import CHECKOUT, Result
from lab.reports import files
from lab.reports.content import Content, Drawn, as_typed, content_of, title_of
from lab.reports.files import PagePath as PagePath
from lab.reports.files import file_name as file_name
from lab.reports.files import place as place
from lab.reports.formats import FORMATS as FORMATS
from lab.reports.whole import whole

REPORTS = CHECKOUT / "data" / "results" / "reports"


def write(
    results: Sequence[Result],
    path: str | os.PathLike[str],
    title: str | None = None,
    notes: str = "",
    kinds: Sequence[str] | None = None,
    case: str | None = None,
    apart: bool = False,
) -> PagePath:
    """Write a report in the format that the file's ending names.

    Beside one for people (HTML, PDF, Markdown) lies all data as JSON, under the same stem.

    Parameters
    ----------
    results
        One result or more. Of each experiment the first is what the figures are about; the others
        lie behind it.
    path
        The file; ``.html`` is added to a name without an ending. A report of that name is replaced.
    title
        Plain text; the experiment's name when None.
    notes
        Plain text, shown at the end as it was typed.
    kinds
        Only these kinds of figures, such as ``["percentiles"]``; all when None. A file that is one
        figure (SVG, PNG) holds the first.
    case
        What was measured, for figures of one case; the whole run when None.
    apart
        Whether runs of other settings have a section of their own, as in a report of a folder, or
        lie behind the first, as in a panel.

    Returns
    -------
    PagePath
        The file, a ``Path`` that a notebook shows as a link. All files are there whole, or what was
        there before is untouched.

    Raises
    ------
    InputError
        There is no result, or no such figure.
    FileError
        The ending is none of ``FORMATS``, a file cannot be written, or the data would replace a
        file that is not a report's.
    """
    if not results:
        raise InputError("0 results make no report; run an experiment first: lab run --help")
    page, form = files.target(Path(path))
    order = _Order(list(results), page, title, notes, kinds, case, apart)
    files.write_all(_WRITERS[form](order))
    return PagePath(page)


@dataclass(frozen=True)
class _Order:
    """What is asked of a report."""

    results: list[Result]
    path: Path
    title: str | None
    notes: str
    kinds: Sequence[str] | None
    case: str | None
    apart: bool

    def content(self) -> Content:
        return content_of(self.results, self.title, self.notes, self.kinds, self.case, self.apart)

    def data(self) -> bytes:
        title = as_typed(self.title or "").strip() or title_of(self.results)
        return whole(self.results, title, as_typed(self.notes)).encode()

    def figure(self) -> Drawn:
        sections = self.content().sections
        found = [figure for section in sections for figure in section.figures]
        if not found:
            name = self.results[0].experiment
            raise InputError(f"a result of {name} has no figure; write it as .html, say")
        return found[0]


_Made = dict[Path, bytes]


def _page(order: _Order) -> _Made:
    from lab.reports.page import page

    data = files.data_beside(order.path)
    return {data: order.data(), order.path: page(order.content(), data.name).encode()}


def _paper(order: _Order) -> _Made:
    from lab.reports.paper import paper

    data = files.data_beside(order.path)
    return {data: order.data(), order.path: paper(order.content(), data.name)}


def _markdown(order: _Order) -> _Made:
    from lab.reports.markdown import markdown

    data = files.data_beside(order.path)
    made = markdown(order.content(), order.path, data.name)
    return {data: order.data()} | made


def _whole(order: _Order) -> _Made:
    files.refuse_to_replace(order.path)
    return {order.path: order.data()}


def _rows(order: _Order) -> _Made:
    from lab.reports.rows import rows

    return {order.path: rows(order.results).encode()}


def _svg(order: _Order) -> _Made:
    return {order.path: order.figure().svg().encode()}


def _png(order: _Order) -> _Made:
    return {order.path: order.figure().png()}


_WRITERS: dict[str, Callable[[_Order], _Made]] = {
    "html": _page,
    "pdf": _paper,
    "md": _markdown,
    "json": _whole,
    "csv": _rows,
    "svg": _svg,
    "png": _png,
}
assert _WRITERS.keys() == FORMATS.keys()
