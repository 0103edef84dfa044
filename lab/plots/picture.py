"""A figure as a notebook shows it: PNG, because an untrusted notebook shows no SVG, and its words.

JupyterLab (4.6) drops the alternative text of a PNG, so the words also stand under it, folded.
"""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

from IPython.display import HTML, Image, display
from matplotlib.figure import Figure

from lab.measure.result import Result
from lab.plots.alternative import alt_text
from lab.plots.figures import drawn
from lab.plots.sheet import FULL, to_png

PIXELS_AN_INCH = 100


class Picture:
    """A figure that a cell can end with.

    Parameters
    ----------
    png
        The figure.
    words
        The same for those who cannot see it.
    width
        In pixels of the page.
    """

    def __init__(self, png: bytes, words: str, width: int) -> None:
        self.png, self.words, self.width = png, words, width

    def _ipython_display_(self) -> None:
        display(Image(self.png, width=self.width, alt=self.words))
        display(HTML(f"<details><summary>in words</summary>{escape(self.words)}</details>"))


def picture(
    results: Result | Sequence[Result],
    kind: str = "percentiles",
    *,
    case: str | None = None,
    size: tuple[float, float] = FULL,
) -> Picture:
    """Return a figure that a cell can end with.

    Parameters
    ----------
    results
        The result that the figure is about, and earlier ones to lay behind it.
    kind
        One of ``lab.plots.kinds(result)``: ``"percentiles"``, ``"matrix"`` …
    case
        What was measured, for a figure of times or of comparisons; the whole run when None.
    size
        Width and height in inches.
    """
    figure = drawn(results, kind, case=case, size=size)
    return shown(figure, alt_text(results, kind, case))


def shown(figure: Figure, words: str) -> Picture:
    """Return any figure of this package, with its words, so that a cell can end with it.

    Parameters
    ----------
    figure
        What one of the functions of this package returned.
    words
        The same for those who cannot see it.
    """
    width = round(float(figure.get_size_inches()[0]) * PIXELS_AN_INCH)
    return Picture(to_png(figure), words, width)
