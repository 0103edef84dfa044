"""What may be compared between runs and what is refused, and what differed between them.

Refused, since nothing could be said: different experiments; different work (the digests say so),
unless it is the very question (``across``); the same work asked for and other work done; nothing
valid in common; a result beside itself. Warned of: what is not stable, another machine, changed
files, the same code on both sides, rivals and cases left out.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from engines.errors import InputError
from lab.measure.result import Measurement, Result
from lab.measure.work import differing, settings, work_key

# What of a machine's fingerprint moves a number. Load is of the moment, and names repeat the rest.
_MACHINE = ("id", "cpu", "cpus", "memory_bytes", "hypervisor", "kernel", "clock")
# What can be set on a machine; results of before know nothing of it.
_SETTINGS = (
    "governor",
    "turbo",
    "smt",
    "transparent_huge_pages",
    "isolated_cpus",
    "allowed_cpus",
    "microcode",
    "memory_nodes",
)
_VERSIONS = ("python", "numpy", "numba")
_TAILS = ("99", "99.9")
# Rival, case, metric.
Key = tuple[str, str, str]


@dataclass(frozen=True)
class Difference:
    """One thing that was not the same: a parameter, or a fact of machine or code."""

    kind: str
    name: str
    before: Any
    after: Any


def refuse(befores: Sequence[Result], afters: Sequence[Result], across: Sequence[str]) -> None:
    """Refuse what nothing could be said of."""
    old, new = befores[-1], afters[-1]
    if old.experiment != new.experiment:
        raise InputError(
            f"{old.experiment} and {new.experiment} are different experiments; "
            "compare two results of one"
        )
    paths = {result.path for result in befores if result.path}
    if paths & {result.path for result in afters}:
        raise InputError(f"{new.path} would be compared with itself; name another result")
    for side in (befores, afters):
        if len({work_key(result) for result in side}) > 1:
            raise InputError("results of one side did different work; give repeats of one run")
    _refuse_other_work(old, new, across)


def _refuse_other_work(old: Result, new: Result, across: Sequence[str]) -> None:
    """Refuse two runs that did different work, unless that is what was asked."""
    names = differing(old, new)
    strange = [name for name in across if name not in names]
    if strange:
        raise InputError(
            f"{strange[0]} is the same in both results or no parameter of theirs; "
            f"what differs: {', '.join(names) or 'nothing'}"
        )
    if old.digest == new.digest or set(names) and set(names) <= set(across):
        return
    same = [key for key in measured(old) if _same_work(measured(old), measured(new), key)]
    if names and same:
        return  # some cases are alike, though not all
    if not names:
        raise InputError(
            f"the same parameters gave different work (digests {old.digest} and {new.digest}); "
            "one version is wrong, or the flow has changed: run the tests of both"
        )
    told = ", ".join(f"{n} {old.parameters.get(n)} and {new.parameters.get(n)}" for n in names)
    options = " ".join(f"--across {name}" for name in names if name not in across)
    raise InputError(
        f"they did different work: {told}; run both alike, or say that this is the question: "
        f"{options}"
    )


def in_common(old: Result, new: Result, any_work: bool) -> tuple[list[Key], list[str]]:
    """Return what both measured with the same work, and what has to be left out."""
    ours, theirs = measured(old), measured(new)
    both = [key for key in ours if key in theirs]
    keys = [key for key in both if any_work or _same_work(ours, theirs, key)]
    if not keys:
        raise InputError(
            "the results have no valid measurement in common; choose runs of the same engines "
            "whose digests are right"
        )
    other = list(dict.fromkeys(case for _, case, _ in both if case not in {k[1] for k in keys}))
    return keys, [f"cases whose work differs are left out: {', '.join(other)}"] if other else []


def _same_work(ours: dict[Key, Measurement], theirs: dict[Key, Measurement], key: Key) -> bool:
    return key in theirs and ours[key].digest == theirs[key].digest


def measured(result: Result) -> dict[Key, Measurement]:
    """Return the measurements whose work was right, by rival, case and metric; tails among them."""
    return {
        (item.rival, item.case, item.metric): item
        for measured in result.measurements
        if measured.digest_ok
        for item in (measured, *_tails(measured))
        if item.low > 0  # what took no time cannot be divided by
    }


def _tails(measured: Measurement) -> Iterator[Measurement]:
    """Yield the tails of a measurement of times, each as a measurement of its own."""
    for name in _TAILS:
        if name in measured.quantiles and name in measured.spread:
            value, (low, high) = measured.quantiles[name], measured.spread[name]
            yield measured.model_copy(
                update={
                    "metric": f"{measured.metric}_p{name}",
                    "median": value,
                    "low": min(low, value),
                    "high": max(high, value),
                }
            )


def differences(before: Result, after: Result) -> list[Difference]:
    """Return what differs in parameters, machine and code."""
    names = dict.fromkeys([*before.parameters, *after.parameters])
    ways = ({"result": before.way}, {"result": after.way})
    parts: list[tuple[str, dict[str, Any], dict[str, Any], tuple[str, ...]]] = [
        ("parameter", before.parameters, after.parameters, tuple(names)),
        ("machine", before.machine, after.machine, _MACHINE),
        ("machine", before.machine, after.machine, _known_to_both(before, after)),
        ("version", before.machine, after.machine, _VERSIONS),
        ("version", *ways, ("result",)),
        ("code", before.code.model_dump(), after.code.model_dump(), ("version", "commit", "dirty")),
    ]
    return [
        Difference(kind, name, old.get(name), new.get(name))
        for kind, old, new, keys in parts
        for name in keys
        if old.get(name) != new.get(name)
    ]


def _known_to_both(before: Result, after: Result) -> tuple[str, ...]:
    """Return the settings that both results have: an older one does not differ by its age."""
    return tuple(name for name in _SETTINGS if name in before.machine and name in after.machine)


def warnings(befores: Sequence[Result], afters: Sequence[Result]) -> list[str]:
    """Return what speaks against taking the changes at their word, what weighs most first."""
    old, new = befores[-1], afters[-1]
    both = (("before", befores), ("after", afters))
    found = [
        f"{which} is not stable: {side[-1].verdict.reason}"
        for which, side in both
        if not side[-1].verdict.stable
    ]
    is_elsewhere = old.machine.get("id") != new.machine.get("id")
    if is_elsewhere:
        names = f"{old.machine.get('name')} and {new.machine.get('name')}"
        found.append(
            f"different machines, {names}: a change is the machine's too; compare how rivals stand "
            "to each other"
        )
    changed = [which for which, side in both if side[-1].code.dirty]
    if changed:
        found.append(f"{' and '.join(changed)} ran changed files: what ran there is in no commit")
    elif _is_same_code(old, new):
        found.append("both are of the same code on the same machine: a change is the time's")
    if not is_elsewhere and len({m.rival for m in new.measurements}) == 1:
        found.append("one rival only: nothing beside it shows how the machine was at either time")
    for which, side in both:
        void = sorted({m.rival for r in side for m in r.measurements if not m.digest_ok})
        if void:
            found.append(f"{which}: {', '.join(void)} left out, since the digest was wrong")
    return found


def _is_same_code(old: Result, new: Result) -> bool:
    """Whether two results are of one commit, machine and way of doing the work."""
    places = {(r.code.commit, r.machine.get("id")) for r in (old, new)}
    return old.code.commit is not None and len(places) == 1 and settings(old) == settings(new)
