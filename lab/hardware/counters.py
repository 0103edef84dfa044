"""The processor's own counters round a piece of work: cycles, instructions, misses.

::

    with counted() as count:
        work()
    count.values     {"cycles": …, "instructions": …, …}, None where nothing was counted
    count.reason     why not, with the remedy

Asked of the kernel by ``perf_event_open``, for this thread and its own code only, not for what the
kernel does in its name. An event that the machine lacks is left out by name; many virtual machines
have none, then nothing is counted, and one line says why and what would help. Not for estimates: a
count that the kernel had to share among too many users is thrown away, not scaled up.
"""

from __future__ import annotations

import ctypes
import errno
import fcntl
import os
import platform
import struct
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import NamedTuple, Protocol

from lab.hardware.machine import hypervisor_name
from lab.hardware.sysfs import Tree


class Event(NamedTuple):
    """What is counted: the kernel's type (PERF_TYPE_…), and its number in it."""

    kind: int
    number: int


_HARDWARE, _CACHE = 0, 3
_DATA_TLB_READ_MISS = 3 | 0 << 8 | 1 << 16
# Names as a result's metrics have them. The first four go into one group, which counts all the time
# or not at all: processors have four counters to give, some guests fewer.
EVENTS = {
    "cycles": Event(_HARDWARE, 0),
    "instructions": Event(_HARDWARE, 1),
    "cache_misses": Event(_HARDWARE, 3),
    "branch_misses": Event(_HARDWARE, 5),
    "tlb_misses": Event(_CACHE, _DATA_TLB_READ_MISS),
}
_GROUP_MAX = 4

_CALL_NUMBERS = {"x86_64": 298, "amd64": 298, "aarch64": 241, "riscv64": 241}
_ATTRIBUTE_BYTES = 64  # the first version of the structure: every kernel knows it
_TOTAL_TIMES, _GROUP = 1 | 2, 8  # read_format
_DISABLED, _EXCLUDE_KERNEL, _EXCLUDE_HYPERVISOR = 1 << 0, 1 << 5, 1 << 6
_ENABLE, _DISABLE, _RESET, _WHOLE_GROUP = 0x2400, 0x2401, 0x2403, 1
_PARANOID = "/proc/sys/kernel/perf_event_paranoid"


class Kernel(Protocol):
    """What is asked of the kernel; a test asks one of its own."""

    def open_event(self, attribute: bytes, group: int) -> int:
        """Return the descriptor of a new counter of this thread, or raise OSError."""

    def control(self, descriptor: int, request: int) -> None:
        """Start, stop or reset a group of counters."""

    def read(self, descriptor: int, nbytes: int) -> bytes:
        """Return what a group of counters has counted."""

    def close(self, descriptor: int) -> None:
        """Give a counter back."""


class LiveKernel:
    """The kernel that runs."""

    def open_event(self, attribute: bytes, group: int) -> int:
        """Call ``perf_event_open`` for this thread, on whichever CPU it is."""
        number = _CALL_NUMBERS.get(platform.machine().lower())
        if number is None or not hasattr(os, "sched_setaffinity"):
            raise OSError(errno.ENOSYS, os.strerror(errno.ENOSYS))
        library = ctypes.CDLL(None, use_errno=True)
        place = ctypes.create_string_buffer(attribute, len(attribute))
        this_thread, any_cpu, no_flags = 0, -1, 0
        words = (number, ctypes.byref(place), this_thread, any_cpu, group, no_flags)
        descriptor = library.syscall(
            *(ctypes.c_long(w) if isinstance(w, int) else w for w in words)
        )
        if descriptor < 0:
            problem = ctypes.get_errno()
            raise OSError(problem, os.strerror(problem))
        return descriptor

    def control(self, descriptor: int, request: int) -> None:
        """Start, stop or reset a group of counters."""
        fcntl.ioctl(descriptor, request, _WHOLE_GROUP)

    def read(self, descriptor: int, nbytes: int) -> bytes:
        """Return what a group of counters has counted."""
        return os.read(descriptor, nbytes)

    def close(self, descriptor: int) -> None:
        """Give a counter back."""
        os.close(descriptor)


@dataclass
class _Group:
    """Counters that count together: the first leads."""

    names: list[str] = field(default_factory=list)
    descriptors: list[int] = field(default_factory=list)
    times: tuple[int, int] = (0, 0)


class Counters:
    """Counters that are started and stopped together; made with ``open_counters``.

    Attributes
    ----------
    missing
        The events that are left out, and why.
    """

    def __init__(
        self, kernel: Kernel, groups: Sequence[_Group], missing: Mapping[str, str]
    ) -> None:
        self._kernel, self._groups = kernel, list(groups)
        self.missing = dict(missing)

    @property
    def names(self) -> list[str]:
        """What is counted."""
        return [name for group in self._groups for name in group.names]

    def start(self) -> None:
        """Count from nought."""
        for request in (_RESET, _ENABLE):
            for group in self._groups:
                self._kernel.control(group.descriptors[0], request)

    def stop(self) -> dict[str, int] | None:
        """Stop; return what was counted all the time, None where nothing was."""
        for group in self._groups:
            self._kernel.control(group.descriptors[0], _DISABLE)
        counts: dict[str, int] = {}
        for group in self._groups:
            counts |= self._read(group)
        return counts or None

    def _read(self, group: _Group) -> dict[str, int]:
        """Return what one group counted; nothing where it did not count all the time."""
        count = len(group.names)
        answer = self._kernel.read(group.descriptors[0], 8 * (3 + count))
        counters, enabled, running, *counts = struct.unpack(f"{3 + count}Q", answer)
        assert counters == count
        spans = enabled - group.times[0], running - group.times[1]  # no reset touches these
        group.times = enabled, running
        if spans[0] <= 0 or spans[1] < spans[0]:
            return {}
        return dict(zip(group.names, counts, strict=True))

    def close(self) -> None:
        """Give the counters back."""
        for group in self._groups:
            for descriptor in group.descriptors:
                self._kernel.close(descriptor)
        self._groups = []


