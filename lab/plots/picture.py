"""A figure as a notebook shows it: PNG, because an untrusted notebook shows no SVG, with words."""

from __future__ import annotations

from collections.abc import Sequence

from IPython.display import Image

from lab.measure.result import Result
from lab.plots.alternative import alt_text
from lab.plots.histogram import histogram
from lab.plots.percentiles import percentiles
from lab.plots.sheet import FULL, to_png
from lab.plots.throughput import throughput

_POINTS_AN_INCH = 100


def picture(
    results: Result | Sequence[Result],
    kind: str = "percentiles",
    *,
    case: str | None = None,
    size: tuple[float, float] = FULL,
) -> Image:
    """Return a figure that a cell can end with.

    Parameters
    ----------
    results
        The result that the figure is about, and earlier ones to lay behind it.
    kind
        ``"percentiles"``, ``"histogram"`` or ``"throughput"``.
    case
        What was measured, for a figure of times; the whole run when None.
    size
        Width and height in inches.
    """
    if kind == "throughput":
        figure = throughput(results, size=size)
    else:
        draw = percentiles if kind == "percentiles" else histogram
        figure = draw(results, case=case, size=size)
    width = round(size[0] * _POINTS_AN_INCH)
    return Image(to_png(figure), width=width, alt=alt_text(results, kind, case))
