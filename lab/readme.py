"""The README's numbers and its picture, from shipped results.

``python -m lab.shipped`` writes them; between the README's marks nothing is written by hand.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from contextlib import suppress

from engines.errors import FileError, InputError
from lab.experiments.self_check_wanted import WANTED, is_queue
from lab.measure.claims import as_seen_from, claim, state_of
from lab.measure.result import CHECKOUT, SHIPPED, Measurement, Result
from lab.measure.words import times_text
from lab.readme_machine import machine_lines
from lab.shipped import LARGE, SHORTER, SMALL, shipped, smaller
from lab.units import amount, quantity
from lab.workloads.order_flow import FLOWS

README = CHECKOUT / "README.md"
PICTURE = SHIPPED / "matching_latency.png"

_NUMBERS = re.compile(r"(<!-- numbers.*?-->\n).*?(<!-- end of numbers -->)", re.DOTALL)
# How many times as fast the first is as the second.
_PAIRS = (("native", "textbook"), ("native", "binary_heap"), ("price_ladder", "native"))


def write_readme() -> None:
    """Draw the README's picture, and write its numbers between their marks."""
    from lab.plots import percentiles, to_png

    latency = shipped("matching_latency", live_orders=50_000)
    PICTURE.write_bytes(smaller(to_png(percentiles(latency))))
    text = README.read_text(encoding="utf-8")
    if not _NUMBERS.search(text):
        raise FileError(README, "has no marks for its numbers; see lab/shipped.py")
    README.write_text(with_numbers(text), encoding="utf-8")


def with_numbers(text: str) -> str:
    """Return the README with the numbers of the shipped results between its marks."""
    latency = shipped("matching_latency", live_orders=50_000)
    lines = [*_table(latency), "", _provenance(latency), *_ratios(), *machine_lines(), *_trust()]
    numbers = "\n".join(lines)
    return _NUMBERS.sub(lambda marks: f"{marks[1]}{numbers}\n{marks[2]}", text)


def _table(latency: Result) -> list[str]:
    """Return the table of numbers, an engine a line."""
    rates = _small_run()
    lines = [
        "| engine | commands a second | half of all within | 99.9 % within |",
        "| --- | ---: | ---: | ---: |",
    ]
    for engine in dict.fromkeys(item.rival for item in latency.measurements):
        cells = [_with_interval(_of(rates, engine))]
        times = _of(latency, engine)
        cells += [_whole(times.quantiles[name]) for name in ("50", "99.9")]
        lines.append(f"| `{engine}` | {' | '.join(cells)} |")
    return lines


def _small_run() -> Result:
    return shipped("matching_throughput", flow="balanced", messages=SMALL)


def _of(result: Result, rival: str) -> Measurement:
    """Return what a rival did on the whole of an experiment's work."""
    return next(item for item in result.measurements if item.rival == rival)


def _with_interval(item: Measurement) -> str:
    if not item.digest_ok:
        return "void: wrong digest"
    return f"{amount(item.median)} ({amount(item.low)} to {amount(item.high)})"


def _whole(ns: float) -> str:
    return quantity(ns, "ns").replace(" ", "\u00a0")


def _provenance(latency: Result) -> str:
    """Say what the numbers are of, and whether they stand."""
    machine = latency.machine
    sentences = [
        f"Measured on **{machine['name']}** ({machine['kernel']}, Python {machine['python']}, "
        f"Numba {machine['numba']}), {latency.created[:10]}.",
        f"A book with {latency.parameters['live_orders']:,} live orders, passes of {SMALL:,} "
        "commands; every event written, every digest checked against the reference engine.",
        f"Rates are medians of {_of(latency, 'price_ladder').runs} fresh processes with their "
        "intervals, times are over all commands of all processes. Times are taken inside the "
        "engine, a command at a time; the call from Python, up to 2.5 µs for however many commands "
        "it brings, is not in them.",
        *_shaky([_small_run(), latency]),
    ]
    return " ".join(sentences)


def _shaky(runs: Sequence[Result]) -> list[str]:
    """Say how many runs are not stable, and why the first of them is not."""
    shaky = [run for run in runs if not run.verdict.stable]
    if not shaky:
        return []
    share = "" if len(runs) == 1 else f" ({len(shaky)} of {len(runs)} runs, the first because)"
    return [f"**Not stable**{share}: {shaky[0].verdict.reason}."]


