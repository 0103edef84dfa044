"""A result's numbers as tables of text, for a panel and a report.

Not for files: what is stored is the result itself.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from html import escape
from typing import Any

from lab.experiments import EXPERIMENTS
from lab.experiments.parameters import Parameter, controls_of
from lab.measure import claims
from lab.measure.result import Comparison, Measurement, Result
from lab.measure.words import noise_text, times_text
from lab.metrics import PAIR, metric_named
from lab.units import amount, quantity

PAIRS_MOST = 40
_SHORT = 16  # letters of a baseline's name that a column's heading has room for
_AGAINST = "against baseline"
_COMPARED = "rivals beside each other"
_QUANTILES = ("99", "99.9", "99.99", "max")
_MACHINE = (
    "name",
    "cpu",
    "cpus",
    "memory_bytes",
    "hypervisor",
    "kernel",
    "python",
    "numpy",
    "numba",
)


@dataclass(frozen=True)
class Table:
    """Headings and rows of text; the first columns are names, the others read as numbers."""

    caption: str
    headings: list[str]
    rows: list[list[str]]
    names: int = 1
    words: bool = False
    """Whether the last column is a sentence, which may be broken."""

    def to_html(self) -> str:
        """Return the table as HTML, every cell escaped."""
        head = "".join(f"<th{self._side(i)}>{escape(t)}</th>" for i, t in enumerate(self.headings))
        body = "".join(self._row(row) for row in self.rows)
        caption = f"<caption>{escape(self.caption)}</caption>" if self.caption else ""
        return f"<table>{caption}<thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"

    def without(self, *headings: str) -> Table:
        """Return the table without some of its columns, for a narrow place."""
        kept = [i for i, heading in enumerate(self.headings) if heading not in headings]
        names = sum(i < self.names for i in kept)
        rows = [[row[i] for i in kept] for row in self.rows]
        return Table(self.caption, [self.headings[i] for i in kept], rows, names, self.words)

    def named_first(self) -> Table:
        """Return the table with its caption as the first heading, for where none is shown."""
        return replace(self, headings=[self.caption, *self.headings[1:]])

    def _row(self, row: Sequence[str]) -> str:
        cells = (f"<td{self._side(i)}>{escape(cell)}</td>" for i, cell in enumerate(row))
        return f"<tr>{''.join(cells)}</tr>"

    def _side(self, index: int) -> str:
        if self.words and index == len(self.headings) - 1:
            return ' class="name words"'
        return ' class="name"' if index < self.names else ""


def measurements(result: Result, mark: str = "", cases: Sequence[str] | None = None) -> list[Table]:
    """Return a table for each metric of a result.

    Parameters
    ----------
    result
        The result.
    mark
        The circled number of an earlier run; it stands behind each rival's name.
    cases
        Only these; all when None.
    """
    found = [item for item in result.measurements if cases is None or item.case in cases]
    metrics = dict.fromkeys(item.metric for item in found)
    return [_of_metric(result, metric, found, mark) for metric in metrics]


def comparisons(result: Result, mark: str = "", cases: Sequence[str] | None = None) -> list[Table]:
    """Return a table of how rivals compare, in a list; an empty one where none was compared.

    Of many rivals only a case's fastest is compared with the rest.

    Parameters
    ----------
    result
        The result.
    mark
        The circled number of an earlier run; it stands behind each rival's name.
    cases
        Only these; all when None.
    """
    told = {item.case for item in nearest_and_farthest(result.measurements)}
    found = [item for item in claims.interesting(result) if cases is None or item.case in cases]
    found = [item for item in found if item.case in told]
    if not found:
        return []
    has_q = sum(item.q_value is not None for item in claims.pairs(result)) > 1
    headings = ["rival", "beside", "case", "of", "times as fast", "interval", "noise"]
    headings += ["q"] * has_q + ["what can be said"]
    rows = [_comparison_row(item, mark, has_q) for item in found]
    columns = [place for place in range(len(headings)) if place not in _alike(rows)]
    return [
        Table(
            _COMPARED,
            [headings[place] for place in columns],
            [[row[place] for place in columns] for row in rows],
            names=sum(place < 4 for place in columns),
            words=True,
        )
    ]


def _alike(rows: Sequence[Sequence[str]]) -> list[int]:
    """Return the columns that need not stand: case and metric where all rows have the same."""
    return [place for place in (2, 3) if len({row[place] for row in rows}) == 1]


def _comparison_row(item: Comparison, mark: str, has_q: bool) -> list[str]:
    low, high = _ends(item.low, item.high, "")
    return [
        f"{item.rival} {mark}".rstrip(),
        item.baseline,
        item.case.replace(" ", "\u00a0"),
        item.metric.replace("_", " "),
        times_text(item.ratio),
        f"{low} to {high}",
        noise_text(item.noise_high),
        *([claims.q_text(item) or "–"] * has_q),
        claims.with_remedy(item),
    ]


def joined(found: Sequence[Table]) -> list[Table]:
    """Return tables of the same columns as one, so that their numbers stand under each other.

    Where their baselines differ the heading names none: each run's own row says ``baseline``.
    """
    by_columns: dict[tuple[str, ...], Table] = {}
    for table in found:
        columns = [_AGAINST if name.startswith("against ") else name for name in table.headings]
        first = by_columns.get((table.caption, *columns))
        rows = [*first.rows, *table.rows] if first else table.rows
        same = first is None or first.headings == table.headings
        by_columns[(table.caption, *columns)] = Table(
            table.caption, table.headings if same else columns, rows, table.names, table.words
        )
    return list(by_columns.values())


def _of_metric(result: Result, metric: str, found: list[Measurement], mark: str) -> Table:
    items = [item for item in found if item.metric == metric]
    # by case: rivals are compared on the same commands, so they stand under each other
    order = list(dict.fromkeys(item.case for item in items))
    items.sort(key=lambda item: order.index(item.case))
    quantiles = [name for name in _QUANTILES if any(name in item.quantiles for item in items)]
    middle = "p50, median run" if quantiles else "median run"
    headings = ["rival", "case", middle, "interval"]
    headings += [name if name == "max" else f"p{name}" for name in quantiles]
    headings += [_baseline_heading(result), "runs", "digest"]
    rows = [_row(result, item, quantiles, mark) for item in nearest_and_farthest(items)]
    if left := len(items) - len(rows):
        rows.append([f"… {left:,} more", *[""] * (len(headings) - 1)])
    table = Table(metric_named(metric).caption, headings, rows, names=2)
    has_baseline = any(against_baseline(result, item) != "–" for item in items)
    return table if has_baseline else table.without(_baseline_heading(result))


def nearest_and_farthest(items: Sequence[Measurement]) -> list[Measurement]:
    """Return all of a few pairs of CPUs or nodes; of many, each metric's lowest and highest.

    Sixty-four CPUs are two thousand pairs, which a heat map shows and nobody reads.
    """
    pairs: dict[str, list[Measurement]] = {}
    for item in items:
        if PAIR.fullmatch(item.case):
            pairs.setdefault(item.metric, []).append(item)
    left_out: set[int] = set()
    for own in pairs.values():
        ranked = sorted(own, key=lambda item: item.median)
        left_out |= {id(item) for item in ranked[PAIRS_MOST // 2 : -PAIRS_MOST // 2]}
    return [item for item in items if id(item) not in left_out]


def _row(result: Result, item: Measurement, quantiles: list[str], mark: str) -> list[str]:
    low, high = (end.replace(" ", "\u00a0") for end in _ends(item.low, item.high, item.unit))
    interval = f"{low} to {high}" + item.coverage_text().replace(" ", "\u00a0")
    return [
        f"{item.rival} {mark}".rstrip(),
        item.case.replace(" ", "\u00a0"),
        _kept_together(item.median, item.unit),
        interval,
        *(_quantile(item, name) for name in quantiles),
        against_baseline(result, item),
        str(item.runs),
        "right" if item.digest_ok else "WRONG: void",
    ]


def _quantile(item: Measurement, name: str) -> str:
    """Return a time, or a dash where fewer than one sample lies above that percentile."""
    value = item.quantiles.get(name)
    is_rare = name != "max" and item.samples * (1.0 - float(name) / 100.0) < 1.0
    return "–" if value is None or is_rare else _kept_together(value, item.unit)


def _ends(low: float, high: float, unit: str) -> tuple[str, str]:
    """Write an interval's ends with three digits, with more where those would look the same."""
    first, last = quantity(low, unit), quantity(high, unit)
    if first != last or low == high or low <= 0:
        return first, last
    number, _, name = first.partition(" ")
    step = 1000.0 ** round(math.log(low / float(number), 1000))
    for digits in range(4, 7):
        first, last = (f"{end / step:.{digits}g} {name}".rstrip() for end in (low, high))
        if first != last:
            break
    return first, last


