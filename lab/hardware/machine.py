"""Who the machine is: a number without a machine's name is not a result."""

from __future__ import annotations

import functools
import hashlib
import os
import platform
from importlib.metadata import PackageNotFoundError, version
from typing import Any

from lab.hardware.affinity import allowed_cpus
from lab.hardware.memory import memory_bytes
from lab.hardware.sysfs import Tree, format_list
from lab.hardware.topology import read

# Processes that run or want to, for each CPU.
_LOAD_WARNING, _LOAD_BAD = 0.25, 0.75
COUNTER_FLAGS = ("constant_tsc", "nonstop_tsc")
_CLOCKSOURCE = "/sys/devices/system/clocksource/clocksource0"
# What a hypervisor leaves where a guest can see it: a clock source of its own, or a vendor's name.
_CLOCK_OF = {"kvm-clock": "KVM", "hyperv": "Hyper-V", "xen": "Xen"}
_VENDOR_OF = {
    "QEMU": "KVM",
    "KVM": "KVM",
    "Amazon EC2": "EC2",
    "Google": "Google Compute Engine",
    "Microsoft": "Hyper-V",
    "VMware": "VMware",
    "Xen": "Xen",
    "innotek": "VirtualBox",
    "Parallels": "Parallels",
}


def fingerprint() -> dict[str, Any]:
    """Describe this machine, as every result carries it.

    Returns
    -------
    dict
        ``id`` is equal for equal hardware: it is made from the processor, the CPUs, the memory
        in GiB and the hypervisor, never from what changes by itself or can be set. What can be set
        (``governor``, ``turbo``, ``smt``, ``transparent_huge_pages``, ``isolated_cpus``,
        ``allowed_cpus``) and ``load_1m`` are of now; None is what is not shown here.
    """
    return _standing() | settings_of(Tree()) | {"load_1m": round(os.getloadavg()[0], 2)}


@functools.cache
def _standing() -> dict[str, Any]:
    """Return the part of the fingerprint that does not change while a process lives."""
    tree = Tree()
    cpu, cpus, hypervisor = cpu_model(tree), os.cpu_count() or 1, hypervisor_name(tree)
    size_bytes = memory_bytes(tree) or _memory_by_sysconf()
    return {
        "id": identity(cpu, cpus, round(size_bytes / 2**30), hypervisor),
        "name": machine_name(cpu, cpus, hypervisor),
        "cpu": cpu,
        "cpus": cpus,
        "memory_bytes": size_bytes,
        "kernel": f"{platform.system()} {platform.release()}",
        "hypervisor": hypervisor,
        "microcode": tree.fields("/proc/cpuinfo").get("microcode"),
        "memory_nodes": len(read(tree.root).numa_nodes),
        "python": platform.python_version(),
        "numpy": _version("numpy"),
        "numba": _version("numba"),
        "clock": "cycle counter" if counter_trust(tree)[0] else "monotonic clock",
    }


def identity(cpu: str, cpus: int, memory_gib: int, hypervisor: str) -> str:
    """Return the id of all machines that are built so.

    >>> identity("AMD EPYC", 2, 24, "KVM")
    '0726a9c3'
    """
    words = f"{cpu}|{cpus}|{memory_gib}|{hypervisor}"
    return hashlib.blake2b(words.encode(), digest_size=4).hexdigest()


def settings_of(tree: Tree) -> dict[str, str | None]:
    """Return what of a machine can be set and moves a number; None for what is not shown."""
    cpu = "/sys/devices/system/cpu"
    names = {tree.text(f"{cpu}/cpu{n}/cpufreq/scaling_governor") for n in tree.numbered(cpu, "cpu")}
    governors = sorted(name for name in names if name)
    no_turbo = tree.number(f"{cpu}/intel_pstate/no_turbo")
    turbo = tree.number(f"{cpu}/cpufreq/boost") if no_turbo is None else 1 - no_turbo
    pages = tree.text("/sys/kernel/mm/transparent_hugepage/enabled") or ""
    return {
        "governor": ", ".join(governors) or None,
        "turbo": _switch(turbo),
        "smt": _switch(tree.number(f"{cpu}/smt/active")),
        "transparent_huge_pages": pages.partition("[")[2].partition("]")[0] or None,
        "isolated_cpus": tree.text(f"{cpu}/isolated"),
        "allowed_cpus": format_list(set(allowed_cpus())) if tree.is_live else None,
    }


