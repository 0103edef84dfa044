"""Boxes, strokes and words on a sheet, and two ways to draw them: matplotlib, and SVG by hand.

A figure for paper is matplotlib's, like all others. A view that is stepped through must be there at
once, and matplotlib takes a tenth of a second; the same marks written as SVG take a millisecond.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from html import escape

from matplotlib.collections import LineCollection
from matplotlib.patches import Rectangle

from lab.plots.labels import FAMILY, Box, text_size
from lab.plots.sheet import Sheet
from lab.plots.styles import INK

# Wherever DejaVu is missing these are as wide, or narrower.
_WEB_FAMILY = f"'{FAMILY}', Verdana, Geneva, sans-serif"


@dataclass(frozen=True)
class Block:
    """A box, filled and framed; everything is in points from the lower left corner."""

    box: Box
    fill: str = "none"
    edge: str = "none"
    width: float = 0.8
    dashed: bool = False


@dataclass(frozen=True)
class Stroke:
    """A line through points."""

    points: tuple[tuple[float, float], ...]
    colour: str = INK
    width: float = 0.8
    dashed: bool = False


@dataclass(frozen=True)
class Words:
    """One line of text whose middle, left or right end is at a place."""

    x: float
    y: float
    text: str
    size: float
    colour: str = INK
    bold: bool = False
    side: str = "center"

    def width(self) -> float:
        """Return how wide the text is, in points."""
        return text_size(self.text, self.size, self.bold)[0]


Mark = Block | Stroke | Words


def hatched(box: Box, colour: str, apart: float = 4.0, width: float = 0.7) -> Iterator[Stroke]:
    """Fill a box with slanting strokes, cut off at its edges."""
    wide, high = box.right - box.left, box.top - box.bottom
    offset = apart
    while offset < wide + high:
        start = (box.left + max(offset - high, 0.0), box.top - max(high - offset, 0.0))
        end = (box.left + min(offset, wide), box.bottom + max(offset - wide, 0.0))
        yield Stroke((start, end), colour, width)
        offset += apart


def crossed(box: Box, colour: str, width: float = 1.0) -> Iterator[Stroke]:
    """Cross a box out."""
    yield Stroke(((box.left, box.bottom), (box.right, box.top)), colour, width)
    yield Stroke(((box.left, box.top), (box.right, box.bottom)), colour, width)


def draw(sheet: Sheet, marks: Iterable[Mark]) -> None:
    """Draw marks on a sheet, in their order."""
    axes = sheet.figure.add_axes((0.0, 0.0, 1.0, 1.0))
    axes.set(xlim=(0, sheet.width), ylim=(0, sheet.height))
    axes.set_axis_off()
    for order, mark in enumerate(marks, start=1):
        if isinstance(mark, Block):
            box = mark.box
            patch = Rectangle((box.left, box.bottom), box.right - box.left, box.top - box.bottom)
            style = (0, (2.2, 1.6)) if mark.dashed else "-"
            patch.set(facecolor=mark.fill, edgecolor=mark.edge, linewidth=mark.width)
            patch.set(linestyle=style, zorder=order, clip_on=False)
            axes.add_patch(patch)
        elif isinstance(mark, Stroke):
            dash = (0, (2.2, 1.6)) if mark.dashed else "solid"
            line = LineCollection([mark.points], colors=mark.colour, linewidths=mark.width)
            line.set(linestyle=dash, zorder=order, clip_on=False, capstyle="round")
            axes.add_collection(line, autolim=False)
        else:
            axes.text(
                *(mark.x, mark.y, mark.text),
                fontsize=mark.size,
                color=mark.colour,
                fontweight="bold" if mark.bold else "normal",
                ha=mark.side,
                va="center_baseline",
                zorder=order,
                parse_math=False,
            )


def svg_of(marks: Iterable[Mark], width: float, height: float, alt: str) -> str:
    """Return marks on a white sheet as SVG, sized in points.

    Parameters
    ----------
    marks
        What to draw, in its order.
    width, height
        Of the sheet, in points.
    alt
        The same in words.
    """
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:g} {height:g}" role="img" '
        f'aria-label="{escape(alt)}" font-family="{_WEB_FAMILY}">',
        f'<rect width="{width:g}" height="{height:g}" fill="#ffffff"/>',
        *(_element(mark, height) for mark in marks),
        "</svg>",
    ]
    return "".join(parts)


_ANCHORS = {"left": "start", "center": "middle", "right": "end"}


def _element(mark: Mark, height: float) -> str:
    if isinstance(mark, Block):
        box, dash = mark.box, ' stroke-dasharray="2.2 1.6"' if mark.dashed else ""
        return (
            f'<rect x="{box.left:.1f}" y="{height - box.top:.1f}" '
            f'width="{box.right - box.left:.1f}" height="{box.top - box.bottom:.1f}" '
            f'fill="{mark.fill}" stroke="{mark.edge}" stroke-width="{mark.width:g}"{dash}/>'
        )
    if isinstance(mark, Stroke):
        points = " ".join(f"{x:.1f},{height - y:.1f}" for x, y in mark.points)
        dash = ' stroke-dasharray="2.2 1.6"' if mark.dashed else ""
        return (
            f'<polyline points="{points}" fill="none" stroke="{mark.colour}" '
            f'stroke-width="{mark.width:g}"{dash}/>'
        )
    weight = ' font-weight="bold"' if mark.bold else ""
    # the middle of a capital letter lies a third of the letters' size above the line
    return (
        f'<text x="{mark.x:.1f}" y="{height - mark.y + 0.35 * mark.size:.1f}" '
        f'font-size="{mark.size:g}" fill="{mark.colour}" '
        f'text-anchor="{_ANCHORS[mark.side]}"{weight}>{escape(mark.text)}</text>'
    )
