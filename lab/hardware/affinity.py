"""Which CPUs a process may use, and pinning a thread or a process to one of them for a while.

Affinity belongs to threads. What is changed here is given back when the block is left, however it
is left; a process that is killed takes its own pinning with it. ``whereabouts`` proves where a
thread ran, ``scheduling`` has the class that it runs in, ``gaps`` finds the CPU that is left alone.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from threading import get_native_id

from lab.hardware.sysfs import Tree, format_list, parse_list

CAN_PIN = hasattr(os, "sched_setaffinity")
LAST = -2
"""Stands for the last CPU that may be used: the first has most of the interrupts."""
_CPU = "/sys/devices/system/cpu"
_CPU_FIELD = 36  # of /proc/…/stat behind the name in brackets, which may hold anything: the 39th


def allowed_cpus(thread: int = 0) -> list[int]:
    """Return the CPUs that a thread may run on, in order; 0 is the calling one."""
    if CAN_PIN:
        return sorted(os.sched_getaffinity(thread))
    return list(range(os.cpu_count() or 1))


def isolated_cpus(tree: Tree | None = None) -> list[int]:
    """Return the CPUs that the scheduler leaves alone (``isolcpus=`` at boot), in order."""
    return sorted((tree or Tree()).cpus(f"{_CPU}/isolated") or ())


def is_told_of_isolation(tree: Tree | None = None) -> bool:
    """Say whether the kernel shows which CPUs are isolated; an empty list is an answer too."""
    return (tree or Tree()).text(f"{_CPU}/isolated") is not None


def tickless_cpus(tree: Tree | None = None) -> list[int]:
    """Return the CPUs without a timer tick while one thread runs (``nohz_full=``), in order."""
    # Where none was asked for, the kernel writes "(null)".
    return sorted(parse_list((tree or Tree()).text(f"{_CPU}/nohz_full") or ""))


def settled(core: int) -> int:
    """Return the CPU that a choice means: of LAST the last one allowed, else what was chosen."""
    return allowed_cpus()[-1] if core == LAST else core


def current_cpu(thread: int = 0) -> int | None:
    """Return the CPU that a thread runs on or last ran on, or None where the kernel hides it.

    Parameters
    ----------
    thread
        Its number as the kernel has it (``threading.get_native_id()``); 0 is the calling one.
    """
    status = _of_thread(thread, "stat")
    if status is None:
        return None
    return int(status.rpartition(")")[2].split()[_CPU_FIELD])


def migrations(thread: int = 0) -> int | None:
    """Return how often the kernel has moved a thread to another CPU, or None where it hides it."""
    for line in (_of_thread(thread, "sched") or "").splitlines():
        name, _, value = line.partition(":")
        if name.strip() == "se.nr_migrations":
            return int(value)
    return None


def refusal(cpu: int) -> str:
    """Say why this process cannot be pinned to a CPU and what can be chosen; "" where it can."""
    if not CAN_PIN:
        return "cannot be used here: this system does not pin; choose -1 for any"
    allowed = allowed_cpus()
    if cpu in allowed:
        return ""
    return f"cannot be used here; choose from {', '.join(map(str, allowed))}, or -1 for any"


@contextmanager
def pinned(cpu: int | None, thread: int = 0) -> Iterator[None]:
    """Run a thread on one CPU, and afterwards where it ran before.

    Parameters
    ----------
    cpu
        The CPU, or None to leave the thread alone. Threads and processes that the thread starts
        within inherit the choice.
    thread
        Its number as the kernel has it (``threading.get_native_id()``); 0 is the calling one.

    Raises
    ------
    ValueError
        The thread may not use that CPU, or the system cannot pin.
    """
    if cpu is None:
        yield
        return
    if not CAN_PIN:
        raise ValueError(f"cpu {cpu} cannot be chosen: this system does not pin; leave it open")
    thread = thread or get_native_id()  # the block may be left by another thread
    before = os.sched_getaffinity(thread)
    if cpu not in before:
        allowed = format_list(before)
        raise ValueError(
            f"cpu {cpu} is not among {allowed}, which this process may use; choose one"
        )
    try:
        os.sched_setaffinity(thread, {cpu})
        yield
    finally:
        with suppress(ProcessLookupError):  # the thread has ended, and its pinning with it
            os.sched_setaffinity(thread, before)


@contextmanager
def pinned_process(cpu: int, process: int = 0) -> Iterator[None]:
    """Run every thread of a process on one CPU, and afterwards each where it ran before.

    Threads that were started within get back what the process's first thread had.

    Parameters
    ----------
    cpu
        The CPU.
    process
        Its number; 0 is this process. Where another one is pinned and this one is killed, that one
        stays pinned.

    Raises
    ------
    ValueError
        One of the threads may not use that CPU, or the system cannot pin.
    """
    process = process or os.getpid()
    first = allowed_cpus(process)
    with ExitStack() as stack:
        stack.callback(_widen_new_threads, process, set(threads_of(process)), set(first))
        for thread in threads_of(process):
            with suppress(ProcessLookupError):  # it has just ended
                stack.enter_context(pinned(cpu, thread))
        yield


def threads_of(process: int = 0) -> list[int]:
    """Return the numbers of a process's threads, in order; 0 is this process."""
    return Tree().numbered(f"/proc/{process or 'self'}/task", "")


def _widen_new_threads(process: int, known: set[int], cpus: set[int]) -> None:
    """Let threads that inherited a pinning run where the process ran before."""
    for thread in set(threads_of(process)) - known:
        with suppress(ProcessLookupError):
            os.sched_setaffinity(thread, cpus)


def cpu_quota(tree: Tree) -> float | None:
    """Return how many CPUs' worth of time the control group may use, or None for no limit."""
    quotas = [_quota(text) for text in tree.control_group("cpu", "cpu.max")]
    spans = tree.control_group("cpu", "cpu.cfs_quota_us")
    periods = tree.control_group("cpu", "cpu.cfs_period_us")
    quotas += [_quota(f"{span} {period}") for span, period in zip(spans, periods, strict=False)]
    return min((quota for quota in quotas if quota is not None), default=None)


def _quota(text: str) -> float | None:
    """Return the CPUs of ``microseconds period``; "max" and -1 are no limit."""
    span, _, period = text.partition(" ")
    if not span.isdigit() or not period.strip().isdigit() or int(period) == 0:
        return None
    return int(span) / int(period)


def _of_thread(thread: int, name: str) -> str | None:
    """Return a file that the kernel keeps of a thread of any process, or None."""
    folder = f"/proc/{thread}/task/{thread}" if thread else "/proc/thread-self"
    try:
        return Path(f"{folder}/{name}").read_text()
    except OSError:
        return None
