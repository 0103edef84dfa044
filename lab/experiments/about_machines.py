"""The experiments on the machine itself, and on what an engine feels of it."""

from __future__ import annotations

from lab.experiments.experiment import Experiment

ABOUT_MACHINES: tuple[Experiment, ...] = (
    Experiment(
        "core_to_core",
        "How long does a word take from one core to another?",
        "half a round trip between two pinned threads, by compare-and-swap and by a flag",
        "",
        "lab.experiments.core_to_core:core_to_core",
        {
            "smoke": dict(most_cpus=4, trips=200, batches=5, rounds=1, seconds=0.02),
            "full": dict(independent=True, rounds=4, seconds=1.0),
        },
    ),
    Experiment(
        "memory_latency",
        "How long does a load take as the memory it goes through grows?",
        "loads that wait for each other through ever more memory, in three orders of lines",
        "",
        "lab.experiments.memory_latency:memory_latency",
        {
            "smoke": dict(largest=2, rounds=1, seconds=0.02),
            "full": dict(steps=2, independent=True, rounds=3, seconds=8.0, core=-2),
        },
    ),
)
