"""What a load is driven against: an engine behind a C function, or a server that is simulated.

All have the signature of ``exchange_lab_submit``, so that one compiled loop drives every one of
them, and what the queueing theory is held against is the loop that engines are measured with.
"""

from __future__ import annotations

import ctypes
from functools import cache
from typing import Any

import numpy as np
from numba import carray, cfunc, from_dtype, types

from engines.intrinsics import load_word, read_ticks, store_word
from engines.matching import MatchingEngine
from engines.matching.ladder_index import places_at
from engines.matching.ladder_kernels import submit
from engines.matching.ladder_layout import sizes_in
from engines.matching.price_ladder import PriceLadder
from engines.messages import COMMAND, EVENT
from lab.measure.open_loop import VIRTUAL, Server

_WORD = types.int64
_COMMANDS, _EVENTS = (types.CPointer(from_dtype(kind)) for kind in (COMMAND, EVENT))
_WORDS = types.CPointer(_WORD)
_SIGNATURE = _WORD(_WORD, _COMMANDS, _WORD, _EVENTS, _WORD, _WORDS, _WORDS)


def server_of(engine: MatchingEngine) -> Server | None:
    """Return an engine as a server that compiled code can call, or None if only Python can.

    Parameters
    ----------
    engine
        It stays as it is, and what the server does is seen in it.
    """
    if engine.name == "native":
        return _native_server(engine)
    if type(engine) is PriceLadder:
        return Server(ladder_function(), engine.buffer.ctypes.data, (engine,))
    return None


def simulated(
    service_ticks: np.ndarray, clock: int, now: np.ndarray | None = None, first: int = 0
) -> Server:
    """Return a server that does nothing but take its time.

    Parameters
    ----------
    service_ticks
        int64: how long it takes with each command.
    clock
        What it waits on: a code of ``read_ticks``, or ``VIRTUAL``, which it moves.
    now
        The virtual clock, int64, shape (1,).
    first
        Which command comes first.
    """
    now = np.zeros(1, np.int64) if now is None else now
    words = np.array([clock, first, service_ticks.ctypes.data, now.ctypes.data], np.uint64)
    return Server(_simulated_function(), words.ctypes.data, (words, service_ticks, now))


def _native_server(engine: MatchingEngine) -> Server:
    """Open the buffer of a ``Native`` a second time, with the C library."""
    library = _library()
    buffer: np.ndarray[Any, Any] = engine.buffer  # type: ignore[attr-defined]
    orders, symbols, pages, owners = sizes_in(buffer)
    handle = library.exchange_lab_open(
        buffer.ctypes.data, buffer.nbytes, orders, symbols, owners, pages
    )
    assert handle, "the library does not know the engine's buffer; build the extension again"
    function = ctypes.cast(library.exchange_lab_submit, ctypes.c_void_p).value or 0
    return Server(function, handle, (engine, _Handle(library, handle)))


class _Handle:
    """Ends an engine of the C library when nobody uses it any more."""

    def __init__(self, library: ctypes.CDLL, handle: int) -> None:
        self._library, self._handle = library, handle

    def __del__(self) -> None:
        self._library.exchange_lab_destroy(self._handle)


@cache
def _library() -> ctypes.CDLL:
    from engines.matching.native import library_path

    library = ctypes.CDLL(str(library_path()))
    library.exchange_lab_open.restype = ctypes.c_void_p
    library.exchange_lab_open.argtypes = [
        *(ctypes.c_void_p, ctypes.c_size_t),
        *[ctypes.c_uint32] * 4,
    ]
    library.exchange_lab_destroy.argtypes = [ctypes.c_void_p]
    return library


@cache
def ladder_function() -> int:
    """Return the address of the price ladder's kernel as a C function; it is compiled here."""
    return cfunc(_SIGNATURE, cache=True)(_ladder).address


@cache
def _simulated_function() -> int:
    return cfunc(_SIGNATURE, cache=True)(_simulated).address


def _ladder(base, commands, count, events, room, times, written):
    nothing = carray(times, 0)
    done, told = submit(places_at(base), carray(commands, count), carray(events, room), nothing, 0)
    carray(written, 1)[0] = told
    return done


def _simulated(words, commands, count, events, room, times, written):
    clock, first = np.int64(load_word(words, 0)), np.int64(load_word(words, 1))
    services, now = np.int64(load_word(words, 2)), np.int64(load_word(words, 3))
    for index in range(first, first + count):
        service = load_word(services, index)
        if clock == VIRTUAL:
            store_word(now, 0, load_word(now, 0) + service)
        else:
            end = np.int64(read_ticks(clock)) + np.int64(service)
            while np.int64(read_ticks(clock)) < end:
                pass
    store_word(words, 1, np.uint64(first + count))
    carray(written, 1)[0] = 0
    return count
