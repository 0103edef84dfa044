"""An experiment over time for a person: in a terminal, and in a notebook."""

from __future__ import annotations

import html
from collections.abc import Sequence

from lab.measure.history import Group, History, Series, when
from lab.terminal import table
from lab.units import quantity

HEAD = ("rival", "case", "metric", "results", "first", "last", "change")
_TAIL = "_p9"
_TOO_FEW = "too few results for a change to be found"
_ENOUGH = 10  # of which five on either side of a step


def history_text(found: History) -> str:
    """Return each group's series and where they changed.

    A tail whose level did not move is not written out, and a group of one result is named only.
    """
    parts = [f"{found.experiment} on {found.machine.get('name')} ({found.machine.get('id')})"]
    parts += [_group_text(group) for group in found.groups if len(group.results) > 1]
    single = [group.name for group in found.groups if len(group.results) == 1]
    if single:
        parts.append(f"one result only, so nothing beside it: {'; '.join(single)}")
    parts.append("\n".join(f"beware  {note}" for note in found.notes))
    return "\n\n".join(part for part in parts if part)


def history_html(found: History) -> str:
    """Return the same for a notebook."""
    text = html.escape
    parts = [f"<b>{text(found.experiment)}</b> on {text(str(found.machine.get('name')))}"]
    for group in found.groups:
        if len(group.results) > 1:
            head = "".join(f"<th style='text-align:left'>{title}</th>" for title in HEAD)
            body = "".join(_html_row(cells(series)) for series in shown(group))
            parts.append(f"<div>{text(_title(group))}</div>")
            parts.append(f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>")
    parts += [f"<div>{text(note)}</div>" for note in found.notes]
    return "".join(parts)


def shown(group: Group) -> list[Series]:
    """Return a group's series without the tails that did not move."""
    return [series for series in group.series if _TAIL not in series.metric or series.steps]


def cells(series: Series) -> tuple[str, ...]:
    """Return a series as the cells of a table under ``HEAD``."""
    first, last = series.points[0], series.points[-1]
    if series.steps:
        said = "; then ".join(step.words for step in series.steps)
    elif len(series.points) < _ENOUGH:
        said = _TOO_FEW
    else:
        said = "no change found"
    return (
        series.rival,
        series.case,
        series.metric.replace("_", " "),
        str(len(series.points)),
        quantity(first.value, series.unit),
        quantity(last.value, series.unit),
        said,
    )


def _group_text(group: Group) -> str:
    return f"{_title(group)}\n{table(HEAD, [cells(series) for series in shown(group)], right=(3,))}"


def _title(group: Group) -> str:
    """Return a group's name, and from when to when its results are."""
    times = [when(point) for series in group.series for point in series.points]
    span = f"{min(times)} to {max(times)}, " if times else ""
    commits = len({result.code.commit for result in group.results})
    many = "1 commit" if commits == 1 else f"{commits} commits"
    return f"{group.name}: {len(group.results)} results, {span}{many}"


def _html_row(texts: Sequence[str]) -> str:
    row = "".join(f"<td style='text-align:left'>{html.escape(cell)}</td>" for cell in texts)
    return f"<tr>{row}</tr>"