def _ratios() -> list[str]:
    """Return the table of ratios, a flow or a book's size a line; nothing if none is shipped."""
    rows, runs = [], []
    for flow in FLOWS:
        with suppress(InputError):  # of a version that had not this flow
            messages = SHORTER.get(flow, LARGE)
            run = shipped("matching_throughput", flow=flow, messages=messages)
            rows.append((f"{flow}, {run.parameters['live_orders']:,} live orders", run, flow))
            runs.append(run)
    with suppress(InputError):
        run = shipped("matching_scaling", across="live_orders")
        cases = dict.fromkeys(item.case for item in run.measurements)
        rows += [(f"balanced, {case}", run, case) for case in cases]
        runs.append(run)
    if not rows:
        return []
    heads = ["`native`", *(f"`{first}` ÷ `{second}`" for first, second in _PAIRS)]
    return [
        *("", f"| flow | {' | '.join(heads)} |", "| --- | ---: | ---: | ---: | ---: |"),
        *(_ratio_row(title, run, case) for title, run, case in rows),
        *("", _ratio_words(runs)),
    ]


def _ratio_row(title: str, run: Result, case: str) -> str:
    """Return one line of the table of ratios."""
    rates = [m for m in run.measurements if (m.rival, m.case) == ("native", case)]
    cells = [_with_interval(rates[0]) if rates else "–"]
    cells += [_ratio(run, case, *pair) for pair in _PAIRS]
    shaky = "" if run.verdict.stable else " (not stable)"
    return f"| {title}{shaky} | {' | '.join(cells)} |"


def _ratio(run: Result, case: str, first: str, second: str) -> str:
    """Return how many times as fast the first is as the second, with interval and verdict."""
    for found in run.comparisons:
        if found.case != case or {found.rival, found.baseline} != {first, second}:
            continue
        seen = as_seen_from(first, found)
        middle, low, high = map(times_text, (seen.ratio, seen.low, seen.high))
        state = state_of(seen)
        verdict = claim(seen).split(" (")[0] if state in ("same", "cannot tell") else state
        return f"{middle} ({low} to {high}): {verdict}"
    return "–"


def _ratio_words(runs: Sequence[Result]) -> str:
    """Say what the ratios are of."""
    first = runs[0]
    processes = sorted({item.runs for run in runs for item in run.measurements if item.runs > 1})
    are_pinned = all(any(note.startswith("Pinned") for note in run.notes) for run in runs)
    uncounted = next((note for note in first.notes if note.startswith("No cycles")), "")
    sentences = [
        f"A flow a line, {LARGE:,} commands (featured {SHORTER['featured']:,}) on a book that "
        "holds its live orders already; below, fewer commands on books of other sizes. Events of "
        "64 bytes go into one buffer that is in memory and used again. Medians over rounds of "
        "fresh processes "
        f"({' to '.join(map(str, processes[:1] + processes[1:][-1:]))} of each engine), each "
        "round's ratio taken within the round.",
        *filter(None, [are_pinned * "Each process was pinned to one CPU.", uncounted]),
        *_shaky(runs),
    ]
    return " ".join(sentences)


# -- whether the numbers can be trusted ------------------------------------------------------------


def _trust() -> list[str]:
    """Return what the self-check found; nothing if none is shipped."""
    try:
        run = shipped("self_check")
    except InputError:
        return []
    lines = ["", "| asked of the lab itself | tries | answer | wanted |"]
    lines.append("| --- | ---: | ---: | ---: |")
    for wanted in WANTED:
        for item in run.measurements:
            if item.metric == wanted.metric and wanted.case in ("", item.case):
                title = wanted.title if wanted.case else f"{wanted.title}: {item.case}"
                lines.append(_trust_row(title, item, wanted.words))
    errors = list(filter(is_queue, run.measurements))
    held = sum(item.low <= 0 <= item.high for item in errors)
    clocks = dict.fromkeys(item.case.rpartition(", ")[2] for item in errors)
    lines.append(
        "| queueing theory (M/M/1, M/D/1) inside the interval of simulated servers, "
        f"{' and '.join(clocks)} | "
        f"{len(errors)} | {held} | all |"
    )
    times = [item for item in run.measurements if item.metric == "comparison_time"]
    middles = ", ".join(f"{quantity(item.median, 'ns')} ({item.case})" for item in times)
    return [
        *lines,
        "",
        f"`lab run self_check --size full` on {run.machine['name']}, {run.created[:10]}, "
        f"{run.seconds / 60:.0f} minutes at a load of {run.machine['load_1m']:g} when it began; a "
        f"comparison took, at the median, {middles}. Answers stand with exact 95 % intervals.",
    ]


def _trust_row(title: str, item: Measurement, wanted: str) -> str:
    """Return one line of the table."""
    share, low, high = (quantity(value, "share") for value in (item.median, item.low, item.high))
    return f"| {title} | {item.runs:,} | {share} ({low} to {high}) | {wanted} |"
