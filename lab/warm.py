"""Compile every kernel into Numba's cache, so that no first run waits for a compiler.

``python -m lab.warm`` is the last step of ``make setup``. It drives each part through a small run
of what the experiments do with it, because Numba compiles for the types it meets. With a warm cache
this takes a few seconds.

Numba looks only at a kernel's own file to tell whether the cached code is stale, not at the files
of the functions and constants it takes in. ``engines`` puts the digest of its sources into the name
of the cache folder; lab's kernels are dropped here when one of lab's sources changed.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from engines.matching import IMPLEMENTATIONS, present  # and names the cache folder

if TYPE_CHECKING:
    from lab.workloads.order_flow import Flow

CHECKOUT = Path(__file__).resolve().parent.parent
KERNEL_FOLDERS = ("lab/books", "lab/hardware", "lab/measure", "lab/workloads")
LIVE_ORDERS, MESSAGES, SYMBOLS = 300, 2_000, 2


def groups() -> dict[str, Callable[[], None]]:
    """Return what is compiled, by name, in the order in which one part needs another."""
    parts = {
        "clock": _warm_clock,
        "chase": _warm_chase,
        "memory": _warm_memory,
        "threads": _warm_threads,
        "order_flow": _warm_flows,
        "files": _warm_files,
        "recorder": _warm_recorder,
    }
    parts |= {name: partial(_warm_engine, name) for name in present()}
    return parts | {"load": _warm_load, "mapped_book": _warm_mapped_book}


def _flow(name: str = "balanced") -> Flow:
    from lab.workloads.order_flow import generate

    return generate(name, messages=MESSAGES, live_orders=LIVE_ORDERS, seed=1, symbols=SYMBOLS)


def _warm_clock() -> None:
    from lab.hardware.clock import calibrate
    from lab.hardware.clock_survey import survey
    from lab.hardware.time_sources import time_sources, work_alone

    calibrate(milliseconds=20)
    survey()
    work_alone(2)
    for source in time_sources():
        if source.after_work is not None:
            source.after_work(2)


def _warm_chase() -> None:
    from lab.hardware.chase import load_ns

    load_ns(2**16, passes=1)


def _warm_memory() -> None:
    import numpy as np

    from lab.hardware.faults import touch_each
    from lab.hardware.stream import ARRAYS, Stream, bytes_for, stream
    from lab.hardware.walks import LINE_BYTES, at_random, link, walk

    lines = np.zeros(2**13, np.int64)
    memory = lines[-lines.ctypes.data % LINE_BYTES // 8 :]
    walk(link(memory, at_random(64, 1), 0), 64)
    arrays = Stream.over(np.zeros(bytes_for(2**14), np.uint8))
    for kind in ARRAYS:
        stream([arrays], kind, 2**14, 1)
    touch_each(lines.ctypes.data, 2, 512, 1, 1, np.zeros(2, np.int64))


def _warm_threads() -> None:
    from lab.hardware.clock import calibrate
    from lab.hardware.frequency import pace
    from lab.hardware.gaps import Spinner
    from lab.hardware.handoff import load_kernels

    Spinner().slice(1.0)
    pace(calibrate(), 1.0)
    load_kernels()


def _warm_flows() -> None:
    from lab.workloads.order_flow import FLOWS

    for name in FLOWS:
        _flow(name)


def _warm_files() -> None:
    from tempfile import TemporaryDirectory

    from lab.workloads.csv_rows import Column, read_rows
    from lab.workloads.itch_writer import write_day
    from lab.workloads.recorded import recording_of

    read_rows(b"1,2\n", [Column("first"), Column("second")], "a row of two numbers")
    with TemporaryDirectory() as folder:
        day = write_day(_flow(), Path(folder) / "day.itch", engine="reference")
        for _ in recording_of(day, "itch").parts(True):
            pass


def _warm_recorder() -> None:
    import numpy as np

    from lab.measure.histogram import COUNTERS
    from lab.measure.over_time import no_counts
    from lab.measure.recorder import record_slices, record_ticks

    kinds, ticks = np.zeros(3, np.uint8), np.arange(1, 4)
    record_slices(no_counts(), ticks, 0.5)
    record_ticks(np.zeros((1, COUNTERS), np.int64), kinds, ticks, 0.5)


def _warm_load() -> None:
    import numpy as np

    from engines.messages import EVENT
    from lab.measure.open_loop import VIRTUAL, drive
    from lab.measure.servers import server_of, simulated

    flow, now = _flow(), np.zeros(1, np.int64)
    engine = IMPLEMENTATIONS["price_ladder"].create(flow.orders_max, flow.symbols)
    server = server_of(engine)
    assert server is not None
    drive(server, flow.preload.copy(), np.zeros(64, EVENT), np.zeros(len(flow.preload)))
    drive(
        simulated(np.ones(3, np.int64), VIRTUAL, now), now, now, np.zeros(3), 1, VIRTUAL, 1.0, now
    )


def _warm_mapped_book() -> None:
    from tempfile import TemporaryDirectory

    from lab.books.depth_reader import DepthReader
    from lab.books.mapped import MappedBook

    with TemporaryDirectory() as folder:
        MappedBook.create(f"{folder}/book", LIVE_ORDERS).close()
        with DepthReader(f"{folder}/book") as reader:
            reader.depth(0, levels=5)


def _warm_engine(name: str) -> None:
    """Run a flow with and without a clock, look at the book, and move it to another engine."""
    import numpy as np

    from engines.messages import EVENT

    flow = _flow()
    events = np.zeros(4 * (LIVE_ORDERS + MESSAGES), EVENT)
    for ticks in (None, np.zeros(MESSAGES, np.int64)):
        engine = IMPLEMENTATIONS[name].create(flow.orders_max, flow.symbols)
        engine.submit(flow.preload, events)
        engine.submit(flow.commands, events, ticks)
    engine.order(0, int(flow.commands["order_id"][-1]))
    engine.depth(0, levels=5)
    engine.check()
    copy = IMPLEMENTATIONS[name].create(flow.orders_max, flow.symbols)
    copy.load(engine.save())


def drop_stale_code(cache: Path, checkout: Path = CHECKOUT) -> bool:
    """Forget the compiled code of a checkout's lab if a source changed since it was compiled.

    Parameters
    ----------
    cache
        Numba's cache folder, which several checkouts may share.
    checkout
        Whose code.

    Returns
    -------
    bool
        Whether the code was stale, or never compiled.
    """
    folders = [checkout / name for name in KERNEL_FOLDERS]
    sources = [path for folder in folders for path in sorted(folder.glob("*.py"))]
    digest = hashlib.sha256(b"".join(path.read_bytes() for path in sources)).hexdigest()
    stamp = cache / f"{_cache_name(checkout)}.sources"
    if stamp.exists() and stamp.read_text() == digest:
        return False
    for folder in folders:
        shutil.rmtree(cache / _cache_name(folder), ignore_errors=True)
    cache.mkdir(parents=True, exist_ok=True)
    stamp.write_text(digest)
    return True


def drop_old_code(cache: Path, age_days: float = 30.0) -> None:
    """Remove the compiled code of sources that have not been compiled anew for a month.

    Parameters
    ----------
    cache
        The folder in use; what lies beside it was named by other sources.
    age_days
        How old a folder must be.
    """
    if cache.parent.name != "kernels":
        return  # the person chose another place; it is not ours to clear
    for folder in cache.parent.iterdir():
        is_old = time.time() - folder.stat().st_mtime > age_days * 86_400
        if folder != cache and is_old:
            shutil.rmtree(folder, ignore_errors=True)


def _cache_name(folder: Path) -> str:
    """Where Numba keeps the code of a folder's kernels (``numba.core.caching``)."""
    return f"{folder.name}_{hashlib.sha1(str(folder).encode()).hexdigest()}"


def main() -> None:
    """Compile all groups, one line each."""
    work = groups()
    cache = Path(os.environ["NUMBA_CACHE_DIR"])
    drop_stale_code(cache)
    drop_old_code(cache)
    for number, (name, warm) in enumerate(work.items(), start=1):
        print(f"      compiling {number}/{len(work)} {name} … ", end="", flush=True)
        start = time.monotonic()
        warm()
        print(f"{time.monotonic() - start:.0f} s", flush=True)


if __name__ == "__main__":
    main()
