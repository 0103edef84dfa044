"""The experiments on the machine itself, and on what an engine feels of it."""

from __future__ import annotations

from lab.experiments.experiment import Experiment

ABOUT_MACHINES: tuple[Experiment, ...] = (
    Experiment(
        "clock_cost",
        "What does it cost to ask what time it is, and how fine is the answer?",
        "every clock read back to back and after work, compiled and from Python",
        "",
        "lab.experiments.clock_cost:clock_cost",
        {
            "smoke": dict(readings_each=400, batches=3, rounds=1, seconds=0.02),
            "full": dict(independent=True, rounds=7, seconds=1.0, core=-2),
        },
        {"beside a C++ program": dict(independent=True, core=-2)},
    ),
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
        {"beside a C++ program": dict(independent=True)},
    ),
    Experiment(
        "jitter",
        "What does the machine take from a core that never rests?",
        "gaps in a pinned loop that only reads the clock, on each CPU in turn",
        "",
        "lab.experiments.jitter:jitter",
        {
            "smoke": dict(slice_ms=10.0, most_cpus=2, rounds=1, seconds=0.03),
            "full": dict(slice_ms=100.0, most_cpus=16, rounds=4, seconds=3.0),
        },
        {"a longer look": dict(slice_ms=100.0, seconds=3.0)},
    ),
    Experiment(
        "pinning",
        "What does an engine's tail gain from a core of its own?",
        "one engine, left to the kernel, pinned, disturbed by neighbours, in real time",
        "",
        "lab.experiments.pinning:pinning",
        {
            "smoke": dict(
                messages=500,
                live_orders=200,
                placements=["free", "neighbour"],
                rounds=1,
                seconds=0.02,
            ),
            "full": dict(messages=50_000, rounds=4, seconds=1.0),
        },
        {
            "only noisy neighbours": dict(placements=["free", "pinned", "neighbour"]),
            "a larger book": dict(live_orders=200_000),
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
            "full": dict(independent=True, rounds=3, seconds=4.0, core=-2),
        },
        {
            "within the caches": dict(largest=32, steps=2),
            "beside lat_mem_rd": dict(independent=True, core=-2),
        },
    ),
    Experiment(
        "memory_bandwidth",
        "How many bytes a second can be read, written and copied?",
        "the loops of STREAM over ever more memory, or on ever more CPUs at the same time",
        "",
        "lab.experiments.memory_bandwidth:memory_bandwidth",
        {
            "smoke": dict(largest=2, rounds=1, seconds=0.02),
            "full": dict(steps=2, rounds=4, seconds=4.0, core=-2),
        },
        {"more and more CPUs": dict(along="CPUs")},
    ),
    Experiment(
        "numa_matrix",
        "How far is each node's memory from each node's cores?",
        "loads and reads from each node's cores through memory that is bound to each node",
        "",
        "lab.experiments.numa_matrix:numa_matrix",
        {
            "smoke": dict(largest=2, rounds=1, seconds=0.02),
            "full": dict(largest=256, rounds=4, seconds=3.0),
        },
    ),
    Experiment(
        "page_cost",
        "What does a page cost the first time, and every time after?",
        "pages of every kind, come by one by one or all at once, in memory and in files",
        "",
        "lab.experiments.page_cost:page_cost",
        {
            "smoke": dict(mebibytes=4, rounds=1, seconds=0.02),
            "full": dict(mebibytes=64, rounds=4, seconds=5.0, core=-2),
        },
        {"much at once": dict(mebibytes=256)},
    ),
    Experiment(
        "mmap_tuning",
        "Which choice of memory shows in the tail of an engine that lives in it?",
        "the same orders timed in a book that fills and then is full, in each kind of memory",
        "",
        "lab.experiments.mmap_tuning:mmap_tuning",
        {
            "smoke": dict(messages=1_000, live_orders=300, rounds=1, seconds=0.02),
            "full": dict(
                memories="all",
                messages=200_000,
                live_orders=100_000,
                rounds=4,
                seconds=4.0,
                core=-2,
            ),
        },
        {
            "every kind of memory": dict(memories="all"),
            "a book larger than the caches": dict(messages=100_000, live_orders=500_000),
        },
    ),
)
