"""Results to one HTML file that asks nothing of the network, with the data beside it as JSON.

A report is for someone who was not there: question, finding, figure, table, verdict, machine, how
to repeat it, then the rest. The same results give the same bytes.
"""

from __future__ import annotations

import base64
import contextlib
import json
import os
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from engines.errors import FileError, InputError
from lab import plots, tables
from lab.how_to_read import how_to_read
from lab.measure.result import CHECKOUT, Result
from lab.plots import reading

REPORTS = CHECKOUT / "data" / "results" / "reports"
TEMPLATE = "report_template.html"
DATA_VERSION = 1


if TYPE_CHECKING:
    _SystemPath = Path
else:
    _SystemPath = type(Path())  # before Python 3.12 Path itself cannot be subclassed


class PagePath(_SystemPath):
    """A report's path, which a notebook shows as a link."""

    def _repr_html_(self) -> str:
        # relative, as Jupyter resolves a link from the notebook's folder, which is the kernel's
        address = quote(Path(os.path.relpath(self)).as_posix())
        return f'report: <a href="{escape(address)}">{escape(place(self)[0])}</a>'


@dataclass(frozen=True)
class _Figure:
    alt: str
    data: str


def write_html(
    results: Sequence[Result],
    path: str | os.PathLike[str],
    title: str | None = None,
    notes: str = "",
) -> PagePath:
    """Write a report and, beside it under the same stem, its data as JSON.

    Parameters
    ----------
    results
        One result or more. Of each experiment the first is what the figure is about; the others lie
        behind it.
    path
        The HTML file; ``.html`` is added to a name without an ending. A report of that name is
        replaced.
    title
        Plain text; the experiment's name when None.
    notes
        Plain text, shown at the end as it was typed.

    Returns
    -------
    PagePath
        The HTML file, a ``Path`` that a notebook shows as a link. Both files are there whole, or
        what was there before is untouched.

    Raises
    ------
    InputError
        There is no result.
    FileError
        A file cannot be written, or the data would replace a file that is not a report's.
    """
    if not results:
        raise InputError("0 results make no report; run an experiment first: lab run --help")
    page, data = _targets(Path(path))
    html = _page(list(results), title, notes, data.name)
    _write_both({data: _data(results, title), page: html})
    return PagePath(page)


def place(path: Path) -> tuple[str, str | None]:
    """Return a file's name for people, and its address where our own JupyterLab serves it."""
    path = Path(path)
    if not path.is_relative_to(CHECKOUT):
        return str(path), None
    inside = path.relative_to(CHECKOUT)
    # `lab open` keeps Jupyter's folders in the checkout and serves the checkout itself.
    is_ours = Path(os.environ.get("JUPYTERLAB_SETTINGS_DIR", "/")).is_relative_to(CHECKOUT)
    return str(inside), f"/files/{quote(inside.as_posix())}" if is_ours else None


def file_name(result: Result) -> str:
    """Return a name for a result's report, without an ending: its time and its experiment."""
    stamp = "".join(letter for letter in result.created if letter.isalnum())
    return f"{stamp}_{result.experiment}"


def _targets(path: Path) -> tuple[Path, Path]:
    """Return the files to write: the page and its data."""
    page = path if path.suffix else path.with_name(path.name + ".html")
    if page.suffix.lower() not in (".html", ".htm"):
        raise FileError(page, f"has the ending {page.suffix}; name a .html file")
    if page.is_dir():
        raise FileError(page, "is a folder; name a file in it")
    # r.html made of r.json, say, has its data in r.data.json: no result is ever replaced.
    names = [page.with_suffix(ending) for ending in (".json", ".data.json")]
    free = [name for name in names if not name.exists() or _is_report_data(name)]
    if not free:
        raise FileError(
            names[-1],
            "holds something else than a report's data; choose another page: --output NAME.html",
        )
    return page, free[0]


def _is_report_data(path: Path) -> bool:
    try:
        found = json.loads(path.read_bytes())
    except (OSError, ValueError):
        return False
    return isinstance(found, dict) and "report_version" in found


def _data(results: Sequence[Result], title: str | None) -> str:
    """Return the data file: every result whole, as ``lab run`` saves it."""
    content = {
        "report_version": DATA_VERSION,
        "title": title or _title(results),
        "results": [result.model_dump(mode="json") for result in results],
    }
    return json.dumps(content, indent=1, ensure_ascii=False) + "\n"


