"""A machine drawn as boxes in boxes, in the manner that lstopo made familiar.

Memory nodes and caches are bars over the CPUs that are near to them or share them. What looks the
same is drawn once where all of it would be too small to read.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from matplotlib.figure import Figure

from lab.hardware.sysfs import format_list, parse_list
from lab.plots.labels import Box, text_size
from lab.plots.machine_layout import LETTERS, SHEETS, Placed, best_plan, caption, placed
from lab.plots.machine_parts import every_cpu, parts_of
from lab.plots.machine_words import explained, title
from lab.plots.marks import Block, Mark, Words, draw, hatched
from lab.plots.sheet import Sheet, own_settings
from lab.plots.styles import GREY_SHEET, INK, SOFT_INK

WIDTH_INCHES = 8.0
_HIGHEST = 7.6  # inches: a laptop's screen
_BELOW = 14.0
_STRETCHED = 1.6  # so much wider than it has to be is a machine at most
_MEMORY, _MEMORY_EDGE = "#dcebdc", "#7da37d"
_CACHE, _CACHE_EDGE = "#dfe9f5", "#8aa6c8"
_FRAME = {"package": "#fafafa", "die": "#f1f2f4", "group": "none"}
_CORE = {"": "#fdf0dc", "performance": "#f9d3b4", "middle": "#fbe6c8", "efficiency": "#dff0ea"}
_CORE_EDGE = "#b9a585"


def machine_map(machine: Mapping[str, Any], size: tuple[float, float] | None = None) -> Figure:
    """Return a drawing of how a machine is built.

    Parameters
    ----------
    machine
        What ``lab probe --json`` prints, or ``Topology.as_dict()``.
    size
        Width and height in inches; by default as high as it has to be.
    """
    width = size[0] if size else WIDTH_INCHES
    with own_settings():
        sheet = _sheet(machine, (width, size[1] if size else _HIGHEST))
        room = sheet.top - 10 * sheet.scale - _below(machine, sheet)
        plan = best_plan(
            parts_of(machine),
            (sheet.width - 2 * sheet.margin) / sheet.scale,
            room / sheet.scale,
        )
        scale = sheet.scale * plan.scale(
            (sheet.width - 2 * sheet.margin) / sheet.scale, room / sheet.scale
        )
        if size is None:
            spare = room - plan.height * scale
            sheet = _sheet(machine, (width, (sheet.height - spare) / 72))
        top = sheet.top - 10 * sheet.scale
        wide = min((sheet.width - 2 * sheet.margin) / scale, plan.width * _STRETCHED)
        marks = [
            mark
            for one in placed(plan, wide)
            for mark in _scaled(_marks(one), scale, sheet.margin, top)
        ]
        draw(sheet, [*marks, *_switched_off(machine, sheet)])
        return sheet.figure


def _sheet(machine: Mapping[str, Any], size: tuple[float, float]) -> Sheet:
    scale = 0.44 + 0.56 * min(size[0] / WIDTH_INCHES, 1.0)
    return Sheet(size, title(machine), explained(machine), scale)


def _marks(one: Placed) -> Iterator[Mark]:
    """Draw one part: its frame, what is written in it, and the sheets behind it."""
    part = one.part
    if part.kind == "machine":
        yield from _bars(one)
        return
    if part.count > 1:
        yield from _sheets_behind(one)
    if part.kind == "pu":
        yield from _cpu(one)
        return
    if part.kind == "core":
        yield Block(one.box, _CORE.get(part.tone, _CORE[""]), _CORE_EDGE, 0.7)
    elif part.kind in _FRAME and part.kind != "group":
        yield Block(one.box, _FRAME[part.kind], SOFT_INK, 0.9)
    elif part.kind == "group":
        yield Block(one.box, "none", _MEMORY_EDGE, 0.8, dashed=True)
    yield from _bars(one)
    if one.caption:
        yield Words(*one.caption, _count_words(one), LETTERS, INK, bold=True)


def _bars(one: Placed) -> Iterator[Mark]:
    for use, text, box in one.bars:
        if use == "title":
            bold = one.part.kind in ("package", "die")
            yield Words(box.left + 1, box.middle[1] + 0.5, text, LETTERS, INK, bold, "left")
            continue
        fill, edge = (_MEMORY, _MEMORY_EDGE) if use == "memory" else (_CACHE, _CACHE_EDGE)
        inner = Box(box.left, box.bottom + 0.7, box.right, box.top - 0.7)
        yield Block(inner, fill, edge, 0.7)
        yield Words(*inner.middle, text, LETTERS, INK)


def _cpu(one: Placed) -> Iterator[Mark]:
    """Draw a CPU; one that may not be used is hatched."""
    idle = one.part.tone == "idle"
    yield Block(one.box, GREY_SHEET if idle else "#ffffff", _CORE_EDGE, 0.7)
    if idle:
        yield from hatched(one.box, "#c9cacd", 4.0, 0.6)
    text = one.part.label if one.part.count == 1 else format_list(every_cpu(one.part))
    yield Words(*one.box.middle, text, LETTERS, SOFT_INK if idle else INK)
    if one.caption:
        yield Words(*one.caption, _count_words(one), LETTERS, INK, bold=True)


def _sheets_behind(one: Placed) -> Iterator[Mark]:
    """Draw the edges of sheets under a box that stands for several."""
    for step in (2, 1):
        by = SHEETS * step
        moved = Box(one.box.left + by, one.box.bottom - by, one.box.right + by, one.box.top - by)
        yield Block(moved, "#ffffff", SOFT_INK, 0.6)
    yield Block(one.box, "#ffffff", "none", 0.0)


def _count_words(one: Placed) -> str:
    """Return how many a box stands for, with their CPUs where there is room."""
    short = caption(one.part)
    full = f"{short}: CPUs {format_list(every_cpu(one.part))}"
    fits = text_size(full, LETTERS, True)[0] < one.box.right - one.box.left
    return full if fits else short


def _scaled(marks: Iterator[Mark], scale: float, left: float, top: float) -> Iterator[Mark]:
    """Shrink marks and move them onto the sheet; their own corner is the upper left one."""
    for mark in marks:
        if isinstance(mark, Words):
            x, y = left + mark.x * scale, top + mark.y * scale
            yield Words(x, y, mark.text, mark.size * scale, mark.colour, mark.bold, mark.side)
        elif isinstance(mark, Block):
            yield Block(_moved(mark.box, scale, left, top), mark.fill, mark.edge, mark.width)
        else:
            points = tuple((left + x * scale, top + y * scale) for x, y in mark.points)
            yield type(mark)(points, mark.colour, mark.width, mark.dashed)


def _moved(box: Box, scale: float, left: float, top: float) -> Box:
    xs = left + box.left * scale, left + box.right * scale
    ys = top + box.bottom * scale, top + box.top * scale
    return Box(xs[0], ys[0], xs[1], ys[1])


def _below(machine: Mapping[str, Any], sheet: Sheet) -> float:
    """Return the room that CPUs which are switched off take under the machine."""
    rows = 2 if machine["offline_cpus"] else 1
    return rows * _BELOW * sheet.scale


def _switched_off(machine: Mapping[str, Any], sheet: Sheet) -> Iterator[Mark]:
    """Draw the CPUs that are switched off as empty boxes; of many, the list."""
    cpus: Sequence[int] = sorted(parse_list(machine["offline_cpus"]))
    if not cpus:
        return
    size, y = LETTERS * sheet.scale, _BELOW * sheet.scale
    word = "switched off"
    yield Words(sheet.margin, y, word, size, SOFT_INK, side="left")
    x = sheet.margin + text_size(word, size)[0] + 8 * sheet.scale
    wide, high = 20.0 * sheet.scale, 14.0 * sheet.scale
    texts = [str(cpu) for cpu in cpus]
    if x + len(texts) * (wide + 3) > sheet.width - sheet.margin:
        texts = [format_list(set(cpus))]
        wide = text_size(texts[0], size)[0] + 8 * sheet.scale
    for text in texts:
        yield Block(Box(x, y - high / 2, x + wide, y + high / 2), "none", "#b9babd", 0.7, True)
        yield Words(x + wide / 2, y, text, size, SOFT_INK)
        x += wide + 3 * sheet.scale
