"""How do the packages that match orders on PyPI compare with these engines?

Everybody gets the same flow in one run, reduced to what all of them can do
(``lab.experiments.rivals.plain_flow``), with every command in the form of the package's own call,
made beforehand. The case ``one order a call`` is how such packages are used from Python, and our
engines are called that way too; the case ``batch`` is how ours are meant to be called.

Trades, lots and the book that is left are held against the reference's; ``RIVALS`` says what each
package does not tell, or does by rules of its own. Not for tails: see ``matching_latency``.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import Field

from engines.errors import InputError
from lab.experiments.matching_parameters import (
    Batch,
    Core,
    Engines,
    FlowName,
    LiveOrders,
    Rounds,
    Seconds,
    Seed,
    Smallest,
    StopEarly,
    fast,
    in_order,
)
from lab.experiments.parameters import Control
from lab.experiments.rivals import RIVALS, missing_line

if TYPE_CHECKING:
    from lab.experiments.rivals.plain_flow import PlainFlow
    from lab.measure.bench import Bench
    from lab.measure.process import Task

ONE_A_CALL = "one order a call"
MANY_A_CALL = "batch"
_TASKS = "lab.experiments.rivals.task"

Commands = Annotated[
    int,
    Field(
        ge=100,
        le=1_000_000,
        description="Commands in one measured pass; packages that take tens of microseconds for "
        "one get the first 50,000 at most.",
    ),
    Control(unit="commands", scale="log"),
]
Rivals = Annotated[
    list[str],
    Field(description="The packages to compare; one that is not installed is left out and named."),
    Control(choices=tuple(RIVALS)),
]


def matching_rivals(
    bench: Bench,
    *,
    flow: FlowName = "balanced",
    messages: Commands = 20_000,
    live_orders: LiveOrders = 10_000,
    rivals: Rivals = list(RIVALS),  # noqa: B006
    engines: Engines = fast(),  # noqa: B006, B008
    batch: Batch = 10_000,
    rounds: Rounds = 3,
    stop_early: StopEarly = False,
    smallest: Smallest = 2.0,
    seconds: Seconds = 0.2,
    core: Core = -1,
    seed: Seed = 1,
) -> None:
    """Measure whole passes over one flow; a process's value is the rate of its median pass."""
    from lab.experiments.rivals.plain_flow import as_array, reduced
    from lab.workloads.order_flow import generate

    present = [name for name in rivals if RIVALS[name].present]
    if not present:
        raise InputError(f"no package to compare with is there; {missing_line(rivals)}")
    bench.say("starting", f"making {messages:,} commands and reducing them")
    plain = reduced(generate(flow, messages, live_orders, seed))
    shared = {
        "preload": bench.share(as_array(plain.preload)),
        "commands": bench.share(as_array(plain.commands)),
    }
    known = _known(bench, plain, present, shared)
    tasks = _tasks(plain, present, in_order(engines), known, shared, batch, seconds)
    _note_flow(bench, plain, rivals, batch)
    bench.compare(
        tasks,
        case=ONE_A_CALL,
        rounds=rounds,
        core=core,
        seed=seed,
        smallest=smallest / 100,
        early=stop_early,
    )
    _note_rivals(bench, present, len(plain.commands))


def estimate_seconds(parameters: Mapping[str, Any]) -> float:
    """Return about how long a run takes."""
    live, messages = parameters["live_orders"], parameters["messages"]
    commands = live + messages
    total_s = 2.5 + 20e-6 * commands + 1e-6 * commands * (15 + live / 1_000)
    for name in parameters["rivals"]:
        rival = RIVALS[name]
        if rival.present:
            passed = live + _length(rival.messages_max, messages)
            total_s += (
                2
                * parameters["rounds"]
                * _process_seconds(1.5e-6 * rival.call_us * passed, parameters["seconds"])
            )
    for _ in parameters["engines"]:
        process_s = 1.0 + _process_seconds(5e-6 * commands, parameters["seconds"])
        total_s += 2 * parameters["rounds"] * process_s
    return total_s


