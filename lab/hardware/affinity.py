"""Which CPUs a process may use, and pinning it to one for a while."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from lab.hardware.sysfs import Tree, format_list

CAN_PIN = hasattr(os, "sched_setaffinity")
LAST = -2
"""Stands for the last CPU that may be used: the first has most of the interrupts."""


def allowed_cpus() -> list[int]:
    """Return the CPUs that this thread may run on, in order."""
    if CAN_PIN:
        return sorted(os.sched_getaffinity(0))
    return list(range(os.cpu_count() or 1))


def settled(core: int) -> int:
    """Return the CPU that a choice means: of LAST the last one allowed, else what was chosen."""
    return allowed_cpus()[-1] if core == LAST else core


def current_cpu() -> int | None:
    """Return the CPU that this thread runs on, as the kernel says it, or None where it does not."""
    try:
        status = Path("/proc/thread-self/stat").read_text()
    except OSError:
        return None
    # The second of the fields, the name in brackets, may hold anything; this is the 39th.
    return int(status.rpartition(")")[2].split()[36])


def refusal(cpu: int) -> str:
    """Say why this process cannot be pinned to a CPU and what can be chosen; "" where it can."""
    if not CAN_PIN:
        return "cannot be used here: this system does not pin; choose -1 for any"
    allowed = allowed_cpus()
    if cpu in allowed:
        return ""
    return f"cannot be used here; choose from {', '.join(map(str, allowed))}, or -1 for any"


@contextmanager
def pinned(cpu: int | None) -> Iterator[None]:
    """Run the calling thread on one CPU, and afterwards where it ran before.

    Parameters
    ----------
    cpu
        The CPU, or None to leave the thread alone. Threads and processes that are started
        within inherit the choice.

    Raises
    ------
    ValueError
        This process may not use that CPU, or the system cannot pin.
    """
    if cpu is None:
        yield
        return
    if not CAN_PIN:
        raise ValueError(f"cpu {cpu} cannot be chosen: this system does not pin; leave it open")
    before = os.sched_getaffinity(0)
    if cpu not in before:
        allowed = format_list(before)
        raise ValueError(
            f"cpu {cpu} is not among {allowed}, which this process may use; choose one"
        )
    os.sched_setaffinity(0, {cpu})
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


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
