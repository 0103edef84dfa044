"""Commands a second along an axis: a line a rival, over a book's size or a count of cores.

Both axes are logarithmic, so that half as much is the same step everywhere. Where the run also
measured what books take up, grey lines say from which size on the fastest rival's book is larger
than a cache; over cores, light lines say what so many would do without loss.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Sequence
from itertools import pairwise

import numpy as np
from matplotlib.figure import Figure

from lab.measure.result import Measurement, Result
from lab.plots import reading
from lab.plots.along import Curve, Plot, Scale, Upright, round_ticks
from lab.plots.sheet import FULL, Sheet, whole
from lab.units import amount, bytes_text

MEMORY, SPEED_UP = "memory", "speed_up"  # metrics that may stand beside the rates


def scaling(
    results: Result | Sequence[Result],
    *,
    size: tuple[float, float] = FULL,
    title: str | None = None,
) -> Figure:
    """Draw how many commands a second each rival takes along an axis; see ``sheet.whole``."""
    return whole(_drawn, results, size, title)


def _drawn(runs: list[Result], size: tuple[float, float], title: str | None) -> Figure:
    has_ideal = _has(runs[0], SPEED_UP)
    curves = curves_of(runs, reading.THROUGHPUT, amount, has_ideal)
    caches = caches_of(runs[0])
    sheet = Sheet(size, title or reading.main_finding(runs[0]), _header(runs, caches))
    places = sorted({float(at) for curve in curves for at in curve.at})
    across = Scale((_axis_name(runs[0]),), lambda low, high, most: places)
    up = Scale(("commands a second",), round_ticks)
    return Plot(across, up, curves, caches).draw(sheet)


def curves_of(
    runs: Sequence[Result], metric: str, text: Callable[[float], str], has_ideal: bool = False
) -> list[Curve]:
    """Return the lines of a metric, those of the first result last, so that they lie on top.

    The values at both ends of the present run's lines are written, by ``text``.
    """
    found = []
    for index, run in reversed(list(enumerate(runs))):
        items = [item for item in run.measurements if item.metric == metric]
        for rival in dict.fromkeys(item.rival for item in items):
            own = [item for item in items if item.rival == rival and item.at is not None]
            if own:
                own.sort(key=lambda item: item.at or 0.0)
                found.append(_curve(own, reading.mark(index), text, has_ideal and not index))
    return found


def _curve(
    points: Sequence[Measurement], mark: str, text: Callable[[float], str], is_ideal: bool
) -> Curve:
    last = len(points) - 1
    return Curve(
        points[0].rival,
        mark,
        np.array([item.at for item in points], dtype=float),
        np.array([item.median for item in points]),
        np.array([[item.low for item in points], [item.high for item in points]]),
        () if mark else tuple((i, text(points[i].median)) for i in (0, last)),
        is_ideal,
    )


def _has(result: Result, metric: str) -> bool:
    return any(item.metric == metric for item in result.measurements)


def _axis_name(result: Result) -> str:
    """Return what the points count, as the cases say it: "live orders" of "1,000 live orders"."""
    last = max(
        (item for item in result.measurements if item.at is not None), key=lambda item: item.at or 0
    )
    return re.sub(r"^[\d,]+ ", "", last.case)


def _header(runs: Sequence[Result], caches: Sequence[Upright]) -> list[str]:
    words = "a mark is the median of the runs, its bar the interval"
    if caches:
        words += f"; grey: {_measured_book(runs[0])}'s book outgrows a cache"
    if _has(runs[0], SPEED_UP):
        words += "; light: as many times what one core does"
    return reading.header_of_run(runs, words)


# -- caches ----------------------------------------------------------------------------------------


def caches_of(result: Result) -> list[Upright]:
    """Return the caches that a book outgrows within the axis, the smallest first.

    The book is that of the fastest rival whose memory was measured; between two points its size is
    taken to grow as a power.
    """
    rival = _measured_book(result)
    books = [m for m in result.measurements if (m.rival, m.metric) == (rival, MEMORY)]
    sizes = [(m.at or 1.0, m.median * _live_orders(m)) for m in books]
    # Over symbols or width the number of orders is not the axis, so sizes are not known from it.
    sizes = sorted((at, size) for at, size in sizes if size > 0)
    found = []
    for row in result.machine.get("caches") or []:
        if row["type"] != "instruction" and (at := _crossing(sizes, row["bytes"])):
            found.append(Upright(f"L{row['level']} {bytes_text(row['bytes'])}", at))
    return found


def _measured_book(result: Result) -> str:
    """Return the rival with the highest rate among those whose memory was measured, or ""."""
    measured = {m.rival for m in result.measurements if m.metric == MEMORY}
    rates = [m for m in result.measurements if m.metric == reading.THROUGHPUT]
    rates = [m for m in rates if m.rival in measured]
    return max(rates, key=lambda m: m.median).rival if rates else ""


def _live_orders(item: Measurement) -> float:
    """Return how many orders a case has, where its axis counts them; else 0."""
    return item.at or 0.0 if item.case.endswith(("live orders", "live order")) else 0.0


def _crossing(sizes: Sequence[tuple[float, float]], nbytes: float) -> float | None:
    """Return where a book of these (at, bytes) reaches a size, None where it does not within."""
    for (low, below), (high, above) in pairwise(sizes):
        if below < nbytes <= above:
            part = math.log(nbytes / below) / math.log(above / below)
            return low * (high / low) ** part
    return None
