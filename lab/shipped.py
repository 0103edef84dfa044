"""What the project ships measured: results, the notebooks' first figures, the README's numbers.

``python -m lab.shipped`` makes all of it anew on a machine that does nothing else meanwhile;
``--list`` says how long that takes. ``--only answers`` asks for the reference's answers before, on
a machine that is busy. ``--order 3 --order 7`` measures some of it, each order replacing
the result that it shipped before, ``--list`` says which they are; ``--only figures`` and ``--only
readme`` draw again what is there, in seconds.
"""

from __future__ import annotations

import io
import os
import shutil
import tempfile
from base64 import b64decode, b64encode
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import click
import nbformat

from engines.errors import ExchangeLabError, FileError, InputError
from lab.experiments import experiment_named
from lab.experiments.about_machines import ABOUT_MACHINES
from lab.jupyter.launch import environment
from lab.measure.bench import Bench
from lab.measure.result import CHECKOUT, SHIPPED, Result, results
from lab.units import seconds
from lab.workloads.order_flow import FLOWS

NOTEBOOKS = CHECKOUT / "notebooks"
FIGURE_TAG = "shipped-figure"
"""Tags the cells of a notebook whose output is committed: the first figure, worked examples."""


@dataclass(frozen=True)
class Order:
    """One run to ship: an experiment, what differs from its full size, and of which engines.

    ``engines`` is a word for some of those that can be made; "" leaves it to the size.
    """

    experiment: str
    changes: Mapping[str, Any] = field(default_factory=dict)
    engines: str = ""

    def parameters(self) -> dict[str, Any]:
        """Return what differs from the full size."""
        return {**self.changes, **(dict(engines=self.engines) if self.engines else {})}


SMALL, LARGE = 50_000, 2_000_000  # commands in a pass: for every engine, for the fast ones
LIVE = 10_000  # orders, on all flows but balanced; the reference would take hours with more
# A pass of 2 M commands of this flow would take the reference seven minutes.
SHORTER = {"featured": 500_000}
_ROUNDS, _SECONDS = 3, 0.5  # six processes of each engine; a second of warming up and passes

