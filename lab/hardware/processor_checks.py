"""The doctor's checks of the CPUs: how many, how fast, with whom they are shared."""

from __future__ import annotations

from collections.abc import Sequence

from lab.hardware import machine
from lab.hardware.affinity import CAN_PIN, allowed_cpus, cpu_quota
from lab.hardware.finding import CPU, Patient, Seen, echo, hidden
from lab.hardware.sample import counts
from lab.hardware.sysfs import Tree, format_list
from lab.hardware.topology import Topology

_CLOCKSOURCE = "/sys/devices/system/clocksource/clocksource0"
_SPREAD_MAX = 0.01
_WAKE_US_MAX = 10
# One way of a word, between cores that really share a cache: 20 to 60 ns on servers of any maker;
# between two level-3 caches of one EPYC Milan 90 to 110.
_SHARED_CACHE_NS_MAX = 80.0


def cpus(patient: Patient) -> Seen:
    """With one CPU, what is measured shares it with what measures and with everything else."""
    topology = patient.topology
    count = len(topology.pus)
    evidence = f"{count} online"
    if topology.offline:
        evidence += f", {format_list(frozenset(topology.offline))} offline"
    if patient.sample:
        allowed = allowed_cpus()
        evidence += f"; this process may use {format_list(set(allowed))}"
        count = len(allowed)
    if not topology.pus:
        return Seen("unknown", "the kernel shows none")
    if count > 1:
        return Seen("fine", evidence)
    remedy = "use a machine with two CPUs or more, or give this process more: taskset -pc 0-1 $$"
    return Seen("bad", evidence, remedy)


def cpu_limit(patient: Patient) -> Seen:
    """A quota stops all threads for the rest of a period (100 ms) once it is used up."""
    tree = patient.tree
    if tree.text("/proc/self/cgroup") is None:
        return hidden("/proc/self/cgroup")
    quota = cpu_quota(tree)
    stops = _throttled(tree)
    if quota is None and tree.is_live and not tree.path("/sys/fs/cgroup").is_dir():
        return hidden("/sys/fs/cgroup")
    if quota is None:
        return Seen("fine", "none")
    evidence = f"the control group may use {quota:g} CPUs of {len(patient.topology.pus)}{stops}"
    remedy = "start the container without --cpus, or set cpu.max to max"
    for file, text in tree.control_group_files("cpu", "cpu.max", "cpu.cfs_quota_us"):
        if file.endswith("cpu.max") and not text.startswith("max"):
            remedy = f"start the container without --cpus, or {echo('max', file)}"
        elif file.endswith("quota_us") and text != "-1":
            remedy = f"start the container without --cpus, or {echo(-1, file)}"
    return Seen("bad" if quota < 2 else "warning", evidence, remedy)


def _throttled(tree: Tree) -> str:
    """Say how often the quota stopped the group, or nothing."""
    for file, _ in tree.control_group_files("cpu", "cpu.stat"):
        told = counts(tree, file)
        spans_ns = told.get("throttled_time", 1000 * told.get("throttled_usec", 0))
        if told.get("nr_throttled"):
            return f"; it was stopped {told['nr_throttled']} times, {spans_ns / 1e9:.1f} s in all"
    return ""


def governor(patient: Patient) -> Seen:
    """A core that is idle for a while is slowed down, and the next run starts slow."""
    files = [f"{CPU}/cpu{cpu}/cpufreq/scaling_governor" for cpu in patient.topology.pus]
    governors = sorted({name for name in map(patient.tree.text, files) if name})
    if not governors:
        return hidden(f"{CPU}/cpu*/cpufreq")
    evidence = f"scaling_governor {', '.join(governors)}"
    if governors == ["performance"]:
        return Seen("fine", evidence)
    remedy = echo("performance", f"{CPU}/cpu*/cpufreq/scaling_governor")
    return Seen("warning", evidence, remedy, patient.settings("performance", *files))


