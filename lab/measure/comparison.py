"""Two saved results side by side: what was different, and what it changed.

Not for rivals within one run, which are interleaved and compared in the run itself. Between two
runs the machine may have changed too, so what differs in parameters, machine and code stands first.
"""

from __future__ import annotations

import html
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

from engines.errors import InputError
from lab.measure.result import Measurement, Result
from lab.measure.statistics import CONFIDENCE
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
        Between what ratios the rival against itself lay in the two runs.
    clear
        Whether 1 lies outside the bounds and the ratio outside the noise, and both intervals are
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
        head = "".join(f"<th style='text-align:left'>{title}</th>" for title in CHANGE_HEAD)
        body = "".join(
            "<tr>" + "".join(f"<td>{html.escape(cell)}</td>" for cell in cells(change)) + "</tr>"
            for change in self.changes
        )
        lines = [*self.warnings, *(text_of(difference) for difference in self.differences)]
        notes = "".join(f"<li>{html.escape(line)}</li>" for line in lines)
        return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table><ul>{notes}</ul>"


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


def _noise(key: tuple[str, str, str], *results: Result) -> tuple[float, float] | None:
    """Return the widest ratios of a rival against itself, or None where there was no such run."""
    rival = key[0]
    selves = [
        comparison
        for result in results
        for comparison in result.comparisons
        if (comparison.rival, comparison.case, comparison.metric) == key
        and comparison.baseline == rival
    ]
    if not selves:
        return None
    return min(c.noise_low for c in selves), max(c.noise_high for c in selves)


def _change(before: Measurement, after: Measurement, noise: tuple[float, float] | None) -> Change:
    """Return how a measurement changed."""
    faster = _times_faster(before.unit)
    ratio = faster(before.median, after.median)
    ends = [faster(b, a) for b in (before.low, before.high) for a in (after.low, after.high)]
    low, high = min(ends), max(ends)
    noise_low, noise_high = noise or (1.0, 1.0)
    enough = min(before.coverage or 0.0, after.coverage or 0.0) >= CONFIDENCE
    stands_out = not low <= 1 <= high and not noise_low <= ratio <= noise_high
    clear = enough and noise is not None and stands_out
    words = _words(ratio, low, high, noise, clear)
    if not enough:
        words += f"; from too few rounds, run {_ROUNDS_ENOUGH} or more"
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
        noise_low=noise_low,
        noise_high=noise_high,
        words=words,
        clear=clear,
    )


def _times_faster(unit: str) -> Callable[[float, float], float]:
    """Return how to divide: more a second is faster, and so is a shorter time."""
    if unit == "per_second":
        return lambda before, after: after / before
    return lambda before, after: before / after


def _words(
    ratio: float, low: float, high: float, noise: tuple[float, float] | None, clear: bool
) -> str:
    """Say a change as a person would."""
    beside = f"noise {noise[0]:.2f} to {noise[1]:.2f}" if noise else "noise not measured"
    if not clear:
        return f"no clear change: {ratio:.2f} times as fast ({low:.2f} to {high:.2f}); {beside}"
    if ratio > 1:
        return f"faster by {ratio:.2f} times ({low:.2f} to {high:.2f}); {beside}"
    return f"slower by {1 / ratio:.2f} times ({1 / high:.2f} to {1 / low:.2f}); {beside}"


def _warnings(before: Result, after: Result, differences: list[Difference]) -> list[str]:
    """Return what speaks against taking the changes at their word."""
    warnings = []
    if any(d.kind == "machine" and d.name == "id" for d in differences):
        names = f"{before.machine.get('name')} and {after.machine.get('name')}"
        warnings.append(f"different machines, {names}: the change is the machine's too")
    for which, result in (("before", before), ("after", after)):
        if not result.verdict.stable:
            warnings.append(f"{which} is not stable: {result.verdict.reason}")
        void = sorted({m.rival for m in result.measurements if not m.digest_ok})
        if void:
            warnings.append(f"{which}: {', '.join(void)} left out, since the digest was wrong")
    return warnings
