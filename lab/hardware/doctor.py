"""What limits a measurement on this machine, and what to do about it.

Each check looks at files only, says what it saw, and never fails: what a kernel or a container does
not show is "unknown". Nothing is changed; a remedy is a command for a person to run.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import NamedTuple

from lab.hardware import machine
from lab.hardware.affinity import allowed_cpus, cpu_quota
from lab.hardware.memory import available_bytes, limit_bytes
from lab.hardware.sysfs import Tree, format_list
from lab.hardware.topology import Topology, read

SEVERITIES = ("bad", "warning", "unknown", "fine")
_CPU = "/sys/devices/system/cpu"
_CLOCKSOURCE = "/sys/devices/system/clocksource/clocksource0"
_THP = "/sys/kernel/mm/transparent_hugepage/enabled"
_STEAL_SAMPLE_S = 0.1
_GIB = 2**30


@dataclass(frozen=True)
class Finding:
    """What one check found.

    Attributes
    ----------
    title
        What is meant.
    severity
        "bad": numbers here mislead. "warning": they move. "fine", or "unknown" where it is hidden.
    evidence, remedy
        What was seen, and what to do, "" where there is nothing to do.
    """

    title: str
    severity: str
    evidence: str
    remedy: str

    def as_dict(self) -> dict[str, str]:
        """Return the finding as JSON holds it."""
        return asdict(self)


class Seen(NamedTuple):
    """What a check gives: a finding that has no title yet."""

    severity: str
    evidence: str
    remedy: str = ""


def examine(root: str | Path = "/") -> list[Finding]:
    """Look for everything that limits a measurement.

    Parameters
    ----------
    root
        The folder that holds the machine's ``sys`` and ``proc``; ``/`` is this machine. What only
        a running machine can tell (this process's CPUs, time stolen just now) is left out for
        another.

    Returns
    -------
    list of Finding
        The gravest first.
    """
    tree = Tree(root)
    topology = read(root)
    findings = [Finding(title, *_safely(check, tree, topology)) for title, check in CHECKS.items()]
    return sorted(findings, key=lambda finding: SEVERITIES.index(finding.severity))


def _safely(check: Check, tree: Tree, topology: Topology) -> Seen:
    """Run one check; a file of a form that no kernel we know writes makes it unknown."""
    try:
        return check(tree, topology)
    except (ValueError, IndexError, OSError) as error:
        return Seen("unknown", f"could not be read: {error}")


def _load(tree: Tree, topology: Topology) -> Seen:
    """Others' work takes the measured core, its caches and the memory's bandwidth."""
    words = (tree.text("/proc/loadavg") or "").split()
    if len(words) < 4:
        return Seen("unknown", "/proc/loadavg is not shown")
    load, cpus = float(words[0]), max(1, len(topology.pus))
    evidence = f"load {load:.2f} over the last minute on {cpus} CPUs, {words[3]} runnable/all tasks"
    remedy = "ps -eo pcpu,pid,comm --sort=-pcpu | head   # stop what is not needed, wait a minute"
    severity = machine.load_severity(load, cpus)
    return Seen(severity, evidence, "" if severity == "fine" else remedy)


def _steal(tree: Tree, topology: Topology) -> Seen:
    """Time in which the hypervisor ran somebody else on our CPU."""
    before = _cpu_times(tree)
    if before is None:
        return Seen("unknown", "/proc/stat does not show it")
    share, span = before[0] / max(1, before[1]), "since the machine started"
    if tree.is_live:
        time.sleep(_STEAL_SAMPLE_S)
        after = _cpu_times(tree) or before
        recent = (after[0] - before[0]) / max(1, after[1] - before[1])
        if recent > share:
            share, span = recent, "just now"
    evidence = f"{share:.2%} of the CPUs' time stolen by the hypervisor {span}"
    remedy = "no command removes it: use a dedicated or bare-metal host, repeat, compare in one run"
    severity = "bad" if share > 0.02 else "warning" if share > 0.001 else "fine"
    return Seen(severity, evidence, "" if severity == "fine" else remedy)


def _cpu_times(tree: Tree) -> tuple[int, int] | None:
    """Return the stolen and the whole time of all CPUs, in ticks of the kernel."""
    first = (tree.text("/proc/stat") or "").split("\n", 1)[0].split()
    # cpu user nice system idle iowait irq softirq steal guest guest_nice; guest is in user
    if len(first) < 9 or first[0] != "cpu":
        return None
    times = [int(word) for word in first[1:9]]
    return times[7], sum(times)


def _governor(tree: Tree, topology: Topology) -> Seen:
    """A core that is idle for a while is slowed down, and the next run starts slow."""
    names = (tree.text(f"{_CPU}/cpu{cpu}/cpufreq/scaling_governor") for cpu in topology.pus)
    governors = sorted({name for name in names if name})
    if not governors:
        return Seen("unknown", f"{_CPU}/cpu*/cpufreq is not shown")
    evidence = f"scaling_governor {', '.join(governors)}"
    if governors == ["performance"]:
        return Seen("fine", evidence)
    remedy = f"echo performance | sudo tee {_CPU}/cpu*/cpufreq/scaling_governor"
    return Seen("warning", evidence, remedy)


def _turbo(tree: Tree, topology: Topology) -> Seen:
    """Turbo follows heat and how many cores are busy, so the first run is faster than the last."""
    no_turbo, boost = f"{_CPU}/intel_pstate/no_turbo", f"{_CPU}/cpufreq/boost"
    for name, on, off in ((no_turbo, 0, 1), (boost, 1, 0)):
        state = tree.number(name)
        if state is not None:
            evidence = f"{name} is {state}"
            if state != on:
                return Seen("fine", evidence)
            return Seen("warning", evidence, f"echo {off} | sudo tee {name}")
    return Seen("unknown", f"neither {no_turbo} nor {boost} is shown")


def _sibling_threads(tree: Tree, topology: Topology) -> Seen:
    """Two hardware threads of a core share its units and its first two caches."""
    if not topology.pus:
        return Seen("unknown", "the kernel shows no CPUs")
    shared = [core for core in topology.cores if len(core) > 1]
    if not shared:
        return Seen("fine", "every CPU is a core of its own")
    evidence = (
        f"{len(shared)} cores run several threads each, such as CPUs {format_list(shared[0])}"
    )
    remedy = f"echo off | sudo tee {_CPU}/smt/control   # or keep the sibling of a pinned CPU idle"
    return Seen("warning", evidence, remedy)


def _huge_pages(tree: Tree, topology: Topology) -> Seen:
    """With "always" the kernel decides, while a run goes on, which memory gets huge pages."""
    text = tree.text(_THP)
    if text is None or "[" not in text:
        return Seen("unknown", f"{_THP} is not shown")
    chosen = text.split("[", 1)[1].split("]", 1)[0]
    if chosen == "always":
        remedy = f"echo madvise | sudo tee {_THP}"
        return Seen("warning", f"{chosen}: given unasked", remedy)
    meaning = "given on request" if chosen == "madvise" else "never given"
    return Seen("fine", f"{chosen}: {meaning}")


def _mixed_cores(tree: Tree, topology: Topology) -> Seen:
    """Fast and slow cores in one machine: where a run lands decides its numbers."""
    sizes = {cache.size_bytes for cache in topology.caches if cache.level == 1}
    kinds: dict[object, set[int]] = {}
    for cpu in topology.pus:
        top = tree.number(f"{_CPU}/cpu{cpu}/cpufreq/cpuinfo_max_freq")
        first = [c.size_bytes for c in topology.caches if c.level == 1 and cpu in c.cpus]
        capacity = tree.number(f"{_CPU}/cpu{cpu}/cpu_capacity")
        # Favoured cores of one kind differ in top frequency by a few per cent.
        kinds.setdefault((top and round(top / 1e6), capacity, *first), set()).add(cpu)
    if not sizes and len(kinds) < 2:
        return Seen("unknown", "neither caches nor capacities are shown")
    if len(kinds) < 2:
        return Seen("fine", "one")
    groups = [format_list(cpus) for cpus in kinds.values()]
    evidence = f"{len(kinds)}: CPUs {' and CPUs '.join(groups)}"
    remedy = f"keep a run on one kind: taskset -c {groups[0]} lab run …"
    return Seen("warning", evidence, remedy)


def _isolation(tree: Tree, topology: Topology) -> Seen:
    """On a CPU that is not isolated the kernel runs others and its own work beside the measured."""
    isolated = tree.text(f"{_CPU}/isolated")
    if isolated is None:
        return Seen("unknown", f"{_CPU}/isolated is not shown")
    quiet = tree.text(f"{_CPU}/nohz_full") or "none"
    if isolated:
        return Seen("fine", f"{isolated}; without the tick: {quiet}")
    last = topology.pus[-1] if topology.pus else 1
    remedy = "use a machine with two CPUs or more"
    if len(topology.pus) > 1:
        remedy = f"boot with isolcpus={last} nohz_full={last} rcu_nocbs={last}, pin to CPU {last}"
    return Seen("warning", "none: the scheduler may interrupt any CPU", remedy)


def _clock_source(tree: Tree, topology: Topology) -> Seen:
    """Without a counter that can be trusted each reading costs three times as much."""
    source = machine.clock_source(tree)
    if source is None:
        return Seen("unknown", f"{_CLOCKSOURCE}/current_clocksource is not shown")
    trusted, why = machine.counter_trust(tree)
    if trusted:
        return Seen("fine", f"cycle counter: {why}")
    offered = tree.text(f"{_CLOCKSOURCE}/available_clocksource") or ""
    remedy = "measure batches rather than single commands"
    if "tsc" in offered.split() and source != "tsc":
        remedy = f"echo tsc | sudo tee {_CLOCKSOURCE}/current_clocksource   # or {remedy}"
    return Seen("warning", f"the monotonic clock is used: {why}", remedy)


def _virtual_machine(tree: Tree, topology: Topology) -> Seen:
    """A guest's topology and clock are what the hypervisor says, and neighbours are not seen."""
    name = machine.hypervisor_name(tree)
    if name:
        evidence = f"{name}: packages, cores and caches are what the hypervisor claims"
        remedy = (
            "trust ratios within one run, not absolute times; measure distances, don't read them"
        )
        return Seen("warning", evidence, remedy)
    if not machine.cpu_flags(tree):
        return Seen("unknown", "/proc/cpuinfo shows no flags")
    return Seen("fine", "no hypervisor is seen")


def _cpus(tree: Tree, topology: Topology) -> Seen:
    """With one CPU, what is measured shares it with what measures and with everything else."""
    count = len(topology.pus)
    evidence = f"{count} online"
    if topology.offline:
        evidence += f", {format_list(frozenset(topology.offline))} offline"
    if tree.is_live:
        allowed = allowed_cpus()
        evidence += f"; this process may use {format_list(set(allowed))}"
        count = len(allowed)
    if not topology.pus:
        return Seen("unknown", "the kernel shows none")
    if count > 1:
        return Seen("fine", evidence)
    remedy = "use a machine with two CPUs or more, or give this process more: taskset -pc 0-1 $$"
    return Seen("bad", evidence, remedy)


def _cpu_limit(tree: Tree, topology: Topology) -> Seen:
    """A quota stops all threads for the rest of a period (100 ms) once it is used up."""
    if tree.text("/proc/self/cgroup") is None:
        return Seen("unknown", "/proc/self/cgroup is not shown")
    quota = cpu_quota(tree)
    if quota is None:
        return Seen("fine", "none")
    evidence = f"the control group may use {quota:g} CPUs of {len(topology.pus)}"
    remedy = "start the container without --cpus, or set cpu.max to max"
    return Seen("bad" if quota < 2 else "warning", evidence, remedy)


def _memory(tree: Tree, topology: Topology) -> Seen:
    """Where memory runs out, pages are written away and read back while the clock runs."""
    available, limit = available_bytes(tree), limit_bytes(tree)
    if available is None:
        return Seen("unknown", "/proc/meminfo does not show it")
    usable = min(available, limit) if limit is not None else available
    evidence = f"{available / _GIB:.1f} GiB available"
    if limit is not None:
        evidence += f", limited to {limit / _GIB:.1f} GiB by the control group"
    if usable >= 2 * _GIB:
        return Seen("fine", evidence)
    remedy = "choose fewer messages and live orders, or end what uses memory: ps -eo rss,pid,comm"
    return Seen("bad" if usable < _GIB // 2 else "warning", evidence, remedy)


Check = Callable[[Tree, Topology], Seen]
CHECKS: dict[str, Check] = {
    "CPUs": _cpus,
    "CPU quota": _cpu_limit,
    "load": _load,
    "stolen time": _steal,
    "virtual machine": _virtual_machine,
    "clock": _clock_source,
    "frequency governor": _governor,
    "turbo": _turbo,
    "hardware threads": _sibling_threads,
    "kinds of cores": _mixed_cores,
    "isolated CPUs": _isolation,
    "transparent huge pages": _huge_pages,
    "memory": _memory,
}
