"""The experiments on matching engines."""

from __future__ import annotations

from lab.experiments.experiment import Experiment

_TWO = ["binary_heap", "price_ladder"]  # one in plain Python, one compiled: for a smoke run

ABOUT_MATCHING: tuple[Experiment, ...] = (
    Experiment(
        "matching_throughput",
        "How many commands a second does each structure of an order book take?",
        "the same commands in batches through every engine, from a book that is already full",
        "matching",
        "lab.experiments.matching_throughput:matching_throughput",
        {
            "smoke": dict(engines="all", messages=2_000, live_orders=500, rounds=1, seconds=0.02),
            "full": dict(engines="fast", messages=2_000_000, rounds=7, seconds=1.0, core=-2),
        },
        {
            "a book larger than the caches": dict(
                engines="compiled", messages=200_000, live_orders=1_000_000
            ),
            "one command a call": dict(engines="fast", batch=1),
            "until it is clear": dict(engines="fast", rounds=12, stop_early=True),
        },
    ),
    Experiment(
        "matching_latency",
        "Which structure answers a command fastest, and how bad is its tail?",
        "each command timed inside the engine; then calls from Python of one command and many",
        "matching",
        "lab.experiments.matching_latency:matching_latency",
        {
            "smoke": dict(engines="all", messages=2_000, live_orders=500, rounds=1, seconds=0.02),
            "full": dict(
                engines="all",
                messages=50_000,
                live_orders=50_000,
                rounds=7,
                seconds=1.0,
                core=-2,
            ),
        },
        {
            "every engine": dict(engines="all", messages=20_000),
            "a book larger than the caches": dict(engines="compiled", live_orders=1_000_000),
            "until it is clear": dict(rounds=12, stop_early=True),
        },
    ),
    Experiment(
        "matching_scaling",
        "How does throughput hold as a book grows: live orders, symbols, price width?",
        "the same commands in batches at several points of an axis, and what books take up",
        "matching",
        "lab.experiments.matching_scaling:matching_scaling",
        {
            "smoke": dict(
                engines=_TWO,
                messages=1_000,
                lowest=100,
                highest=400,
                points=2,
                rounds=1,
                seconds=0.02,
            ),
            "full": dict(
                engines="compiled", messages=100_000, highest=0, rounds=4, seconds=0.5, core=-2
            ),
        },
        {
            "more symbols": dict(engines="compiled", across="symbols", highest=10_000),
            "wider prices": dict(engines="compiled", across="width", highest=65_536),
        },
    ),
    Experiment(
        "matching_sharding",
        "How much faster is an exchange whose symbols are spread over cores?",
        "the same symbols in one engine, then over more and more, each with a core of its own",
        "matching",
        "lab.experiments.matching_sharding:matching_sharding",
        {
            "smoke": dict(
                engines=_TWO,
                messages=2_000,
                live_orders=500,
                rounds=1,
                seconds=0.02,
                symbols=8,
            ),
            "full": dict(engines="compiled", messages=500_000, rounds=7, seconds=1.0),
        },
        {"one command a call": dict(engines="compiled", batch=1)},
    ),
    Experiment(
        "matching_rivals",
        "How do the packages that match orders on PyPI compare with these engines?",
        "the same plain flow through each package, one order a call, and through our engines",
        "matching",
        "lab.experiments.matching_rivals:matching_rivals",
        {
            "smoke": dict(messages=500, live_orders=200, rounds=1, seconds=0.02),
            "full": dict(messages=50_000, rounds=7, seconds=1.0, core=-2),
        },
        {"an almost empty book": dict(live_orders=100)},
    ),
    Experiment(
        "latency_under_load",
        "How much load can an engine take before its tail goes?",
        "commands on a schedule that waits for no answer, at more and more a second",
        "matching",
        "lab.experiments.latency_under_load:latency_under_load",
        {
            "smoke": dict(
                engines=_TWO,
                messages=2_000,
                live_orders=500,
                lowest=20,
                highest=150,
                loads=3,
                rounds=1,
                seconds=0.02,
            ),
            "full": dict(messages=200_000, rounds=7, seconds=4.0, core=-2),
        },
        {
            "bursts": dict(arrivals="bursts"),
            "around the knee": dict(lowest=60.0, highest=110.0, loads=11),
            "waiting commands together": dict(batch=64),
        },
    ),
    Experiment(
        "replay",
        "How fast does each engine run a recorded day, and is its book right?",
        "a day's messages as commands through every engine, then checked against its book",
        "matching",
        "lab.experiments.replay:replay",
        {
            "smoke": dict(engines="all", rounds=1, seconds=0.02),
            "full": dict(engines="all", rounds=7, seconds=1.0),
        },
        {"every engine": dict(engines="all")},
    ),
)
