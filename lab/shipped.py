"""What the project ships measured: results, the notebooks' first figures, the README's numbers.

``python -m lab.shipped`` makes all of it anew, in a quarter of an hour on a machine that does
nothing else meanwhile; ``--only figures`` and ``--only readme`` draw again what is there, in
seconds.
"""

from __future__ import annotations

import io
import os
import re
import shutil
import tempfile
from base64 import b64decode, b64encode
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import click
import nbformat

from engines.errors import ExchangeLabError, FileError, InputError
from engines.matching import IMPLEMENTATIONS
from lab.jupyter.launch import environment
from lab.measure.result import CHECKOUT, SHIPPED, Measurement, Result, results
from lab.units import amount, quantity

NOTEBOOKS = CHECKOUT / "notebooks"
README = CHECKOUT / "README.md"
PICTURE = SHIPPED / "matching_latency.png"
FIGURE_TAG = "shipped-figure"
"""Tags the cells of a notebook whose output is committed: the first figure, worked examples."""

_NUMBERS = re.compile(r"(<!-- numbers.*?-->\n).*?(<!-- end of numbers -->)", re.DOTALL)


@dataclass(frozen=True)
class Order:
    """One run to ship: an experiment, and what differs from its full size."""

    experiment: str
    changes: Mapping[str, Any] = field(default_factory=dict)


# The large book without the two slow engines. The last one is a panel's own settings, so that the
# figure it opens with is the one its controls would measure.
ORDERS = (
    Order("matching_throughput", dict(flow="add_only", messages=50_000)),
    Order("matching_throughput", dict(flow="balanced", messages=50_000)),
    Order(
        "matching_latency",
        dict(live_orders=200_000, engines=["binary_heap", "price_ladder"]),
    ),
    Order("matching_latency", dict(live_orders=50_000)),
    Order(
        "matching_latency",
        dict(live_orders=10_000, engines=["binary_heap", "price_ladder"]),
    ),
)


def shipped(experiment: str, **parameters: Any) -> Result:
    """Return the newest shipped result of an experiment with these parameters.

    Raises
    ------
    InputError
        There is none.
    """
    for result in results(SHIPPED, experiment):
        if all(result.parameters.get(name) == value for name, value in parameters.items()):
            return result
    raise InputError(
        f"{experiment} with {parameters} is not shipped; run python -m lab.shipped --only results"
    )


# -- results ---------------------------------------------------------------------------------------


def measure(size: str = "full") -> None:
    """Run what is shipped, and only when all of it is there replace what was shipped before."""
    from lab.measure.progress import reporter
    from lab.measure.runner import run_experiment

    report = reporter()
    with tempfile.TemporaryDirectory() as folder:
        for number, order in enumerate(ORDERS, start=1):
            result = run_experiment(
                order.experiment, order.changes, size, report=report, folder=folder
            )
            report.close()
            click.echo(f"{number}/{len(ORDERS)} {result.verdict.finding}")
        SHIPPED.mkdir(parents=True, exist_ok=True)
        for old in SHIPPED.glob("*.json"):
            old.unlink()
        for new in Path(folder).glob("*.json"):
            shutil.copy(new, SHIPPED)


# -- notebooks -------------------------------------------------------------------------------------


def draw_figures() -> None:
    """Put the figures into each notebook's tagged cells, and nothing else."""
    for path in sorted(NOTEBOOKS.glob("*.ipynb")):
        notebook = nbformat.read(path, as_version=4)
        strip(notebook)
        tagged = [cell for cell in notebook.cells if FIGURE_TAG in cell.metadata.get("tags", [])]
        found = _figures_of([cell.source for cell in tagged], path)
        for cell, outputs in zip(tagged, found, strict=True):
            cell.outputs = outputs
        text = nbformat.writes(notebook, indent=1, ensure_ascii=False)
        path.write_text(text.rstrip("\n") + "\n", encoding="utf-8")
        click.echo(f"{path.name}: {path.stat().st_size / 1000:.0f} kB")


def strip(notebook: nbformat.NotebookNode) -> None:
    """Take out what a run leaves in a notebook: outputs, counts, widget state, who ran it."""
    notebook.metadata = {
        "kernelspec": {
            "display_name": "Python 3 (ipykernel)",
            "language": "python",
            "name": "python3",
        },
        "language_info": {"name": "python"},
    }
    for cell in notebook.cells:
        tags = cell.metadata.get("tags")
        cell.metadata = {"tags": tags} if tags else {}
        if cell.cell_type == "code":
            cell.outputs, cell.execution_count = [], None


