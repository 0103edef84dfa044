"""Two saved results side by side: what was different, and what it changed.

Not for rivals within one run, which are interleaved and compared in the run itself. Between two
runs the machine may have changed too, so what differs in parameters, machine and code stands first.
"""

from __future__ import annotations

import html
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass
from typing import Any

from engines.errors import InputError
from lab.measure.result import Measurement, Result
from lab.measure.statistics import CONFIDENCE, noise_floor
from lab.measure.words import noise_text, span_text, times_text
from lab.units import quantity

# What of a machine's fingerprint moves a number. Load is of the moment, and names repeat the rest.
_MACHINE = ("id", "cpu", "cpus", "memory_bytes", "hypervisor", "kernel", "clock")
_ROUNDS_ENOUGH = 3  # six runs of each rival: the least whose interval covers 95 %
_VERSIONS = ("python", "numpy", "numba")


@dataclass(frozen=True)
class Difference:
    """One thing that was not the same: a parameter, or a fact of machine or code."""

    kind: str
    name: str
    before: Any
    after: Any


@dataclass(frozen=True)
class Change:
    """One rival on one case, before and after.

    Attributes
    ----------
    ratio, low, high
        How many times faster after than before (below 1: slower), and between what bounds: from
        the ends of both intervals, so it errs to the wide side.
    noise_low, noise_high
        Between what ratios the rival against itself lay on that case, in the noisier of the runs.
    clear
        Whether the bounds lie wholly outside the noise, as within a run, and both intervals are
        worth their name: of 95 %, which takes six runs.
    """

    rival: str
    case: str
    metric: str
    unit: str
    before: float
    after: float
    ratio: float
    low: float
    high: float
    noise_low: float
    noise_high: float
    words: str
    clear: bool


@dataclass(frozen=True)
class SideBySide:
    """What ``compare`` gives.

    Attributes
    ----------
    before, after
        The two results.
    differences
        What was not the same.
    changes
        What both measured.
    warnings
        What speaks against taking the changes at their word.
    """

    before: Result
    after: Result
    differences: list[Difference]
    changes: list[Change]
    warnings: list[str]

    def as_dict(self) -> dict[str, Any]:
        """Return what ``lab compare --json`` prints."""
        return {
            "experiment": self.before.experiment,
            "before": _identity(self.before),
            "after": _identity(self.after),
            "differences": [asdict(difference) for difference in self.differences],
            "changes": [asdict(change) for change in self.changes],
            "warnings": self.warnings,
        }

    def rows(self) -> list[dict[str, Any]]:
        """Return the changes as flat dicts."""
        return [asdict(change) for change in self.changes]

    def _repr_html_(self) -> str:
        head = _html_row("th", CHANGE_HEAD)
        body = "".join(_html_row("td", cells(change)) for change in self.changes)
        beware = _html_list(f"beware: {warning}" for warning in self.warnings)
        notes = _html_list(text_of(difference) for difference in self.differences)
        table = f"<table><thead>{head}</thead><tbody>{body}</tbody></table>"
        return f"{beware}{table}{notes}"


def _html_row(tag: str, texts: Iterable[str]) -> str:
    """Return a row of a table, to the left: a notebook would put text to the right."""
    row = "".join(f"<{tag} style='text-align:left'>{html.escape(text)}</{tag}>" for text in texts)
    return f"<tr>{row}</tr>"


def _html_list(lines: Iterable[str]) -> str:
    """Return lines as a list, or nothing where there are none."""
    items = "".join(f"<li>{html.escape(line)}</li>" for line in lines)
    return f"<ul>{items}</ul>" if items else ""


CHANGE_HEAD = ("rival", "case", "metric", "before", "after", "change")


def cells(change: Change) -> tuple[str, ...]:
    """Return a change as the cells of a table under ``CHANGE_HEAD``."""
    before, after = quantity(change.before, change.unit), quantity(change.after, change.unit)
    return change.rival, change.case, change.metric, before, after, change.words


def text_of(difference: Difference) -> str:
    """Return a difference as a line of text."""
    return f"{difference.kind} {difference.name}: {difference.before} → {difference.after}"


def compare(before: Result, after: Result) -> SideBySide:
    """Compare two results of one experiment.

    Parameters
    ----------
    before, after
        The results; ratios say how many times faster ``after`` is.

    Raises
    ------
    InputError
        They are of different experiments, have nothing in common that is valid, or did different
        work with the same parameters.
    """
    if before.experiment != after.experiment:
        raise InputError(
            f"{before.experiment} and {after.experiment} are different experiments; "
            "compare two results of one"
        )
    differences = _differences(before, after)
    same_work = not any(difference.kind == "parameter" for difference in differences)
    _refuse_other_work(before, after, same_work)
    old, new = _valid(before), _valid(after)
    changes = [_change(old[key], new[key], _noise(key, before, after)) for key in old if key in new]
    if not changes:
        raise InputError(
            "the results have no valid measurement in common; choose runs of the same engines "
            "whose digests are right"
        )
    return SideBySide(before, after, differences, changes, _warnings(before, after, differences))


def _identity(result: Result) -> dict[str, Any]:
    """Return which result it is."""
    return {
        "path": str(result.path) if result.path else None,
        "created": result.created,
        "machine": result.machine,
        "stable": result.verdict.stable,
    }


