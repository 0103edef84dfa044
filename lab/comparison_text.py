"""Two results side by side for a person: in a terminal, and in a notebook."""

from __future__ import annotations

import html
from collections.abc import Iterable, Sequence
from typing import TypeVar

from lab.measure.comparable import Difference
from lab.measure.comparison import Change, Relation, SideBySide
from lab.measure.words import times_text
from lab.terminal import table
from lab.units import quantity

CHANGE_HEAD = ("rival", "case", "metric", "before", "after", "change")
RELATION_HEAD = ("rival", "beside", "case", "metric", "before", "after", "change")
_FEW = 30
Row = TypeVar("Row", Change, Relation)
_SAME = "same parameters, machine and code"


def comparison_text(outcome: SideBySide) -> str:
    """Return what speaks against it, what differed, what changed, how rivals stand to each other.

    Of many changes only those on the first case and the clear ones are written out.
    """
    changes, relations = shown(outcome.changes), shown(outcome.relations)
    parts = [
        "\n".join(f"beware  {warning}" for warning in outcome.warnings),
        "\n".join(map(text_of, outcome.differences)) or _SAME,
        _sides(outcome),
        table(CHANGE_HEAD, [cells(change) for change in changes]),
        "within the runs, where the machine's moods are taken out:\n"
        + table(RELATION_HEAD, [relation_cells(relation) for relation in relations])
        if relations
        else "",
        _rest(outcome, len(changes) + len(relations)),
    ]
    return "\n\n".join(part for part in parts if part)


def comparison_html(outcome: SideBySide) -> str:
    """Return the same for a notebook."""
    changes, relations = shown(outcome.changes), shown(outcome.relations)
    notes = [*map(text_of, outcome.differences), _sides(outcome)]
    return "".join(
        (
            _html_list(f"beware: {warning}" for warning in outcome.warnings),
            _html_table(CHANGE_HEAD, map(cells, changes)),
            _html_table(RELATION_HEAD, map(relation_cells, relations)) if relations else "",
            _html_list(filter(None, [*notes, _rest(outcome, len(changes) + len(relations))])),
        )
    )


def shown(found: Sequence[Row]) -> list[Row]:
    """Return all of a few; of many those on the first case, and those that are clear."""
    if len(found) <= _FEW:
        return list(found)
    first = found[0]
    return [
        item
        for item in found
        if item.clear or (item.case == first.case and item.metric == first.metric)
    ]


def _sides(outcome: SideBySide) -> str:
    """Say how many runs there are where there are several."""
    before, after = outcome.runs
    return "" if before == after == 1 else f"{before} runs before, {after} after"


def _rest(outcome: SideBySide, count: int) -> str:
    """Say how many lines are left out."""
    left = len(outcome.changes) + len(outcome.relations) - count
    return f"{left} more, none of them clear: --json or rows() has them" if left else ""


def _html_table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    body = "".join(_html_row("td", row) for row in rows)
    return f"<table><thead>{_html_row('th', head)}</thead><tbody>{body}</tbody></table>"


def _html_row(tag: str, texts: Iterable[str]) -> str:
    """Return a row of a table, to the left: a notebook would put text to the right."""
    row = "".join(f"<{tag} style='text-align:left'>{html.escape(text)}</{tag}>" for text in texts)
    return f"<tr>{row}</tr>"


def _html_list(lines: Iterable[str]) -> str:
    """Return lines as a list, or nothing where there are none."""
    items = "".join(f"<li>{html.escape(line)}</li>" for line in lines)
    return f"<ul>{items}</ul>" if items else ""


def cells(change: Change) -> tuple[str, ...]:
    """Return a change as the cells of a table under ``CHANGE_HEAD``."""
    before, after = quantity(change.before, change.unit), quantity(change.after, change.unit)
    metric = change.metric.replace("_", " ")
    return change.rival, change.case, metric, before, after, change.words


def relation_cells(relation: Relation) -> tuple[str, ...]:
    """Return a relation as the cells of a table under ``RELATION_HEAD``."""
    ratios = (f"{times_text(value)} times" for value in (relation.before, relation.after))
    names = (relation.rival, relation.baseline, relation.case, relation.metric.replace("_", " "))
    return (*names, *ratios, relation.words)


def text_of(difference: Difference) -> str:
    """Return a difference as a line of text."""
    return f"{difference.kind} {difference.name}: {difference.before} → {difference.after}"
