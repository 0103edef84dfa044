"""The class that a thread runs in: real time for a while where that is allowed, and back.

A thread of the real-time classes runs before every ordinary one on its CPU, until it waits: no
other program can take the CPU from it. Interrupts and the host still can.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from threading import get_native_id

from lab.hardware.sysfs import Tree

CAN_CHOOSE = hasattr(os, "sched_setscheduler")
_KERNEL = "/proc/sys/kernel"
_POLICIES = {"fifo": "SCHED_FIFO", "rr": "SCHED_RR"}
_CLASSES = ("OTHER", "FIFO", "RR", "BATCH", "ISO", "IDLE", "DEADLINE")  # as the kernel numbers
_RESET_ON_FORK = 0x40000000  # a bit beside the class in what the kernel answers


@dataclass(frozen=True)
class SchedulingClass:
    """How the kernel treats a thread: its class by name, and its priority within (0: none)."""

    policy: str
    priority: int


def scheduling_of(thread: int = 0) -> SchedulingClass:
    """Return the class that a thread runs in; 0 is the calling one."""
    if not CAN_CHOOSE:
        return SchedulingClass("other", 0)
    number = os.sched_getscheduler(thread) & ~_RESET_ON_FORK
    priority = os.sched_getparam(thread).sched_priority
    name = _CLASSES[number].lower() if number < len(_CLASSES) else str(number)
    return SchedulingClass(name, priority)


@contextmanager
def real_time(priority: int = 1, policy: str = "fifo", thread: int = 0) -> Iterator[None]:
    """Run a thread in a real-time class, and afterwards in the one that it ran in before.

    Threads and processes that it starts within inherit the class and keep it.

    Parameters
    ----------
    priority
        1 to 99; 1 is already before every ordinary thread, and 99 before the kernel's own.
    policy
        ``"fifo"`` runs until it waits, ``"rr"`` shares a CPU in slices with its like.
    thread
        Its number as the kernel has it; 0 is the calling one.

    Raises
    ------
    ValueError
        There is no such policy or priority.
    PermissionError
        It is not allowed here; the message is one line with the remedy.
    """
    if policy not in _POLICIES:
        raise ValueError(f"policy {policy} is not real time; choose from {', '.join(_POLICIES)}")
    if not 1 <= priority <= 99:
        raise ValueError(f"priority {priority} is not among 1..99; choose one of them")
    if not CAN_CHOOSE:
        raise PermissionError("real time cannot be chosen: this system has no such classes")
    thread = thread or get_native_id()
    policy_before, before = os.sched_getscheduler(thread), os.sched_getparam(thread)
    try:
        try:
            number = getattr(os, _POLICIES[policy])
            os.sched_setscheduler(thread, number, os.sched_param(priority))
        except PermissionError:
            raise PermissionError(_remedy(policy, priority)) from None
        yield
    finally:
        with suppress(ProcessLookupError):  # the thread has ended
            if os.sched_getscheduler(thread) != policy_before or (
                os.sched_getparam(thread) != before
            ):
                os.sched_setscheduler(thread, policy_before, before)


def real_time_refusal(priority: int = 1, policy: str = "fifo") -> str:
    """Say in one line why this thread may not run in real time and what would help; "" if it may.

    Found out by doing so for a moment.
    """
    try:
        with real_time(priority, policy):
            return ""
    except PermissionError as error:
        return str(error)


def _remedy(policy: str, priority: int) -> str:
    """Say why a class was refused."""
    import resource

    name = _POLICIES[policy]
    soft, hard = resource.getrlimit(resource.RLIMIT_RTPRIO)
    limits = f"ulimit -r is {soft}, at most {hard}"
    if soft >= priority or os.geteuid() == 0:
        return (
            f"{name} {priority} is refused although {limits}: the control group or container "
            "forbids it; give it CAP_SYS_NICE, or a share of cpu.rt_runtime_us"
        )
    return (
        f"{name} {priority} is refused ({limits}); set 'rtprio {priority}' for the user in "
        f"/etc/security/limits.conf and log in again, or give CAP_SYS_NICE"
    )


def real_time_share(tree: Tree | None = None) -> float | None:
    """Return the part of a CPU's time that real-time threads may take; None where not told.

    The rest is kept for ordinary threads, so a real-time thread that never waits is stopped: at
    950,000 µs of 1,000,000, for 50 ms in every second. 1 where the kernel stops nobody.
    """
    tree = tree or Tree()
    runtime = tree.number(f"{_KERNEL}/sched_rt_runtime_us")
    period = tree.number(f"{_KERNEL}/sched_rt_period_us")
    if runtime is None or not period:
        return None
    return 1.0 if runtime < 0 else min(1.0, runtime / period)
