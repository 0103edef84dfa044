"""Where the boxes of a machine lie: side by side in rows, as large as the sheet allows.

Everything is measured in points, with the letters of a full sheet, and shrunk as a whole.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from lab.plots.labels import Box, text_size
from lab.plots.machine_parts import Part, folded

LETTERS = 7.0
BAR = 12.5
"""How high a line with a box around it is: a cache, a memory node."""
GAP = 4.0
PAD = 5.0
SHEETS = 2.2
"""How far the sheets behind a box that stands for several stick out."""
_TITLE = 11.0
_CPU_WIDTH, _CPU_HEIGHT = 20.0, 14.0
_PLANS_MOST = 600
_FRAMED = ("package", "die", "group", "core")
_LARGEST, _LOW = 1.5, 230.0
# What may stand for others, and from how many on: first much of what is small.
_INNER = ("core", "cache")
_FOLDS: tuple[tuple[tuple[str, ...], int], ...] = (
    ((), 0),
    (_INNER, 3),
    ((*_INNER, "group", "die"), 3),
    ((*_INNER, "group", "die", "package"), 3),
    ((*_INNER, "group", "die", "package"), 2),
)
_LEGIBLE = 0.85
Columns = Mapping[str, int]
"""How wide a row is at most in each kind of box: so many of its widest part."""
_UNFOLDED_MOST = 160  # CPUs; more are never legible one by one

Row = Sequence[tuple[Part, float, float]]
"""Parts that stand side by side, each with how wide and how high it is at least."""


@dataclass(frozen=True)
class Plan:
    """How many boxes stand beside each other in each kind of box, and how large that is."""

    part: Part
    columns: Columns
    width: float
    height: float

    def scale(self, width: float, height: float) -> float:
        """Return by how much the plan has to shrink, or may grow: a low one, on a wide sheet."""
        grown = max(1.0, min(_LARGEST, _LOW / self.height))
        return min(grown, width / self.width, height / self.height)


@dataclass(frozen=True)
class Placed:
    """One part and where it lies; bars are its lines of text from top to bottom."""

    part: Part
    box: Box
    bars: tuple[tuple[str, str, Box], ...]
    caption: tuple[float, float] | None


def best_plan(machine: Part, width: float, height: float) -> Plan:
    """Return the plan that shows most: what is alike is drawn once where all would be too small.

    Parameters
    ----------
    machine
        Of ``machine_parts.parts_of``.
    width, height
        The room, in points.
    """
    best: Plan | None = None
    for kinds, least in _FOLDS[len(machine.cpus) > _UNFOLDED_MOST :]:
        for plan in _plans(folded(machine, kinds, least)):
            if best is None or _better(plan, best, width, height):
                best = plan
        if best is not None and best.scale(width, height) >= _LEGIBLE:
            break
    assert best is not None
    return best


def _better(one: Plan, other: Plan, width: float, height: float) -> bool:
    """Say whether one plan is larger on the sheet, or as large and not as high."""
    scales = one.scale(width, height), other.scale(width, height)
    if min(scales) >= 1.0:
        return one.height < other.height - 1
    return scales[0] > scales[1] + 0.02 or (
        scales[0] > scales[1] - 0.02 and one.height < other.height - 1
    )


def _plans(machine: Part) -> Iterator[Plan]:
    """Yield a plan for every number of columns that makes a difference."""
    counts = _most_parts(machine, {})
    rooms = [room for room, count in counts.items() if count > 1]
    choices = [sorted({-(-counts[room] // rows) for rows in range(1, 17)}) for room in rooms]
    for numbers in itertools.islice(itertools.product(*choices), _PLANS_MOST):
        columns = dict(zip(rooms, numbers, strict=True))
        yield Plan(machine, columns, *_measured(machine, columns))


def _room(part: Part) -> str:
    """Return which boxes have as many columns: those of one kind, caches of one level."""
    return part.label.partition(" ")[0] if part.kind == "cache" else part.kind


def _most_parts(part: Part, counts: dict[str, int]) -> dict[str, int]:
    """Return how many parts the fullest box of each kind holds; threads stand side by side."""
    if part.kind not in ("core", "pu"):
        counts[_room(part)] = max(counts.get(_room(part), 0), len(part.parts))
    for child in part.parts:
        _most_parts(child, counts)
    return counts


def _rows(part: Part, columns: Columns) -> list[list[tuple[Part, float, float]]]:
    """Return the parts of a box row by row, each with its size."""
    sized = [(child, *_measured(child, columns)) for child in part.parts]
    widest = max((width for _, width, _ in sized), default=0.0)
    most = columns.get(_room(part), len(sized)) * (widest + GAP)
    rows: list[list[tuple[Part, float, float]]] = []
    filled = most + 1
    for one in sized:
        filled += one[1] + GAP
        if filled > most + 0.01:
            rows.append([])
            filled = one[1] + GAP
        rows[-1].append(one)
    return rows


def bar_texts(part: Part) -> list[tuple[str, str]]:
    """Return a box's lines of text: what each is ("title", "memory", "cache") and says."""
    memory = [("memory", text) for text, _ in part.memory]
    if part.kind == "cache":
        return [*memory, ("cache", part.label)]
    if part.kind in ("package", "die", "core"):
        return [("title", part.label), *memory]
    return memory