def _differences(before: Result, after: Result) -> list[Difference]:
    """Return what differs in parameters, machine and code."""
    names = dict.fromkeys([*before.parameters, *after.parameters])
    parts: list[tuple[str, dict[str, Any], dict[str, Any], tuple[str, ...]]] = [
        ("parameter", before.parameters, after.parameters, tuple(names)),
        ("machine", before.machine, after.machine, _MACHINE),
        ("version", before.machine, after.machine, _VERSIONS),
        ("code", before.code.model_dump(), after.code.model_dump(), ("version", "commit", "dirty")),
    ]
    return [
        Difference(kind, name, old.get(name), new.get(name))
        for kind, old, new, keys in parts
        for name in keys
        if old.get(name) != new.get(name)
    ]


def _refuse_other_work(before: Result, after: Result, same_parameters: bool) -> None:
    """Refuse two runs that should have done the same work and did not."""
    if same_parameters and before.digest != after.digest:
        raise InputError(
            f"the same parameters gave different work (digests {before.digest} and "
            f"{after.digest}); one version is wrong: run the tests of both"
        )


def _valid(result: Result) -> dict[tuple[str, str, str], Measurement]:
    """Return the measurements whose work was right, by rival, case and metric."""
    return {
        (measurement.rival, measurement.case, measurement.metric): measurement
        for measurement in result.measurements
        if measurement.digest_ok and measurement.low > 0  # what took no time cannot be divided by
    }


def _noise(key: tuple[str, str, str], *results: Result) -> float | None:
    """Return the larger factor by which a rival differed from itself on a case in the runs.

    None where one of them did not measure it.
    """
    floors = [_floor(key, result) for result in results]
    measured = [floor for floor in floors if floor is not None]
    return max(measured) if len(measured) == len(floors) else None


def _floor(key: tuple[str, str, str], result: Result) -> float | None:
    """Return the factor by which a rival differed from itself on a case in one run."""
    for comparison in result.comparisons:
        found = (comparison.rival, comparison.case, comparison.metric)
        if found == key and comparison.baseline == comparison.rival:
            return comparison.noise_high
    # A run keeps that comparison for its main case only, and for the others the values: two of
    # each round, side by side.
    values = _valid(result)[key].values
    if len(values) < 2 or len(values) % 2 or min(values) <= 0:
        return None
    return noise_floor([values[first : first + 2] for first in range(0, len(values), 2)])


def _change(before: Measurement, after: Measurement, noise: float | None) -> Change:
    """Return how a measurement changed."""
    faster = _times_faster(before.unit)
    ratio = faster(before.median, after.median)
    ends = [faster(b, a) for b in (before.low, before.high) for a in (after.low, after.high)]
    low, high = min(ends), max(ends)
    has_rounds = min(before.coverage or 0.0, after.coverage or 0.0) >= CONFIDENCE
    doubt = _doubt(low, high, noise, has_rounds)
    return Change(
        rival=after.rival,
        case=after.case,
        metric=after.metric,
        unit=after.unit,
        before=before.median,
        after=after.median,
        ratio=ratio,
        low=low,
        high=high,
        noise_low=1 / (noise or 1.0),
        noise_high=noise or 1.0,
        words=_words(ratio, low, high, noise, doubt),
        clear=not doubt,
    )


def _doubt(low: float, high: float, noise: float | None, has_rounds: bool) -> str:
    """Return why a change is not clear, or ""."""
    if not has_rounds:
        return f"from too few rounds, run {_ROUNDS_ENOUGH} or more"
    if low <= 1 <= high:
        return "which may be none"
    if noise is not None and low <= noise and high >= 1 / noise:
        return "within the noise"
    return "" if noise is not None else "and how much is noise is not known"


def _times_faster(unit: str) -> Callable[[float, float], float]:
    """Return how to divide: more a second is faster, and so is a shorter time."""
    if unit == "per_second":
        return lambda before, after: after / before
    return lambda before, after: before / after


def _words(ratio: float, low: float, high: float, noise: float | None, doubt: str) -> str:
    """Say a change as a person would, in the words of the comparisons within a run."""
    beside = f"noise {noise_text(noise)}" if noise is not None else "noise not measured"
    if doubt:
        bounds = f"{times_text(low)} to {times_text(high)}"
        return f"no clear change: {times_text(ratio)} times as fast ({bounds}), {doubt}; {beside}"
    if ratio > 1:
        return f"faster by {span_text(ratio, low, high)}; {beside}"
    return f"slower by {span_text(1 / ratio, 1 / high, 1 / low)}; {beside}"


def _warnings(before: Result, after: Result, differences: list[Difference]) -> list[str]:
    """Return what speaks against taking the changes at their word, what weighs most first."""
    both = (("before", before), ("after", after))
    warnings = [
        f"{which} is not stable: {result.verdict.reason}"
        for which, result in both
        if not result.verdict.stable
    ]
    if any(d.kind == "machine" and d.name == "id" for d in differences):
        names = f"{before.machine.get('name')} and {after.machine.get('name')}"
        warnings.append(f"different machines, {names}: the change is the machine's too")
    for which, result in both:
        void = sorted({m.rival for m in result.measurements if not m.digest_ok})
        if void:
            warnings.append(f"{which}: {', '.join(void)} left out, since the digest was wrong")
    return warnings