def turbo(patient: Patient) -> Seen:
    """Turbo follows heat and how many cores are busy, so the first run is faster than the last."""
    no_turbo, boost = f"{CPU}/intel_pstate/no_turbo", f"{CPU}/cpufreq/boost"
    for name, on, off in ((no_turbo, 0, 1), (boost, 1, 0)):
        state = patient.tree.number(name)
        if state is not None:
            evidence = f"{name} is {state}"
            if state != on:
                return Seen("fine", evidence)
            return Seen("warning", evidence, echo(off, name), patient.settings(off, name))
    files = [f"{CPU}/cpu{cpu}/cpufreq/boost" for cpu in patient.topology.pus]  # of amd_pstate
    states = {state for file in files if (state := patient.tree.number(file)) is not None}
    if not states:
        return Seen("unknown", f"neither {no_turbo} nor {boost} is shown")
    evidence = f"{CPU}/cpu*/cpufreq/boost is {', '.join(map(str, sorted(states)))}"
    if 1 not in states:
        return Seen("fine", evidence)
    settings = patient.settings(0, *files)
    return Seen("warning", evidence, echo(0, f"{CPU}/cpu*/cpufreq/boost"), settings)


def frequency(patient: Patient) -> Seen:
    """What the core really did, whatever is shown of it: a guest is shown nothing."""
    if patient.sample is None:
        return Seen("unknown", "it is measured on a machine that runs")
    pace = patient.sample.pace
    if pace is None:
        return Seen("unknown", patient.sample.no_pace)
    if not pace.is_right:
        return Seen("bad", "a chain of multiplications came out wrong; the machine is damaged", "")
    rates = pace.gigahertz
    at = f"{max(rates):.2f} GHz" if rates else f"{max(pace.links_a_ns):.3f} links a ns"
    where = "" if pace.cpu is None else f" on CPU {pace.cpu}"
    evidence = f"measured {at}{where}, {pace.spread:.1%} apart in {len(pace.links_a_ns)} looks"
    if pace.spread <= _SPREAD_MAX:
        return Seen("fine", evidence)
    remedy = "set governor and turbo (below); where they are not shown, the host decides: repeat"
    return Seen("warning", evidence, remedy)


def idle_states(patient: Patient) -> Seen:
    """A core that waits sleeps, the deeper the longer it takes to wake: a queue's tail."""
    tree, cpu = patient.tree, next(iter(patient.topology.pus), 0)
    folder = f"{CPU}/cpu{cpu}/cpuidle"
    numbers = tree.numbered(folder, "state")
    if not numbers:
        return hidden(folder)
    deep = {
        number: tree.number(f"{folder}/state{number}/latency") or 0
        for number in numbers
        if tree.number(f"{folder}/state{number}/disable") == 0
    }
    slow = [number for number, wake_us in deep.items() if wake_us > _WAKE_US_MAX]
    worst = max(deep, key=lambda number: deep[number], default=None)
    if worst is None:
        return Seen("fine", "none is allowed: idle CPUs spin")
    name = tree.text(f"{folder}/state{worst}/name") or f"state {worst}"
    evidence = f"{name}, the deepest allowed, takes {deep[worst]} µs to wake from"
    if not slow:
        return Seen("fine", evidence)
    names = [f"cpuidle/state{number}/disable" for number in slow]
    files = [f"{CPU}/cpu{cpu}/{name}" for cpu in patient.topology.pus for name in names]
    remedy = echo(1, " ".join(f"{CPU}/cpu*/{name}" for name in names))
    return Seen("warning", evidence, remedy, patient.settings(1, *files))


def sibling_threads(patient: Patient) -> Seen:
    """Two hardware threads of a core share its units and its first two caches."""
    topology, control = patient.topology, f"{CPU}/smt/control"
    if not topology.pus:
        return Seen("unknown", "the kernel shows no CPUs")
    shared = [core for core in topology.cores if len(core) > 1]
    if not shared and not patient.tree.path(CPU).is_dir():
        return hidden(CPU)
    if not shared:
        return Seen("fine", "every CPU is a core of its own")
    evidence = (
        f"{len(shared)} cores run several threads each, such as CPUs {format_list(shared[0])}"
    )
    remedy = f"{echo('off', control)}   # or keep the sibling of a pinned CPU idle"
    return Seen("warning", evidence, remedy, patient.settings("off", control))


def mixed_cores(patient: Patient) -> Seen:
    """Fast and slow cores in one machine: where a run lands decides its numbers."""
    tree, topology = patient.tree, patient.topology
    sizes = {cache.size_bytes for cache in topology.caches if cache.level == 1}
    kinds: dict[object, set[int]] = {}
    for cpu in topology.pus:
        top = tree.number(f"{CPU}/cpu{cpu}/cpufreq/cpuinfo_max_freq")
        first = [c.size_bytes for c in topology.caches if c.level == 1 and cpu in c.cpus]
        capacity = tree.number(f"{CPU}/cpu{cpu}/cpu_capacity")
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


