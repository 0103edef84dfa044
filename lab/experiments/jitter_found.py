"""Which CPUs ``jitter`` spins on, and in words what was taken from them and by whom."""

from __future__ import annotations

from statistics import median
from typing import Any

from lab.hardware.affinity import (
    allowed_cpus,
    is_told_of_isolation,
    isolated_cpus,
    tickless_cpus,
)
from lab.hardware.interruptions import tick_ms
from lab.hardware.sysfs import format_list
from lab.measure.bench import Bench
from lab.measure.tally import Run
from lab.units import amount, duration, share

_CAUSES = 3  # told of a CPU
_RARE = 0.1  # a second


def chosen_cpus(bench: Bench, most_cpus: int, room: int | None) -> list[int]:
    """Return the CPUs to spin on, and note what the kernel was told of them at boot.

    Parameters
    ----------
    bench
        Takes the notes.
    most_cpus
        On how many to spin at most.
    room
        For how many there is memory, None for any number.
    """
    allowed = allowed_cpus()
    wanted = min(most_cpus, len(allowed))
    step = -(-len(allowed) // (wanted if room is None else min(wanted, room)))
    cpus = allowed[::step]
    if step > 1:
        bench.note(f"{len(cpus)} of {len(allowed)} CPUs: every {step}th, from the first.")
    if room is not None and room < wanted:
        bench.note(
            f"Only CPUs {format_list(set(cpus))} were looked at: each takes two processes of about "
            "100 MiB, all at once, and no more than half of the memory that is free is taken; free "
            "some, or give the container more."
        )
    _note_isolation(bench, allowed[-1])
    return cpus


def _note_isolation(bench: Bench, last: int) -> None:
    """Note what the kernel was told of the CPUs at boot, and what keeps others off the last one."""
    isolated, tickless = set(isolated_cpus()), set(tickless_cpus())
    bench.facts["isolated_cpus"] = format_list(isolated)
    if not is_told_of_isolation():
        bench.note("Whether a CPU is isolated cannot be seen: /sys is hidden here; mount it.")
    elif isolated or tickless:
        bench.note(
            f"Isolated at boot: CPUs {format_list(isolated) or 'none'}; without a tick while one "
            f"thread runs: {format_list(tickless) or 'none'}."
        )
    else:
        bench.note(
            f"No CPU is isolated, and each has a timer tick. To keep others off CPU {last}, boot "
            f"with isolcpus={last} nohz_full={last} rcu_nocbs={last} on the kernel's command line."
        )


def say_what_was_found(bench: Bench) -> None:
    """Put the finding into words, and note the likely causes CPU by CPU."""
    by_cpu = {
        rival: [run for run in bench.runs if run.rival == rival]
        for rival in dict.fromkeys(run.rival for run in bench.runs)
    }
    stolen = {rival: _median(runs, "stolen") for rival, runs in by_cpu.items()}
    longest = {
        rival: max(run.outcome["longest_ns"] for run in runs) for rival, runs in by_cpu.items()
    }
    most, least = max(stolen, key=stolen.__getitem__), min(stolen, key=stolen.__getitem__)
    bench.finding = f"{most} loses {share(stolen[most])} of its time to others"
    if most != least:
        bench.finding += f", {least} {share(stolen[least])}"
    worst = max(longest, key=longest.__getitem__)
    bench.finding += f"; the longest gap was {duration(longest[worst])}" + f", on {worst}" * (
        most != least
    )
    for rival, runs in by_cpu.items():
        bench.note(_causes(rival, runs, longest[rival]))
        cut = sum(run.outcome["gaps_cut"] for run in runs)
        if cut:
            bench.note(
                f"{rival}: {amount(cut)} gaps were more than a slice keeps: they count in the "
                "rate, in the time lost and as the longest, and the histogram is without them; "
                "choose shorter slices or a higher threshold."
            )


def _causes(rival: str, runs: list[Run], longest_ns: float) -> str:
    """Say what the kernel counted while a CPU was spun on."""
    spun_s = sum(run.outcome["spun_s"] for run in runs)
    counted = [run.outcome["interruptions"] for run in runs]
    interrupts: dict[str, int] = {}
    for one in counted:
        for name, count in one["interrupts"].items():
            interrupts[name] = interrupts.get(name, 0) + count
    often = sorted(interrupts.items(), key=lambda item: -item[1])[:_CAUSES]
    told = [f"{count / spun_s:.3g} {name}" for name, count in often if count / spun_s > _RARE]
    lost = sum(one["involuntary"] for one in counted)
    given = sum(one["voluntary"] for one in counted)
    return (
        f"{rival}: {amount(_median(runs, 'gaps'))} gaps a second, the longest "
        f"{duration(longest_ns)}, in {spun_s:.1f} s; {_kernel_counted(told, counted)}; a second, "
        f"another program had the CPU {lost / spun_s:.3g} times and it was given away "
        f"{given / spun_s:.3g} times{_uses(counted, spun_s)}."
    )


def _kernel_counted(told: list[str], counted: list[dict[str, Any]]) -> str:
    """Say which interrupts there were, or that they cannot be seen."""
    if not any(one["shown"] for one in counted):
        return "interrupts cannot be seen (/proc/interrupts is hidden)"
    return f"the kernel counted, a second, {', '.join(told) or 'no interrupts'}"


def _uses(counted: list[dict[str, Any]], spun_s: float) -> str:
    """Say which part of the time the host and the kernel's own work took, where that is told."""
    if not any(one["ticks"] for one in counted):
        return "; steal cannot be seen (/proc/stat is hidden)"
    parts = {
        use: sum(one["ticks"].get(use, 0) for one in counted) * tick_ms() / 1e3 / spun_s
        for use in ("steal", "softirq")
    }
    return "; " + ", ".join(f"{use} {100 * part:.2g} %" for use, part in parts.items())


def _median(runs: list[Run], metric: str) -> Any:
    values = (
        reading["value"]
        for run in runs
        for reading in run.outcome["readings"]
        if reading["metric"] == metric
    )
    return median(values)