def _kept_together(value: float, unit: str) -> str:
    """Write a number so that a narrow column does not part it from its unit."""
    return quantity(value, unit).replace(" ", "\u00a0")


def against_baseline(result: Result, item: Measurement) -> str:
    """Say how many times faster than the baseline a rival is, with the interval."""
    for entry in result.comparisons:
        is_other = entry.rival == item.rival and entry.baseline != entry.rival
        if is_other and (entry.case, entry.metric) == (item.case, item.metric):
            low, high = _ends(entry.low, entry.high, "")
            shown = f"× {amount(entry.ratio)} ({low} to {high})"
            return shown if entry.clear else f"{shown}, within noise"
    return "baseline" if _is_baseline(result, item) else "–"


def _baseline_heading(result: Result) -> str:
    others = [entry.baseline for entry in result.comparisons if entry.baseline != entry.rival]
    short = others and len(others[0]) <= _SHORT
    return f"against {others[0]}" if short else _AGAINST


def _is_baseline(result: Result, item: Measurement) -> bool:
    key = (item.case, item.metric)
    return any(
        c.baseline == item.rival != c.rival and (c.case, c.metric) == key
        for c in result.comparisons
    )


def parameters(result: Result) -> Table:
    """Return the table of parameters: each with its value, unit and meaning."""
    experiment = EXPERIMENTS.get(result.experiment)
    controls = controls_of(experiment.model()) if experiment else []
    known = {control.name: control for control in controls}
    rows = [_parameter(name, value, known.get(name)) for name, value in result.parameters.items()]
    return Table("", ["parameter", "value", "meaning"], rows, names=3)


