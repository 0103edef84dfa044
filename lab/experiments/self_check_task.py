"""What a measured process does in the self-check: passes of a real engine, some slowed on purpose.

The engine is the C library where it could be built: such a process has no Numba to load and is
ready in a quarter of a second. Elsewhere it is ``price_ladder``.
"""

from __future__ import annotations

import ctypes
import hashlib
import time
from collections.abc import Callable, Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np

from engines.messages import EVENT
from lab.hardware.memory import prefaulted_array
from lab.measure.talk import Talk

_EVENTS = 2**12
_CHUNK = 1_000  # commands a call
_WARM_PASSES = 10
_PAGE = 4096
_PAGES = 2**12  # where a part may begin
_REGION_BYTES = _PAGE * _PAGES + 2**24
_BOOK_PAGES = 64  # of 64 ticks; as many as orders would be 1.6 MB to copy in each turn
_STREAM_BYTES = 2**26
_HOUR_S = 3600.0  # more than any number of turns takes
_BURST_S = (0.02, 1.0)  # how long a neighbour works, and how long it rests

Submit = Callable[[np.ndarray, np.ndarray], tuple[int, int]]


def passes(
    say: Talk,
    preload: np.ndarray,
    commands: np.ndarray,
    *,
    orders: int,
    turns: int,
    slower: float,
) -> dict[str, Any]:
    """Time passes over one flow, each longer by a share of what it took.

    The share is spun away at the end of a pass by the clock that times it, so it is exact: whatever
    the pass took, the process is slower by that.

    Each pass has its book, its commands and its events in another place. In one place throughout,
    processes differed by 2.3 % (standard deviation, EPYC under KVM): which physical pages a process
    was given decides what its caches hold, and that is luck.

    Parameters
    ----------
    say
        Grants the turns.
    preload, commands
        ``COMMAND`` records, taken anew in each pass.
    orders
        The book's capacity.
    turns
        How many passes.
    slower
        The share, 0 for none.

    Returns
    -------
    dict
        ``readings``: nanoseconds a pass; ``digests`` of all events, before and after the timed
        passes, which have to write as many.
    """
    say("warming")
    memory = Memory()
    books = _library_books(preload, orders, memory) or _ladder_books(preload, orders, memory)

    def fresh() -> tuple[Submit, np.ndarray, np.ndarray]:
        memory.move_on()
        return next(books), memory.copy_of(commands), memory.room(EVENT, _EVENTS)

    for _ in range(_WARM_PASSES):
        _, expected = _pass(*fresh(), 0.0)
    right = _digest(*fresh())
    say("measuring")
    times_ns: dict[int, float] = {}
    digests = [right]
    for turn in say.turns(_HOUR_S, turns):
        times_ns[turn], written = _pass(*fresh(), slower)
        digests.append(right if written == expected else f"{written} events")
    digests.append(_digest(*fresh()))
    reading = {
        "metric": "pass_time",
        "unit": "ns",
        "value": float(np.median(list(times_ns.values()))),
        "samples": len(times_ns),
        "turns": {"turn": list(times_ns), "value": list(times_ns.values())},
    }
    return {"readings": [reading], "digests": digests}