def caption(part: Part) -> str:
    """Return what stands under a box that stands for several."""
    return f"× {part.count} alike" if part.count > 1 else ""


def _high(use: str) -> float:
    """Return how high a line of text is, with what is free under it."""
    return _TITLE if use == "title" else BAR


def _measured(part: Part, columns: Columns) -> tuple[float, float]:
    """Return how wide and how high a box is at least."""
    if part.kind == "pu":
        return max(text_size(part.label, LETTERS)[0] + 8, _CPU_WIDTH), _CPU_HEIGHT
    texts = bar_texts(part)
    words = [text for _, text in texts] + [caption(part)]
    width = max((text_size(text, LETTERS)[0] + 8 for text in words if text), default=0.0)
    rows = _rows(part, columns)
    for row in rows:
        width = max(width, sum(wide for _, wide, _ in row) + GAP * (len(row) - 1))
    height = sum(_high(use) for use, _ in texts) + _between(texts, rows)
    height += sum(max(high for _, _, high in row) for row in rows)
    if part.kind in _FRAMED:
        width, height = width + 2 * PAD, height + 2 * PAD - (2 if texts else 0)
    if part.count > 1:
        width, height = width + 2 * SHEETS, height + 2 * SHEETS + BAR
    return width, height


def _between(texts: Sequence[tuple[str, str]], rows: Sequence[object]) -> float:
    """Return what is left free between bars and rows, and between rows."""
    after_bars = GAP if texts and rows and texts[-1][0] != "title" else 0.0
    return after_bars + GAP * max(len(rows) - 1, 0)


def placed(plan: Plan, width: float) -> Iterator[Placed]:
    """Yield every part with its box, the outer ones first; unshrunk, from the upper left corner.

    Parameters
    ----------
    plan
        What is where.
    width
        The whole machine's, in points: at least the plan's.
    """
    yield from _placed(plan.part, plan.columns, (0.0, 0.0, width, plan.height))


def _placed(
    part: Part, columns: Columns, room: tuple[float, float, float, float]
) -> Iterator[Placed]:
    left, top, width, height = room
    under = None
    if part.count > 1:
        width, height = width - 2 * SHEETS, height - 2 * SHEETS - BAR
        under = (left + width / 2, top - height - 2 * SHEETS - BAR / 2)
    box = Box(left, top - height, left + width, top)
    pad = PAD if part.kind in _FRAMED else 0.0
    inner_left, inner_width = left + pad, width - 2 * pad
    texts = bar_texts(part)
    y = top - (pad - 2 if pad and texts else pad)
    bars = []
    for use, text in texts:
        bars.append((use, text, Box(inner_left, y - _high(use), inner_left + inner_width, y)))
        y -= _high(use)
    yield Placed(part, box, tuple(bars), under)
    rows = _rows(part, columns)
    y -= _between(texts, rows[:1])
    stretch = 1.0
    for index, row in enumerate(rows):
        high = max(size[2] for size in row)
        if len(rows) == 1 and row[0][0].kind != "pu":
            high = max(high, y - (box.bottom + pad))
        if not (index and _is_rest(row, rows[index - 1])):
            stretch = _stretch(row, inner_width)
        x = inner_left
        for child, wide, _ in row:
            yield from _placed(child, columns, (x, y, wide * stretch, high))
            x += wide * stretch + GAP
        y -= high + GAP


def _stretch(row: Row, width: float) -> float:
    """Return by how much the parts of a row widen to fill it."""
    needed = sum(wide for _, wide, _ in row)
    return max((width - GAP * (len(row) - 1)) / needed, 1.0)


def _is_rest(row: Row, above: Row) -> bool:
    """Say whether a row holds what is left of the one above: fewer of the same size."""
    sizes = {round(wide, 1) for _, wide, _ in (*row, *above)}
    return len(row) < len(above) and (max(sizes) - min(sizes)) < GAP