def _page(results: list[Result], title: str | None, notes: str, data_file: str) -> str:
    folder = Path(__file__).resolve().parent
    environment = Environment(
        loader=FileSystemLoader(folder),
        autoescape=True,  # what a person typed stays text, whatever the file's ending
        undefined=StrictUndefined,
        trim_blocks=True,
    )
    groups: dict[str, list[Result]] = {}
    for result in results:
        groups.setdefault(result.experiment, []).append(result)
    return environment.get_template(TEMPLATE).render(
        title=title or _title(results),
        sections=[_section(runs) for runs in groups.values()],
        notes=notes.strip(),
        measured=_measured(results),
        data_file=data_file,
    )


def _title(results: Sequence[Result]) -> str:
    """Name the experiments in words."""
    names = dict.fromkeys(result.experiment.replace("_", " ") for result in results)
    return ", ".join(names).capitalize()


def _section(runs: list[Result]) -> dict[str, Any]:
    """Return what the template shows of one experiment."""
    first = runs[0]
    machines = {run.machine.get("id", index): run for index, run in reversed(list(enumerate(runs)))}
    return {
        "name": first.experiment,
        "question": first.question,
        "finding": reading.finding(first),
        "figures": _figures(runs),
        "runs": [_run(run, index, runs) for index, run in enumerate(runs)],
        "machines": [Markup(tables.machine(run).to_html()) for run in reversed(machines.values())],
        "notes": list(dict.fromkeys(note for run in runs for note in run.notes)),
    }


def _run(run: Result, index: int, runs: list[Result]) -> dict[str, Any]:
    """Return what the template shows of one run; it has a name where there are several."""
    mark = reading.mark(index)
    name = f"{mark} {reading.difference(run, runs[0])}" if index else "this run"
    return {
        "name": name if len(runs) > 1 else "",
        # cells are escaped where the table is made
        "tables": [Markup(table.to_html()) for table in tables.measurements(run, mark)],
        "comparisons": [Markup(table.to_html()) for table in tables.comparisons(run, mark)],
        "how_to_read": how_to_read(run),
        "verdict": tables.verdict(run),
        "stable": run.verdict.stable,
        "command": run.command(),
        "call": run.call(),
        "parameters": Markup(tables.parameters(run).to_html()),
    }


def _figures(runs: list[Result]) -> list[_Figure]:
    """Return the figures that the first run has numbers for."""
    # what stands in the text above needs not stand on a figure; the others' findings do
    return [
        _Figure(
            plots.alt_text(runs, kind),
            _encoded(plots.drawn(runs, kind, title=plots.KINDS[kind].title)),
        )
        for kind in plots.kinds(runs[0])
    ]


def _encoded(figure: Any) -> str:
    return base64.b64encode(plots.to_svg(figure).encode()).decode()


def _measured(results: Sequence[Result]) -> str:
    """Say when the results were measured."""
    moments = sorted({result.created for result in results})
    several = f" to {moments[-1]}" if len(moments) > 1 else ""
    return f"Measured {moments[0]}{several}"


def _write_both(contents: dict[Path, str]) -> None:
    """Write files whole or not at all: first both beside their names, then both renamed."""
    parts = {path: path.with_name(f".{path.name}.{os.getpid()}.part") for path in contents}
    is_new = {path: not path.exists() for path in contents}
    moved: list[Path] = []
    path = next(iter(contents))
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        for path, text in contents.items():
            _write_durably(parts[path], text)
        for path, part in parts.items():
            os.replace(part, path)
            moved.append(path)
    except BaseException as error:
        for done in moved:
            if is_new[done]:
                done.unlink(missing_ok=True)
        if isinstance(error, OSError):
            reason = error.strerror or str(error)
            raise FileError(
                path, f"cannot be written ({reason}); free some room or choose another folder"
            ) from None
        raise
    finally:
        for part in parts.values():
            with contextlib.suppress(OSError):  # not there, or nor is its folder
                part.unlink()


def _write_durably(path: Path, text: str) -> None:
    with path.open("w", encoding="utf-8", newline="\n") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
