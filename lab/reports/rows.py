"""A report as CSV after RFC 4180: a line a measurement, for a spreadsheet or a data frame.

Not for distributions: JSON has them.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Sequence
from typing import Any

from lab.measure.result import Comparison, Measurement, Result

# A spreadsheet takes a cell that starts so for a formula; behind an apostrophe it is text.
_STARTS_A_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n")
_OF_RUN = ("experiment", "created", "machine", "commit", "version", "stable", "reason", "work")
_OF_COMPARISON = ("baseline", "ratio", "ratio_low", "ratio_high", "noise_low", "noise_high")


def rows(results: Sequence[Result]) -> str:
    """Return results as CSV: numbers as numbers, in the unit that their line names.

    Parameters
    ----------
    results
        The results, one after the other.
    """
    lines = [_line(result, item) for result in results for item in result.measurements]
    columns = list(dict.fromkeys(name for line in lines for name in line))
    columns.append(columns.pop(columns.index("parameters")))
    sheet = io.StringIO()
    writer = csv.DictWriter(sheet, columns, restval="", lineterminator="\r\n")
    writer.writeheader()
    writer.writerows({name: _cell(value) for name, value in line.items()} for line in lines)
    return sheet.getvalue()


def _line(result: Result, item: Measurement) -> dict[str, Any]:
    """Return a measurement with what its run and its comparison say."""
    run = (
        result.experiment,
        result.created,
        result.machine.get("name", ""),
        result.code.commit or "",
        result.code.version,
        result.verdict.stable,
        result.verdict.reason,
        result.digest,
    )
    exact = item.model_dump(
        include={"rival", "case", "metric", "unit", "at", "median", "low", "high", "coverage"}
    )
    return {
        **dict(zip(_OF_RUN, run, strict=True)),
        **exact,
        **{"runs": item.runs, "samples": item.samples, "digest_ok": item.digest_ok},
        **_beside(result, item),
        **{_quantile(name): value for name, value in item.quantiles.items()},
        "parameters": json.dumps(result.parameters, ensure_ascii=False),
    }


def _quantile(name: str) -> str:
    return name if name == "max" else f"p{name}"


def _beside(result: Result, item: Measurement) -> dict[str, Any]:
    """Return how a rival compares with the baseline, empty cells where it was not compared."""
    for entry in result.comparisons:
        is_other = entry.rival == item.rival != entry.baseline
        if is_other and (entry.case, entry.metric) == (item.case, item.metric):
            return dict(zip(_OF_COMPARISON, _compared(entry), strict=True))
    return dict.fromkeys(_OF_COMPARISON, "")


def _compared(entry: Comparison) -> tuple[Any, ...]:
    bounds = (entry.baseline, entry.ratio, entry.low, entry.high)
    return *bounds, entry.noise_low, entry.noise_high


def _cell(value: Any) -> Any:
    """Return a cell: a number as it is, a text so that no spreadsheet carries it out."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str) and value.startswith(_STARTS_A_FORMULA):
        return f"'{value}"
    return value
