"""Where to write beside lines so that nothing overlaps: boxes in points, and what is in their way.

Not for drawing: it only answers with positions.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from matplotlib.font_manager import FontProperties
from matplotlib.textpath import text_to_path

FAMILY = "DejaVu Sans"  # comes with matplotlib, so a figure is the same on every machine
LINE_HEIGHT = 1.22  # of the letters' size
_OVERLAP = 1000.0
_CROSSING = 4.0  # for each two points of a line behind the label
_ILLEGIBLE = 22.0


@dataclass(frozen=True)
class Box:
    """A rectangle in points, from the sheet's lower left corner."""

    left: float
    bottom: float
    right: float
    top: float

    @staticmethod
    def around(x: float, y: float, width: float, height: float) -> Box:
        """Return the box of this size with its centre at a point."""
        return Box(x - width / 2, y - height / 2, x + width / 2, y + height / 2)

    @property
    def middle(self) -> tuple[float, float]:
        """The centre."""
        return (self.left + self.right) / 2, (self.bottom + self.top) / 2

    def overlaps(self, other: Box) -> bool:
        """Say whether two boxes share some area."""
        return (
            self.left < other.right
            and other.left < self.right
            and self.bottom < other.top
            and other.bottom < self.top
        )

    def inside(self, other: Box) -> bool:
        """Say whether this box lies wholly in another one."""
        return (
            self.left >= other.left
            and self.right <= other.right
            and self.bottom >= other.bottom
            and self.top <= other.top
        )

    def count(self, points: np.ndarray) -> int:
        """Count the points, an array of shape (n, 2), that lie in the box."""
        x, y = points[:, 0], points[:, 1]
        within = (x > self.left) & (x < self.right) & (y > self.bottom) & (y < self.top)
        return int(np.count_nonzero(within))


class Placement:
    """Chooses a free place for each label of a figure, one after the other.

    Parameters
    ----------
    area
        Where labels may lie.
    lines
        The drawn lines, each an array of shape (n, 2) in points.
    """

    def __init__(self, area: Box, lines: Iterable[np.ndarray]) -> None:
        self.area = area
        self.taken: list[Box] = []
        dense = [densified(line) for line in lines]
        self.ink = np.concatenate(dense) if dense else np.empty((0, 2))

    def reserve(self, box: Box) -> None:
        """Keep labels out of a box."""
        self.taken.append(box)

    def choose(self, candidates: Sequence[Box], must: bool = False) -> Box | None:
        """Take the best of several places; the earlier ones are the nicer ones.

        Parameters
        ----------
        candidates
            Where the label could lie, best first.
        must
            Whether to take the least bad place where none is free of other labels and of lines.

        Returns
        -------
        Box or None
            The place, which is taken from now on, or None where the label is better left out.
        """
        costs = [self._cost(rank, box) for rank, box in enumerate(candidates)]
        best = int(np.argmin(costs))
        if costs[best] >= _ILLEGIBLE and not must:
            return None
        self.reserve(candidates[best])
        return candidates[best]

    def _cost(self, rank: int, box: Box) -> float:
        clashes = sum(box.overlaps(other) for other in self.taken)
        clashes += not box.inside(self.area)
        return _OVERLAP * clashes + _CROSSING * box.count(self.ink) + rank


def around(
    point: tuple[float, float], size: tuple[float, float], gap: float, rings: int = 6
) -> list[Box]:
    """Return places for a label round a point, the nearest first and above before below.

    Parameters
    ----------
    point
        What the label is for.
    size
        The label's width and height.
    gap
        How far it stays from the point.
    rings
        How many of its own heights it may move away.
    """
    (x, y), (width, height) = point, size
    rows = [
        side * (gap + height * (0.5 + step / 2)) for step in range(2 * rings) for side in (1, -1)
    ]
    columns = (0.0, 0.5, -0.5)
    boxes = [
        Box.around(x + part * width, y + row, width, height) for row in rows for part in columns
    ]
    beside = [x + side * (width / 2 + gap) for side in (1, -1)]
    boxes += [
        Box.around(middle, y + step * height / 2, width, height)
        for step in range(-2 * rings, 2 * rings + 1)
        for middle in beside
    ]
    return sorted(boxes, key=lambda box: _distance(box, point) - 0.1 * (box.bottom > y))


