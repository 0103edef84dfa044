"""The processor's own counters round a piece of work: cycles, instructions, misses.

Asked of the kernel by ``perf_event_open``, for this thread and its own code only, not for what the
kernel does in its name. Many virtual machines have no such counters; then nothing is counted, and
one line says why and what would help. Not for estimates: a count that the kernel had to share among
too many users is thrown away, not scaled up.
"""

from __future__ import annotations

import ctypes
import errno
import fcntl
import os
import platform
import struct
from collections.abc import Sequence
from typing import Protocol

from lab.hardware.machine import hypervisor_name
from lab.hardware.sysfs import Tree

# Names as a result's metrics have them, and the kernel's numbers (PERF_COUNT_HW_…).
EVENTS = {"cycles": 0, "instructions": 1, "cache_misses": 3, "branch_misses": 5}

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


class Counters:
    """A group of counters that count together; made with ``open_counters``."""

    def __init__(self, kernel: Kernel, descriptors: Sequence[int]) -> None:
        self._kernel, self._descriptors = kernel, list(descriptors)
        self._times = (0, 0)

    def start(self) -> None:
        """Count from nought."""
        self._kernel.control(self._descriptors[0], _RESET)
        self._kernel.control(self._descriptors[0], _ENABLE)

    def stop(self) -> dict[str, int] | None:
        """Stop; return what was counted, None where the counters did not count all the time."""
        leader = self._descriptors[0]
        self._kernel.control(leader, _DISABLE)
        words = struct.unpack(
            f"{3 + len(EVENTS)}Q", self._kernel.read(leader, 8 * (3 + len(EVENTS)))
        )
        count, enabled, running = words[:3]
        assert count == len(EVENTS)
        spans = enabled - self._times[0], running - self._times[1]  # no reset touches these
        self._times = enabled, running
        if spans[0] <= 0 or spans[1] < spans[0]:
            return None
        return dict(zip(EVENTS, words[3:], strict=True))

    def close(self) -> None:
        """Give the counters back."""
        for descriptor in self._descriptors:
            self._kernel.close(descriptor)
        self._descriptors = []


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
        The reason is a line with its remedy, "" where there are counters.
    """
    kernel, tree = kernel or LiveKernel(), tree or Tree()
    descriptors: list[int] = []
    try:
        for number in EVENTS.values():
            group = descriptors[0] if descriptors else -1
            descriptors.append(kernel.open_event(_attribute(number, is_leader=group == -1), group))
    except OSError as error:
        for descriptor in descriptors:
            kernel.close(descriptor)
        return None, _reason(error, tree)
    return Counters(kernel, descriptors), ""


def _attribute(number: int, is_leader: bool) -> bytes:
    """Return a ``perf_event_attr`` that counts one hardware event in this thread's own code."""
    flags = _EXCLUDE_KERNEL | _EXCLUDE_HYPERVISOR | (_DISABLED if is_leader else 0)
    hardware, no_period, no_samples = 0, 0, 0
    head = struct.pack(
        "=IIQQQQQ",
        *(hardware, _ATTRIBUTE_BYTES, number, no_period, no_samples),
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
