"""The doctor's checks of memory: how much, in which pages, and who moves them meanwhile."""

from __future__ import annotations

import os
import shutil
import tempfile

from lab.hardware.finding import GIB, Patient, Seen, echo, hidden
from lab.hardware.memory import available_bytes, limit_bytes
from lab.hardware.privileges import LOCK_MEMORY, has_capability, limit_of

_THP = "/sys/kernel/mm/transparent_hugepage"
_HUGE = "/sys/kernel/mm/hugepages"
_MIB = 2**20
# What an experiment with huge pages asks for at most, by its defaults.
_HUGE_PAGES_WANTED = 64


def memory(patient: Patient) -> Seen:
    """Where memory runs out, pages are written away and read back while the clock runs."""
    available, limit = available_bytes(patient.tree), limit_bytes(patient.tree)
    if available is None:
        return Seen("unknown", "/proc/meminfo does not show it")
    usable = min(available, limit) if limit is not None else available
    evidence = f"{available / GIB:.1f} GiB available"
    if limit is not None:
        evidence += f", limited to {limit / GIB:.1f} GiB by the control group"
    own = limit_of("RLIMIT_AS") if patient.sample else None
    if own is not None:
        usable = min(usable, own)
        evidence += f", {own / GIB:.1f} GiB of addresses by ulimit -v"
    if usable >= 2 * GIB:
        return Seen("fine", evidence)
    remedy = "choose fewer messages and live orders, or end what uses memory: ps -eo rss,pid,comm"
    if limit is not None and limit < available:
        remedy = f"choose fewer messages and live orders, or {_raise_limit(patient)}"
    return Seen("bad" if usable < GIB // 2 else "warning", evidence, remedy)


def _raise_limit(patient: Patient) -> str:
    """Return the command that lifts the smallest limit of the control groups."""
    files = patient.tree.control_group_files("memory", "memory.max", "memory.limit_in_bytes")
    sizes = {file: int(text) for file, text in files if text.isdigit()}
    file = min(sizes, key=lambda name: sizes[name])
    return echo("max" if file.endswith("max") else -1, file)


def lockable(patient: Patient) -> Seen:
    """What is not locked may be taken away; what may not be locked cannot be promised."""
    limit = limit_of("RLIMIT_MEMLOCK") if patient.sample else 0
    if not patient.sample:
        return Seen("unknown", "it is asked of a machine that runs")
    if limit is None:
        return Seen("fine", "without limit")
    may_all = has_capability(patient.tree, LOCK_MEMORY)
    if may_all is None:
        return hidden("whether this user may lock more than others")
    if may_all:
        return Seen("fine", f"without limit for this user (others: {limit / _MIB:.0f} MiB)")
    evidence = f"{limit / _MIB:g} MiB (ulimit -l); a book that is larger cannot be locked"
    remedy = (
        'echo "$USER - memlock unlimited" | sudo tee -a /etc/security/limits.conf   # log in anew; '
        "in a container: --ulimit memlock=-1"
    )
    return Seen("warning" if limit < GIB else "fine", evidence, remedy if limit < GIB else "")


def swap(patient: Patient) -> Seen:
    """A page that was swapped out is read from a disk when it is next touched: milliseconds."""
    tree = patient.tree
    lines = (tree.text("/proc/swaps") or "").splitlines()[1:]
    swappiness = tree.number("/proc/sys/vm/swappiness")
    if tree.text("/proc/swaps") is None:
        return hidden("/proc/swaps")
    if not lines:
        return Seen("fine", "there is none")
    used_kib = sum(int(line.split()[3]) for line in lines)
    events = patient.sample.events if patient.sample else {}
    moved = events.get("pswpin", 0) + events.get("pswpout", 0)
    evidence = f"{used_kib / 1024:.0f} MiB are swapped out, swappiness {swappiness}"
    if moved:
        remedy = "end what uses memory, then: sudo swapoff -a && sudo swapon -a"
        return Seen("bad", f"{evidence}; {moved} pages went to or fro just now", remedy)
    if not used_kib or (swappiness or 0) <= 1:
        return Seen("fine", evidence)
    settings = patient.settings(1, "/proc/sys/vm/swappiness")
    return Seen("warning", evidence, "sudo swapoff -a   # or sudo sysctl vm.swappiness=1", settings)


def transparent_pages(patient: Patient) -> Seen:
    """With "always" the kernel decides, while a run goes on, which memory gets huge pages."""
    file = f"{_THP}/enabled"
    chosen = _chosen(patient, file)
    if chosen is None:
        return hidden(file)
    if chosen == "always":
        settings = patient.settings("madvise", file)
        return Seen("warning", f"{chosen}: given unasked", echo("madvise", file), settings)
    meaning = "given on request" if chosen == "madvise" else "never given"
    return Seen("fine", f"{chosen}: {meaning}")


def compaction(patient: Patient) -> Seen:
    """With "always" a page fault stops until the kernel has moved others' pages out of the way."""
    file = f"{_THP}/defrag"
    chosen = _chosen(patient, file)
    if chosen is None:
        return hidden(file)
    stalls = patient.sample.events.get("compact_stall", 0) if patient.sample else 0
    evidence = f"{chosen}" + (f"; {stalls} faults waited for it just now" if stalls else "")
    if chosen == "always":
        settings = patient.settings("madvise", file)
        evidence += ": a fault waits while memory is moved"
        return Seen("warning", evidence, echo("madvise", file), settings)
    return Seen("fine", evidence)


def collapsing(patient: Patient) -> Seen:
    """A thread of the kernel that puts small pages together, and holds up who uses them."""
    folder, enabled = f"{_THP}/khugepaged", _chosen(patient, f"{_THP}/enabled")
    pause = patient.tree.number(f"{folder}/scan_sleep_millisecs")
    if pause is None or enabled is None:
        return hidden(folder)
    if enabled == "never":
        return Seen("fine", "off, as transparent huge pages are")
    done = patient.tree.number(f"{folder}/pages_collapsed") or 0
    evidence = f"looks every {pause / 1e3:g} s, has put together {done} huge pages so far"
    now = patient.sample.events.get("thp_collapse_alloc", 0) if patient.sample else 0
    if not now and enabled != "always":
        return Seen("fine", evidence)
    file = f"{folder}/scan_sleep_millisecs"
    if now:
        evidence += f", {now} just now"
    return Seen("warning", evidence, echo(600_000, file), patient.settings(600_000, file))


def _chosen(patient: Patient, file: str) -> str | None:
    """Return the word in brackets, or None."""
    text = patient.tree.text(file)
    if text is None or "[" not in text:
        return None
    return text.split("[", 1)[1].split("]", 1)[0]


def huge_pages(patient: Patient) -> Seen:
    """Huge pages that are asked for by name have to be set aside before."""
    folder = f"{_HUGE}/hugepages-2048kB"
    whole = patient.tree.number(f"{folder}/nr_hugepages")
    if whole is None:
        return hidden(folder)
    free = patient.tree.number(f"{folder}/free_hugepages") or 0
    evidence = f"{free} of {whole} pages of 2 MiB are free"
    if free:
        return Seen("fine", evidence)
    available = available_bytes(patient.tree)
    if available is None:
        return Seen("warning", evidence, "set some aside: sudo sysctl vm.nr_hugepages=64")
    count = whole + min(_HUGE_PAGES_WANTED, available // 8 // (2 * _MIB))
    if count == whole:
        return Seen("warning", evidence, "free some memory, then set huge pages aside")
    file = f"{folder}/nr_hugepages"
    evidence += ": explicit huge pages cannot be had (transparent ones can)"
    return Seen("warning", evidence, echo(count, file), patient.settings(count, file))


def balancing(patient: Patient) -> Seen:
    """With several memory nodes the kernel unmaps pages to see who uses them, and moves them."""
    file = "/proc/sys/kernel/numa_balancing"
    state, nodes = patient.tree.number(file), len(patient.topology.numa_nodes)
    if state is None:
        return hidden(file)
    moved = patient.sample.events.get("numa_pages_migrated", 0) if patient.sample else 0
    evidence = f"{'on' if state else 'off'}, with {nodes} memory node{'s' if nodes != 1 else ''}"
    if not state or nodes < 2:
        return Seen("fine", evidence)
    if moved:
        evidence += f"; {moved} pages were moved just now"
    return Seen("warning", evidence, echo(0, file), patient.settings(0, file))


def disk(patient: Patient) -> Seen:
    """Results, sweeps and mapped books are files; a full disk ends a run in the middle."""
    if patient.sample is None:
        return Seen("unknown", "it is asked of a machine that runs")
    places = dict.fromkeys((os.getcwd(), tempfile.gettempdir()))
    free = {place: shutil.disk_usage(place).free for place in places}
    evidence = ", ".join(f"{free[place] / GIB:.1f} GiB free at {place}" for place in places)
    least = min(free, key=lambda place: free[place])
    if free[least] >= GIB:
        return Seen("fine", evidence)
    return Seen("warning", evidence, f"du -xh {least} | sort -h | tail   # remove what is large")


def layout(patient: Patient) -> Seen:
    """Where code and data lie moves a number; one layout for all runs would hide that."""
    file = "/proc/sys/kernel/randomize_va_space"
    state = patient.tree.number(file)
    if state is None:
        return hidden(file)
    if state:
        return Seen("fine", f"randomize_va_space is {state}: each process has another")
    evidence = "randomize_va_space is 0: every process has the same, lucky or not"
    return Seen("warning", evidence, echo(2, file), patient.settings(2, file))