# The last of the latencies is a panel's own settings, so that the figure it opens with is the one
# its controls would measure. Scaling comes with its most telling axis first.
ORDERS = (
    Order(
        "matching_throughput",
        dict(flow="balanced", messages=LARGE, rounds=_ROUNDS, seconds=_SECONDS),
        "fast",
    ),
    *(
        Order(
            "matching_throughput",
            dict(
                flow=flow,
                messages=SHORTER.get(flow, LARGE),
                live_orders=LIVE,
                rounds=_ROUNDS,
                seconds=_SECONDS,
            ),
            "compiled",
        )
        for flow in FLOWS
        if flow not in ("balanced", "add_only")
    ),
    Order("matching_scaling", dict(across="live_orders", rounds=4)),
    Order("matching_latency", dict(live_orders=100_000, rounds=_ROUNDS), "fast"),
    Order("matching_throughput", dict(flow="balanced", messages=SMALL, rounds=_ROUNDS), "all"),
    Order("matching_latency", dict(live_orders=50_000, rounds=_ROUNDS), "all"),
    Order("matching_latency", dict(live_orders=10_000, rounds=_ROUNDS), "fast"),
    Order(
        "latency_under_load",
        dict(
            engines=["native", "price_ladder", "binary_heap"],
            messages=100_000,
            lowest=15,
            loads=8,
            rounds=_ROUNDS,
            seconds=1.0,
        ),
    ),
    *(Order(entry.name) for entry in ABOUT_MACHINES),
    Order("self_check"),
    *(
        # Long passes for a short time: few turns to keep, and so half of the bytes.
        Order(
            "matching_scaling",
            dict(
                across=axis,
                highest=last,
                points=3,
                messages=200_000,
                rounds=_ROUNDS,
                seconds=0.25,
            ),
            "compiled",
        )
        for axis, last in (("symbols", 10_000), ("width", 65_536))
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


def measure(size: str = "full", chosen: Sequence[int] = ()) -> None:
    """Run what is shipped, and only when all of it is there replace what was shipped before.

    Parameters
    ----------
    size
        Which size the orders change.
    chosen
        Which orders, counted from 1; all of them when empty. The others' results stay.
    """
    from lab.measure.progress import reporter
    from lab.measure.runner import run_experiment

    report = reporter()
    numbers = list(chosen) or list(range(1, len(ORDERS) + 1))
    with tempfile.TemporaryDirectory() as folder:
        for number in numbers:
            order = ORDERS[number - 1]
            result = run_experiment(
                order.experiment, order.parameters(), size, report=report, folder=folder
            )
            report.close()
            click.echo(f"{number}/{len(ORDERS)} {result.verdict.finding}")
        SHIPPED.mkdir(parents=True, exist_ok=True)
        for old in _replaced(numbers) if chosen else SHIPPED.glob("*.json"):
            old.unlink()
        for new in Path(folder).glob("*.json"):
            shutil.copy(new, SHIPPED)


class _AnswersOnly(Bench):
    """A bench that ends where measuring would begin: the oracle has been asked by then."""

    def compare(self, *arguments: Any, **named: Any) -> None:
        """End."""
        raise _AnswersKnown

    def compare_cases(self, *arguments: Any, **named: Any) -> None:
        """End."""
        raise _AnswersKnown


class _AnswersKnown(Exception):
    """Nothing more is asked of the oracle."""


def ask_oracle(chosen: Sequence[int] = ()) -> None:
    """Have the reference answer the flows of what is shipped, so that no measuring waits for it."""
    for number in chosen or range(1, len(ORDERS) + 1):
        order = ORDERS[number - 1]
        experiment = experiment_named(order.experiment)
        if not experiment.room:
            continue  # it asks no oracle beforehand
        values = experiment.parameters(order.parameters(), "full")
        with suppress(_AnswersKnown), _AnswersOnly(lambda *told: None) as bench:
            experiment.function()(bench, **values)
        click.echo(f"{number}/{len(ORDERS)} the reference has answered")


def _replaced(numbers: Sequence[int]) -> list[Path]:
    """Return the shipped files of the results that some orders have measured anew."""
    found = []
    for number in numbers:
        with suppress(InputError):  # it was never shipped
            path = shipped(ORDERS[number - 1].experiment, **ORDERS[number - 1].changes).path
            found += [path] if path is not None else []
    return found


# -- notebooks -------------------------------------------------------------------------------------


def draw_figures() -> None:
    """Put the figures into each notebook's tagged cells, and nothing else; draw the gallery's."""
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
    _draw_pictures()


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
    data["image/png"] = b64encode(smaller(b64decode(data["image/png"]))).decode()
    return outputs


def smaller(png: bytes) -> bytes:
    """Return a drawing with a palette: a third of the bytes, and to the eye the same."""
    from PIL import Image

    sheet = io.BytesIO()
    drawing = Image.open(io.BytesIO(png)).convert("RGB")
    drawing.quantize(256, dither=Image.Dither.NONE).save(sheet, "png", optimize=True)
    return sheet.getvalue()


def _draw_pictures() -> None:
    from lab.gallery import draw_pictures

    for path in draw_pictures():
        click.echo(f"{path.parent.name}/{path.name}: {path.stat().st_size / 1000:.0f} kB")


def _write_readme() -> None:
    from lab.readme import write_readme

    write_readme()


STEPS: dict[str, Callable[[], None]] = {
    "figures": draw_figures,
    "readme": _write_readme,
}


@click.command()
@click.option(
    "--only", type=click.Choice(["answers", "results", *STEPS]), help="One step instead of all."
)
@click.option(
    "--order",
    "chosen",
    multiple=True,
    type=click.IntRange(1, len(ORDERS)),
    help="Measure this order and not all; may be given more than once.",
)
@click.option("--list", "listed", is_flag=True, help="Say what would be measured, and how long.")
def main(only: str | None, chosen: tuple[int, ...], listed: bool) -> None:
    """Measure what is shipped; draw the notebooks' first figures; write the README's numbers."""
    try:
        if listed:
            _list_orders()
            return
        if only == "answers":
            ask_oracle(chosen)
        if only in (None, "results"):
            measure(chosen=chosen)
        for name, step in STEPS.items():
            if only in (None, name):
                step()
    except ExchangeLabError as error:
        raise click.ClickException(str(error)) from None


def _list_orders() -> None:
    """Say what each order is, and about how long it takes."""
    for number, order in enumerate(ORDERS, start=1):
        experiment = experiment_named(order.experiment)
        values = experiment.parameters(order.parameters(), "full")
        about = seconds(experiment.estimate_seconds(values))
        words = " ".join(f"{name}={value}" for name, value in order.parameters().items())
        click.echo(f"{number:>3}  {order.experiment} {words}: about {about}")


if __name__ == "__main__":
    main()