def _figures_of(sources: Sequence[str], path: Path) -> list[list[nbformat.NotebookNode]]:
    """Run some cells where their notebook would, each after the others; return their outputs."""
    from nbclient import NotebookClient
    from traitlets.config import Config

    cells = [nbformat.v4.new_code_cell(source) for source in sources]
    alone = nbformat.v4.new_notebook(cells=cells)
    # Without encryption a kernel warns of it.
    config = Config({"KernelManager": {"transport_encryption": "auto"}})
    place = {"metadata": {"path": str(path.parent)}}
    os.environ.update(environment(os.environ))  # the person's own Jupyter folders stay as they are
    NotebookClient(alone, resources=place, config=config).execute()
    return [_with_smaller_figure(cell.outputs, path) for cell in alone.cells]


def _with_smaller_figure(
    outputs: list[nbformat.NotebookNode], path: Path
) -> list[nbformat.NotebookNode]:
    """Return a cell's outputs, of which the first must be a figure."""
    if not outputs or "image/png" not in outputs[0].get("data", {}):
        raise FileError(path, f"has no figure in a cell {FIGURE_TAG}; end it with picture(…)")
    data = outputs[0].data
    data["image/png"] = b64encode(_smaller(b64decode(data["image/png"]))).decode()
    return outputs


def _smaller(png: bytes) -> bytes:
    """Return a drawing with a palette: a third of the bytes, and to the eye the same."""
    from PIL import Image

    sheet = io.BytesIO()
    drawing = Image.open(io.BytesIO(png)).convert("RGB")
    drawing.quantize(256, dither=Image.Dither.NONE).save(sheet, "png", optimize=True)
    return sheet.getvalue()


# -- README ----------------------------------------------------------------------------------------


def write_readme() -> None:
    """Draw the README's picture, and write its numbers between their marks."""
    from lab.plots import percentiles, to_png

    latency = shipped("matching_latency", live_orders=50_000)
    PICTURE.write_bytes(_smaller(to_png(percentiles(latency))))
    text = README.read_text(encoding="utf-8")
    if not _NUMBERS.search(text):
        raise FileError(README, "has no marks for its numbers; see lab/shipped.py")
    README.write_text(with_numbers(text), encoding="utf-8")


def with_numbers(text: str) -> str:
    """Return the README with the numbers of the shipped results between its marks."""
    latency = shipped("matching_latency", live_orders=50_000)
    numbers = "\n".join([*_table(latency), "", _provenance(latency)])
    return _NUMBERS.sub(lambda marks: f"{marks[1]}{numbers}\n{marks[2]}", text)


def _table(latency: Result) -> list[str]:
    """Return the table of numbers, an engine a line."""
    rates = [shipped("matching_throughput", flow=flow) for flow in ("balanced", "add_only")]
    lines = [
        "| engine | commands a second | the same, adds only | half of all within | 99.9 % within |",
        "| --- | ---: | ---: | ---: | ---: |",
    ]
    for engine in IMPLEMENTATIONS:
        cells = [_with_interval(_of(result, engine)) for result in rates]
        times = _of(latency, engine)
        cells += [_whole(times.quantiles[name]) for name in ("50", "99.9")]
        lines.append(f"| `{engine}` | {' | '.join(cells)} |")
    return lines


def _of(result: Result, rival: str) -> Measurement:
    """Return what a rival did on the whole of an experiment's work."""
    return next(item for item in result.measurements if item.rival == rival)


def _with_interval(item: Measurement) -> str:
    if not item.digest_ok:
        return "void: wrong digest"
    return f"{amount(item.median)} ({amount(item.low)} to {amount(item.high)})"


def _whole(ns: float) -> str:
    return quantity(ns, "ns").replace(" ", "\u00a0")


def _provenance(latency: Result) -> str:
    """Say what the numbers are of, and whether they stand."""
    runs = [shipped("matching_throughput", flow=flow) for flow in ("balanced", "add_only")]
    shaky = [run.verdict.reason for run in [*runs, latency] if not run.verdict.stable]
    machine = latency.machine
    sentences = [
        f"Measured on **{machine['name']}** ({machine['kernel']}, Python {machine['python']}, "
        f"Numba {machine['numba']}), {latency.created[:10]}.",
        f"A book with {latency.parameters['live_orders']:,} live orders; every event written, "
        "every digest checked against the reference engine.",
        f"Rates are medians of {_of(latency, 'price_ladder').runs} fresh processes with their "
        "intervals, times are over all commands of all processes. Times are taken inside the "
        "engine, a command at a time; the call from Python, some 2.5 µs for however many commands "
        "it brings, is not in them.",
    ]
    if shaky:
        sentences.append(f"**Not stable**: {shaky[0]}.")
    return " ".join(sentences)


STEPS: dict[str, Callable[[], None]] = {
    "results": measure,
    "figures": draw_figures,
    "readme": write_readme,
}


@click.command()
@click.option("--only", type=click.Choice(list(STEPS)), help="One step instead of all.")
def main(only: str | None) -> None:
    """Measure what is shipped; draw the notebooks' first figures; write the README's numbers."""
    try:
        for name, step in STEPS.items():
            if only in (None, name):
                step()
    except ExchangeLabError as error:
        raise click.ClickException(str(error)) from None


if __name__ == "__main__":
    main()
