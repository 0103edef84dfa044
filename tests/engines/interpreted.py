"""The ladder's kernels run as plain Python: slow, but nothing has to be compiled.

So a change in their source is tried in a second, which is what the mutants need. What numba lacks
(``engines.intrinsics``) is done here with ctypes; integers of 64 bits without sign wrap around as
in compiled code, those with a sign are Python's own.
"""

from __future__ import annotations

import ctypes
import importlib
import sys
import types
from importlib.machinery import BuiltinImporter, FrozenImporter, PathFinder

import numpy as np

WORD = 2**64 - 1
SCALARS = {
    "u1": ctypes.c_uint8, "u2": ctypes.c_uint16, "u4": ctypes.c_uint32, "u8": ctypes.c_uint64,
    "i4": ctypes.c_int32, "i8": ctypes.c_int64,
}  # fmt: skip


def unsigned(value) -> np.uint64:
    """Return 64 bits without a sign."""
    return np.uint64(int(value) & WORD)


def signed(value) -> int:
    """Return 64 bits with a sign."""
    value = int(value) & WORD
    return value - 2**64 if value >> 63 else value


# so that they can name an array's type too, as numpy's own do
unsigned.dtype, signed.dtype = np.dtype(np.uint64), np.dtype(np.int64)


def records_at(dtype):
    """Return a function (address, index) -> record, a view of the memory there."""
    record_type = type("Record", (), {"__slots__": ("address",)})
    for name, (field, offset, *_) in dtype.fields.items():
        if (scalar := SCALARS.get(field.str[1:])) is not None:
            setattr(record_type, name, field_at(scalar, offset))

    def record_at(address, index):
        record = record_type()
        record.address = int(address) + int(index) * dtype.itemsize
        return record

    return record_at


def field_at(scalar, offset):
    """Return a property that reads and writes one field; what is too large is cut off."""
    wide = scalar is ctypes.c_uint64

    def read(record):
        value = scalar.from_address(record.address + offset).value
        return np.uint64(value) if wide else value

    def write(record, value):
        scalar.from_address(record.address + offset).value = int(value)

    return property(read, write)


def load_word(address, index):
    """Return the word number ``index`` of those at an address."""
    return np.uint64(ctypes.c_uint64.from_address(int(address) + 8 * int(index)).value)


def store_word(address, index, word):
    """Set the word number ``index`` of those at an address."""
    ctypes.c_uint64.from_address(int(address) + 8 * int(index)).value = int(word)


def far(signature):
    """Return a decorator that hands a function its arguments as the types that it names."""
    names = [name.strip() for name in signature.partition("(")[2].rstrip(")").split(",")]
    casts = [CASTS[name] for name in names if name]

    def apart(function):
        def call(*arguments):
            return function(*(cast(value) for cast, value in zip(casts, arguments, strict=True)))

        return call

    return apart


CASTS = {"int64": signed, "uint64": unsigned, "uint32": lambda value: int(value) & 2**32 - 1}


def intrinsics() -> types.ModuleType:
    """Return a module in the place of ``engines.intrinsics``."""
    module = types.ModuleType("engines.intrinsics")
    module.records_at, module.load_word, module.store_word = records_at, load_word, store_word
    module.far, module.address_of = far, lambda record: record.address
    module.HAS_CYCLE_COUNTER = False
    module.fence_release = lambda: None
    module.prefetch = lambda *_: None
    module.read_ticks = lambda clock: 0
    module.count_trailing_zeros = lambda word: (int(word) & -int(word)).bit_length() - 1
    module.count_leading_zeros = lambda word: 64 - int(word).bit_length()
    return module


class Numpy:
    """numpy, but for the two names that kernels convert with."""

    int64, uint64 = staticmethod(signed), staticmethod(unsigned)

    def __getattr__(self, name):
        return getattr(np, name)


class Called:
    """A module of kernels as the class around them sees it: an array's records have attributes."""

    def __init__(self, module) -> None:
        self.module = module

    def __getattr__(self, name):
        kernel = getattr(self.module, name)
        if not isinstance(kernel, types.FunctionType):
            return kernel
        return lambda *arguments: kernel(*map(as_records, arguments))


class Records:
    """An array of records whose elements have their fields as attributes, as in compiled code."""

    def __init__(self, array) -> None:
        assert array.flags.c_contiguous
        self.array, self.ctypes = array, array.ctypes
        self.record_at = records_at(array.dtype)

    def __len__(self) -> int:
        return len(self.array)

    def __getitem__(self, index):
        assert 0 <= index < len(self.array)
        return self.record_at(self.ctypes.data, index)


def as_records(argument):
    """Return an array of records as ``Records``, and anything else as it is."""
    if isinstance(argument, np.ndarray) and argument.dtype.names:
        return Records(argument)
    return argument


def load_ladder(folder) -> type:
    """Return the class of the price ladder whose sources lie in ``folder``, as plain Python.

    To be called in a process of its own: it takes the place of the compiled one.
    """
    import numba

    import engines

    np.seterr(over="ignore")
    numba.config.DISABLE_JIT = True
    for name in [name for name in sys.modules if name.startswith("engines.matching")]:
        del sys.modules[name]
    sys.modules["engines.intrinsics"] = engines.intrinsics = intrinsics()
    # an editable install has a finder of its own, which would lead back to the checkout
    sys.meta_path[:] = [BuiltinImporter, FrozenImporter, PathFinder]
    engines.__path__ = [str(folder)]
    ladder = importlib.import_module("engines.matching.price_ladder")
    for name, module in list(sys.modules.items()):
        if name.startswith("engines.matching.ladder_") and not name.endswith("layout"):
            module.np = Numpy()
            setattr(ladder, name.split(".")[-1], Called(module))
    return ladder.PriceLadder
