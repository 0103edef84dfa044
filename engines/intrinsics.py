"""What numba lacks: bit scans, the cycle counter, the kernel's clock, atomics, fences, prefetching,
records by address.

Each is one machine instruction or one library call inside a compiled kernel. None of them needs
LLVM's assembler parser, without which inline assembly ends the process.
"""

from __future__ import annotations

import platform
from collections.abc import Callable
from typing import Any

import numpy as np
from llvmlite import ir
from llvmlite.binding import add_symbol
from numba import cfunc, from_dtype, njit, types
from numba.core import cgutils
from numba.extending import intrinsic

HAS_CYCLE_COUNTER = platform.machine().lower() in {"x86_64", "amd64"}
_CLOCK_MONOTONIC = 1


@intrinsic
def count_trailing_zeros(typingctx, word):
    """Return the index of the lowest set bit of a non-zero uint64, as int64."""
    signature = types.int64(types.uint64)

    def codegen(context, builder, signature, arguments):
        return builder.cttz(arguments[0], cgutils.true_bit)

    return signature, codegen


@intrinsic
def count_leading_zeros(typingctx, word):
    """Return the number of zero bits above the highest set bit of a non-zero uint64, as int64."""
    signature = types.int64(types.uint64)

    def codegen(context, builder, signature, arguments):
        return builder.ctlz(arguments[0], cgutils.true_bit)

    return signature, codegen


@intrinsic
def read_cycle_counter(typingctx):
    """Return the cycle counter, int64: 12 ns and no system call (EPYC Milan). x86 only."""
    signature = types.int64()

    def codegen(context, builder, signature, arguments):
        if not HAS_CYCLE_COUNTER:  # elsewhere it traps, or counts in another unit
            return ir.Constant(ir.IntType(64), 0)
        name = "llvm.readcyclecounter"
        function_type = ir.FunctionType(ir.IntType(64), [])
        function = cgutils.get_or_insert_function(builder.module, function_type, name)
        return builder.call(function, [])

    return signature, codegen


@intrinsic
def read_cycle_counter_late(typingctx):
    """Return the cycle counter once all instructions before it are done (rdtscp). x86 only."""
    signature = types.int64()

    def codegen(context, builder, signature, arguments):
        if not HAS_CYCLE_COUNTER:
            return ir.Constant(ir.IntType(64), 0)
        told = ir.LiteralStructType([ir.IntType(64), ir.IntType(32)])
        function_type = ir.FunctionType(told, [])
        function = cgutils.get_or_insert_function(builder.module, function_type, "llvm.x86.rdtscp")
        return builder.extract_value(builder.call(function, []), 0)

    return signature, codegen


@intrinsic
def read_monotonic_ns(typingctx):
    """Return CLOCK_MONOTONIC in nanoseconds, int64: 30 ns through the vDSO (EPYC Milan)."""
    signature = types.int64()

    def codegen(context, builder, signature, arguments):
        # A symbol that the linker resolves, not a ctypes pointer: such a kernel can be cached.
        int64, int32 = ir.IntType(64), ir.IntType(32)
        timespec = ir.LiteralStructType([int64, int64])
        function_type = ir.FunctionType(int32, [int32, timespec.as_pointer()])
        function = cgutils.get_or_insert_function(builder.module, function_type, "clock_gettime")
        place = cgutils.alloca_once(builder, timespec)
        builder.call(function, [ir.Constant(int32, _CLOCK_MONOTONIC), place])
        seconds = builder.load(cgutils.gep_inbounds(builder, place, 0, 0))
        nanoseconds = builder.load(cgutils.gep_inbounds(builder, place, 0, 1))
        return builder.add(builder.mul(seconds, ir.Constant(int64, 10**9)), nanoseconds)

    return signature, codegen


@intrinsic
def fence_release(typingctx):
    """Keep every store before this point ahead of every store after it; no instruction on x86."""
    signature = types.none()

    def codegen(context, builder, signature, arguments):
        builder.fence("release")
        return context.get_dummy_value()

    return signature, codegen


def _without_result(name: str) -> Callable[..., Any]:
    """Return a generator of code for an instruction of x86, and of nothing elsewhere."""

    def codegen(context, builder, signature, arguments):
        if HAS_CYCLE_COUNTER:
            function_type = ir.FunctionType(ir.VoidType(), [])
            function = cgutils.get_or_insert_function(builder.module, function_type, name)
            builder.call(function, [])
        return context.get_dummy_value()

    return codegen


@intrinsic
def fence_loads(typingctx):
    """Let no later instruction begin before every earlier load is done (lfence). x86 only."""
    return types.none(), _without_result("llvm.x86.sse2.lfence")


@intrinsic
def pause(typingctx):
    """Tell the processor that a loop waits (pause): 40 ns and less power on EPYC. x86 only."""
    return types.none(), _without_result("llvm.x86.sse2.pause")