@dataclass
class Count:
    """What ``counted`` gives: ``values`` and ``reason`` are there when its block is over.

    Attributes
    ----------
    values
        By name, what was counted; None where nothing was.
    reason
        Why nothing, or not all, was counted, in a line with its remedy; "" where all was.
    """

    values: dict[str, int] | None = None
    reason: str = ""


@contextmanager
def counted(kernel: Kernel | None = None, tree: Tree | None = None) -> Iterator[Count]:
    """Count what this thread does in the block; never fails for want of counters.

    Parameters as of ``open_counters``.
    """
    counters, reason = open_counters(kernel, tree)
    count = Count(None, reason)
    if counters is None:
        yield count
        return
    try:
        counters.start()
        try:
            yield count
        finally:
            count.values = counters.stop()
    finally:
        count.reason = what_is_missing(counters, count.values)
        counters.close()


def what_is_missing(counters: Counters, values: Mapping[str, int] | None) -> str:
    """Say in one line which events were not counted, and why; "" where all were."""
    if values is None:
        return "the counters were shared with others; run again alone"
    shared = [name for name in counters.names if name not in values]
    reasons = [f"{name} ({why})" for name, why in counters.missing.items()]
    if shared:
        reasons.append(f"{', '.join(shared)} (shared with others; run again alone)")
    return f"not counted here: {', '.join(reasons)}" if reasons else ""


def open_counters(
    kernel: Kernel | None = None, tree: Tree | None = None
) -> tuple[Counters | None, str]:
    """Return counters for this thread, or None and why there are none.

    Parameters
    ----------
    kernel
        Whom to ask; the one that runs by default.
    tree
        Where the machine's files are, for the reason; this machine by default.

    Returns
    -------
    counters, reason
        The reason is a line with its remedy, "" where there are counters. What one of them lacks
        is in its ``missing``.
    """
    kernel, tree = kernel or LiveKernel(), tree or Tree()
    groups: list[_Group] = []
    missing: dict[str, str] = {}
    refusal = None
    for name, event in EVENTS.items():
        try:
            _open(kernel, groups, name, event)
        except OSError as error:
            refusal = error
            missing[name] = errno.errorcode.get(error.errno or 0, str(error.errno))
            if error.errno in (errno.EACCES, errno.EPERM, errno.ENOSYS):
                break  # it is not about this event
    if groups:
        return Counters(kernel, groups, missing), ""
    assert refusal is not None
    return None, _reason(refusal, tree)


def _open(kernel: Kernel, groups: list[_Group], name: str, event: Event) -> None:
    """Open one counter: in the last group if that has room and takes it, else in one of its own."""
    if groups and len(groups[-1].names) < _GROUP_MAX:
        try:
            leader = groups[-1].descriptors[0]
            groups[-1].descriptors.append(kernel.open_event(_attribute(event, False), leader))
            groups[-1].names.append(name)
            return
        except OSError as error:
            if error.errno != errno.EINVAL:  # which says: not with the others
                raise
    descriptor = kernel.open_event(_attribute(event, is_leader=True), -1)
    groups.append(_Group([name], [descriptor]))


def _attribute(event: Event, is_leader: bool) -> bytes:
    """Return a ``perf_event_attr`` that counts one event in this thread's own code."""
    flags = _EXCLUDE_KERNEL | _EXCLUDE_HYPERVISOR | (_DISABLED if is_leader else 0)
    no_period, no_samples = 0, 0
    head = struct.pack(
        "=IIQQQQQ",
        *(event.kind, _ATTRIBUTE_BYTES, event.number, no_period, no_samples),
        *(_TOTAL_TIMES | _GROUP, flags),
    )
    return head.ljust(_ATTRIBUTE_BYTES, b"\0")


def _reason(error: OSError, tree: Tree) -> str:
    """Say in one line why nothing is counted and what would help."""
    name = errno.errorcode.get(error.errno or 0, str(error.errno))
    asked = f"perf_event_open: {name}"
    if error.errno in (errno.EACCES, errno.EPERM):
        level = tree.number(_PARANOID)
        setting = f"kernel.perf_event_paranoid is {level}" if level is not None else "it is refused"
        return (
            f"the kernel lets nobody count here ({asked}; {setting}); "
            "sudo sysctl kernel.perf_event_paranoid=2, and in a container allow the call"
        )
    if error.errno == errno.ENOSYS:
        return f"this kernel has no counters ({asked}); use Linux with perf events"
    guest = hypervisor_name(tree)
    where = f"this virtual machine ({guest})" if guest else "this machine"
    return (
        f"{where} shows the kernel no counters ({asked}); use bare metal or a virtual machine with "
        "a virtual PMU"
    )
