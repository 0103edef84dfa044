"""The doctor's checks of what takes a core from a measurement: others, the host, the kernel."""

from __future__ import annotations

from lab.hardware import machine
from lab.hardware.affinity import LAST, settled
from lab.hardware.counters import open_counters
from lab.hardware.finding import CPU, Patient, Seen, echo, hidden
from lab.hardware.privileges import limit_of
from lab.hardware.sample import Sample, cpu_times
from lab.hardware.scheduling import real_time_refusal, real_time_share
from lab.hardware.sysfs import format_list

_STOLEN_TICKS_MIN = 3  # fewer within a sample may be the rounding of a tick
_BUSY, _MUCH = 0.05, 0.25  # CPUs
_LOST_WARNING, _LOST_BAD = 0.005, 0.05
_DEVICE_A_SECOND_MAX = 1_000


def load(patient: Patient) -> Seen:
    """Others' work takes the measured core, its caches and the memory's bandwidth."""
    words = (patient.tree.text("/proc/loadavg") or "").split()
    if len(words) < 4:
        return hidden("/proc/loadavg")
    average, cpus = float(words[0]), max(1, len(patient.topology.pus))
    evidence = f"load {average:.2f} over the last minute on {cpus} CPUs, {words[3]} runnable/all"
    evidence += " tasks"
    severity = machine.load_severity(average, cpus)
    if patient.sample:
        evidence += _busiest(patient.sample)
        others = sum(consumer.cpus for consumer in patient.sample.consumers)
        severity = "warning" if severity == "fine" and others > _MUCH * cpus else severity
    remedy = "ps -eo pcpu,pid,comm --sort=-pcpu | head   # stop what is not needed, wait a minute"
    return Seen(severity, evidence, "" if severity == "fine" else remedy)


def _busiest(sample: Sample) -> str:
    """Name who used the CPUs just now."""
    busy = [consumer for consumer in sample.consumers if consumer.cpus >= _BUSY][:3]
    if not busy:
        return "; just now nobody uses a CPU"
    names = (f"{one.name} (pid {one.pid}) {one.cpus:.0%}" for one in busy)
    return f"; just now {', '.join(names)} of a CPU"


def stolen(patient: Patient) -> Seen:
    """Time in which the hypervisor ran somebody else on our CPU."""
    times = cpu_times(patient.tree)
    if times is None:
        return Seen("unknown", "/proc/stat does not show it")
    share, span = times[0] / max(1, times[1]), "since the machine started"
    sample = patient.sample
    if sample and sample.stolen_ticks >= _STOLEN_TICKS_MIN:
        recent = sample.stolen_ticks / max(1, sample.ticks)
        if recent > share:
            share, span = recent, "just now"
    evidence = f"{share:.2%} of the CPUs' time stolen by the hypervisor {span}"
    remedy = "no command removes it: use a dedicated or bare-metal host, repeat, compare in one run"
    severity = "bad" if share > 0.02 else "warning" if share > 0.001 else "fine"
    return Seen(severity, evidence, "" if severity == "fine" else remedy)


def lost(patient: Patient) -> Seen:
    """What a core that never rests does not get, whoever has it."""
    if patient.sample is None:
        return Seen("unknown", "it is measured on a machine that runs")
    pace = patient.sample.pace
    if pace is None:
        return Seen("unknown", patient.sample.no_pace)
    where = "" if pace.cpu is None else f" on CPU {pace.cpu}"
    evidence = f"{pace.lost:.2%} of 0.2 s of spinning{where}"
    evidence += f", {pace.longest_ns / 1e3:,.0f} µs in one piece at most"
    if pace.lost < _LOST_WARNING:
        return Seen("fine", evidence)
    remedy = "stop what runs beside it (load, interrupts); lab run jitter finds the quietest CPU"
    return Seen("bad" if pace.lost > _LOST_BAD else "warning", evidence, remedy)


def tick(patient: Patient) -> Seen:
    """The kernel interrupts a busy CPU at a steady rate, for a microsecond or several."""
    if patient.sample is None or "LOC" not in patient.sample.interrupts:
        return hidden("the rate of timer interrupts")
    cpu = settled(LAST)
    rate = patient.sample.interrupts["LOC"].get(cpu, 0) / patient.sample.seconds
    evidence = f"{rate:.0f} timer interrupts a second on CPU {cpu} while it was busy"
    quiet = patient.tree.cpus(f"{CPU}/nohz_full") or frozenset()
    if cpu in quiet or rate < 20:
        return Seen("fine", evidence)
    if len(patient.topology.pus) < 2:
        return Seen("warning", evidence, "use a machine with two CPUs or more, and nohz_full")
    return Seen("warning", evidence, f"boot with nohz_full={cpu} rcu_nocbs={cpu}")