class Memory:
    """Memory that is present, of which each pass is given another part."""

    def __init__(self) -> None:
        self._bytes = prefaulted_array(_REGION_BYTES, np.uint8)
        self._first = -self._bytes.ctypes.data % _PAGE
        self._random = np.random.default_rng()
        self._next = self._first

    def move_on(self) -> None:
        """Begin at another page."""
        self._next = self._first + _PAGE * int(self._random.integers(_PAGES))

    def room(self, dtype: Any, count: int) -> np.ndarray:
        """Return an array of the present part; whatever was there is still in it."""
        nbytes = np.dtype(dtype).itemsize * count
        array = self._bytes[self._next : self._next + nbytes].view(dtype)
        assert len(array) == count
        self._next += -(-nbytes // _PAGE) * _PAGE
        return array

    def copy_of(self, values: np.ndarray) -> np.ndarray:
        """Return a copy of an array in the present part."""
        array = self.room(values.dtype, len(values))
        array[:] = values
        return array


def digest_of(submit: Submit, commands: np.ndarray) -> str:
    """Return 16 hex digits over all events of a flow, for an engine that holds its preload."""
    return _digest(submit, commands, np.zeros(_EVENTS, EVENT))


def neighbour(say: Talk, *, memory: bool) -> dict[str, Any]:
    """Be the noisy neighbour: work and rest in turns of random length, until stopped."""
    random = np.random.default_rng()
    source = np.ones(_STREAM_BYTES // 8 if memory else 2**9)
    target = np.zeros_like(source)
    work = np.copyto if memory else np.sqrt
    arrays = (target, source) if memory else (source, target)
    while True:
        end_s = time.monotonic() + random.uniform(*_BURST_S)
        while time.monotonic() < end_s:
            work(*arrays)  # type: ignore[operator]
        time.sleep(random.uniform(*_BURST_S))


def _pass(
    submit: Submit, commands: np.ndarray, events: np.ndarray, slower: float
) -> tuple[int, int]:
    """Return a pass's nanoseconds, the planted ones included, and how many events it wrote."""
    now_ns = time.perf_counter_ns
    start_ns = now_ns()
    taken = written = 0
    while taken < len(commands):
        counts = submit(commands[taken : taken + _CHUNK], events)
        taken += counts[0]
        written += counts[1]
    end_ns = now_ns()
    until_ns = end_ns + (end_ns - start_ns) * slower
    while end_ns < until_ns:
        end_ns = now_ns()
    return end_ns - start_ns, written


def _digest(submit: Submit, commands: np.ndarray, events: np.ndarray) -> str:
    digest = hashlib.blake2b(digest_size=8)
    taken, written = 0, len(events)
    while taken < len(commands) or written == len(events):
        count, written = submit(commands[taken : taken + _CHUNK], events)
        taken += count
        digest.update(events[:written].view(np.uint8).data)
    return digest.hexdigest()


def _ladder_books(preload: np.ndarray, orders: int, memory: Memory) -> Iterator[Submit]:
    """Yield the calls of one ``price_ladder`` after the other, each with the preload in it."""
    from engines.matching.price_ladder import PriceLadder

    engine = PriceLadder(orders, pages=_BOOK_PAGES, owners=1)
    fill(engine.submit, preload.copy())
    while True:
        yield PriceLadder.attach(memory.copy_of(engine.buffer)).submit


def _library_books(preload: np.ndarray, orders: int, memory: Memory) -> Iterator[Submit] | None:
    """Return the same of the C library; None where there is none."""
    path = library()
    return None if path is None else _books_of(ctypes.CDLL(str(path)), preload, orders, memory)


def library() -> Path | None:
    """Return the C library without importing the engine, which would load a compiler."""
    found = find_spec("engines")
    folders = found.submodule_search_locations if found is not None else None
    for folder in folders or ():
        for path in Path(folder).glob("matching/native/libexchange_lab.*"):
            return path
    return None


def _books_of(
    code: ctypes.CDLL, preload: np.ndarray, orders: int, memory: Memory
) -> Iterator[Submit]:
    """Yield the calls of one engine of the library after the other, each with the preload in it."""
    pointer, count = ctypes.c_void_p, ctypes.c_size_t
    code.exchange_lab_bytes_needed.restype = count
    code.exchange_lab_open.argtypes = [pointer, count, *[ctypes.c_uint32] * 4]
    code.exchange_lab_open.restype = pointer
    code.exchange_lab_submit.argtypes = [pointer, pointer, count, pointer, count, pointer, pointer]
    code.exchange_lab_submit.restype = count
    code.exchange_lab_destroy.argtypes = [pointer]
    sizes = (orders, 1, 1, _BOOK_PAGES)
    written = ctypes.c_size_t()

    def opened(buffer: np.ndarray) -> Any:
        return code.exchange_lab_open(buffer.ctypes.data, buffer.nbytes, *sizes)

    def submit(commands: np.ndarray, events: np.ndarray) -> tuple[int, int]:
        taken = code.exchange_lab_submit(
            engine,
            *(commands.ctypes.data, len(commands), events.ctypes.data, len(events)),
            *(None, ctypes.byref(written)),
        )
        return taken, written.value

    first = memory.room(np.uint8, code.exchange_lab_bytes_needed(*sizes))
    engine = opened(first)
    fill(submit, preload.copy())
    filled = first.copy()
    while True:
        code.exchange_lab_destroy(engine)
        engine = opened(memory.copy_of(filled))
        yield submit


def fill(submit: Submit, preload: np.ndarray) -> None:
    """Hand over what fills a book."""
    events = np.zeros(_EVENTS, EVENT)
    taken, written = 0, len(events)
    while taken < len(preload) or written == len(events):
        count, written = submit(preload[taken : taken + _CHUNK], events)
        taken += count