def isolation(patient: Patient) -> Seen:
    """On a CPU that is not isolated the kernel runs others and its own work beside the measured."""
    isolated = patient.tree.text(f"{CPU}/isolated")
    if isolated is None:
        return hidden(f"{CPU}/isolated")
    quiet = patient.tree.text(f"{CPU}/nohz_full") or "none"
    if isolated:
        return Seen("fine", f"{isolated}; without the tick: {quiet}")
    pus = patient.topology.pus
    last = pus[-1] if pus else 1
    remedy = "use a machine with two CPUs or more"
    if len(pus) > 1:
        remedy = f"boot with isolcpus={last} nohz_full={last} rcu_nocbs={last}, pin to CPU {last}"
    return Seen("warning", "none: the scheduler may interrupt any CPU", remedy)


def clock_source(patient: Patient) -> Seen:
    """Without a counter that can be trusted each reading costs three times as much."""
    tree, file = patient.tree, f"{_CLOCKSOURCE}/current_clocksource"
    source = machine.clock_source(tree)
    if source is None:
        return hidden(file)
    trusted, why = machine.counter_trust(tree)
    if trusted:
        return Seen("fine", f"cycle counter: {why}")
    offered = tree.text(f"{_CLOCKSOURCE}/available_clocksource") or ""
    evidence = f"the monotonic clock is used: {why}"
    batches = "measure batches rather than single commands"
    if "tsc" not in offered.split() or source == "tsc":
        return Seen("warning", evidence, batches)
    remedy = f"{echo('tsc', file)}   # or {batches}"
    return Seen("warning", evidence, remedy, patient.settings("tsc", file))


def virtual_machine(patient: Patient) -> Seen:
    """A guest's topology and clock are what the hypervisor says, and neighbours are not seen."""
    name = machine.hypervisor_name(patient.tree)
    if name:
        evidence = f"{name}: packages, cores and caches are what the hypervisor claims"
        remedy = (
            "trust ratios within one run, not absolute times; measure distances, don't read them"
        )
        return Seen("warning", evidence, remedy)
    if not machine.cpu_flags(patient.tree):
        return Seen("unknown", "/proc/cpuinfo shows no flags")
    return Seen("fine", "no hypervisor is seen")


def claimed_caches(patient: Patient) -> Seen:
    """Two cores that are said to share a cache, and a word that takes too long between them."""
    if patient.sample is None or not CAN_PIN:
        return Seen("unknown", "it is measured on a machine that runs")
    pair = _sharing_pair(patient.topology, allowed_cpus())
    if not patient.topology.caches:
        return Seen("unknown", "the kernel shows no caches")
    if pair is None:
        return Seen("fine", "no two cores that this process may use are said to share one")
    first, second, level = pair
    try:
        one_way_ns = _one_way_ns(first, second)
    except (ArithmeticError, OSError, ValueError) as error:  # such as a cpuset that just changed
        return Seen("unknown", f"a word could not be handed over: {error}")
    evidence = (
        f"CPUs {first} and {second} are said to share a level-{level} cache; a word takes "
        f"{one_way_ns:.0f} ns from one to the other"
    )
    if one_way_ns <= _SHARED_CACHE_NS_MAX:
        return Seen("fine", evidence)
    evidence += f", where {_SHARED_CACHE_NS_MAX:g} ns is much for a cache that is really shared"
    remedy = "don't place threads by the caches that are shown: lab run core_to_core measures"
    return Seen("warning", evidence, remedy)


def _sharing_pair(topology: Topology, allowed: Sequence[int]) -> tuple[int, int, int] | None:
    """Return the furthest two CPUs of different cores that share a cache, and its level."""
    for cache in sorted(topology.caches, key=lambda cache: -cache.level):
        usable = sorted(cache.cpus & set(allowed))
        if usable and usable[-1] not in topology.siblings(usable[0]):
            return usable[0], usable[-1], cache.level
    return None


def _one_way_ns(first: int, second: int) -> float:
    """Return what handing a word over takes in the quickest of some batches: 10 ms in all."""
    from lab.hardware.clock import calibrate
    from lab.hardware.handoff import KINDS, checksum_of, exchange, load_kernels

    trips, batches, clock = 200, 20, calibrate()
    load_kernels()
    seen = exchange(KINDS[0], (first, second), trips, batches, clock.code)
    if seen.sums != checksum_of(KINDS[0], trips, batches):
        raise ArithmeticError("words were lost on the way")
    return float(seen.ticks.min()) * clock.ns_per_tick / (2 * trips)