def _switch(state: int | None) -> str | None:
    return None if state is None else "on" if state else "off"


def load_severity(load: float, cpus: int) -> str:
    """Return what a load over the last minute does to numbers: "fine", "warning" or "bad".

    The doctor's finding and a run's verdict both ask here. One measured process is a load of 1, so
    a run that directly follows another on two CPUs is warned of and not condemned.
    """
    if load > _LOAD_BAD * cpus:
        return "bad"
    return "warning" if load > _LOAD_WARNING * cpus else "fine"


def machine_name(cpu: str, cpus: int, hypervisor: str) -> str:
    """Return a machine's name for people.

    >>> machine_name("AMD EPYC", 2, "KVM")
    'AMD EPYC, 2 CPUs, KVM'
    """
    count = "1 CPU" if cpus == 1 else f"{cpus} CPUs"
    return ", ".join(part for part in (cpu, count, hypervisor) if part)


def cpu_model(tree: Tree) -> str:
    """Return the processor's name, or the architecture where the kernel does not tell."""
    fields = tree.fields("/proc/cpuinfo")
    name = fields.get("model name") or fields.get("Model") or fields.get("cpu") or ""
    unknown = platform.processor() or platform.machine() if tree.is_live else ""
    return " ".join(name.split()) or unknown or "unknown processor"


def cpu_flags(tree: Tree) -> frozenset[str]:
    """Return the processor's feature flags; empty where the kernel does not show them."""
    fields = tree.fields("/proc/cpuinfo")
    return frozenset((fields.get("flags") or fields.get("Features") or "").split())


def hypervisor_name(tree: Tree) -> str:
    """Return the hypervisor's name, "virtual machine" where it hides it, "" on bare metal."""
    clocks = tree.text(f"{_CLOCKSOURCE}/available_clocksource") or ""
    for clock, name in _CLOCK_OF.items():
        if clock in clocks:
            return name
    dmi = "/sys/class/dmi/id"
    vendor = f"{tree.text(f'{dmi}/sys_vendor')} {tree.text(f'{dmi}/product_name')}"
    is_guest = "hypervisor" in cpu_flags(tree) or tree.text("/sys/hypervisor/type") is not None
    # The cloud's own name also stands on its bare-metal machines, hence only for a guest.
    for mark, name in _VENDOR_OF.items():
        if mark in vendor and is_guest:
            return name
    return "virtual machine" if is_guest else ""


def clock_source(tree: Tree) -> str | None:
    """Return the clock that the kernel keeps time with, or None where that is not shown."""
    return tree.text(f"{_CLOCKSOURCE}/current_clocksource")


def counter_trust(tree: Tree) -> tuple[bool, str]:
    """Say whether the cycle counter may be taken for a clock, and why.

    It must run at one rate at every frequency (constant_tsc) and in every sleep (nonstop_tsc),
    and the kernel must use it itself: it stops doing so when it finds the CPUs' counters apart.
    """
    flags = cpu_flags(tree)
    missing = [flag for flag in COUNTER_FLAGS if flag not in flags]
    if "tsc" not in flags:
        return False, "the processor shows no cycle counter"
    if missing:
        return False, f"the processor does not promise {' and '.join(missing)}"
    source = clock_source(tree)
    if source != "tsc":
        return False, f"the kernel keeps time with {source or 'an unknown clock'}, not with tsc"
    return True, "constant_tsc and nonstop_tsc, and the kernel keeps time with it"


def _memory_by_sysconf() -> int:
    """Return the memory where there is no /proc/meminfo."""
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")


def _version(distribution: str) -> str:
    """Return an installed version without importing the package, which would take seconds."""
    try:
        return version(distribution)
    except PackageNotFoundError:
        return "not installed"
