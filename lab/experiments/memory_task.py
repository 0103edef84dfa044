"""What measured processes find out about memory: a load's time, and what a book of orders takes up.

``chase_task`` and ``footprint`` are tasks of ``lab.measure.worker``; the other functions ask for
them and say what came of it.
"""

from __future__ import annotations

import mmap
from statistics import median
from typing import TYPE_CHECKING, Any

import numpy as np

from engines.matching import IMPLEMENTATIONS
from lab.measure.bench import Bench
from lab.measure.histogram import Histogram
from lab.measure.process import Task
from lab.units import duration

if TYPE_CHECKING:
    from lab.experiments.matching_flow import Prepared

_CASE, _PERCENT = "cancel", 99.9
_WHERE = "lab.experiments.memory_task"
_ORDER_SECTIONS = ("ids", "orders", "terms", "timed")


def chase(bench: Bench, core: int) -> float:
    """Return the time of a dependent load from memory in ns, and keep it among the machine's facts.

    Parameters
    ----------
    bench
        Runs the process.
    core
        Where the rivals ran too.
    """
    found = bench.run(Task(f"{_WHERE}:chase_task", {}), "a pointer chase through memory", core)
    times_ns = found["times_ns"]
    bench.facts["pointer_chase"] = {"ns": median(times_ns), "bytes": found["bytes"]}
    span = f"{duration(min(times_ns))} to {duration(max(times_ns))} over {len(times_ns)} passes"
    bench.note(
        f"Memory: a load that waits for the one before takes this machine "
        f"{duration(median(times_ns))} ({span}), by a pointer chase through "
        f"{found['bytes'] // 2**20} MiB after the rivals had run."
    )
    return median(times_ns)


def say_beside_memory(bench: Bench, load_ns: float) -> None:
    """Note each rival's 99.9th percentile of a cancel as a multiple of a load from memory."""
    for rival in dict.fromkeys(run.rival for run in bench.runs):
        times = Histogram()
        for run in bench.runs:
            reading = run.reading(_CASE) if run.rival == rival else None
            if reading is not None:
                times.merge(Histogram.from_hdr(reading["histogram"]))
        if times.samples * (1 - _PERCENT / 100) < 1:
            continue  # none, or so few that nothing lies above
        tail_ns = float(times.quantile(_PERCENT))
        bench.note(
            f"{rival}: {_PERCENT:g} % of all cancels within {duration(tail_ns)}, "
            f"{tail_ns / load_ns:.2g} times a load from memory."
        )


def chase_task(say: Any) -> dict[str, Any]:
    """Chase a pointer through memory that no cache holds."""
    from lab.hardware.chase import available, chase_bytes, load_ns
    from lab.hardware.topology import read

    say("measuring")
    nbytes = chase_bytes(read(), available())
    return {"readings": [], "digests": [], "bytes": nbytes, "times_ns": load_ns(nbytes)}


def note_footprint(bench: Bench, prepared: Prepared, rival: str, case: str, at: float) -> None:
    """Measure what a rival's book takes up a live order; add it to the rival's first run of a case.

    Parameters
    ----------
    bench
        Has measured the case already.
    prepared
        The flow whose preload fills the book.
    rival
        The engine.
    case, at
        The case and the number that it stands for.
    """
    where = f"{_WHERE}:footprint"
    task = Task(where, {"room": prepared.room, "engine": rival}, prepared.shared)
    found = bench.run(task, f"{rival}'s memory, {case}")
    live = found["live"]
    if not live or (found["bytes"] or 0) <= 0:
        return  # a small book fits into what the process had already
    value = found["bytes"] / live
    reading = {"case": case, "metric": "memory", "unit": "bytes", "value": value, "samples": 1}
    run = next(run for run in bench.runs if (run.rival, run.work) == (rival, case))
    run.outcome["readings"].append(reading | {"at": at})
    bench.note(_in_words(rival, case, found))


def _in_words(rival: str, case: str, found: dict[str, Any]) -> str:
    """Say what a book takes up and how that was found."""
    live, total = found["live"], found["bytes"]
    if found["of_orders"] is None:
        return (
            f"{rival}, {case}: {total / live:.1f} bytes a live order, levels included, by how much "
            "the process had grown (RssAnon) when the book was full."
        )
    of_orders = found["of_orders"]
    return (
        f"{rival}, {case}: {of_orders / live:.1f} bytes a live order (its slot and the table of "
        f"ids) and {(total - of_orders) / live:.1f} for levels and the rest, by the 4 KiB pages of "
        "its buffer that were touched (mincore) when the book was full."
    )


def footprint(
    say: Any, preload: np.ndarray, commands: np.ndarray, *, room: dict[str, Any], engine: str
) -> dict[str, Any]:
    """Fill a book and see what it takes up.

    An engine whose state is one buffer gets one that nobody touched, and its pages are counted;
    of another one the growth of the process is taken.

    Returns
    -------
    dict
        ``live`` orders, ``bytes`` in all, and ``of_orders``: bytes of those sections of the buffer
        that grow with orders and not with levels; None where that cannot be told.
    """
    from engines.messages import EVENT
    from lab.experiments.matching_task import Passes
    from lab.hardware.memory import own_bytes, prefaulted_array, small_pages
    from lab.hardware.sysfs import Tree

    say("measuring")
    events = prefaulted_array(4096, EVENT)
    IMPLEMENTATIONS[engine].create(8).submit(commands[:1].copy(), events)  # its code is loaded now
    passes = Passes(preload, commands, engine, dict(room), events)
    before = own_bytes(Tree())
    book = passes.fresh_engine()
    after = own_bytes(Tree())
    answer = {"readings": [], "digests": [], "live": len(book.live_orders()), "of_orders": None}
    if not hasattr(book, "buffer"):
        return answer | {"bytes": None if before is None or after is None else after - before}
    buffer = small_pages(book.buffer.nbytes)
    Passes(preload, commands, engine, room | {"buffer": buffer}, events).fresh_engine()
    return answer | _by_section(buffer)


def _by_section(buffer: np.ndarray) -> dict[str, int]:
    """Return the touched bytes of a ladder's buffer, in all and of what grows with orders."""
    from engines.matching.ladder_layout import HEADER
    from lab.hardware.memory import touched_pages

    touched = np.repeat(touched_pages(buffer), mmap.PAGESIZE)[: buffer.nbytes]
    header = buffer[: HEADER.itemsize].view(HEADER)[0]
    begins = sorted(int(header[name]) for name in HEADER.names or () if name.endswith("_at"))
    ends = dict(zip(begins, [*begins[1:], buffer.nbytes], strict=True))
    sections = (int(header[f"{name}_at"]) for name in _ORDER_SECTIONS)
    of_orders = sum(int(touched[begin : ends[begin]].sum()) for begin in sections)
    return {"bytes": int(touched.sum()), "of_orders": of_orders}