def spread(centres: Sequence[float], heights: Sequence[float], low: float, high: float) -> list:
    """Push labels of a column apart, as little as is needed, keeping their order.

    Parameters
    ----------
    centres, heights
        Where each would like to be and how high it is, in points.
    low, high
        The column's lower and upper end.

    Returns
    -------
    list of float
        The centres, in the order given; none nearer to the next than their heights allow, where
        the column is high enough for all of them.
    """
    order = sorted(range(len(centres)), key=lambda index: centres[index])
    placed = [0.0] * len(centres)
    floor = low
    for index in order:
        placed[index] = max(centres[index], floor + heights[index] / 2)
        floor = placed[index] + heights[index] / 2
    ceiling = high
    for index in reversed(order):
        placed[index] = min(placed[index], ceiling - heights[index] / 2)
        ceiling = placed[index] - heights[index] / 2
    return placed


@lru_cache(maxsize=4096)
def text_size(text: str, points: float, bold: bool = False) -> tuple[float, float]:
    """Return the width and height of a line of text, in points.

    Parameters
    ----------
    text
        One line, taken as it is: no mathematics in it.
    points
        The size of the letters.
    bold
        Whether they are bold.
    """
    font = FontProperties(family=FAMILY, size=points, weight="bold" if bold else "normal")
    width, _, _ = text_to_path.get_text_width_height_descent(text, font, ismath=False)
    return width, points * LINE_HEIGHT


def wrapped(text: str, points: float, width: float, bold: bool = False, most: int = 3) -> list[str]:
    """Break a text into lines that are no wider than a width, with an ellipsis after the last.

    Parameters
    ----------
    text
        Words with single spaces; a line is not broken at a no-break space.
    points, bold
        The letters.
    width
        In points.
    most
        How many lines there may be.
    """
    lines: list[str] = []
    words = text.split(" ")
    while words and len(lines) < most:
        taken = _fitting(words, points, width, bold)
        lines.append(" ".join(words[:taken]))
        words = words[taken:]
    if words:
        lines[-1] = shortened(lines[-1] + " …", points, width, bold)
    return [shortened(line.rstrip(" ·\u00a0"), points, width, bold) for line in lines]


def shortened(text: str, points: float, width: float, bold: bool = False) -> str:
    """Cut a text that is too wide, with an ellipsis at its end."""
    if text_size(text, points, bold)[0] <= width:
        return text
    kept = text.rstrip("… ")
    while kept and text_size(kept + "…", points, bold)[0] > width:
        kept = kept[:-1].rstrip()
    return kept + "…"


def _fitting(words: list[str], points: float, width: float, bold: bool) -> int:
    """Count the words, at least one, that go on a line."""
    count = 1
    while count < len(words):
        if text_size(" ".join(words[: count + 1]), points, bold)[0] > width:
            break
        count += 1
    return count


def densified(line: np.ndarray, step: float = 2.0) -> np.ndarray:
    """Add points along a line so that a label cannot lie between two of them unseen."""
    if len(line) < 2:
        return line
    lengths = np.hypot(*np.diff(line, axis=0).T)
    along = np.concatenate(([0.0], np.cumsum(lengths)))
    at = np.arange(0.0, along[-1] + step, step)
    return np.column_stack([np.interp(at, along, line[:, axis]) for axis in (0, 1)])


def _distance(box: Box, point: tuple[float, float]) -> float:
    """Return how far a box lies from a point."""
    across = max(box.left - point[0], 0.0, point[0] - box.right)
    upward = max(box.bottom - point[1], 0.0, point[1] - box.top)
    return float(np.hypot(across, upward))
