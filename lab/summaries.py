"""What ``lab`` prints for a person: a probe, a result, a replay, as plain text."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from lab.terminal import table
from lab.units import quantity

if TYPE_CHECKING:
    from lab.experiments.replay_check import ReplayReport
    from lab.measure.result import Result

_GIB = 2**30
_WIDTH = 100


def probe_text(seen: dict[str, Any]) -> str:
    """Return what ``lab.hardware.probe.probe`` found as text."""
    machine, clock = seen["machine"], seen["clock"]
    memory = machine["memory_bytes"]
    counts = [
        _count(seen[name], name[:-1].replace("numa_node", "memory node").replace("pu", "CPU"))
        for name in ("packages", "cores", "pus", "numa_nodes")
    ]
    lines = [("machine", machine["name"])]
    if "kernel" in machine:
        lines.append(("kernel", machine["kernel"]))
    lines.append(("built of", ", ".join(counts)))
    if seen["offline_cpus"]:
        lines.append(("switched off", f"CPUs {seen['offline_cpus']}"))
    lines.append(("memory", f"{memory / _GIB:.1f} GiB" if memory else "not shown"))
    lines += [(_cache_name(row), _cache_size(row)) for row in seen["caches"]]
    if len(seen["distances"]) > 1:
        lines.append(("distances", "; ".join(" ".join(map(str, r)) for r in seen["distances"])))
    lines.append(("pages", _pages(seen["pages"])))
    if clock:
        lines.append(("clock", f"{clock['source']} ({clock['why']})"))
        floor = f"{clock['floor_ns']:g} ns a reading, steps of {clock['resolution_ns']:g} ns"
        lines.append(("timer", f"{floor}; from Python {clock['python_floor_ns']:g} ns"))
    lines += [("note", note) for note in seen["notes"]]
    width = max(len(title) for title, _ in lines)
    text = "\n".join(f"{title:<{width}}  {fact}" for title, fact in lines)
    text += f"\n\nwhat limits a measurement here\n{_findings(seen['doctor'])}"
    if seen["fixable"]:
        titles = ", ".join(seen["fixable"])
        text += "\n\n" + "\n".join(_wrapped(titles, "lab probe --fix TITLE changes: ", "  "))
    return text


def result_text(result: Result) -> str:
    """Return a result as text: finding, table, comparisons, verdict, where it is."""
    head = ("rival", "case", "metric", "median", "interval", "p99", "p99.9", "runs", "digest")
    from lab.tables import nearest_and_farthest

    told = nearest_and_farthest(result.measurements)
    rows = []
    for measured in told:
        low, high = quantity(measured.low, measured.unit), quantity(measured.high, measured.unit)
        tail = [
            quantity(measured.quantiles[name], measured.unit) if name in measured.quantiles else ""
            for name in ("99", "99.9")
        ]
        rows.append(
            (
                measured.rival,
                measured.case,
                measured.metric.replace("_", " "),
                quantity(measured.median, measured.unit),
                f"{low} to {high}{measured.coverage_text()}",
                *tail,
                str(measured.runs),
                "right" if measured.digest_ok else "WRONG: void",
            )
        )
    verdict = result.verdict
    state = "stable" if verdict.stable else f"not stable: {verdict.reason}; {verdict.remedy}"
    parts = [
        verdict.finding,
        table(_used(head, rows), _used_rows(rows), right=()) if rows else "",
        _left_out(len(result.measurements) - len(told)),
        _beside(result),
        f"{state}\n{result.machine.get('name', 'unknown machine')}",
        f"again   {result.command()}\nsaved   {result.path}",
    ]
    return "\n\n".join(part for part in parts if part)


def _left_out(count: int) -> str:
    """Say how many pairs of many are not written out."""
    return f"{count:,} more pairs lie between these: --json has them" if count else ""


def _beside(result: Result) -> str:
    """Return how rivals compare as a table: of many, the fastest of a case with the rest."""
    from lab.tables import comparisons

    return "\n".join(
        table(found.headings, found.rows)
        for found in (one.without("times as fast") for one in comparisons(result))
    )


def replay_text(replays: Sequence[ReplayReport], checked: bool) -> str:
    """Return replays as a table, and the first difference of each that has one."""
    rows, differences = [], []
    for done in replays:
        books = f"{done.rows_equal:,} of {done.rows_checked:,}" if checked else "not checked"
        queues = f"{done.fifo_equal:,} of {done.fifo_checked:,}" if checked else "not checked"
        seconds = f"{done.seconds:.2f} s"
        rows.append((done.engine, f"{done.messages:,}", books, queues, seconds, done.digest))
        if done.first_difference:
            differences.append(f"{done.engine}: first difference {done.first_difference}")
    head = ("engine", "read", "rows equal", "queues equal", "time", "digest")
    return "\n".join([table(head, rows, right=(1, 2, 3, 4)), *differences])


def _used(head: Sequence[str], rows: list[tuple[str, ...]]) -> list[str]:
    """Return the titles of the columns that hold anything."""
    return [title for index, title in enumerate(head) if any(row[index] for row in rows)]


def _used_rows(rows: list[tuple[str, ...]]) -> list[list[str]]:
    """Return the rows without the columns that hold nothing."""
    columns = [index for index in range(len(rows[0])) if any(row[index] for row in rows)]
    return [[row[index] for index in columns] for row in rows]


def _findings(findings: list[dict[str, str]]) -> str:
    """Return the doctor's findings, each with its remedy below."""
    width = max(len(finding["title"]) for finding in findings)
    indent = " " * (width + 11)
    lines: list[str] = []
    for finding in findings:
        head = f"{finding['severity']:<8} {finding['title']:<{width}}  "
        lines += _wrapped(finding["evidence"], head, indent)
        if finding["remedy"]:
            lines += _wrapped(finding["remedy"], f"{indent}→ ", f"{indent}  ")
    return "\n".join(lines)


def _wrapped(text: str, head: str, indent: str) -> list[str]:
    """Return a text as lines that leave commands and paths whole."""
    return textwrap.wrap(
        text,
        _WIDTH,
        initial_indent=head,
        subsequent_indent=indent,
        break_long_words=False,
        break_on_hyphens=False,
    )


def _pages(pages: dict[str, Any]) -> str:
    """Say which pages memory comes in."""
    small = f"{pages['page_bytes'] // 2**10} KiB" if pages["page_bytes"] else "size not shown"
    aside = [
        f"{count} of {int(size) / 2**20:g} MiB set aside"
        for size, count in pages["huge_pages_set_aside"].items()
    ]
    offered = re.search(r"\[(\w+)\]", pages["transparent"] or "")
    huge = f"transparent huge pages {offered.group(1)}" if offered else "huge pages not shown"
    return ", ".join([small, huge, *aside])


def _count(number: int, noun: str) -> str:
    """Write a count with its noun."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def _cache_name(row: dict[str, Any]) -> str:
    kind = "" if row["type"] == "unified" else f" {row['type']}"
    return f"L{row['level']}{kind} cache"


def _cache_size(row: dict[str, Any]) -> str:
    size = row["bytes"]
    text = f"{size / 2**20:g} MiB" if size >= 2**20 else f"{size / 2**10:g} KiB"
    return f"{row['count']} × {text}"
