"""``lab report``: results, folders of them, or a notebook, to a file for somebody else."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import click

from engines.errors import InputError
from lab.reports.formats import FORMATS, USUAL, format_of
from lab.terminal import print_json

NOTEBOOK = ".ipynb"


@click.command(short_help="Write results, or a notebook, as a report.")
@click.argument("sources", nargs=-1, required=True, type=click.Path())
@click.option(
    "--output",
    type=click.Path(),
    help="The file; its ending names the format. Beside a page lies all data as JSON.  "
    f"[default: report.{USUAL}]",
)
@click.option(
    "--format",
    "form",
    type=click.Choice(list(FORMATS)),
    help="The format, where the file's ending does not name it.",
)
@click.option("--title", help="What stands at the top.")
@click.option("--notes", help="A text that stands at the end, shown as it is.")
@click.option(
    "--notes-file", type=click.Path(), help="A file with that text, in UTF-8; - is standard input."
)
@click.option("--experiment", help="Only the results of this experiment.")
@click.option(
    "--figure",
    "kinds",
    multiple=True,
    metavar="KIND",
    help="Only this kind of figure, such as percentiles; may be given again.",
)
@click.option("--case", help="What figures of one case show, such as cancel.  [default: the run]")
@click.option("--execute", is_flag=True, help="A notebook: run it anew, all of it, before.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def report(sources: tuple[str, ...], output: str | None, **options: Any) -> None:
    """Write a report of SOURCES: results, folders of them, or one executed notebook.

    Of each experiment the figures are about the first result, and the others lie behind it; in a
    folder that is the newest, and runs of other settings have sections of their own. A file in a
    folder that is damaged, or from a newer program, is named and left out; a file that is named
    itself has to be readable. Titles and notes are plain text: markup in them is shown.

    \b
    The ending of --output names the format:
      .html    a page that opens offline and prints well; .pdf, .md likewise
      .json    all data; .csv numbers, a line a measurement
      .svg     one figure; .png likewise: --figure and --case say which

    \b
    Example
      lab report data/results/runs --output today.pdf --title "Two engines"
      lab report RESULT.json --output figure.svg --figure histogram
      lab report notebooks/04_matching_engines.ipynb --output engines.html --execute
    """
    paths = [Path(source) for source in sources]
    target = _target(output, options["form"])
    is_notebook = [path.suffix == NOTEBOOK for path in paths]
    if any(is_notebook):
        told = _of_notebook(paths, target, options)
    elif options["execute"]:
        raise click.UsageError("--execute is for a notebook, a file that ends in .ipynb")
    else:
        told = _of_results(paths, target, options)
    if options["as_json"]:
        print_json(told)
    else:
        print(told["path"])


def _target(output: str | None, form: str | None) -> Path:
    """Return the file to write; ``--output`` and ``--format`` may name its ending."""
    path = Path(output or "report")
    if form is None:
        return path
    if path.suffix.lower().removeprefix(".") in FORMATS and format_of(path) != form:
        raise click.UsageError(f"--output {path} and --format {form} name two formats; give one")
    is_named = path.suffix and path.suffix.lower().removeprefix(".") in (*FORMATS, "htm")
    return path if is_named else path.with_name(f"{path.name}.{form}")


def _of_results(paths: list[Path], target: Path, options: dict[str, Any]) -> dict[str, Any]:
    """Write a report of results; say which files it is made of and which it is not."""
    from lab.report import write
    from lab.reports.sources import results_at

    notes = _notes(options)
    found = results_at(paths, options["experiment"])
    for error in found.left_out:
        print(f"lab: left out: {error}", file=sys.stderr)
    kinds = list(options["kinds"]) or None
    asked = (options["title"], notes, kinds, options["case"])
    # a person names files to see them together; a folder has whatever was measured
    path = write(found.results, target, *asked, apart=any(path.is_dir() for path in paths))
    return {
        "path": str(path),
        "results": [str(result.path) for result in found.results if result.path],
        "left_out": [str(error) for error in found.left_out],
    }


def _of_notebook(paths: list[Path], target: Path, options: dict[str, Any]) -> dict[str, Any]:
    """Write a notebook as a page."""
    from lab.reports.notebook import write_notebook

    if len(paths) > 1:
        raise click.UsageError("a notebook is a report of its own; name it alone")
    given = [f"--{name}" for name in ("experiment", "case") if options[name] is not None]
    given += ["--figure"] * bool(options["kinds"])
    if given:
        raise click.UsageError(f"{given[0]} is for results; a notebook is written as it is")
    path = write_notebook(
        paths[0], target, options["title"], _notes(options), execute=options["execute"]
    )
    return {"path": str(path), "notebook": str(paths[0]), "executed": options["execute"]}


def _notes(options: dict[str, Any]) -> str:
    """Return the person's notes, from the command line or a file."""
    name = options["notes_file"]
    if name is None:
        return options["notes"] or ""
    if options["notes"] is not None:
        raise click.UsageError("--notes and --notes-file are both given; give one")
    try:
        content = sys.stdin.buffer.read() if name == "-" else Path(name).read_bytes()
        return content.decode()
    except OSError as error:
        raise InputError(f"notes {name} cannot be read ({error.strerror}); check it") from None
    except UnicodeDecodeError:
        raise InputError(f"notes {name} are not UTF-8; save them as such") from None