def _parameter(name: str, value: Any, control: Parameter | None) -> list[str]:
    text = ", ".join(map(str, value)) if isinstance(value, list) else str(value)
    if isinstance(value, int) and not isinstance(value, bool):
        text = f"{value:,}"
    unit = control.unit if control else ""
    unit = unit.removesuffix("s") if value == 1 and len(unit) > 1 else unit
    return [name, f"{text} {unit}".rstrip(), control.description if control else ""]


def machine(result: Result) -> Table:
    """Return the table of the machine and of the code that ran on it."""
    found = {name: result.machine.get(name) for name in _MACHINE}
    if found["memory_bytes"]:
        found["memory_bytes"] = f"{found['memory_bytes'] / 2**30:.1f} GiB"
    rows = [[name.replace("_bytes", ""), str(value)] for name, value in found.items() if value]
    for name, clock in result.clocks.items():
        floor = clock.get("floor_ns")
        known = f", floor {quantity(floor, 'ns')}" if floor else ""
        rows.append([f"clock, {name}", f"{clock.get('source', 'unknown')}{known}"])
    commit = (result.code.commit or "unknown commit")[:14]
    changed = ", with changed files" if result.code.dirty else ""
    rows.append(["code", f"exchange-lab {result.code.version}, {commit}{changed}"])
    return Table("", ["machine", ""], rows, names=2)


def verdict(result: Result) -> str:
    """Say whether the numbers stand, why, and what to do where they do not."""
    found = result.verdict
    if found.stable:
        return f"stable: {found.reason}" if found.reason else "stable"
    return "; ".join(filter(None, (f"not stable: {found.reason}", found.remedy)))