def device_interrupts(patient: Patient) -> Seen:
    """A device's interrupt takes the core for microseconds, and its caches for longer."""
    if patient.sample is None or not patient.sample.interrupts:
        return hidden("what interrupts a CPU")
    cpu, seconds = settled(LAST), patient.sample.seconds
    rates = {
        name: row[cpu] / seconds
        for name, row in patient.sample.interrupts.items()
        if name.isdigit() and row.get(cpu)
    }
    total = sum(rates.values())
    if not rates:
        return Seen("fine", f"no device's on CPU {cpu} just now")
    most = max(rates, key=lambda name: rates[name])
    device = patient.sample.device_names.get(most, "")
    evidence = f"{total:,.0f} a second of devices on CPU {cpu}, most of {device or most}"
    others = frozenset(patient.topology.pus) - {cpu}
    if total < _DEVICE_A_SECOND_MAX:
        return Seen("fine", evidence)
    if not others:
        return Seen("warning", evidence, "use a machine with two CPUs or more")
    file, elsewhere = f"/proc/irq/{most}/smp_affinity_list", format_list(others)
    settings = patient.settings(elsewhere, file)
    return Seen("warning", evidence, echo(elsewhere, file), settings)


def watchdogs(patient: Patient) -> Seen:
    """A watchdog looks at each CPU every few seconds; the hard one takes a counter as well."""
    hard, soft = "/proc/sys/kernel/nmi_watchdog", "/proc/sys/kernel/soft_watchdog"
    states = patient.tree.number(hard), patient.tree.number(soft)
    if states == (None, None):
        return hidden(hard)
    evidence = f"nmi_watchdog {states[0]}, soft_watchdog {states[1]}"
    if not states[0]:
        return Seen("fine", evidence)
    return Seen("warning", evidence, echo(0, hard), patient.settings(0, hard))


def real_time(patient: Patient) -> Seen:
    """Without it a measured thread shares its CPU with whoever comes."""
    if patient.sample is None:
        return Seen("unknown", "it is asked of a machine that runs")
    refusal = real_time_refusal()
    if refusal:
        evidence, _, remedy = refusal.partition("; ")
        return Seen("warning", evidence, remedy)
    share = real_time_share(patient.tree)
    kept = "" if share is None else f", {1 - share:.0%} of each second kept for others"
    return Seen("fine", f"allowed{kept}")


def counters(patient: Patient) -> Seen:
    """Cycles, instructions and misses say why something is slow."""
    file = "/proc/sys/kernel/perf_event_paranoid"
    level = patient.tree.number(file)
    if patient.sample is None:
        if level is None:
            return hidden(file)
        if level <= 2:
            return Seen("fine", f"perf_event_paranoid is {level}")
        settings = patient.settings(2, file)
        return Seen("warning", f"perf_event_paranoid is {level}", echo(2, file), settings)
    opened, reason = open_counters()
    if opened is not None:
        names = ", ".join(opened.names).replace("_", " ")
        opened.close()
        return Seen("fine", f"counted: {names}" + (f"; {reason}" if reason else ""))
    evidence, _, remedy = reason.partition("; ")
    settings = patient.settings(2, file) if (level or 0) > 2 else {}
    return Seen("warning", evidence, remedy, settings)


def limits(patient: Patient) -> Seen:
    """Limits of the process that end a run in the middle."""
    if patient.sample is None:
        return Seen("unknown", "it is asked of a machine that runs")
    asked = {"RLIMIT_NOFILE": 128, "RLIMIT_NPROC": 64, "RLIMIT_FSIZE": 2**30, "RLIMIT_CPU": 3_600}
    short = {"RLIMIT_NOFILE": "-n", "RLIMIT_NPROC": "-u", "RLIMIT_FSIZE": "-f", "RLIMIT_CPU": "-t"}
    low = {
        name: limit
        for name, least in asked.items()
        if (limit := limit_of(name)) is not None and limit < least
    }
    if not low:
        return Seen("fine", "files, processes, sizes and time are enough")
    evidence = ", ".join(f"ulimit {short[name]} is {limit}" for name, limit in low.items())
    remedy = "; ".join(f"ulimit {short[name]} {asked[name]}   # or more" for name in low)
    return Seen("warning", evidence, remedy)
