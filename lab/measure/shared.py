"""Arrays that a run and its measured processes share: in memory, without a name.

Without a name nothing can be left behind, however a process ends, and a page of a mapped file on
the disk would be written back in the middle of a measurement.
"""

from __future__ import annotations

import mmap
import os
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import DTypeLike

from lab.hardware.buffer import nameless_memory


@dataclass(frozen=True)
class SharedArray:
    """An array behind a file descriptor.

    Attributes
    ----------
    descriptor
        The open file; a process that inherits it can map the same pages.
    array
        The array, shape (n,), writable.
    """

    descriptor: int
    array: np.ndarray[Any, Any]

    @classmethod
    def of(cls, values: np.ndarray[Any, Any]) -> SharedArray:
        """Return a shared copy of an array of one dimension."""
        shared = cls.zeros(len(values), values.dtype)
        shared.array[:] = values
        return shared

    @classmethod
    def zeros(cls, count: int, dtype: DTypeLike) -> SharedArray:
        """Return a new shared array."""
        kind = np.dtype(dtype)
        descriptor = nameless_memory()
        os.ftruncate(descriptor, max(count * kind.itemsize, 1))
        return cls(descriptor, _mapped(descriptor, kind, count))

    def ticket(self) -> list[Any]:
        """Return what another process needs to ``open`` it, as JSON can carry it."""
        return [self.descriptor, len(self.array), _described(self.array.dtype)]

    @classmethod
    def open(cls, ticket: list[Any]) -> SharedArray:
        """Return the array of a ticket, in a process that inherited its descriptor."""
        descriptor, count, description = ticket
        dtype = np.dtype([tuple(field) for field in description])
        if len(description) == 1:
            dtype = dtype[0]
        return cls(descriptor, _mapped(descriptor, dtype, count))

    def close(self) -> None:
        """Close the descriptor. The memory goes with the last array that shows it."""
        os.close(self.descriptor)


def _described(dtype: np.dtype[Any]) -> list[list[str]]:
    """Return a record's fields, or a plain type as one field without a name."""
    if dtype.names is None:
        return [["", dtype.str]]
    return [[name, dtype[name].str] for name in dtype.names]


def _mapped(descriptor: int, dtype: np.dtype[Any], count: int) -> np.ndarray[Any, Any]:
    """Map a file as an array."""
    if count == 0:
        return np.zeros(0, dtype)
    memory = mmap.mmap(descriptor, count * dtype.itemsize)
    return np.frombuffer(memory, dtype, count)
