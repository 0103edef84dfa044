"""Every kind of figure of a result in one table: who draws it, and what it is called where.

A panel's tabs, a report's figures, ``picture`` and the words for those who cannot see it read it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from matplotlib.figure import Figure

from lab.measure.result import Result
from lab.plots.costs import costs
from lab.plots.ecdf import PARTS as ECDF
from lab.plots.ecdf import ecdf
from lab.plots.effects import effects
from lab.plots.gaps import gaps
from lab.plots.histogram import PARTS as HISTOGRAM
from lab.plots.histogram import histogram
from lab.plots.load import load
from lab.plots.matrix import matrix
from lab.plots.over_time import PARTS as OVER_TIME
from lab.plots.over_time import over_time
from lab.plots.parts import Parts
from lab.plots.percentiles import HIGHEST, percentiles
from lab.plots.percentiles import PARTS as PERCENTILES
from lab.plots.ridge import ridge
from lab.plots.scaling import scaling
from lab.plots.sheet import FULL
from lab.plots.staircase import staircase
from lab.plots.throughput import throughput
from lab.plots.turns import by_turn


@dataclass(frozen=True)
class Kind:
    """One kind of figure.

    Attributes
    ----------
    draw
        The function.
    tab
        Its name in a panel.
    name
        Its name in words.
    title
        What stands on it where the finding stands elsewhere; None where it has a finding of its
        own.
    of_case
        Whether it shows one case, which can be chosen.
    has_end
        Whether it shows times up to a percentile, which can be chosen.
    parts
        Who draws its frame and its curves, where a panel shows it live; None where it stands still.
    """

    draw: Callable[..., Figure]
    tab: str
    name: str
    title: str | None = None
    of_case: bool = False
    has_end: bool = False
    parts: Parts | None = None

    @property
    def is_live(self) -> bool:
        """Whether a panel shows it so that it can be read and zoomed."""
        return self.parts is not None


KINDS = {
    "percentiles": Kind(
        percentiles,
        "Percentiles",
        "Percentile plot",
        "Times by percentile",
        True,
        True,
        PERCENTILES,
    ),
    "histogram": Kind(
        histogram,
        "Histogram",
        "Histogram of times",
        "How times are distributed",
        True,
        True,
        HISTOGRAM,
    ),
    "ecdf": Kind(
        ecdf, "ECDF", "Share within a time (ECDF)", "What share is within a time", True, True, ECDF
    ),
    "over_time": Kind(
        over_time,
        "Over time",
        "Times over a pass",
        "When the slow ones came",
        parts=OVER_TIME,
    ),
    "ridge": Kind(ridge, "By kind", "Times by kind of command", "Times by kind of command"),
    "throughput": Kind(throughput, "Throughput", "Commands a second", "Commands a second"),
    "scaling": Kind(
        scaling, "Scaling", "Commands a second along an axis", "Commands a second along an axis"
    ),
    "load": Kind(load, "Load", "Response time over load", "Response time over load"),
    "costs": Kind(costs, "Costs", "What each costs", "What each costs", of_case=True),
    "staircase": Kind(staircase, "Staircase", "Stairs of memory", "What memory gives"),
    "matrix": Kind(matrix, "From each to each", "Heat map", "From each to each"),
    "gaps": Kind(gaps, "Gaps", "Gaps a second by their length", "Gaps a second by their length"),
    "effects": Kind(effects, "Comparisons", "Rivals beside each other", of_case=True),
    "by_turn": Kind(by_turn, "Turns", "A round turn by turn"),
}


def drawn(
    results: Result | Sequence[Result],
    kind: str,
    *,
    case: str | None = None,
    highest: float = HIGHEST,
    size: tuple[float, float] = FULL,
    title: str | None = None,
) -> Figure:
    """Draw a figure of any kind.

    Parameters
    ----------
    results
        The result that the figure is about, and earlier ones to lay behind it.
    kind
        A name in ``KINDS``.
    case
        What was measured, for a figure of one case; the whole run when None.
    highest
        The percentile up to which times are shown, for a figure of times.
    size
        Width and height in inches.
    title
        What stands on top; the finding when None.
    """
    own: dict[str, Any] = dict(case=case) if KINDS[kind].of_case else {}
    if KINDS[kind].has_end:
        own |= dict(highest=highest)
    return KINDS[kind].draw(results, size=size, title=title, **own)