def records_at(dtype: np.dtype) -> Callable[..., Any]:
    """Return a function (address, index) -> record, for kernels only.

    Kernels that are handed arrays count references to them: 1,000 calls in the price ladder's loop,
    which made it five times slower. An address has no owner, so its array must outlive the call.
    """
    record = from_dtype(dtype)

    @intrinsic
    def record_at(typingctx, address, index):
        def codegen(context, builder, signature, arguments):
            word = ir.IntType(64)
            index = context.cast(builder, arguments[1], signature.args[1], types.int64)
            offset = builder.mul(index, ir.Constant(word, dtype.itemsize))
            place = builder.add(arguments[0], offset)
            return builder.inttoptr(place, context.get_value_type(record))

        return record(types.int64, index), codegen

    return record_at


@intrinsic
def address_of(typingctx, record):
    """Return the address of a record that ``records_at`` has given, int64."""

    def codegen(context, builder, signature, arguments):
        return builder.ptrtoint(arguments[0], ir.IntType(64))

    return types.int64(record), codegen


def far(signature: str) -> Callable[[Callable[..., Any]], Any]:
    """Compile a function apart from those that call it, which then hold no more than its name.

    Numba puts all that a function calls, directly or not, into its module and optimises it again:
    a deep tree of kernels takes minutes (the price ladder's full half: more than six, so: one).
    Such a function is compiled, or loaded from the cache, as soon as it is defined.

    Parameters
    ----------
    signature
        Numba types of result and parameters: integers only, as in C.
    """

    def compile_apart(function: Callable[..., Any]) -> Any:
        name = f"exchange_lab.{function.__module__}.{function.__qualname__}"
        compiled = cfunc(signature, cache=True)(function)
        _far_functions.append(compiled)  # its machine code lives as long as this does
        add_symbol(name, compiled.address)
        return types.ExternalFunction(name, compiled._sig)

    return compile_apart


_far_functions: list[Any] = []


def _word_pointer(context, builder, signature, arguments):
    index = context.cast(builder, arguments[1], signature.args[1], types.int64)
    place = builder.add(arguments[0], builder.shl(index, ir.Constant(ir.IntType(64), 3)))
    return builder.inttoptr(place, ir.IntType(64).as_pointer())


@intrinsic
def load_word(typingctx, address, index):
    """Return the uint64 number ``index`` of an array at an address."""

    def codegen(context, builder, signature, arguments):
        return builder.load(_word_pointer(context, builder, signature, arguments))

    return types.uint64(types.int64, index), codegen


@intrinsic
def store_word(typingctx, address, index, word):
    """Set the uint64 number ``index`` of an array at an address."""

    def codegen(context, builder, signature, arguments):
        builder.store(arguments[2], _word_pointer(context, builder, signature, arguments))
        return context.get_dummy_value()

    return types.none(types.int64, index, types.uint64), codegen


@intrinsic
def load_acquire(typingctx, address, index):
    """Return an int64 that another core may write; nothing after it is read before it."""

    def codegen(context, builder, signature, arguments):
        pointer = _word_pointer(context, builder, signature, arguments)
        return builder.load_atomic(pointer, "acquire", 8)

    return types.int64(types.int64, index), codegen


@intrinsic
def store_release(typingctx, address, index, word):
    """Set an int64 that another core may read; nothing before it is written after it."""

    def codegen(context, builder, signature, arguments):
        pointer = _word_pointer(context, builder, signature, arguments)
        builder.store_atomic(arguments[2], pointer, "release", 8)
        return context.get_dummy_value()

    return types.none(types.int64, index, types.int64), codegen


@intrinsic
def compare_and_swap(typingctx, address, index, expected, wanted):
    """Set an int64 to ``wanted`` if it is ``expected``; return whether it was, as int64."""

    def codegen(context, builder, signature, arguments):
        pointer = _word_pointer(context, builder, signature, arguments)
        told = builder.cmpxchg(pointer, arguments[2], arguments[3], "seq_cst", "seq_cst")
        return builder.zext(builder.extract_value(told, 1), ir.IntType(64))

    return types.int64(types.int64, index, types.int64, types.int64), codegen


@intrinsic
def prefetch(typingctx, address, offset):
    """Ask for the cache line at an address plus an offset in bytes, which is about to be written.

    Never faults, whatever the address.
    """

    def codegen(context, builder, signature, arguments):
        flag = ir.IntType(32)
        offset = context.cast(builder, arguments[1], signature.args[1], types.int64)
        place = builder.add(arguments[0], offset)
        pointer = builder.inttoptr(place, ir.IntType(8).as_pointer())
        function_type = ir.FunctionType(ir.VoidType(), [pointer.type, flag, flag, flag])
        function = cgutils.get_or_insert_function(builder.module, function_type, "llvm.prefetch.p0")
        options = [ir.Constant(flag, value) for value in (1, 3, 1)]  # to write, keep, data
        builder.call(function, [pointer, *options])
        return context.get_dummy_value()

    return types.none(types.int64, offset), codegen


@njit(inline="always")
def read_ticks(clock):
    """Return the time of ``clock``: 1 the cycle counter, 2 the monotonic clock, else 0."""
    if clock == 1:
        return read_cycle_counter()
    if clock == 2:
        return read_monotonic_ns()
    return 0
