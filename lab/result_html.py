"""A result as a notebook shows it: finding, numbers, comparisons, verdict, machine, how to repeat.

Not for reports, which hold all of it: this is what a cell that ends with a result prints.
"""

from __future__ import annotations

import html
from collections.abc import Sequence

from lab import tables
from lab.measure.result import Measurement, Result
from lab.units import quantity


def result_html(result: Result) -> str:
    """Return a result as a notebook shows it: finding, numbers, comparisons, verdict, machine."""
    text = html.escape
    head = _row("th", ("rival", "case", "median", "interval", "p99", "runs", "digest"))
    told = tables.nearest_and_farthest(result.measurements)
    lines = "".join(_line(measurement) for measurement in told)
    if left := len(result.measurements) - len(told):
        lines += _row("td", [f"… {left:,} more pairs: rows() has them"])
    verdict = result.verdict
    state = "stable" if verdict.stable else f"not stable: {verdict.reason}; {verdict.remedy}"
    machine = result.machine.get("name", "unknown machine")
    return (
        f"<div><b>{text(verdict.finding)}</b>"
        f"<table><thead>{head}</thead><tbody>{lines}</tbody></table>"
        f"{_compared(result)}"
        f"<div>{text(state)}</div><div>{text(str(machine))} · {text(result.created)}</div>"
        f"<code>{text(result.command())}</code></div>"
    )


def _compared(result: Result) -> str:
    """Return how rivals compare; nothing where none were."""
    found = tables.comparisons(result)
    if not found:
        return ""
    table = found[0].without("times as fast")
    head = _row("th", table.headings)
    rows = "".join(_row("td", row) for row in table.rows)
    return f"<table><thead>{head}</thead><tbody>{rows}</tbody></table>"


def _row(tag: str, cells: Sequence[str]) -> str:
    """Return a row of text to the left; Jupyter would put it right."""
    side = " style='text-align:left'"
    return f"<tr>{''.join(f'<{tag}{side}>{html.escape(cell)}</{tag}>' for cell in cells)}</tr>"


def _line(measurement: Measurement) -> str:
    """Return one measurement as a row of the table."""
    unit = measurement.unit
    p99 = measurement.quantiles.get("99")
    cells = (
        measurement.rival,
        measurement.case,
        quantity(measurement.median, unit),
        f"{quantity(measurement.low, unit)} to {quantity(measurement.high, unit)}"
        f"{measurement.coverage_text()}",
        quantity(p99, unit) if p99 is not None else "",
        str(measurement.runs),
        "right" if measurement.digest_ok else "wrong: void",
    )
    return _row("td", cells)