def _process_seconds(pass_s: float, budget_s: float) -> float:
    """Return what a process costs whose passes take so long: one is watched, at least one timed."""
    return 0.4 + pass_s + max(pass_s, budget_s + pass_s / 2)


def _length(most: int, commands: int) -> int:
    return min(most or commands, commands)


def _known(
    bench: Bench, plain: PlainFlow, present: list[str], shared: Mapping[str, Any]
) -> dict[int, dict[str, int]]:
    """Have the oracle say what is right after each number of commands that somebody gets."""
    from lab.experiments.rivals.api import Facts
    from lab.measure.process import Task

    whole = len(plain.commands)
    lengths = sorted({whole, *(_length(RIVALS[name].messages_max, whole) for name in present)})
    arguments = {"orders": plain.orders_max, "lengths": lengths}
    answer = bench.run(Task(f"{_TASKS}:expect", arguments, shared), "the reference's answer")
    known = dict(zip(lengths, answer["facts"], strict=True))
    bench.expect(Facts(**known[whole]).digest())
    return known


def _tasks(
    plain: PlainFlow,
    present: list[str],
    engines: list[str],
    known: Mapping[int, dict[str, int]],
    shared: Mapping[str, Any],
    batch: int,
    seconds: float,
) -> dict[str, Task]:
    """Return a task for each engine and each package."""
    from lab.experiments.rivals.api import Facts
    from lab.measure.process import Task

    whole = len(plain.commands)
    digest = Facts(**known[whole]).digest()
    common = {"orders": plain.orders_max, "digest": digest, "seconds": seconds}
    tasks = {}
    for engine in engines:
        cases = {ONE_A_CALL: 1, MANY_A_CALL: batch}
        own = common | {"engine": engine, "batches": cases, "facts": known[whole]}
        tasks[engine] = Task(f"{_TASKS}:own", own, shared)
    for name in present:
        length = _length(RIVALS[name].messages_max, whole)
        its = {"name": name, "messages": length, "facts": known[length], "case": ONE_A_CALL}
        tasks[name] = Task(f"{_TASKS}:rival", common | its, shared)
    return tasks


def _note_flow(bench: Bench, plain: PlainFlow, rivals: list[str], batch: int) -> None:
    """Say what everybody gets, and who is not there."""
    left_out = f"; {plain.left_out:,} commands have no counterpart" if plain.left_out else ""
    bench.note(
        f"The flow is reduced to limit orders that rest and cancels of live orders, "
        f"{len(plain.commands):,} of them{left_out}. An immediate-or-cancel or market order is a "
        "limit order and the cancel of what is left; a replace or a reduction is a cancel and a "
        "new order."
    )
    bench.note(
        "Commands are in the form of each package's call before the clock starts. Packages return "
        "or log what they do in one order a call; our engines write events in both cases, and take "
        f"{batch:,} commands a call in batch. None of the packages takes cancels in a batch."
    )
    if line := missing_line(rivals):
        bench.note(f"Left out: {line}.")


def _note_rivals(bench: Bench, present: list[str], commands: int) -> None:
    """Say of each package its version and licence, what it did not tell, and where it differed."""
    for name in present:
        rival = RIVALS[name]
        outcomes = [run.outcome for run in bench.runs if run.rival == name]
        words = [
            f"{name} {rival.present} ({rival.licence or 'licence not named'}): {rival.made_of}"
        ]
        words += [rival.note] if rival.note else []
        if (length := _length(rival.messages_max, commands)) < commands:
            words.append(f"it is slow and got the first {length:,} commands only")
        untold = list(dict.fromkeys(fact for outcome in outcomes for fact in outcome["untold"]))
        words += [f"not told: {', '.join(untold)}"] if untold else []
        found = list(dict.fromkeys(fact for outcome in outcomes for fact in outcome["differences"]))
        words.append(
            f"it differs from the reference: {', '.join(found)}"
            if found
            else "all else as the reference"
        )
        bench.note("; ".join(words) + ".")
