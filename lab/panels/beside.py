"""Two results side by side as the results browser shows them: what differed and what changed."""

from __future__ import annotations

import contextlib

from engines.errors import FileError, InputError
from lab.comparison_text import comparison_html
from lab.measure import index
from lab.measure.comparison import SideBySide, compare
from lab.measure.result import Result
from lab.measure.work import differing
from lab.panels import markup


def beside(before: Result, after: Result) -> str:
    """Return a comparison as HTML, or why there is none.

    Two runs that did different work were chosen by a person, so what differs is taken for the
    question.
    """
    try:
        question, found = _compared(before, after)
    except InputError as error:
        return markup.problem(str(error))
    words = (f"before: {_when(before)}, after: {_when(after)}", question)
    told = markup.quiet("; ".join(filter(None, words)))
    return f'{told}<div class="exchange-lab exchange-lab-beside">{comparison_html(found)}</div>'


def _compared(before: Result, after: Result) -> tuple[str, SideBySide]:
    """Return the comparison, and what it is of where that is not the code alone."""
    saved = _alike(before, after)
    try:
        return "", compare(before, after, saved=saved)
    except InputError:
        names = differing(before, after)
        if before.experiment != after.experiment or not names:
            raise
    words = ", ".join(
        f"{name.replace('_', ' ')} {before.parameters.get(name)} → {after.parameters.get(name)}"
        for name in names
    )
    return f"they did different work, and this is what it does: {words}", compare(
        before, after, names, saved
    )


def _alike(*sides: Result) -> list[Result]:
    """Return saved results that may repeat one of the sides: they tell how runs differ."""
    keys = {(side.experiment, side.machine.get("id"), _commit(side)) for side in sides}
    found = []
    for entry in index.entries():
        if entry.is_readable and (entry.experiment, entry.machine_id, entry.commit) in keys:
            with contextlib.suppress(FileError):  # one that is damaged tells nothing of the others
                found.append(index.loaded(entry))
    return found


def _when(result: Result) -> str:
    return f"{result.created[:16].replace('T', ' ')} UTC"


def _commit(result: Result) -> str:
    return (result.code.commit or "")[:7]
