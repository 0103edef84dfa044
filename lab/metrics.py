"""What is measured, in words: of what one number is, what an axis calls it, which figure shows it.

The one table of metrics that figures and tables read. A metric that it does not know is written as
it is called, and has no figure of its own.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

PAIR = re.compile(r"(CPU|node) (\d+) (↔|→) \1 (\d+)")
"""A case from one to another: ``CPU 0 ↔ CPU 1`` there and back, ``node 0 → node 1`` one way."""

INDEPENDENT = ("C++", "lat_mem_rd")
"""Programs that measure the same beside the lab; their lines are called ``flag, C++``."""


@dataclass(frozen=True)
class Metric:
    """A metric in words.

    Attributes
    ----------
    caption
        Of a table.
    of
        What one number is taken of: a command, a load, a page.
    measure
        What of it is measured, as an axis says it: "service time" of a command.
    figure
        The kind of figure that is made for it; "" where there is none but those of times.
    """

    caption: str
    of: str = "command"
    measure: str = "time"
    figure: str = ""


METRICS = {
    "throughput": Metric("commands a second"),
    "service_time": Metric("service time of a command", measure="service time"),
    "memory": Metric("memory a live order, levels included"),
    "speed_up": Metric("times what one core does"),
    "cycles": Metric("cycles a command"),
    "instructions": Metric("instructions a command"),
    "cache_misses": Metric("cache misses a command"),
    "branch_misses": Metric("branch misses a command"),
    "tlb_misses": Metric("TLB misses a command"),
    "cost": Metric("cost of a reading", "reading", "cost", "costs"),
    "one_way": Metric("time from one CPU to the other", "hand-over", "time", "matrix"),
    "load_latency": Metric("time of a load", "load", "time", "staircase"),
    "latency": Metric("time of a load", "load", "time", "matrix"),
    "bandwidth": Metric("bytes a second", "byte", "time", "staircase"),
    "page": Metric("time of a page", "page", "time", "costs"),
    "step": Metric("step of the clock", "reading", "step"),
    "apart": Metric("how far an independent program is apart"),
    "fault": Metric("time of a fault", "fault"),
    "page_faults": Metric("page faults a command"),
    "set_up": Metric("time to set the memory up", "set-up"),
    "gap": Metric("length of a gap", "gap", "length", "gaps"),
    "gaps": Metric("gaps a second", "gap"),
    "stolen": Metric("part of the time that was taken", "gap"),
}


def metric_named(name: str) -> Metric:
    """Return what is known of a metric; of another one, its name as its caption."""
    return METRICS.get(name) or Metric(name.replace("_", " "))


def stem_of(rival: str) -> str:
    """Return what an independent program measures beside the lab; "" of the lab's own rivals."""
    stem, _, program = rival.rpartition(", ")
    return stem if program in INDEPENDENT else ""
